# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When cron starts a line, written as crontab(5) says it: what calendar expressions are held against."""

from __future__ import annotations

from datetime import datetime, timedelta

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
WEEKDAYS = "sun mon tue wed thu fri sat"
LIMITS = ((0, 59, ""), (0, 23, ""), (1, 31, ""), (1, 12, MONTHS), (0, 7, WEEKDAYS))


def number(word: str, low: int, names: str) -> int:
    return names.split().index(word.lower()) + low if word.isalpha() else int(word)


def holds(field: str, value: int, low: int, high: int, names: str) -> bool:
    for part in field.split(","):
        span, _slash, step = part.partition("/")
        first, _dash, last = span.partition("-")
        begin = low if span == "*" else number(first, low, names)
        end = high if span == "*" else number(last or first, low, names)
        if begin <= value <= end and (value - begin) % int(step or 1) == 0:
            return True
    return False


def starts(schedule: str, moment: datetime) -> bool:
    """Whether cron starts a line with these five fields in this minute."""
    fields = schedule.split()
    weekday = moment.isoweekday() % 7
    values = (moment.minute, moment.hour, moment.day, moment.month, weekday)
    minute, hour, day, month, week = (
        holds(field, value, *limits) for field, value, limits in zip(fields, values, LIMITS, strict=True)
    )
    if weekday == 0:
        week = week or holds(fields[4], 7, *LIMITS[4])
    both = fields[2].startswith("*") or fields[4].startswith("*")
    return minute and hour and month and (day and week if both else day or week)


def times(schedule: str, begin: datetime, end: datetime) -> list[datetime]:
    """Return every minute in which cron starts a line."""
    found = []
    day = begin
    minutes = [timedelta(minutes=one) for one in range(24 * 60)]
    any_time = schedule.split()
    while day < end:
        # Of a day on which nothing starts at any time, the minutes need not be looked at.
        if starts(" ".join(["*", "*", *any_time[2:]]), day):
            found += [day + minute for minute in minutes if starts(schedule, day + minute)]
        day += timedelta(days=1)
    return found
