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
    ("keys", "period", "seconds", "retries"),
    [
        ({}, 86400, 82080, 3),
        ({"retries": 10}, 86400, 82080, 10),
        ({"retries": 0}, 86400, 82080, 0),
        ({}, 60, 57, 0),
        ({"restart_sec": "20s"}, 60, 57, 2),
        ({"restart_sec": "0s", "retries": 3}, 60, 57, 3),
        ({}, 1, 1, 0),
    ],
)
def test_retries_stay_inside_the_period(keys, period, seconds, retries):
    window = retry_window(job(**keys), period)
    assert (round(window.seconds), window.retries) == (seconds, retries)


def test_more_retries_than_fit_are_refused():
    with pytest.raises(ValueError, match=r"at most 0 \(a retry every 1min, the job every 60 s\)"):
        retry_window(job(retries=1), 60)
