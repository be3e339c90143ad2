# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the samples of a service show that somebody has to know: memory that only grows, and loops in which nothing ever fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional, Union

from .memory_store import Usage
from .memory_trend import HOUR, Sample, Trend, trend_of

MEMORY, RESTARTS, WORKERS = "memory", "restarts", "workers"
#: Seconds from one round to the next, where nobody says another number.
INTERVAL = 60.0
#: So many of them still count as one after the other: one round may come late, or be missed.
_NEXT = 2.5
#: A service that is restarted so often within an hour, in other words more slowly than rounds follow each other, is in a loop, too.
_OFTEN = 6
#: So many ends of workers in a minute are no recycling of them any more.
_DEATHS = 5.0
_MIB = 1024.0**2


class Alert(NamedTuple):
    """Something about a unit that is told: its ``kind``, a line for people, and the numbers in it by name."""

    unit: str
    kind: str
    text: str
    numbers: Mapping[str, Union[int, float]]


def _last(samples: Sequence[Usage], number: int, interval: float) -> Sequence[Usage]:
    """Return the last samples, where they follow each other; none otherwise."""
    last = samples[-number:]
    is_whole = len(last) == number and all(b.moment - a.moment <= _NEXT * interval for a, b in zip(last, last[1:]))
    return last if is_whole else ()


def restarts_again_and_again(samples: Sequence[Usage], interval: float = INTERVAL) -> Optional[Alert]:
    """Return that systemd has restarted the service since each of the last two samples: with the start limit off it goes on for ever.

    Somebody who deploys twice makes no restarts of this kind: ``NRestarts`` counts those that nobody has asked for.
    """
    last = _last(samples, 3, interval)
    grown = [later.restarts - earlier.restarts for earlier, later in zip(last, last[1:])]
    if not grown or min(grown) <= 0:
        return None
    number, minutes = sum(grown), (last[-1].moment - last[0].moment) / 60
    text = f"{last[-1].unit} was restarted {number} times within {minutes:.0f} minutes, and is again and again"
    return Alert(last[-1].unit, RESTARTS, text, {"restarts": number, "seconds": last[-1].moment - last[0].moment})


def restarts_often(samples: Sequence[Usage]) -> Optional[Alert]:
    """Return that systemd has restarted the service in many of the samples of the last hour, the last ones included.

    That is a loop in which the service comes further each time than from one sample to the next.
    """
    recent = [one for one in samples if one.moment > samples[-1].moment - HOUR]
    grown = [max(0, later.restarts - earlier.restarts) for earlier, later in zip(recent, recent[1:])]
    often = sum(map(bool, grown))
    if often < _OFTEN or not any(grown[-2 * len(grown) // often :]):
        return None
    unit, number = recent[-1].unit, sum(grown)
    text = f"{unit} was restarted {number} times within an hour, and is again and again"
    return Alert(unit, RESTARTS, text, {"restarts": number, "seconds": round(HOUR)})


def workers_die(samples: Sequence[Usage], interval: float = INTERVAL) -> Optional[Alert]:
    """Return that processes of the service end all the time below a main process that goes on, so that systemd sees nothing."""
    last = _last(samples, 3, interval)
    if not last or len({one.run for one in last}) > 1:
        return None
    spans = [(later.moment - earlier.moment, later.deaths) for earlier, later in zip(last, last[1:])]
    if any(deaths * 60 < _DEATHS * seconds for seconds, deaths in spans):
        return None
    number, seconds = sum(deaths for _seconds, deaths in spans), sum(span for span, _deaths in spans)
    text = (
        f"{number} processes of {last[-1].unit} ended within {seconds / 60:.0f} minutes, and its main process goes on"
    )
    return Alert(last[-1].unit, WORKERS, text, {"deaths": number, "seconds": seconds})


def memory_grows(samples: Sequence[Usage], cap: float) -> Optional[Alert]:
    """Return that the memory of the service only grows.

    Args:
        samples: the last ones, of any runs; those of the last run count.
        cap: ``MemoryMax=`` in bytes; 0 for none.
    """
    # What has ended, and is not there again yet, has nothing in use.
    run = [one for one in samples if one.run == samples[-1].run and one.processes]
    # Pages of files come and go as others need them.
    trend = trend_of([Sample(float(one.moment), float(one.anonymous)) for one in run], cap)
    if trend is None:
        return None
    numbers = {"bytes": run[-1].anonymous, "bytes_per_hour": round(trend.slope * HOUR), "hours": trend.hours}
    if trend.seconds_to_cap is not None:
        numbers["seconds_to_cap"] = round(trend.seconds_to_cap)
    return Alert(run[-1].unit, MEMORY, _grown(run[-1], trend), numbers)


def _grown(last: Usage, trend: Trend) -> str:
    slope, low, high = (one * HOUR / _MIB for one in (trend.slope, trend.low, trend.high))
    text = (
        f"{last.unit} has {last.anonymous / _MIB:.0f} MiB, and has grown by {slope:.1f} MiB an hour for {trend.hours:.0f} hours "
        f"({low:.1f} to {high:.1f})"
    )
    if trend.seconds_to_cap is not None:
        text += f"; MemoryMax= is reached in {trend.seconds_to_cap / HOUR:.0f} hours"
    return text


def alerts_of(samples: Sequence[Usage], cap: float, interval: float = INTERVAL) -> list[Alert]:
    """Return all that the samples of one service show; the oldest come first.

    Args:
        samples: of the last day, or more.
        cap: ``MemoryMax=`` in bytes; 0 for none.
        interval: seconds from one sample to the next.
    """
    if not samples:
        return []
    found = (
        restarts_again_and_again(samples, interval) or restarts_often(samples),
        workers_die(samples, interval),
        memory_grows(samples, cap),
    )
    return [alert for alert in found if alert is not None]
