# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many processes of a service have ended since the round before, also those that nobody has seen alive."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from .memory_usage import PROC, ProcessUse

#: A worker by its number and when it started, in ticks since the boot.
Worker = tuple[int, int]
#: All workers that are there are younger than this share of the time since the round before: they do not live long.
_YOUNG = 1 / 6
#: More workers are not remembered from one round to the next.
_MOST = 500


def _program(pid: int, proc: str) -> str:
    with suppress(OSError):
        return os.readlink(f"{proc}/{pid}/exe")
    return ""


def workers_of(main: int, processes: Iterable[ProcessUse], proc: str = PROC) -> list[Worker]:
    """Return the processes of a service that run the program of its main process: helpers that it starts come and go."""
    others = [one for one in processes if one.pid != main]
    program = _program(main, proc) if others and main else ""
    if not program:
        return []
    return [(one.pid, one.started) for one in others if _program(one.pid, proc) == program][:_MOST]


def ended(before: Iterable[Worker], now: Iterable[Worker], ticks: float, gap: float) -> int:
    """Return how many workers have ended between two rounds of one run.

    Those that were there before and are gone can be counted. Where none is left, and all that are there instead have just started,
    others have come and gone in between: as many as fit in, when each of them lives twice as long as those that are there are old.

    Args:
        before: the workers of the round before.
        now: those of this round.
        ticks: this moment, in ticks since the boot.
        gap: ticks since the round before.
    """
    old, new = set(before), set(now)
    gone = len(old - new)
    ages = [max(1.0, ticks - started) for _pid, started in new]
    if not gone or old & new or not ages or max(ages) > gap * _YOUNG:
        return gone
    return max(gone, round(len(ages) * gap / (2 * sum(ages) / len(ages))))
