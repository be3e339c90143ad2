# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time fields of crontab(5) as calendar expressions of systemd.time(7), which elapse at the same times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: crontab(5): what stands for five fields.
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_PART = re.compile(r"(?:\*|(?P<first>[0-9]+|[A-Za-z]{3})(?:-(?P<last>[0-9]+|[A-Za-z]{3}))?)(?:/(?P<step>[0-9]+))?\Z")
#: So many values in a row are written as a range.
_RUN = 3


class Undecidable(ValueError):
    """Times that have no calendar expression; the text says why."""


@dataclass(frozen=True)
class Field:
    """One of the five fields: what may stand in it, and how it is called."""

    name: str
    low: int
    high: int
    names: Mapping[str, int]

    def number(self, word: str) -> int:
        """Return the value of a number or name."""
        value = self.names.get(word.lower(), -1) if word.isalpha() else int(word)
        if not self.low <= value <= self.high:
            raise Undecidable(f"{word} is no {self.name}")
        return value

    def values(self, text: str) -> set[int]:
        """Return the values of a field: a list of values, ranges and ``*``, each maybe with a step."""
        found: set[int] = set()
        for part in text.split(","):
            match = _PART.match(part)
            if match is None:
                raise Undecidable(f"{text} is not understood as {self.name}")
            if match["step"] and match["first"] and not match["last"]:
                raise Undecidable(f"{part} is read differently by different crons; write a range, such as 5-59/10")
            first = self.number(match["first"]) if match["first"] else self.low
            last = self.number(match["last"]) if match["last"] else first if match["first"] else self.high
            step = int(match["step"] or 1)
            if last < first or not step:
                raise Undecidable(f"{part} is an empty range")
            found.update(range(first, last + 1, step))
        return found


_FIELDS = (
    Field("minute", 0, 59, {}),
    Field("hour", 0, 23, {}),
    Field("day of the month", 1, 31, {}),
    Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    # 7 is Sunday, too.
    Field("day of the week", 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)}),
)


def _runs(values: Iterable[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return runs


def _component(values: set[int], field: Field) -> str:
    """Return a component of a calendar expression that holds exactly ``values``."""
    ordered = sorted(values)
    if len(ordered) == field.high - field.low + 1:
        return "*"
    steps = {later - earlier for earlier, later in zip(ordered, ordered[1:])}
    if len(ordered) >= _RUN and len(steps) == 1:
        step, size = steps.pop(), field.high - field.low + 1
        # systemd counts on from the last value into the next hour or day, and misses times there (seen with 247 and 252),
        # unless the step fits into it whole times.
        if step > 1 and size % step == 0 and len(ordered) == size // step:
            return f"{ordered[0]:02}/{step}"
    parts = []
    for run in _runs(values):
        parts += [f"{run[0]:02}..{run[-1]:02}"] if len(run) >= _RUN else [f"{value:02}" for value in run]
    return ",".join(parts)


def _weekdays(values: set[int]) -> str:
    """Return the days of a week, which begins on Monday in systemd, with a blank behind; empty for all."""
    if len(values) == len(_WEEKDAYS):
        return ""
    names = [name.capitalize() for name in (*_WEEKDAYS[1:], _WEEKDAYS[0])]
    parts = []
    for run in _runs((value - 1) % len(_WEEKDAYS) for value in values):
        parts += [f"{names[run[0]]}..{names[run[-1]]}"] if len(run) >= _RUN else [names[value] for value in run]
    return f"{','.join(parts)} "


def fields_of(schedule: str) -> list[str]:
    """Return the five fields of a schedule, which may be a name such as ``@daily``; raises :class:`Undecidable`."""
    if schedule.lower() == "@reboot":
        raise Undecidable("@reboot is no time: systemd starts at each boot what is enabled")
    fields = _NICKNAMES.get(schedule.lower(), schedule).split()
    if len(fields) != len(_FIELDS):
        raise Undecidable(f"{schedule} is no time that crontab(5) knows")
    return fields


def every_minute(schedule: str) -> bool:
    """Whether the schedule has times that are a minute apart."""
    minutes = _FIELDS[0].values(fields_of(schedule)[0])
    return any(later - earlier == 1 for earlier, later in zip(sorted(minutes), sorted(minutes)[1:]))


def calendar_of(schedule: str) -> list[str]:
    """Return the calendar expressions that elapse, together, exactly when cron starts a line with this schedule.

    crontab(5): a day counts when both the day of the month and that of the week fit; where neither field begins with ``*``,
    when one of them does. Raises :class:`Undecidable`.
    """
    fields = fields_of(schedule)
    minutes, hours, days, months, weekdays = (field.values(text) for field, text in zip(_FIELDS, fields))
    weekdays = {value % len(_WEEKDAYS) for value in weekdays}
    time = f"{_component(hours, _FIELDS[1])}:{_component(minutes, _FIELDS[0])}:00"
    month = _component(months, _FIELDS[3])
    day, every = _component(days, _FIELDS[2]), _weekdays(weekdays)
    if any(text.startswith("*") for text in (fields[2], fields[4])):
        return [f"{every}*-{month}-{day} {time}"]
    if day == "*" or not every:
        return [f"*-{month}-* {time}"]
    return [f"*-{month}-{day} {time}", f"{every}*-{month}-* {time}"]
