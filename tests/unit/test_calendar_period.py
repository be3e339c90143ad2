# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a calendar expression elapses, and the retries that fit between two times."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.calendar_period import (
    by_expression,
    elapses,
    retry_window,
    shortest_period,
    shortest_period_of,
)
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services

PRINTED = """\
  Original form: daily
Normalized form: *-*-* 00:00:00
    Next elapse: Tue 2024-01-02 00:00:00 UTC
       From now: 2 years 10 months ago
   Iteration #2: Wed 2024-01-03 00:00:00 UTC
       From now: 2 years 10 months ago
       Iter. #3: Thu 2024-01-04 00:00:00.500000 UTC
       From now: 2 years 10 months ago

  Original form: Wed 06:00
Normalized form: Wed *-*-* 06:00:00
    Next elapse: Wed 2024-01-03 06:00:00 UTC
       From now: 2 years 10 months ago
"""
#: As for a list of three: the second is written in its normalized form already.
THREE = """\
  Original form: daily
Normalized form: *-*-* 00:00:00
    Next elapse: Tue 2024-01-02 00:00:00 UTC
       From now: 2 years 10 months ago

Normalized form: *-*-* 03:00:00
    Next elapse: Mon 2024-01-01 03:00:00 UTC
       From now: 2 years 10 months ago
       Iter. #2: Tue 2024-01-02 03:00:00 UTC
       From now: 2 years 10 months ago

  Original form: 2020-01-01
Normalized form: 2020-01-01 00:00:00
    Next elapse: never
"""


def job(**keys: object):
    return parse_services([{"name": "a", "user": "a", "exec_start": ["/a"], "on_calendar": ["daily"], **keys}])[0]


def test_what_is_printed_about_several_expressions_is_told_apart():
    parts = by_expression(THREE)
    assert [part.splitlines()[0] for part in parts] == ["*-*-* 00:00:00", "*-*-* 03:00:00", "2020-01-01 00:00:00"]
    assert [len(elapses(part)) for part in parts] == [1, 2, 0]
    assert by_expression("") == []


def test_times_are_read_from_what_systemd_analyze_prints():
    assert [time - 1704153600 for time in elapses(PRINTED)] == [0, 86400, 2 * 86400, 86400 + 6 * 3600]


@pytest.mark.parametrize(
    ("times", "period"),
    [([], 365 * 86400), ([5.0], 365 * 86400), ([0.0, 86400.0, 90000.0], 3600), ([7.0, 0.0, 7.0], 7)],
)
def test_the_period_is_the_shortest_gap(times, period):
    assert shortest_period(times) == period


@pytest.mark.parametrize(
    ("keys", "period", "retries", "longest_try"),
    [
        # The start that is refused comes after one pause more than there are retries.
        ({}, 86400, 3, 5340),
        ({"retries": 10}, 86400, 10, 3600),
        ({"retries": 0}, 86400, 0, 21540),
        # Where nothing bounds a try, each may take a minute; 240 s of pauses alone would leave 11 s.
        ({}, 300, 1, 60),
        ({"retries": 3}, 300, 3, 11),
        ({}, 120, 0, 54),
        ({}, 60, 0, -3),
        ({}, 1, 0, -59),
        # What is written about retries wants one, also when it must be short.
        ({"restart": "on-failure"}, 200, 2, 3),
        ({"restart_sec": "20s"}, 60, 1, 8),
        ({"restart_sec": "0s", "retries": 3}, 60, 3, 14),
        ({"restart_sec": "0s", "retries": 10**18}, 60, 10**18, 0),
        # A written timeout bounds each try, whatever it does.
        ({"timeout_start_sec": "50s"}, 300, 1, None),
        ({"timeout_start_sec": "10s"}, 300, 3, None),
        ({"timeout_start_sec": "40s", "exec_start_pre": ["/b"]}, 300, 1, None),
        ({"timeout_start_sec": "2min"}, 300, 0, None),
        ({"timeout_start_sec": "infinity"}, 300, 1, 60),
        ({"timeout_start_sec": "0"}, 300, 1, 60),
        ({"directives": {"Service": {"TimeoutStartSec": "10s"}}}, 300, 3, None),
        ({"directives": {"Service": {"RestartSec": "2min"}}}, 300, 0, 120),
        ({"directives": {"Service": {"RestartSec": "soon"}}}, 300, 1, 60),
        # Pauses that grow: 10, 31.6, 100 and 100 s.
        ({"restart_sec": "10s", "restart_steps": 2, "restart_max_delay_sec": "100s", "retries": 3}, 300, 3, 10),
        ({"restart_sec": "10s", "restart_steps": 2, "restart_max_delay_sec": "100s"}, 300, 1, 99),
        # Two starts are nearer to each other than the period when each is late by a random time.
        ({"directives": {"Timer": {"RandomizedDelaySec": "1min"}}}, 300, 0, 120),
        ({"directives": {"Timer": {"RandomizedDelaySec": "5min"}}}, 300, 0, -60),
        # The user's own start limit.
        ({"start_limit_interval_sec": "1h"}, 300, 3, 840),
        ({"start_limit_interval_sec": "1h", "start_limit_burst": 5}, 300, 4, None),
    ],
)
def test_retries_stay_inside_the_period(keys, period, retries, longest_try):
    window = retry_window(job(**keys), period)
    found = None if window.longest_try == float("inf") else int(window.longest_try)
    assert (window.retries, found) == (retries, longest_try)


@pytest.mark.parametrize(
    ("keys", "period", "seconds"),
    [
        # Where nothing bounds a try: a quarter of the period, or tries of an hour, and always over by the next time.
        ({}, 86400, 21600),
        ({}, 7 * 86400, 151200),
        ({}, 6 * 3600, 14640),
        ({}, 3600, 3420),
        # As late as a timer may be by itself, where there is room for it.
        ({}, 300, 240),
        ({"directives": {"Timer": {"AccuracySec": "1s"}}}, 300, 285),
        ({"retries": 3}, 300, 285),
        ({"retries": 3, "restart_sec": "10s"}, 300, 285),
        # What the tries need, their ends included, and a minute.
        ({"timeout_start_sec": "10min"}, 86400, 4 * (60 + 600.5 + 90) + 60),
        ({"timeout_start_sec": "10min", "timeout_stop_sec": "5s", "retries": 1}, 86400, 2 * (60 + 600.5 + 5) + 60),
        ({"timeout_start_sec": "50s"}, 300, 240),
        ({"timeout_start_sec": "80s", "timeout_stop_sec": "1s"}, 300, 285),
        ({"directives": {"Timer": {"RandomizedDelaySec": "30min"}}}, 3600, 1710),
        ({"directives": {"Timer": {"RandomizedDelaySec": "30min", "FixedRandomDelay": "yes"}}}, 3600, 3420),
        # The user's own.
        ({"start_limit_interval_sec": "2d"}, 86400, 2 * 86400),
    ],
)
def test_the_window_is_as_long_as_the_tries_need(keys, period, seconds):
    assert retry_window(job(**keys), period).seconds == seconds


@pytest.mark.parametrize(
    ("keys", "period", "message"),
    [
        ({"retries": 1}, 60, r"at most 0 \(a retry every 1min, the job every 60 s\)"),
        ({"retries": 4}, 300, r"at most 3 \(a retry every 1min, the job every 300 s\)"),
        (
            {"retries": 3, "timeout_start_sec": "50s"},
            300,
            r"at most 1 \(a retry every 1min, each try up to 50 s, the job every 300 s\)",
        ),
        ({"restart": "on-failure"}, 60, "at most 0 "),
        ({"restart_sec": "1min"}, 60, "at most 0 "),
        ({"retries": 10**18}, 300, "at most 3 "),
    ],
)
def test_more_retries_than_fit_are_refused(keys, period, message):
    with pytest.raises(ValueError, match=message):
        retry_window(job(**keys), period)


def test_a_rare_expression_is_held_against_a_frequent_one_beyond_its_listed_times():
    """Every ten minutes for as many times as are listed, and once a day at 21:02."""
    frequent, rare = [600.0 * number for number in range(110)], [75720.0 + 86400 * number for number in range(110)]
    asked = []

    def elapses_from(expression, moment):
        asked.append(expression)
        first = -(-moment // 600) * 600
        return [first + 600 * number for number in range(3)]

    assert shortest_period_of({"often": frequent, "rare": rare}, elapses_from) == 120
    assert set(asked) == {"often"}
    assert shortest_period_of({"often": frequent}, elapses_from) == 600


@pytest.mark.parametrize(
    "directives",
    [
        {"Service": {"RestartSec": []}},
        {"Service": {"TimeoutStopSec": []}},
        {"Timer": {"RandomizedDelaySec": []}},
        {"Timer": {"FixedRandomDelay": []}},
        {"Timer": {"AccuracySec": []}},
    ],
)
def test_a_line_that_is_taken_out_leaves_systemds_own_default(directives):
    taken_out = job(timeout_start_sec="5min", directives=directives)
    assert retry_window(taken_out, 86400.0).retries == 3
