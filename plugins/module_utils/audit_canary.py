# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule about records that a service makes on request: whether they reach the journal, and if not, why."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from . import canary_process, process_remote
from .adopt_unit_text import assignments_in, sections_in
from .audit_model import Finding, Unit
from .canary import Canary, Row, canary_of, look_up
from .canary_causes import NUMBERS, ROOT, cause_of, loggers_of
from .canary_unit import with_name
from .process_probe import Answer, ask_all, token_of
from .runtime_place import PROBE
from .unit_names import template_of

_PROBED, _STAND_IN = "the service itself", "a process with its settings"
_NO_ANSWER = "what it answers is none"
#: The priority that lines have which say none (systemd.exec(5), ``SyslogLevel=``).
_PLAIN_PRIORITY = 6


@dataclass
class Tried:
    """What was tried: the canaries by unit, and what could not be tried, with the reason."""

    canaries: dict[str, list[Canary]] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)


def try_all(units: Iterable[Unit]) -> Tried:
    """Let every service make records, or a process in its place, and look them up.

    Raises :class:`~.systemd_host.HostError` when the host's tools cannot be run.
    """
    tried, since, token = Tried(), time.time(), secrets.token_hex(8)
    made: list[tuple[str, Canary]] = []
    others = []
    for unit in units:
        if unit.trouble or not (unit.is_up or unit.is_job):
            continue
        folder = _folder_of(unit)
        own = _asked(unit, folder, token, tried.unseen) if folder else _attached(unit, token)
        made += [(unit.name, canary) for canary in own]
        others += [] if folder or own else [unit]
    if os.geteuid() == 0:
        made += _in_their_place(others, token, tried.unseen)
    else:
        tried.unseen += [_told(unit, "more rights are needed") for unit in others]
    looked = look_up([canary for _name, canary in made], since) if made else []
    for (name, _canary), canary in zip(made, looked):
        tried.canaries.setdefault(name, []).append(canary)
    return tried


def _folder_of(unit: Unit) -> str:
    """Return the folder with the sockets of a service that can be asked; empty for any other.

    A process that has written a title over its environment does not show it, but its unit does.
    """
    if unit.process is None or not unit.is_up:
        return ""
    if unit.process.variables is not None:
        return unit.process.variables.get(PROBE, "")
    lines = sections_in(file.text for file in unit.files).get("Service", {}).get("Environment", [])
    return (assignments_in((with_name(line, unit.name) for line in lines), unit.name) or {}).get(PROBE, "")


def _told(unit: Unit, reason: str) -> str:
    return f"whether records of {unit.name} reach the journal ({reason})"


def _in_their_place(units: Sequence[Unit], token: str, unseen: list[str]) -> list[tuple[str, Canary]]:
    """Let processes make records that have the settings of the units."""
    made = []
    for stand in canary_process.try_all(units, token) if units else ():
        module, answer = stand.served.module, stand.answer
        way = f"{_STAND_IN}{f' that has imported {module}' if module else ''}"
        found = (
            canary_of(answer.pid, way, stand.token, stand.name, answer.content) if answer and answer.content else None
        )
        if found is None:
            unseen.append(_told(stand.unit, stand.trouble or (answer.trouble if answer else "") or _NO_ANSWER))
        elif module and stand.served.elsewhere and not _is_configured(found):
            unseen.append(_told(stand.unit, f"what configures its logging is not in {module}"))
        else:
            made.append((stand.unit.name, found))
    return made


def _is_configured(canary: Canary) -> bool:
    return bool(loggers_of(canary.tree)[ROOT]["handlers"])


def _asked(unit: Unit, folder: str, token: str, unseen: list[str]) -> list[Canary]:
    """Ask the main process of a unit, and one of its workers: the others are like it."""
    process, found = unit.process, []
    answers = (
        ask_all(folder, [process.pid, *(worker.pid for worker in process.workers[:1])], "canary", token)
        if process
        else []
    )
    for answer in answers:
        found += _understood(unit, answer, token_of(token, answer.pid), unseen)
    if not answers:
        unseen.append(_told(unit, f"nobody listens in {folder}"))
    return found


def _attached(unit: Unit, token: str) -> list[Canary]:
    """Ask the main process of a unit, and one of its workers, without the runtime; one that waits for something does not answer."""
    process, found = unit.process, []
    for pid in (process.pid, *(worker.pid for worker in process.workers[:1])) if process and unit.is_up else ():
        if process_remote.version_of(pid) >= process_remote.FIRST:
            own = token_of(token, pid)
            found += _understood(unit, process_remote.ask(pid, "canary", own), own, [])
    return found


def _understood(unit: Unit, answer: Answer, token: str, unseen: list[str]) -> list[Canary]:
    """Return what a process of the unit has made, or tell why it has made nothing."""
    found = canary_of(answer.pid, _PROBED, token, unit.name, answer.content) if answer.content else None
    if found is not None and found.rows:
        return [found]
    patched = f"{found.tree['patched']} has replaced its threads" if found is not None else ""
    unseen.append(_told(unit, f"process {answer.pid}: {answer.trouble or patched or _NO_ANSWER}"))
    return []


def _is_of(canary: Canary, unit: Unit, name: str) -> bool:
    """Whether records of the unit ``name`` are those of a canary: a unit may have several names, and a connection its own."""
    if canary.unit != unit.name:
        return name == canary.unit
    return name in (unit.name, unit.properties.get("Id")) or (unit.is_connection and template_of(name) == unit.name)


def _lost(canary: Canary, unit: Unit) -> dict[str, list[Row]]:
    """Return the records that should have arrived and have not, by the reason."""
    found: dict[str, list[Row]] = {}
    for row in canary.rows:
        if canary.expected(row) and not any(_is_of(canary, unit, arrival.unit) for arrival in row.arrivals):
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
        for reason, rows in _lost(canary, unit).items():
            seen = f"{_shown(rows)}: {_filtered(unit, reason)}"
            if seen in told:
                continue
            told.add(seen)
            loses_warnings = any(row.number >= NUMBERS["WARNING"] for row in rows)
            yield Finding("SB208", unit.name, seen, _mend(unit, canary, rows), "" if loses_warnings else "warning")


def _mend(unit: Unit, canary: Canary, rows: Sequence[Row]) -> Optional[dict[str, Any]]:
    """Return what mends it where the program configures nothing; what it configures itself wins."""
    if _is_configured(canary) or any(row.library != "logging" or row.arrivals or row.failed for row in rows):
        return None
    return unit.entry(logging={"level": "INFO", "apply": "startup"})


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
