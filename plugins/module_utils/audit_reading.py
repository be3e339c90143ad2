# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the Python services of a host as they are in effect, without changing anything."""

from __future__ import annotations

import grp
import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from . import systemd_host as systemd
from .audit_boot import DEFAULT, REVERSE, read_stranded
from .audit_model import RECENTLY, Unit, UnitFile
from .audit_processes import is_python, members, pythons_below, read_main_process, runs_python, watch_workers
from .unit_names import template_of
from .unit_state import OTHER_FOLDERS, UNIT_FOLDER

PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "Result", "Type", "RemainAfterExit", "MainPID", "NRestarts"),
    *("Restart", "RestartUSec", "StartLimitIntervalUSec", "StartLimitBurst", "User", "WorkingDirectory"),
    *("NeedDaemonReload", "FragmentPath", "DropInPaths", "UnitFileState", *REVERSE),
    *("TriggeredBy", "StandardOutput", "StandardError", "MemoryMax", "MemoryHigh", "MemoryCurrent", "ControlGroup"),
)
#: systemd.journal-fields(7): the message with which systemd says that it has scheduled a restart.
_RESTART_SCHEDULED = "5eb03494b6584870a536b337290809b3"
#: What ``systemctl set-property`` writes, in effect at once (systemd.unit(5), "Unit File Load Path").
_SET_AT_RUN_TIME = ("/etc/systemd/system.control", "/run/systemd/system.control")
#: Seconds after which a master has started what it starts; of one CPU, what its dead workers then take on average in a loop.
_OLD = 60.0
_SPENT_IN_LOOP = 0.02
_PROGRAM = re.compile(
    r"^ExecStart=\{ path=(.*?) ; argv\[\]=((?:.|\n)*?)(?: ; (?:ignore_errors|flags|start_time|pid)=|\Z)", re.MULTILINE
)
#: A unit that every host with systemd has, and that has a program.
_WITH_PROGRAM = "systemd-journald.service"
_ID = re.compile(r"^Id=.*$", re.MULTILINE)


@dataclass
class Read:
    """The units that are Python services, and what could not be seen."""

    units: list[Unit] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def _loaded() -> list[str]:
    """Return the services that systemd has in memory, whatever their state."""
    argv = ["systemctl", "list-units", "--all", "--type=service", "--plain", "--no-legend", "--no-pager", "--full"]
    done = systemd.run(argv)
    if done.status:
        raise systemd.HostError(f"systemctl list-units failed: {done.stderr.strip()}")
    return [words[0] for words in (line.split() for line in done.stdout.split("\n")) if len(words) > 1]


class Started(NamedTuple):
    """A program that a unit starts, and its command as systemd shows it: words with blanks cannot be told from several."""

    program: str
    shown: str


def programs_in(printed: str) -> list[list[Started]]:
    """Return the programs that each unit starts, from what ``systemctl show`` prints of ``ExecStart`` and ``Id``.

    The first unit is left out: it is one that has a program, and so tells whether ``Id`` comes last or, as with systemd 262, first.
    The words of a command are shown as they are, so a word may hold lines, empty ones too, and neither tells where a unit ends.
    """
    parts = _ID.split(printed)
    return [
        [Started(*one) for one in _PROGRAM.findall(unit)]
        for unit in (parts[1:] if printed.startswith("Id=") else parts[:-1])
    ][1:]


def _programs(units: Sequence[str]) -> dict[str, list[Started]]:
    if not units:
        return {}
    argv = ["systemctl", "show", "--property", "ExecStart,Id", "--", _WITH_PROGRAM, *units]
    found = programs_in(systemd.run(argv).stdout)
    if len(found) == len(units):
        return dict(zip(units, found))
    # A word of a command has a line that looks like the end of a unit. Of a unit that is asked for alone, all is its own.
    if len(units) == 1:
        return {units[0]: [program for part in found for program in part]}
    return {unit: _programs([unit])[unit] for unit in units}


def _is_python_service(state: systemd.UnitState, programs: Iterable[Started]) -> bool:
    """Whether the main process is a Python or a shell that has started one, or where none runs, what would be started is one.

    What runs one command after the other (``oneshot``) would be a Python service at some times, and at others not.
    """
    if state["LoadState"] != "loaded":
        return False
    pid = int(state.get("MainPID") or 0)
    running = runs_python(pid) if pid else None
    if running is False and state.get("Type") != "oneshot":
        return bool(pythons_below(pid, members(state.get("ControlGroup", ""))))
    if running is not None:
        return running
    return any(is_python(one.program) for one in programs)


def _file(path: str, now: float) -> UnitFile | None:
    with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return UnitFile(path, stream.read(), now - os.fstat(stream.fileno()).st_mtime)
    return None


def _files(state: systemd.UnitState, now: float) -> tuple[UnitFile, ...]:
    paths = [state.get("FragmentPath", ""), *state.get("DropInPaths", "").split()]
    found = (_file(path, now) for path in paths if path)
    return tuple(file for file in found if file is not None)


def _unloaded(state: systemd.UnitState, unit: str) -> tuple[str, ...]:
    """Return the drop-ins that a daemon-reload would bring or take away; ``NeedDaemonReload=`` says no for a unit's first one.

    systemd.unit(5): of several files of one name, the one in the folder that comes first counts.
    """
    names = dict.fromkeys((unit, template_of(unit)))
    effective: dict[str, str] = {}
    above_all = (*_SET_AT_RUN_TIME, UNIT_FOLDER, *OTHER_FOLDERS)
    for folder in (f"{above}/{name}.d" for above in above_all for name in names):
        with suppress(OSError):
            for file in os.listdir(folder):
                if file.endswith(".conf"):
                    effective.setdefault(file, f"{folder}/{file}")
    loaded = {path for path in state.get("DropInPaths", "").split() if any(f"/{name}.d/" in path for name in names)}
    return tuple(sorted(loaded ^ set(effective.values())))


def _may_read_journal() -> bool:
    """Whether this process is in a group that may read the journal of the system (systemd-journald.service(8))."""
    groups = {name for name in ("systemd-journal", "adm", "wheel") if _gid(name) in (*os.getgroups(), os.getegid())}
    return bool(groups)


def _gid(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return -1


def _scheduled_restarts() -> dict[str, int]:
    """Return how often systemd has scheduled a restart of each unit within ``RECENTLY``, from the journal, in one question."""
    since = ["--since", f"@{time.time() - RECENTLY:.0f}"]
    output = ["--output", "json", "--output-fields", "UNIT", "--quiet", "--no-pager"]
    done = systemd.run(["journalctl", *since, *output, f"MESSAGE_ID={_RESTART_SCHEDULED}"])
    counts: dict[str, int] = {}
    for line in filter(None, done.stdout.split("\n")):
        unit = str(json.loads(line).get("UNIT", ""))
        counts[unit] = counts.get(unit, 0) + 1
    return counts


def diagnostics_of(printed: str, units: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the lines of ``systemd-analyze verify`` by the unit that they speak of, by its name or the path of a file of it."""
    found: dict[str, list[str]] = {unit: [] for unit in units}
    for line in printed.split("\n"):
        for unit, lines in found.items():
            if line.startswith(f"{unit}:") or f"/{unit}:" in line or f"/{unit}.d/" in line.partition(": ")[0]:
                lines.append(line.strip())
                break
    return {unit: tuple(dict.fromkeys(lines)) for unit, lines in found.items()}


def _diagnostics(units: Sequence[str], version: int) -> dict[str, tuple[str, ...]]:
    if not units:
        return {}
    options = ["--recursive-errors=no"] if version >= systemd.RECURSIVE_ERRORS else []
    return diagnostics_of(systemd.run(["systemd-analyze", "verify", "--man=no", *options, *units]).stderr, units)


def _triggers(states: Mapping[str, systemd.UnitState]) -> dict[str, systemd.UnitState]:
    """Return what triggers the units, and beside it the default target, in one question."""
    names = sorted({name for state in states.values() for name in state.get("TriggeredBy", "").split()})
    return systemd.show([*names, DEFAULT], ("Id", "UnitFileState", *REVERSE))


def read_units(named: Sequence[str], version: int) -> Read:
    """Return the units of ``named``, or when that is empty every Python service that systemd knows.

    Raises :class:`~.systemd_host.HostError` when systemd does not answer.
    """
    states = systemd.show(list(named) or _loaded(), PROPERTIES)
    programs = _programs(list(states))
    if not named:
        states = {unit: state for unit, state in states.items() if _is_python_service(state, programs[unit])}
    states = {unit: state for unit, state in states.items() if state["LoadState"] != "not-found"}
    triggers, restarts = _triggers(states), _scheduled_restarts()
    stranded = read_stranded({**triggers, **states})
    diagnostics = _diagnostics(list(states), version)
    read = Read()
    if os.geteuid() and not _may_read_journal():
        read.unseen.append("restarts, and messages that were dropped (the journal may not be read)")
    for unit, state in states.items():
        pid = int(state.get("MainPID") or 0)
        process = read_main_process(pid, members(state.get("ControlGroup", ""))) if pid else None
        if process is not None and process.variables is None:
            why = "more rights are needed" if os.geteuid() else "a title has taken its place"
            read.unseen.append(f"the environment of the process of {unit} ({why})")
        own = {name: triggers[name]["UnitFileState"] for name in state.get("TriggeredBy", "").split()}
        # Right after the process, so that both ages are of the same moment.
        files, unloaded = _files(state, time.time()), _unloaded(state, unit)
        counted = restarts.get(unit, 0)
        started, shown = tuple(one.program for one in programs[unit]), tuple(one.shown for one in programs[unit])
        lost = {name: stranded[name] for name in (unit, *own) if name in stranded}
        found = Unit(unit, state, files, diagnostics[unit], own, process, counted, unloaded, started, lost, shown)
        read.units.append(found)
    read.units = _with_deaths(read.units)
    return read


def _with_deaths(units: list[Unit]) -> list[Unit]:
    """Return the units, with the deaths of workers of those whose dead children have taken more than a little CPU time."""
    watched = {
        unit.process.pid: unit.properties.get("ControlGroup", "")
        for unit in units
        if unit.process and unit.process.age > _OLD and unit.process.spent_by_dead > _SPENT_IN_LOOP * unit.process.age
    }
    deaths = watch_workers(watched)
    return [
        replace(unit, process=replace(unit.process, deaths=deaths.get(unit.process.pid, 0))) if unit.process else unit
        for unit in units
    ]
