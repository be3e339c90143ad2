# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that processes have made to be looked for, and what of them has arrived in the journal."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from . import systemd_host as systemd
from .canary_causes import NUMBERS, ROOT, effective_level, is_silenced, loggers_of

#: Seconds for which is waited for records that somebody passes on from a queue.
PATIENCE = 3.0
_PAUSE = 0.3
#: What :func:`~.runtime_canary.text` writes, wherever in a line a formatter has put it.
_TEXT = re.compile(r"stability canary ([0-9a-z-]+): ([A-Z]+) of (.+?); this is a test of logging")
_PRIORITIES = tuple("01234567")
#: More are no answer of the runtime, which leaves out what is more.
_MOST_ROWS = 1000
_FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,OBJECT_SYSTEMD_UNIT"


@dataclass(frozen=True)
class Arrival:
    """A record in the journal: its priority (``None``: it has none), and the unit that it belongs to."""

    priority: Optional[int]
    unit: str


@dataclass(frozen=True)
class Row:
    """One record: the library that made it, its logger, its level, what went wrong there, and where it arrived how often."""

    library: str
    logger: str
    level: str
    failed: str = ""
    arrivals: tuple[Arrival, ...] = ()

    @property
    def number(self) -> int:
        """Its level as a number."""
        return NUMBERS[self.level]


@dataclass(frozen=True)
class Canary:
    """What one process has made, by which ``way`` it was asked, and the tree of its loggers.

    ``unit`` is the unit that its records must belong to.
    """

    pid: int
    way: str
    token: str
    unit: str
    tree: Mapping[str, Any]
    rows: tuple[Row, ...] = field(default_factory=tuple)

    def expected(self, row: Row) -> bool:
        """Whether a record should arrive: its logger lets that level through; of the root logger INFO and above in any case.

        What somebody has cut off from all handlers, as servers do with their log of accesses, is silent on purpose.
        """
        loggers = loggers_of(self.tree)
        if row.library != "logging":
            return row.number >= NUMBERS["INFO"]
        if is_silenced(loggers, row.logger):
            return False
        effective, sayer = effective_level(loggers, row.logger)
        return row.number >= effective or (row.logger == sayer == ROOT and row.number >= NUMBERS["INFO"])


def _handler(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "class": str(raw["class"]),
        "kinds": [str(kind) for kind in raw["kinds"]],
        "level": int(raw["level"]),
        "filters": int(raw["filters"]),
        "target": str(raw["target"]),
        "closed": bool(raw["closed"]),
    }


def _logger(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": str(raw["name"]),
        "level": int(raw["level"]),
        "propagate": bool(raw["propagate"]),
        "disabled": bool(raw["disabled"]),
        "filters": int(raw["filters"]),
        "handlers": [_handler(one) for one in raw["handlers"]],
    }


def canary_of(pid: int, way: str, token: str, unit: str, content: Mapping[str, Any]) -> Optional[Canary]:
    """Return what a process has answered; ``None`` when that is no answer of the runtime: it is somebody else's word."""
    try:
        rows = tuple(
            Row(str(library), str(name), str(level), str(failed)) for library, name, level, failed in content["records"]
        )
        last = content["last_resort"]
        tree = {
            "loggers": [_logger(one) for one in content["loggers"]],
            "disabled_to": int(content["disabled_to"]),
            "last_resort": None if last is None else int(last),
            "patched": str(content["patched"]),
        }
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    if len(rows) > _MOST_ROWS or not {row.level for row in rows} <= set(NUMBERS) or ROOT not in loggers_of(tree):
        return None
    return Canary(pid, way, token, unit, tree, rows)


def messages_in(printed: str) -> Iterable[tuple[str, Arrival]]:
    """Yield the messages of journalctl's JSON output that are texts, with where they belong."""
    for line in filter(None, printed.split("\n")):
        record = json.loads(line)
        message, priority = record.get("MESSAGE"), record.get("PRIORITY", "")
        if isinstance(message, list):
            message = bytes(byte for byte in message if isinstance(byte, int)).decode("utf-8", "replace")
        if isinstance(message, str):
            unit = str(record.get("OBJECT_SYSTEMD_UNIT") or record.get("_SYSTEMD_UNIT") or "")
            yield message, Arrival(int(priority) if priority in _PRIORITIES else None, unit)


def found_in(messages: Iterable[tuple[str, Arrival]]) -> dict[tuple[str, str, str], list[Arrival]]:
    """Return the arrivals of each record, by token, level and logger."""
    found: dict[tuple[str, str, str], list[Arrival]] = {}
    for message, arrival in messages:
        for match in _TEXT.finditer(message):
            found.setdefault((match[1], match[2], match[3]), []).append(arrival)
    return found


def _read(since: float) -> dict[tuple[str, str, str], list[Arrival]]:
    """Return what has arrived in the journal and all of its namespaces."""
    systemd.run(["journalctl", "--sync"])
    span = ["--namespace=*", f"--since=@{since:.6f}"]
    output = ["--output=json", f"--output-fields={_FIELDS}", "--quiet", "--no-pager"]
    return found_in(messages_in(systemd.run(["journalctl", *span, *output]).stdout))


def _with_arrivals(canary: Canary, found: Mapping[tuple[str, str, str], Sequence[Arrival]]) -> Canary:
    rows = (
        Row(row.library, row.logger, row.level, row.failed, tuple(found.get((canary.token, row.level, row.logger), ())))
        for row in canary.rows
    )
    return Canary(canary.pid, canary.way, canary.token, canary.unit, canary.tree, tuple(rows))


def look_up(canaries: Sequence[Canary], since: float) -> list[Canary]:
    """Return the canaries with what has arrived of them since a moment (seconds since the epoch)."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = _read(since)
        looked = [_with_arrivals(canary, found) for canary in canaries]
        missing = any(not row.arrivals and one.expected(row) for one in looked for row in one.rows)
        if not missing or time.monotonic() > deadline:
            return looked
        time.sleep(_PAUSE)
