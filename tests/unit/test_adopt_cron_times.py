# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time fields of crontabs as calendar expressions: they elapse exactly when cron would start the line."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.adopt_cron_times import (
    Undecidable,
    calendar_of,
    every_minute,
)
from hypothesis import given
from hypothesis import strategies as st

from cron_times import MONTHS, WEEKDAYS, starts

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", ["*-*-* *:*:00"]),
        ("0 3 * * *", ["*-*-* 03:00:00"]),
        ("*/15 * * * *", ["*-*-* *:00/15:00"]),
        ("*/25 * * * *", ["*-*-* *:00,25,50:00"]),
        ("5-59/10 0-6 * * *", ["*-*-* 00..06:05/10:00"]),
        ("0,30 8-18 * * mon-fri", ["Mon..Fri *-*-* 08..18:00,30:00"]),
        ("0 0 1 jan,JUL *", ["*-01,07-01 00:00:00"]),
        ("0 0 * * 0", ["Sun *-*-* 00:00:00"]),
        ("0 0 * * 7", ["Sun *-*-* 00:00:00"]),
        ("0 0 * * 5-7", ["Fri..Sun *-*-* 00:00:00"]),
        ("0 0 * * 0-7", ["*-*-* 00:00:00"]),
        ("0 0 13 * fri", ["*-*-13 00:00:00", "Fri *-*-* 00:00:00"]),
        ("0 0 */2 * 1", ["Mon *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 00:00:00"]),
        ("0 0 1-7 * */2", ["Tue,Thu,Sat,Sun *-*-01..07 00:00:00"]),
        ("0 0 1-31 * 1", ["*-*-* 00:00:00"]),
        ("0 0 1 * 0-6", ["*-*-* 00:00:00"]),
        ("0 */6 * */3 *", ["*-01/3-* 00/6:00:00"]),
        ("10,30 * * * *", ["*-*-* *:10,30:00"]),
        ("10,30,50 * * * *", ["*-*-* *:10/20:00"]),
        ("20,40,59 * 1,11,21,31 * *", ["*-*-01,11,21,31 *:20,40,59:00"]),
        ("30-58/4 * * * *", ["*-*-* *:30,34,38,42,46,50,54,58:00"]),
        ("5-59/7 0 * * *", ["*-*-* 00:05,12,19,26,33,40,47,54:00"]),
        ("0 0 11-31/10 * *", ["*-*-11,21,31 00:00:00"]),
        ("@yearly", ["*-01-01 00:00:00"]),
        ("@annually", ["*-01-01 00:00:00"]),
        ("@monthly", ["*-*-01 00:00:00"]),
        ("@Weekly", ["Sun *-*-* 00:00:00"]),
        ("@daily", ["*-*-* 00:00:00"]),
        ("@midnight", ["*-*-* 00:00:00"]),
        ("@hourly", ["*-*-* *:00:00"]),
    ],
)
def test_known_schedules(schedule: str, expected: list[str]) -> None:
    assert calendar_of(schedule) == expected


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("@reboot", "@reboot is no time: systemd starts at each boot what is enabled"),
        ("@fortnightly", "@fortnightly is no time that crontab(5) knows"),
        ("5/10 * * * *", "5/10 is read differently by different crons; write a range, such as 5-59/10"),
        ("60 * * * *", "60 is no minute"),
        ("0 24 * * *", "24 is no hour"),
        ("0 0 0 * *", "0 is no day of the month"),
        ("0 0 * foo *", "foo is no month"),
        ("0 0 * * 8", "8 is no day of the week"),
        ("0 0 * * fri-mon", "fri-mon is an empty range"),
        ("*/0 * * * *", "*/0 is an empty range"),
        ("~ * * * *", "~ is not understood as minute"),
        ("0 0 * *", "0 0 * * is no time that crontab(5) knows"),
    ],
)
def test_what_has_no_calendar_expression(schedule: str, said: str) -> None:
    with pytest.raises(Undecidable, match=re.escape(said)):
        calendar_of(schedule)


@pytest.mark.parametrize(
    ("schedule", "expected"), [("* * * * *", True), ("0,1 3 * * *", True), ("*/2 * * * *", False), ("@daily", False)]
)
def test_times_a_minute_apart(schedule: str, expected: bool) -> None:
    assert every_minute(schedule) is expected


def part(low: int, high: int, names: str = "") -> st.SearchStrategy[str]:
    """Return one part of a field: a value, a name, a range, or ``*``, some with a step."""
    step = st.integers(1, high).map(lambda one: f"/{one}") | st.just("")
    spans = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda pair: "-".join(map(str, sorted(pair))))
    stepped = st.tuples(st.just("*") | spans, step).map("".join)
    words = st.sampled_from(names.split()) if names else st.nothing()
    return st.integers(low, high).map(str) | stepped | words


def field(*limits: object) -> st.SearchStrategy[str]:
    return st.just("*") | st.lists(part(*limits), min_size=1, max_size=3).map(",".join)  # type: ignore[arg-type]


SCHEDULES = st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12, MONTHS), field(0, 7, WEEKDAYS)).map(
    " ".join
)
MOMENTS = st.integers(0, 4 * 366 * 24 * 60).map(lambda minutes: datetime(2024, 1, 1) + timedelta(minutes=minutes))


def component(text: str, value: int) -> bool:
    for each in text.split(","):
        if "/" in each:
            begin, step = map(int, each.split("/"))
            fits = value >= begin and (value - begin) % step == 0
        else:
            begin, _dots, end = each.partition("..")
            fits = each == "*" or int(begin) <= value <= int(end or begin)
        if fits:
            return True
    return False


def elapses(expression: str, moment: datetime) -> bool:
    """Whether a calendar expression elapses at a full minute (systemd.time(7), "Calendar Events")."""
    match = re.fullmatch(r"(?:(\S+) )?\*-(\S+)-(\S+) (\S+):(\S+):00", expression)
    assert match is not None, expression
    days, *rest = match.groups()
    numbers = re.sub("|".join(DAYS), lambda name: str(DAYS.index(name[0])), days or "*")
    values = (moment.weekday(), moment.month, moment.day, moment.hour, moment.minute)
    return all(component(text, value) for text, value in zip((numbers, *rest), values, strict=True))


@given(SCHEDULES, st.lists(MOMENTS, min_size=20, max_size=20))
def test_any_schedule_elapses_when_cron_starts_it(schedule: str, moments: list[datetime]) -> None:
    expressions = calendar_of(schedule)
    for moment in moments:
        assert any(elapses(each, moment) for each in expressions) is starts(schedule, moment), (schedule, moment)


@given(SCHEDULES)
def test_any_schedule_elapses_on_the_days_on_which_cron_starts_it(schedule: str) -> None:
    expressions = calendar_of(schedule)
    fields = schedule.split()
    hour = next(one for one in range(24) if starts(f"* {fields[1]} * * *", datetime(2024, 1, 1, one)))
    minute = next(one for one in range(60) if starts(f"{fields[0]} * * * *", datetime(2024, 1, 1, 0, one)))
    for day in range(0, 366 + 365, 3):
        moment = datetime(2024, 1, 1, hour, minute) + timedelta(days=day)
        assert any(elapses(each, moment) for each in expressions) is starts(schedule, moment), (schedule, moment)
