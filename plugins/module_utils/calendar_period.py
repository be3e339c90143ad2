# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a calendar expression elapses, and how many retries fit between two times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone

from . import values as v
from .services import Service
from .unit_files import RetryWindow

#: Times of each expression that are looked at for the shortest gap; a year of months, two years of weeks.
ITERATIONS = 110
DEFAULT_RETRIES = 3
#: Less than the period by this share: a day that is an hour short (daylight saving) is still longer than the window.
_SHARE = 0.95
#: How long a failing try is taken to last, in seconds, where nothing bounds it.
SHORT_TRY = 60.0
#: How late systemd may be with the pause and the timeout of one try.
_LATE = 0.5
#: The tries for which the window is made where nothing bounds them: of an hour, or all within a quarter of the period.
_LONG_TRY = 3600.0
_QUARTER = 0.25
#: What a window has beyond what its tries need.
_SLACK = 60.0
#: systemd.timer(5), systemd-system.conf(5): what holds where nothing is written.
_ACCURACY, _TIMEOUT_STOP = "1min", "90s"
_UNWRITTEN = {
    "RestartSec": "100ms",
    "TimeoutStartSec": "infinity",
    "TimeoutStopSec": _TIMEOUT_STOP,
    "RandomizedDelaySec": "0",
    "AccuracySec": _ACCURACY,
}
#: So many times of a rare expression are held against a frequent one, of which the listed times are over before.
_LOOKS = 12
#: systemd.timer(5): what lets a timer elapse beside ``OnCalendar=``.
_SPANS = ("OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec")
_EVENTS = ("OnClockChange", "OnTimezoneChange")
_ELAPSE = re.compile(
    r"(?:Next elapse|Iter\. #\d+|Iteration #\d+): \w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC\s*$"
)
#: Begins what is printed about one expression; the first of the two lines is left out where both would say the same.
_BEGIN = re.compile(r"^ *(?:Original form: .*\n *)?Normalized form: ", re.MULTILINE)


def by_expression(printed: str) -> list[str]:
    """Return what ``systemd-analyze calendar`` printed about each of several expressions, in their order."""
    return _BEGIN.split(printed)[1:]


def elapses(printed: str) -> list[float]:
    """Return the times, as seconds since the epoch, in what ``systemd-analyze calendar`` printed with ``TZ=UTC``."""
    times = []
    for line in printed.splitlines():
        match = _ELAPSE.search(line.strip())
        if match:
            moment = datetime.fromisoformat(match.group(1).split(".")[0]).replace(tzinfo=timezone.utc)
            times.append(moment.timestamp())
    return times


def shortest_period(times: Iterable[float]) -> float:
    """Return the shortest gap in seconds between two of ``times``; a year when there are fewer than two."""
    ordered = sorted(set(times))
    gaps = [later - earlier for earlier, later in zip(ordered, ordered[1:])]
    return min(gaps, default=365 * 86400.0)


def shortest_period_of(
    times: Mapping[str, Sequence[float]], elapses_from: Callable[[str, float], list[float]]
) -> float:
    """Return the shortest gap in seconds between two of the ``times``, which are those of several expressions.

    The same number of times of a frequent expression is over long before those of a rare one. What comes after that is asked
    for: ``elapses_from`` returns the first times of an expression after a moment.
    """
    period = shortest_period(one for own in times.values() for one in own)
    for expression, own in times.items():
        if not own:
            continue
        ends, own_period = max(own), shortest_period(own)
        beyond = sorted({one for other, theirs in times.items() if other != expression for one in theirs if one > ends})
        for moment in beyond[:_LOOKS]:
            near = (abs(moment - one) for one in elapses_from(expression, moment - own_period))
            period = min([period, *(gap for gap in near if gap)])
    return period


def other_triggers(directives: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """Return the ``directives``, given by section, by which a timer starts its job beside a calendar, how often nobody knows."""
    own = directives.get("Timer", {})
    spans = [name for name in _SPANS if any(own.get(name, ()))]
    return spans + [name for name in _EVENTS if (own.get(name) or [""])[-1].lower() in v.TRUE]


def _seconds(service: Service, section: str, directive: str, otherwise: str) -> float:
    """Return a time span of the unit files in seconds: ``directives`` override the baseline.

    An empty list there takes the line out, and systemd's own default holds. What systemd cannot read is refused later, with
    what ``systemd-analyze verify`` says of it.
    """
    lines = service.values["directives"].get(section, {}).get(directive)
    if lines is None:
        return v.seconds(otherwise)
    try:
        return v.seconds(v.time_span((lines or [""])[-1] or _UNWRITTEN[directive]))
    except v.Refused:
        return v.seconds(otherwise)


def _pauses(service: Service, count: int) -> float:
    """Return the seconds of the first ``count`` pauses before a restart, as systemd.service(5) has them grow."""
    first = _seconds(service, "Service", "RestartSec", service.values["restart_sec"])
    steps, last = service.values["restart_steps"], v.seconds(service.values["restart_max_delay_sec"] or "0")
    if not steps or not 0 < first < last < float("inf"):
        return count * first if first else 0.0
    growing: int = min(count, steps, ITERATIONS)
    grown: float = sum(first * (last / first) ** (step / steps) for step in range(growing))
    return grown + (count - growing) * last


def _longest_try(service: Service) -> float:
    """Return the seconds after which systemd ends a try: each of its commands has the timeout; infinity without one."""
    timeout = _seconds(service, "Service", "TimeoutStartSec", service.values["timeout_start_sec"] or "infinity")
    own = service.values["directives"].get("Service", {})
    commands = len(service.values["exec_start_pre"] or ()) + len(own.get("ExecStartPre", ())) + 1
    return commands * timeout + _LATE if timeout else float("inf")


def _fitting(service: Service, most: int, longest_try: float, window: float) -> int:
    """Return how many retries, ``most`` at the most, are over inside ``window``, the pause after the last one included.

    Only the start after that one is refused, and makes the unit failed (systemd.unit(5), ``StartLimitIntervalSec=``).
    """
    fewest = 0
    while fewest < most:
        retries = (fewest + most + 1) // 2
        if _pauses(service, retries + 1) + (retries + 1) * longest_try <= window:
            fewest = retries
        else:
            most = retries - 1
    return most


def _shortest_gap(service: Service, period: float) -> float:
    """Return the shortest time between two starts by the timer, which each may be late by a random time (systemd.timer(5))."""
    own = service.values["directives"].get("Timer", {})
    if (own.get("FixedRandomDelay") or ["no"])[-1].lower() in v.TRUE:
        return period
    return max(0.0, period - _seconds(service, "Timer", "RandomizedDelaySec", "0"))


def _window(service: Service, gap: float, retries: int, longest_try: float) -> float:
    """Return a window that is no longer than the tries need: any start in it counts, that by hand or after a boot, too.

    Where there is room for it, the window is over when a timer that was late at first is not late the next time.
    """
    tries = retries + 1
    pauses = _pauses(service, tries)
    if longest_try < float("inf"):
        stop = _seconds(service, "Service", "TimeoutStopSec", service.values["timeout_stop_sec"] or _TIMEOUT_STOP)
        least, wanted = tries * longest_try + pauses, tries * (longest_try + stop) + pauses + _SLACK
    else:
        least, wanted = tries * SHORT_TRY + pauses, max(gap * _QUARTER, tries * _LONG_TRY + pauses)
    most, punctual = gap * _SHARE, gap - _seconds(service, "Timer", "AccuracySec", _ACCURACY)
    return min(wanted, most, punctual) if least <= punctual else min(wanted, most)


def retry_window(service: Service, period: float) -> RetryWindow:
    """Return how ``service``, a job that elapses every ``period`` seconds, is retried inside the period.

    Raises :class:`ValueError` with the number of retries that fit when more were asked for.
    """
    values, longest_try = service.values, _longest_try(service)
    asked, own = values["retries"], values["start_limit_interval_sec"]
    gap = _shortest_gap(service, period)
    window = v.seconds(own) if own else gap * _SHARE
    if values["start_limit_burst"] is not None:
        return RetryWindow(window, values["start_limit_burst"] - 1)
    is_bounded = longest_try < float("inf")
    retries = _fitting(service, DEFAULT_RETRIES if asked is None else asked, longest_try if is_bounded else 0.0, window)
    is_wanted = bool(asked) or (asked is None and bool({"restart", "restart_sec"} & service.given))
    if asked is None and not is_bounded:
        fitting = _fitting(service, DEFAULT_RETRIES, SHORT_TRY, window)
        retries = fitting if fitting or not is_wanted else retries
    if retries < (asked or 0) or (is_wanted and not retries and values["restart"] != "no"):
        each = f", each try up to {longest_try:.0f} s" if is_bounded else ""
        raise ValueError(f"at most {retries} (a retry every {values['restart_sec']}{each}, the job every {gap:.0f} s)")
    if not own:
        window = _window(service, gap, retries, longest_try)
    left = (window - _pauses(service, retries + 1)) / (retries + 1)
    return RetryWindow(window, retries, float("inf") if is_bounded else left)
