# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a calendar expression elapses, and how many retries fit between two times."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timezone

from . import values as v
from .services import Service
from .unit_files import RetryWindow

#: Times of each expression that are looked at for the shortest gap; a year of months, two years of weeks.
ITERATIONS = 110
DEFAULT_RETRIES = 3
#: Less than the period by this share: a day that is an hour short (daylight saving) is still longer than the window.
_SHARE = 0.95
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


def retry_window(service: Service, period: float) -> RetryWindow:
    """Return how ``service``, a job that elapses every ``period`` seconds, is retried inside the period.

    Raises :class:`ValueError` with the number of retries that fit when more were asked for.
    """
    window = period * _SHARE
    delay = v.seconds(service.values["restart_sec"])
    fitting = int(window // delay) if delay else DEFAULT_RETRIES
    asked = service.values["retries"]
    if asked is not None and asked > fitting:
        raise ValueError(
            f"at most {fitting} (a retry every {service.values['restart_sec']}, the job every {period:.0f} s)"
        )
    return RetryWindow(window, min(DEFAULT_RETRIES, fitting) if asked is None else asked)
