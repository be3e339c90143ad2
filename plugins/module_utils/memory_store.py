# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of the memory of services, kept on a host in one SQLite file that does not grow beyond its bounds.

Whoever is killed in the middle leaves the file as it was before: all that one round brings is one transaction.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Optional

from .leak_settings import FORM

_TABLES = """
CREATE TABLE service (id INTEGER PRIMARY KEY, unit TEXT NOT NULL UNIQUE);
CREATE TABLE sample (
    service INTEGER NOT NULL REFERENCES service, moment INTEGER NOT NULL, run TEXT NOT NULL, restarts INTEGER NOT NULL,
    used INTEGER NOT NULL, anonymous INTEGER NOT NULL, processes INTEGER NOT NULL, threads INTEGER NOT NULL, files INTEGER NOT NULL,
    deaths INTEGER NOT NULL,
    PRIMARY KEY (service, moment)
) WITHOUT ROWID;
CREATE TABLE note (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
"""
#: Seconds that a round waits for another one.
_PATIENCE = 5.0


class Usage(NamedTuple):
    """What a service has in use at a moment (seconds since the epoch).

    ``run`` is its invocation (systemd.exec(5), ``INVOCATION_ID``), ``restarts`` how often systemd has restarted it. ``used`` is the memory
    of its control group in bytes, ``anonymous`` the part of it that no file backs. ``processes``, ``threads`` and open ``files`` are
    numbers, ``deaths`` the one of processes that were there in the round before, of the same run, and are gone.
    """

    unit: str
    moment: int
    run: str
    restarts: int
    used: int
    anonymous: int
    processes: int = 0
    threads: int = 0
    files: int = 0
    deaths: int = 0


class Store:
    """The samples of a host.

    Args:
        path: of the file; it is made, readable by its owner alone.
        days: samples are forgotten when they are older.
        size: bytes that the file may take.

    Raises:
        sqlite3.Error: the file cannot be used.
        OSError: it cannot be made.
    """

    def __init__(self, path: str, days: float, size: int) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._days, self._size = days, size
        # Each statement stands for itself unless _transaction() joins some.
        self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        if self._one("PRAGMA user_version") != FORM:
            self._begin_anew()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, usages: Iterable[Usage], notes: Optional[Mapping[str, str]] = None) -> None:
        """Keep the samples of one round, and forget what is beyond the bounds; ``notes`` take the place of those of the same names."""
        rounds = list(usages)
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", (notes or {}).items())
            if rounds:
                self._add(rounds)
        self._connection.execute("PRAGMA incremental_vacuum")

    def forget_after(self, moment: int) -> None:
        """Forget the samples that are newer than a moment: somebody has set the clock back."""
        with self._transaction():
            self._connection.execute("DELETE FROM sample WHERE moment > ?", (moment,))

    def note(self, name: str) -> str:
        """Return a note; empty when there is none."""
        found = self._connection.execute("SELECT text FROM note WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""

    def units(self) -> list[str]:
        """Return the names of all units that have samples."""
        return [unit for (unit,) in self._connection.execute("SELECT unit FROM service ORDER BY unit")]

    def of(self, unit: str, since: int = 0) -> Iterator[Usage]:
        """Yield the samples of a unit from a moment on, the oldest first."""
        found = self._connection.execute(
            "SELECT moment, run, restarts, used, anonymous, processes, threads, files, deaths FROM sample JOIN service ON id = service "
            "WHERE unit = ? AND moment >= ? ORDER BY moment",
            (unit, since),
        )
        for row in found:
            yield Usage(unit, *row)

    def _add(self, rounds: Sequence[Usage]) -> None:
        units = [(usage.unit,) for usage in rounds]
        self._connection.executemany("INSERT OR IGNORE INTO service (unit) VALUES (?)", units)
        self._connection.executemany(
            "INSERT OR REPLACE INTO sample SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM service WHERE unit = ?",
            [(*usage[1:], usage.unit) for usage in rounds],
        )
        newest = max(usage.moment for usage in rounds)
        # By service, as the key of the table begins with it: otherwise each round would look at all samples.
        of_each = "DELETE FROM sample WHERE service IN (SELECT id FROM service) AND moment < ?"
        self._connection.execute(of_each, (newest - self._days * 86400,))
        self._keep_size(newest)
        self._connection.execute("DELETE FROM service WHERE NOT EXISTS (SELECT 1 FROM sample WHERE service = id)")

    def _one(self, statement: str) -> int:
        (found,) = self._connection.execute(statement).fetchone()
        return int(found)

    def _begin_anew(self) -> None:
        with self._transaction():
            for (table,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                self._connection.execute(f'DROP TABLE "{table}"')
            for statement in filter(str.strip, _TABLES.split(";")):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {FORM}")

    def _keep_size(self, newest: int) -> None:
        """Forget the older half again and again until all that is left has room."""
        page = self._one("PRAGMA page_size")
        while (self._one("PRAGMA page_count") - self._one("PRAGMA freelist_count")) * page > self._size:
            oldest = self._one("SELECT MIN(moment) FROM sample")
            if oldest == newest:
                return
            self._connection.execute("DELETE FROM sample WHERE moment <= ?", ((oldest + newest) // 2,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
