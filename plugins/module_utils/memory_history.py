# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sampler of a host has seen of the memory and the restarts of its services, for those who only look on.

Nothing is written, not even to mend a file that a killed round has left: that is left to the next round.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple, Optional
from urllib.parse import quote

from .leak_settings import FORM

#: So many points are told of a service.
MOST_POINTS = 20
#: Seconds to wait for a round that writes.
_PATIENCE = 2.0
_POINT = """
SELECT MAX(moment), MAX(CASE WHEN processes THEN used END), MAX(restarts) FROM sample WHERE service = ? AND moment > ? AND moment <= ?
"""


class Point(NamedTuple):
    """The end of a part of the time that is remembered (seconds since the epoch): the most memory, in bytes, and the restarts in it.

    ``used`` is ``None`` where nothing ran.
    """

    moment: int
    used: Optional[int]
    restarts: int


class History(NamedTuple):
    """The points of each unit, the oldest first, and the notes of the sampler by name."""

    points: dict[str, list[Point]]
    notes: dict[str, str]


def read_history(path: str, most: int = MOST_POINTS) -> Optional[History]:
    """Return what a file has; ``None`` where there is none, or one of another version.

    Args:
        path: of the file.
        most: points for each unit, over equal parts of the time for which it is known.

    Raises:
        OSError: it may not be read.
        sqlite3.Error: it cannot be read, or not now.
    """
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
    except FileNotFoundError:
        return None
    with closing(_opened(path)) as connection:
        if connection.execute("PRAGMA user_version").fetchone() != (FORM,):
            return None
        points = {
            unit: [Point(*one) for one in _points(connection, number, most) if one[0] is not None]
            for number, unit in connection.execute("SELECT id, unit FROM service ORDER BY unit")
        }
        return History(points, dict(connection.execute("SELECT name, text FROM note")))


def read_peaks(path: str) -> tuple[dict[str, tuple[int, int, int]], str]:
    """Return the most memory that each unit was seen with, in bytes, in how many samples and seconds, and the note ``state``.

    Raises :class:`sqlite3.Error` when there is no file that can be read.
    """
    with closing(_opened(path)) as connection:
        found = connection.execute(
            "SELECT unit, MAX(used), COUNT(*), MAX(moment) - MIN(moment) FROM sample JOIN service ON id = service WHERE processes GROUP BY unit"
        )
        peaks = {unit: (used, number, seconds) for unit, used, number, seconds in found}
        note = connection.execute("SELECT text FROM note WHERE name = 'state'").fetchone()
        return peaks, str(note[0]) if note else ""


def _opened(path: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=_PATIENCE)


def _points(connection: sqlite3.Connection, service: int, most: int) -> Iterator[tuple[Any, ...]]:
    """Yield one row for each part of the time; by ranges of the key, since grouping would sort all samples first."""
    span = "SELECT MIN(moment), MAX(moment) FROM sample WHERE service = ?"
    first, last = connection.execute(span, (service,)).fetchone()
    if first is None:
        return
    ends = [first - 1 + round((last - first + 1) * one / most) for one in range(most + 1)]
    for begin, end in zip(ends, ends[1:]):
        yield connection.execute(_POINT, (service, begin, end)).fetchone()
