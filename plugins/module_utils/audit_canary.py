# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule about records that a service makes on request: whether they reach the journal, and if not, why."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from .audit_model import Finding, Unit
from .canary import Canary, Row, canary_of, look_up
from .canary_causes import NUMBERS, cause_of
from .process_probe import Answer, ask_all, token_of
from .runtime_place import PROBE

_PROBED = "the service itself"
#: The priority that lines have which say none (systemd.exec(5), ``SyslogLevel=``).
_PLAIN_PRIORITY = 6


@dataclass
class Tried:
    """What was tried: the canaries by unit, and what could not be tried, with the reason."""

    canaries: dict[str, list[Canary]] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)


def try_all(units: Iterable[Unit]) -> Tried:
    """Let every service that runs make records, and look them up."""
    tried, since = Tried(), time.time()
    made: list[Canary] = []
    for unit in units:
        if unit.is_up and unit.process is not None:
            own = list(_asked(unit, tried.unseen))
            made += own
    for canary in look_up(made, since) if made else ():
        tried.canaries.setdefault(canary.unit, []).append(canary)
    return tried


def _asked(unit: Unit, unseen: list[str]) -> Iterator[Canary]:
    """Ask the main process of a unit, and one of its workers: the others are like it."""
    process = unit.process
    folder = (process.variables or {}).get(PROBE, "") if process else ""
    if process is None or not folder:
        return
    pids = [process.pid, *(worker.pid for worker in process.workers[:1])]
    token, answered = secrets.token_hex(8), False
    for answer in ask_all(folder, pids, "canary", token):
        found = _canary(unit, answer, token)
        if found is not None and found.rows:
            answered = True
            yield found
        elif answer.trouble or found is not None:
            patched = found.tree.get("patched") if found is not None else ""
            reason = answer.trouble or f"{patched} has replaced its threads"
            unseen.append(f"whether records of {unit.name} reach the journal (process {answer.pid}: {reason})")
            answered = True
    if not answered:
        unseen.append(f"whether records of {unit.name} reach the journal (nobody listens in {folder})")


def _canary(unit: Unit, answer: Answer, token: str) -> Optional[Canary]:
    if answer.content is None:
        return None
    return canary_of(answer.pid, _PROBED, token_of(token, answer.pid), unit.name, answer.content)


def _lost(canary: Canary) -> dict[str, list[Row]]:
    """Return the records that should have arrived and have not, by the reason."""
    found: dict[str, list[Row]] = {}
    for row in canary.rows:
        if canary.expected(row) and not any(arrival.unit == canary.unit for arrival in row.arrivals):
            found.setdefault(_reason(canary, row), []).append(row)
    return found


def _reason(canary: Canary, row: Row) -> str:
    if row.arrivals:
        return f"they are in the journal as of {row.arrivals[0].unit or 'no unit'}, so journalctl -u does not show them"
    if row.failed:
        return f"what the application has put in their way raises {row.failed}"
    if row.library != "logging":
        return f"{row.library} is configured to take them elsewhere, or to leave them out"
    return cause_of(canary.tree, row.logger, row.level)


def _shown(rows: Sequence[Row]) -> str:
    """Return records by their logger, such as ``INFO of root``."""
    levels: dict[str, list[str]] = {}
    for row in rows:
        levels.setdefault(row.logger, []).append(row.level)
    return ", ".join(f"{'/'.join(own)} of {logger}" for logger, own in levels.items())


def _filtered(unit: Unit, reason: str) -> str:
    """Return the reason, or that the unit lets no plain line through: journald would have the record otherwise."""
    least = unit.properties.get("LogLevelMax", "")
    if least.isdigit() and int(least) < _PLAIN_PRIORITY and "does not bring it to the journal" in reason:
        return f"LogLevelMax={least} of the unit leaves out what has no higher priority"
    return reason


def judge(unit: Unit, canaries: Sequence[Canary]) -> Iterator[Finding]:
    """SB208."""
    told: set[str] = set()
    for canary in canaries:
        for reason, rows in _lost(canary).items():
            seen = f"{_shown(rows)}: {_filtered(unit, reason)}"
            if seen in told:
                continue
            told.add(seen)
            loses_warnings = any(row.number >= NUMBERS["WARNING"] for row in rows)
            mend = unit.entry(logging={"level": "INFO", "apply": "startup"})
            yield Finding("SB208", unit.name, seen, mend, "" if loses_warnings else "warning")


def result_of(canaries: Optional[Sequence[Canary]]) -> Optional[list[dict[str, Any]]]:
    """Return what arrived, as a module's result shows it: one row for each way of each process."""
    if canaries is None:
        return None
    return [row for canary in canaries for row in _rows(canary)]


def _rows(canary: Canary) -> Iterator[dict[str, Any]]:
    ways: dict[tuple[str, str], list[Row]] = {}
    for row in canary.rows:
        ways.setdefault((row.library, row.logger), []).append(row)
    for (library, logger), rows in ways.items():
        yield {
            "asked": canary.way,
            "pid": canary.pid,
            "library": library,
            "logger": logger,
            "arrived": {row.level: row.arrivals[0].priority for row in rows if row.arrivals},
            "lost": [row.level for row in rows if not row.arrivals],
            "repeated": [row.level for row in rows if len(row.arrivals) > 1],
            "units": sorted({arrival.unit for row in rows for arrival in row.arrivals}),
        }
