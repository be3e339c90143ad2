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
from .audit_boot import DEFAULT, REVERSE, Boot, read_boot
from .audit_environments import unseen_of
from .audit_journal import unseen_of_journal
from .audit_model import RECENTLY, Unit, UnitFile
from .audit_processes import is_python, members, pythons_below, read_main_process, runs_python, watch_workers
from .audit_refused import commands_in, is_of_python, is_refused
from .audit_scripts import behind_starters
from .leak_settings import SERVICE as SAMPLER
from .memory_usage import accounted_memory
from .shown_lists import members_of
from .unit_names import is_instance, template_of
from .unit_state import OTHER_FOLDERS, UNIT_FOLDER

PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "Result", "Type", "RemainAfterExit", "MainPID", "NRestarts"),
    *("Restart", "RestartUSec", "RestartSteps", "RestartMaxDelayUSec", "RestartPreventExitStatus"),
    *("StartLimitIntervalUSec", "StartLimitBurst"),
    *("User", "WorkingDirectory", "LogLevelMax", "InvocationID"),
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
#: Where nothing of the unit is in memory but what runs of it (systemd.unit(5), ``LoadState=``).
_WITHOUT_FILE = ("not-found", "masked")
_UP = ("active", "activating", "reloading")
#: dbus-daemon(1), "Service activation": what a bus starts, in the folders of the system's own.
_BUS = tuple(f"{base}/dbus-1/system-services" for base in ("/etc", "/run", "/usr/local/share", "/usr/share", "/lib"))
_ON_BUS = re.compile(r"^\s*SystemdService\s*=\s*(\S+)\s*$", re.MULTILINE)
_IN_FILE = re.compile(r"(/[^:]+):\d+:")
#: What is no fault of a unit, but of who looks at it.
_DENIED = "Permission denied"


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


def _with_scripts(
    programs: Mapping[str, list[Started]], states: Mapping[str, systemd.UnitState]
) -> dict[str, list[Started]]:
    """Return the programs with those behind shells and other starters, of units that do not run: of what runs the process is looked at.

    Where that may not be seen (proc(5), ``hidepid``), there is nothing else to look at.

    A shell that is ``oneshot`` is left out, as it is while it runs.
    """
    found = {}
    for unit, own in programs.items():
        pid = int(states[unit].get("MainPID") or 0)
        is_down = (not pid or runs_python(pid) is None) and states[unit].get("Type") != "oneshot"
        folder = states[unit].get("WorkingDirectory", "").lstrip("!") or "/"
        found[unit] = [*own, *(Started(*one) for one in behind_starters(own, folder))] if is_down else own
    return found


def _with_refused(
    programs: Mapping[str, list[Started]], states: Mapping[str, systemd.UnitState]
) -> dict[str, list[Started]]:
    """Return the programs with those in the files of units that systemd refuses to load: it shows none of these."""
    now = time.time()
    return {
        unit: own
        if own or not is_refused(states[unit])
        else [Started(*one) for one in commands_in(file.text for file in _files(states[unit], now))]
        for unit, own in programs.items()
    }


def _python_services(
    states: Mapping[str, systemd.UnitState], programs: Mapping[str, Sequence[Started]], unseen: list[str]
) -> dict[str, systemd.UnitState]:
    """Return the units that are Python services; of what systemd refuses to load, ``unseen`` tells where that cannot be told.

    The sampler of the role leakwatch is a part of the baseline, and no service of the host.
    """
    found = {}
    for unit, state in states.items():
        if unit == SAMPLER:
            continue
        if is_python_service(state, programs[unit]):
            found[unit] = state
        elif is_refused(state) and not int(state.get("MainPID") or 0) and is_of_python(programs[unit]) is None:
            unseen.append(
                f"whether {unit} is a Python service (LoadState={state['LoadState']}, and its program is not there)"
            )
    return found


def is_python_service(state: systemd.UnitState, programs: Iterable[Started]) -> bool:
    """Whether the main process is a Python or a starter that has started one, or where none runs, what would be started is one.

    What runs one command after the other (``oneshot``) would be a Python service at some times, and at others not.
    """
    pid = int(state.get("MainPID") or 0)
    running = runs_python(pid) if pid else None
    if running is None and state["LoadState"] in _WITHOUT_FILE:
        return False
    if running is False and state.get("Type") != "oneshot":
        return bool(pythons_below(pid, members(state.get("ControlGroup", ""))))
    if running is not None:
        return running
    if is_refused(state):
        return is_of_python(programs) is True
    return any(is_python(one.program) for one in programs)


def _file(path: str, now: float) -> UnitFile | None:
    with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as stream:
        status = os.fstat(stream.fileno())
        # Whoever copies a file may give it the time of another one; that of the change of its inode nobody can.
        return UnitFile(path, stream.read(), now - max(status.st_mtime, status.st_ctime))
    return None


def paths_of(state: systemd.UnitState) -> list[str]:
    """Return the paths of a unit's files: its unit file, if it has one, and its drop-ins in their order."""
    return [path for path in (state.get("FragmentPath", ""), *members_of(state.get("DropInPaths", ""))) if path]


def is_missing(path: str) -> bool:
    """Whether nothing is at a path; what may not be seen is not missing."""
    try:
        os.lstat(path)
    except OSError as error:
        return isinstance(error, (FileNotFoundError, NotADirectoryError))
    return False


def _files(state: systemd.UnitState, now: float) -> tuple[UnitFile, ...]:
    if state["LoadState"] in _WITHOUT_FILE:
        # What masks a unit is a link to /dev/null, or an empty file.
        return ()
    found = (_file(path, now) for path in paths_of(state))
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
    shown = members_of(state.get("DropInPaths", ""))
    loaded = {path for path in shown if any(f"/{name}.d/" in path for name in names)}
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
    done = systemd.run(["journalctl", *since, *output, f"MESSAGE_ID={_RESTART_SCHEDULED}", "_PID=1"])
    counts: dict[str, int] = {}
    for line in filter(None, done.stdout.split("\n")):
        unit = str(json.loads(line).get("UNIT", ""))
        counts[unit] = counts.get(unit, 0) + 1
    return counts


def diagnostics_of(printed: str, units: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Return the lines of ``systemd-analyze verify`` by the unit that they speak of, by its name or the path of a file of it.

    ``units`` has the paths of the files of each. A file may be of several: that of a template, a drop-in for all of a prefix.
    """
    found: dict[str, list[str]] = {unit: [] for unit in units}
    for line in map(str.strip, printed.split("\n")):
        for unit, paths in units.items():
            own = (f"{unit}:", *(f"{path}:" for path in paths))
            # A drop-in that is not loaded yet.
            if line.startswith(own) or f"/{unit}:" in line or f"/{unit}.d/" in line.partition(": ")[0]:
                found[unit].append(line)
    return {unit: tuple(dict.fromkeys(lines)) for unit, lines in found.items()}


def verifiable(unit: str) -> str:
    """Return the name under which systemd-analyze(1) looks at a unit; empty for none.

    It takes what follows a colon for another name of the unit, and then looks at no unit at all. Of an instance, all but its own
    drop-ins are those of its template.
    """
    return next((name for name in (unit, template_of(unit)) if ":" not in name), "")


def _diagnostics(
    states: Mapping[str, systemd.UnitState], version: int, unseen: list[str]
) -> dict[str, tuple[str, ...]]:
    known = {unit: paths_of(state) for unit, state in states.items() if state["LoadState"] not in _WITHOUT_FILE}
    names = list(dict.fromkeys(filter(None, map(verifiable, known))))
    unseen += [
        f"what systemd-analyze says of {unit} (it takes no name with a colon)" for unit in known if not verifiable(unit)
    ]
    if not names:
        return {}
    options = ["--recursive-errors=no"] if version >= systemd.RECURSIVE_ERRORS else []
    done = systemd.run(["systemd-analyze", "verify", "--man=no", *options, "--", *names])
    found = diagnostics_of(done.stderr, known)
    if os.geteuid():
        denied = [unit for unit, lines in found.items() if any(_DENIED in line for line in lines)]
        unseen += [f"all that systemd-analyze says of {unit} (more rights are needed)" for unit in denied]
        found = {unit: tuple(line for line in lines if _DENIED not in line) for unit, lines in found.items()}
    return found


def _triggers(states: Mapping[str, systemd.UnitState]) -> dict[str, systemd.UnitState]:
    """Return what triggers the units, and beside it the default target, in one question."""
    names = sorted({name for state in states.values() for name in members_of(state.get("TriggeredBy", ""))})
    return systemd.show([*names, DEFAULT], ("Id", "UnitFileState", "Accept", *REVERSE))


def started_by_bus(folders: Iterable[str] = _BUS) -> frozenset[str]:
    """Return the units that a call on the bus of the system starts."""
    found: set[str] = set()
    for folder in folders:
        with suppress(OSError):
            for name in os.listdir(folder):
                with suppress(OSError), open(os.path.join(folder, name), encoding="utf-8", errors="replace") as stream:
                    found.update(_ON_BUS.findall(stream.read()))
    return frozenset(found)


@dataclass(frozen=True)
class _Host:
    """What is read once for all units."""

    programs: Mapping[str, Sequence[Started]]
    triggers: Mapping[str, systemd.UnitState]
    restarts: Mapping[str, int]
    boot: Boot
    diagnostics: Mapping[str, tuple[str, ...]]
    on_bus: frozenset[str]


def present(states: Mapping[str, systemd.UnitState], unseen: list[str]) -> dict[str, systemd.UnitState]:
    """Return the units of which there is anything to be judged: a file, or what runs without one."""
    found = {}
    for unit, state in states.items():
        if state["LoadState"] not in _WITHOUT_FILE or state.get("ActiveState") in _UP:
            found[unit] = state
        elif state["LoadState"] == "masked":
            unseen.append(f"{unit} (it is masked, and does not run)")
        else:
            unseen.append(f"{unit} (there is no such unit)")
    return found


def without_further_connections(
    states: Mapping[str, systemd.UnitState], triggers: Mapping[str, systemd.UnitState]
) -> dict[str, systemd.UnitState]:
    """Return the units with one connection of each socket: all of them come from one template, and go again."""
    found, templates = {}, set()
    for unit, state in states.items():
        template = template_of(unit)
        if _is_connection(unit, state, triggers):
            if template in templates:
                continue
            templates.add(template)
        found[unit] = state
    return found


def _is_connection(unit: str, state: systemd.UnitState, triggers: Mapping[str, systemd.UnitState]) -> bool:
    by = members_of(state.get("TriggeredBy", ""))
    return is_instance(unit) and any(triggers[name].get("Accept") == "yes" for name in by)


def read_units(named: Sequence[str], version: int) -> Read:
    """Return the units of ``named``, or when that is empty every Python service that systemd knows.

    Raises :class:`~.systemd_host.HostError` when systemd does not answer.
    """
    read = Read()
    states = systemd.show(list(named) or _loaded(), PROPERTIES)
    programs = _with_scripts(_with_refused(_programs(list(states)), states), states)
    if not named:
        states = _python_services(states, programs, read.unseen)
    states = present(states, read.unseen)
    triggers = _triggers(states)
    states = without_further_connections(states, triggers)
    boot, restarts = read_boot({**triggers, **states}), _scheduled_restarts()
    host = _Host(programs, triggers, restarts, boot, _diagnostics(states, version, read.unseen), started_by_bus())
    if os.geteuid() and not _may_read_journal():
        read.unseen.append("restarts, and messages that were dropped (the journal may not be read)")
    read.unseen += unseen_of_journal()
    read.units = [_unit(unit, state, host) for unit, state in states.items()]
    read.unseen += [text for unit in read.units for text in unseen_of(unit)]
    read.units = _with_deaths(read.units)
    return read


def _unit(unit: str, state: systemd.UnitState, host: _Host) -> Unit:
    pid = int(state.get("MainPID") or 0)
    process = read_main_process(pid, members(state.get("ControlGroup", ""))) if pid else None
    connection = _is_connection(unit, state, host.triggers)
    name = template_of(unit) if connection else unit
    own = {one: host.triggers[one]["UnitFileState"] for one in members_of(state.get("TriggeredBy", ""))}
    fragment = state.get("FragmentPath", "")
    diagnostics = host.diagnostics.get(unit, ())
    if state.get("MemoryHigh", "").isdigit():
        accounted = accounted_memory(state.get("ControlGroup", ""))
        state = {**state, "MemoryAnonymous": str(accounted[1]) if accounted else ""}
    return Unit(
        name,
        state,
        # Right after the process, so that both ages are of the same moment.
        _files(state, time.time()),
        diagnostics,
        own,
        process,
        host.restarts.get(unit, 0),
        _unloaded(state, unit),
        tuple(one.program for one in host.programs[unit]),
        {one: host.boot.stranded[one] for one in (unit, *own) if one in host.boot.stranded},
        tuple(one.shown for one in host.programs[unit]),
        frozenset(one for one in (unit, *own) if one in host.boot.pulled_in),
        connection,
        bool(fragment) and is_missing(fragment),
        unit in host.on_bus,
        _unread(diagnostics, paths_of(state)),
    )


def _unread(diagnostics: Iterable[str], known: Sequence[str]) -> tuple[UnitFile, ...]:
    """Return the files that diagnostics begin with and that are not among the ``known`` ones."""
    paths = dict.fromkeys(found[1] for found in map(_IN_FILE.match, diagnostics) if found)
    return tuple(filter(None, (_file(path, time.time()) for path in paths if path not in known)))


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
