# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sampler of the role leakwatch has seen over hours, which no single look at a host can see."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .audit_model import Finding, Unit
from .leak_settings import FOUND, STORE
from .memory_history import Point, read_history

#: The rule about each kind of what it finds. A loop of restarts is seen without it.
_RULES = {"memory": "SB306", "killed": "SB309"}


class Told(NamedTuple):
    """What the sampler has found about a unit: the ``kind``, the ``run`` that it is about, when it was seen last, and a line."""

    unit: str
    kind: str
    run: str
    moment: int
    text: str


class Watched(NamedTuple):
    """The samples of each unit, and what the sampler has found."""

    points: Mapping[str, Sequence[Point]]
    told: Sequence[Told]


def _told(text: str) -> list[Told]:
    try:
        return [
            Told(str(unit), str(kind), str(run), int(at), str(line)) for unit, kind, run, at, line in json.loads(text)
        ]
    except (TypeError, ValueError):
        return []


def read_watched(unseen: list[str], store: str = STORE) -> Watched:
    """Read it; where that cannot be done, ``unseen`` says so. On a host without the sampler there is nothing to be seen."""
    try:
        history = read_history(store)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        unseen.append(f"what leakwatch has seen ({store}: {reason})")
        return Watched({}, [])
    return Watched(history.points, _told(history.notes.get(FOUND, ""))) if history else Watched({}, [])


def judge(unit: Unit, watched: Watched) -> Iterator[Finding]:
    """SB306 and SB309: its memory grows in the run that goes on, and the kernel has ended a run of it."""
    for told in watched.told:
        if told.unit != unit.name or told.kind not in _RULES:
            continue
        if told.kind == "killed" or told.run == unit.properties.get("InvocationID"):
            yield Finding(_RULES[told.kind], unit.name, told.text)
