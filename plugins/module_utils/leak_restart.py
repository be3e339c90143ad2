# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts a service whose memory only grows before it is killed: gracefully, one at a time, and not at some hours of the day."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Optional

from .leak_settings import Settings
from .leak_state import Watched
from .leak_units import Facts
from .memory_store import Usage
from .memory_trend import HOUR

#: Held by a deployment (:data:`.manifest.LOCK`).
LOCK = "/var/lib/stability/units.lock"
_MIB = 1024.0**2
#: So many samples are told before a restart, spread over those that there are.
_SAMPLES = 24


class Due(NamedTuple):
    """A service that is to be restarted, and why."""

    unit: str
    run: str
    reason: str


def time_left(watched: Watched, now: int) -> Optional[float]:
    """Return the seconds until a service that grows has reached its cap; ``None`` when it does not."""
    seconds = watched.grows.numbers.get("seconds_to_cap") if watched.grows else None
    return None if seconds is None else max(0.0, seconds - (now - watched.judged))


def is_between(minute: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a minute of the day lies in one of the spans; one that ends before it begins goes over midnight."""
    return any(begin <= minute < end if begin <= end else minute >= begin or minute < end for begin, end in spans)


def due(units: Mapping[str, Watched], settings: Settings, now: int, minute: int) -> Optional[Due]:
    """Return the service that is to be restarted first; ``minute`` is that of the local day."""
    if is_between(minute, settings.restart_not_between):
        return None
    found: list[tuple[float, Due]] = []
    for unit, watched in units.items():
        if watched.grows is None or watched.facts.state != "active":
            continue
        left, slope = time_left(watched, now), watched.grows.numbers["bytes_per_hour"]
        if left is not None and left < settings.restart_time_to_cap:
            reason = f"MemoryMax= is reached in {left / HOUR:.1f} hours, and restart_time_to_cap is {settings.restart_time_to_cap / HOUR:.1f}"
        elif 0 < settings.restart_slope < slope:
            reason = f"it grows by {slope / _MIB:.1f} MiB an hour, and restart_slope is {settings.restart_slope / _MIB:.1f} MiB"
        else:
            continue
        found.append((float("inf") if left is None else left, Due(unit, watched.facts.run, reason)))
    return min(found, default=(0.0, None))[1]


def is_free(restarting: Sequence[str], facts: Mapping[str, Facts]) -> bool:
    """Whether no service is on its way down or up, and the one that was restarted last (with its run then) is up in another run."""
    if any(one.is_changing and not one.is_job for one in facts.values()):
        return False
    if not restarting or restarting[0] not in facts:
        return True
    last = facts[restarting[0]]
    return last.state == "active" and last.run != restarting[1]


@contextmanager
def deployments_locked_out() -> Iterator[bool]:
    """Keep deployments from beginning; yield whether none is going on."""
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield _is_taken(descriptor)
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def shown(samples: Sequence[Usage]) -> str:
    """Return some of the samples of a run as lines for people: age in minutes, and what was in use."""
    step = max(1, len(samples) // _SAMPLES)
    chosen = samples[::-1][::step][::-1]
    return "\n".join(
        f"{(one.moment - samples[-1].moment) / 60:.0f} min: {one.anonymous / _MIB:.1f} MiB anonymous, {one.used / _MIB:.1f} MiB in all, "
        f"{one.processes} processes, {one.threads} threads, {one.files} open files"
        for one in chosen
    )
