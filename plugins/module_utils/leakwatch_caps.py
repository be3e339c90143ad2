# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proposes a memory cap for a service that has none, from what was measured; it is never set by guess."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple, Optional

from .leak_settings import STORE
from .leak_state import Watched, state_in

_MIB = 1024**2
#: What a cap leaves beyond the highest memory that was seen, as a share of that; it is rounded up to whole steps.
HEADROOM, _STEP = 0.25, 16 * _MIB
#: A service that was seen for less long, in seconds, or less often, may not have had its usual load yet.
_LONG_ENOUGH, _OFTEN_ENOUGH = 3600, 60


class Proposal(NamedTuple):
    """A cap for a service: the most memory that it was seen with, in bytes, in so many hours, and what ``memory_max`` could be."""

    unit: str
    peak: int
    hours: float
    memory_max: str

    @property
    def text(self) -> str:
        """It in a line."""
        seen = f"{self.unit} had at most {self.peak / _MIB:.0f} MiB in {self.hours:g} hours and has no memory_max"
        return f"{seen}; {self.memory_max} would have been enough"

    def result(self) -> dict[str, object]:
        """Return it as a module's result has it."""
        return {**self._asdict(), "text": self.text}


def cap_for(peak: int) -> str:
    """Return the cap for a service that was seen with ``peak`` bytes at most."""
    steps = -int(-peak * (1 + HEADROOM) // _STEP)
    return f"{max(1, steps) * _STEP // _MIB}M"


def proposals(path: str = STORE) -> list[Proposal]:
    """Return what is proposed for the services of a host: those that run, are no jobs, have no cap, and were seen for long enough."""
    # Imported here: who installs the sampler for the first time has nothing to read.
    import sqlite3

    from .memory_history import read_peaks

    with suppress(sqlite3.Error):
        peaks, text = read_peaks(path)
        watched = state_in(text).units
        return [
            Proposal(unit, peak, round(seconds / 3600, 1), cap_for(peak))
            for unit, (peak, number, seconds) in sorted(peaks.items())
            if seconds >= _LONG_ENOUGH and number >= _OFTEN_ENOUGH and _lacks_cap(watched.get(unit))
        ]
    return []


def _lacks_cap(watched: Optional[Watched]) -> bool:
    return watched is not None and watched.facts.is_up and not watched.facts.is_job and not watched.facts.cap
