# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one round leaves for the next one, besides the samples."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

from .leak_alerts import Alert
from .leak_units import Facts
from .leak_workers import Worker


class Watched(NamedTuple):
    """What is known of a unit.

    ``seen`` is the run that systemd's folder showed when it was ``asked``. ``begun`` is the number of restarts with which its run was
    seen first, ``used`` what was in use in the last sample of this run with processes, ``peak`` the most of it, ``kills`` how many
    processes the kernel has killed for memory, ``is_unified`` whether that is cgroup v2. ``grows`` is what was found when its trend
    was ``judged``.
    """

    facts: Facts = Facts()
    seen: str = ""
    asked: int = 0
    begun: int = 0
    used: int = 0
    peak: int = 0
    kills: int = 0
    is_unified: bool = False
    workers: tuple[Worker, ...] = ()
    judged: int = 0
    grows: Optional[Alert] = None


class State(NamedTuple):
    """All that is known.

    ``told`` has for each kind of finding of a unit its run, when it was told, and when it was seen last; ``started`` when each alert
    unit was started, ``owed`` those that are to be started as soon as they may; ``restarting`` the unit that was restarted
    last, with its run before that, until it is up again.
    """

    moment: int
    units: dict[str, Watched]
    told: dict[str, tuple[str, int, int]]
    started: dict[str, int]
    owed: tuple[str, ...]
    restarting: tuple[str, ...]

    @property
    def text(self) -> str:
        """It as text."""
        return json.dumps(self)


def _watched(row: list[Any]) -> Watched:
    facts, *rest = row
    found = Watched(Facts(*facts), *rest)
    grows = Alert(*found.grows) if found.grows else None
    return found._replace(workers=tuple((pid, started) for pid, started in found.workers), grows=grows)


def state_in(text: str) -> State:
    """Return the state in a text; an empty one for what another version has written."""
    try:
        moment, units, told, started, owed, restarting = json.loads(text)
        return State(
            int(moment),
            {unit: _watched(row) for unit, row in units.items()},
            {key: (run, at, seen) for key, (run, at, seen) in told.items()},
            dict(started),
            tuple(owed),
            tuple(restarting),
        )
    except (AttributeError, TypeError, ValueError):
        return State(0, {}, {}, {}, (), ())
