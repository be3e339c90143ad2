# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``leakwatch`` may be told, checked: all that is wrong is reported at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from . import values as v
from .leak_settings import Settings
from .problems import InvalidInput, Problem, show

_HOURS = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])-([01]?[0-9]|2[0-4]):([0-5][0-9])\Z")
_DAY = 24 * 60
#: What the trend and the store can work with.
_FASTEST, _SLOWEST, _MOST_DAYS = 1.0, 120.0, 90.0
_SMALLEST, _LARGEST = 1024.0**2, 10 * 1024.0**3


def _interval(value: object) -> float:
    seconds = v.seconds(v.finite_span(value))
    if not _FASTEST <= seconds <= _SLOWEST:
        raise v.Refused(
            "a time span from 1s to 2min", "Choose one of them; the trend needs more than one sample in two minutes"
        )
    return seconds


def _days(value: object) -> float:
    try:
        days = float(str(value))
    except ValueError:
        days = 0.0
    if not 1 <= days <= _MOST_DAYS:
        raise v.Refused("a number of days from 1 to 90", "Write a number; the trend looks back one day")
    return days


def _bytes(value: object) -> float:
    count = v.byte_count(v.size(value))
    if count is None:
        raise v.Refused("a size such as 64M", "Write a number of bytes with K, M or G")
    return count


def _store_size(value: object) -> int:
    count = _bytes(value)
    if not _SMALLEST <= count <= _LARGEST:
        raise v.Refused("a size from 1M to 10G", "Choose one of them; a day of 50 services takes 9 MiB")
    return int(count)


def _slope(value: object) -> float:
    count = _bytes(value)
    if not 0 < count < float("inf"):
        raise v.Refused(
            "a size such as 50M, which is that of an hour", "Write a number of bytes with K, M or G, or leave it empty"
        )
    return count


def _time_to_cap(value: object) -> float:
    seconds = v.seconds(v.finite_span(value))
    if seconds <= 0:
        raise v.Refused("a time span such as 2h", "Write a time span, or leave it empty")
    return seconds


def _service(value: object) -> str:
    name = v.unit_name(value)
    if "%" in name or name.startswith("@"):
        raise v.Refused(
            "the name of a unit", "A template, such as alert@.service, is started with the name of the service"
        )
    return name


def _folder(value: object) -> str:
    path = v.path(value)
    if "\n" in path or path == "/":
        raise v.Refused("the path of a folder", "Write the folder that node_exporter reads")
    return path


def _span_of_day(value: object) -> tuple[int, int]:
    match = _HOURS.match(value) if isinstance(value, str) else None
    if not match:
        raise v.Refused("two times of the day such as 08:00-18:00", v.QUOTE_IT)
    begin, end = 60 * int(match[1]) + int(match[2]), 60 * int(match[3]) + int(match[4])
    if end > _DAY or begin == end:
        raise v.Refused("two times of the day, one after the other", "Write 00:00-24:00 for the whole day")
    return begin, end


_CHECKS: Mapping[str, Callable[[object], Any]] = {
    "interval": _interval,
    "keep_days": _days,
    "keep_size": _store_size,
    "textfile_dir": _folder,
    "alert_unit": _service,
    "restart_time_to_cap": _time_to_cap,
    "restart_slope": _slope,
    "restart_not_between": v.list_of(_span_of_day),
}
_FIELDS = {"keep_days": "days", "keep_size": "size"}


def settings_of(options: Mapping[str, object]) -> Settings:
    """Return the settings; an option that is empty has its default. Raises :class:`InvalidInput` with every problem."""
    problems: list[Problem] = []
    checked: dict[str, Any] = {}
    for name, check in _CHECKS.items():
        value = options.get(name)
        if value in (None, "", []):
            continue
        try:
            checked[_FIELDS.get(name, name)] = check(value)
        except v.Refused as refused:
            for fault in refused.faults:
                problems.append(Problem(name + fault.place, show(fault.found(value)), fault.expected, fault.remedy))
    if problems:
        raise InvalidInput(problems)
    if "restart_not_between" in checked:
        checked["restart_not_between"] = tuple(checked["restart_not_between"])
    return Settings(**checked)
