# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads virtual environments as they are, without changing anything but the memory of file digests."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Optional

from .audit_applications import Allowance, application_of
from .audit_memory import FAULTS, USES, mark_of, recall, remember
from .audit_model import Unit
from .audit_packages import Held, modules_in
from .audit_processes import shows_output
from .audit_programs import programs_of
from .audit_references import Reference, References, find_missing, read_sources, which_logs
from .audit_source_facts import Fault
from .audit_source_rules import SourceRules
from .commands import EnvironmentFailure, User, acting_as, current_user, run, user_in_group, user_with
from .conflicts import changed_at, find_conflicts
from .dist_info import Distribution, Records, installed_distributions, leftovers, verify_files, without_shared
from .environment_layout import python_of, sites_of
from .environment_lock import environment_key
from .environment_marks import GENERATION_FILE, JOURNAL_FILE
from .environment_reading import read_requested
from .environments import Environment
from .file_hashes import FileHashes, cache_path
from .interpreters import Interpreter, ask_interpreter
from .locked_pins import unpinned
from .pep440 import same_version
from .problems import InvalidInput, Problem
from .requirements import Pin, combine
from .virtual_environments import sees_system

_CONFIGURATION = "pyvenv.cfg"
#: Seconds within which an interpreter starts and ends, also on a busy host.
PATIENCE = 30.0
#: Bytes of the mark of a generation; those that the baseline writes are shorter.
_LONGEST_MARK = 4096
#: What runs at the start of an interpreter may print, too.
_ANSWER = "stability-standard:"
#: The modules that lie in files and are not there when a program begins: no other ones can be hidden. Before 3.10 no Python told their
#: names; then it is what lies in its folder.
_STANDARD = f"""
import os, sys
names = getattr(sys, "stdlib_module_names", None) or {{one.partition(".")[0] for one in os.listdir(os.path.dirname(os.__file__))}}
print("{_ANSWER}", *({{*names}} - {{*sys.builtin_module_names}} - {{*sys.modules}}))
"""


def environment_of(program: str) -> str:
    """Return the virtual environment of a program in its ``bin``; empty when there is none."""
    folder = os.path.dirname(os.path.dirname(program)) if program.startswith("/") else ""
    return folder if folder and os.path.isfile(os.path.join(folder, _CONFIGURATION)) else ""


def environments_of(units: Iterable[Unit]) -> dict[str, str]:
    """Return the virtual environment of each unit that has one, by the unit's name: that of its process, or what it would start."""
    found = {unit.name: next(filter(None, map(environment_of, programs_of(unit))), "") for unit in units}
    return {name: path for name, path in found.items() if path}


def unseen_of(unit: Unit) -> list[str]:
    """Return what cannot be seen of the process of a unit, each with the reason."""
    process, found = unit.process, []
    if process is None:
        is_hidden = os.geteuid() and int(unit.properties.get("MainPID") or 0)
        return [f"the process of {unit.name} (more rights are needed)"] if is_hidden else []
    if process.variables is None:
        why = "more rights are needed" if os.geteuid() else "a title has taken its place"
        found.append(f"the environment of the process of {unit.name} ({why})")
        if process.argv and not process.argv[0].startswith("/") and not environments_of([unit]):
            found.append(f"whether {unit.name} runs in a virtual environment (nor can the PATH of its process be read)")
    if not shows_output(process.pid):
        found.append(f"where the output of the process of {unit.name} goes (more rights are needed)")
    return found


def _user_of(path: str) -> User:
    """Return who may execute inside an environment: its owner, where we may act as that, else ourselves."""
    status = os.stat(path)
    return user_with(status.st_uid, status.st_gid) if os.geteuid() == 0 else current_user()


def _damaged(
    distributions: Mapping[str, list[Distribution]], hashes: FileHashes, unseen: list[str]
) -> dict[str, tuple[str, ...]]:
    """Return the files of each distribution that are not as its ``RECORD`` says, missing ones first."""
    records, everything = Records(), [one for own in distributions.values() for one in own]
    damaged = {}
    for name, own in distributions.items():
        try:
            integrity = without_shared(verify_files(own[0], hashes, records), own[0], everything, records)
        except OSError as error:
            unseen.append(f"the files of {name} in {os.path.dirname(own[0].path)} ({error.filename}: {error.strerror})")
            continue
        if integrity.changed or integrity.missing:
            damaged[name] = (*integrity.missing, *integrity.changed)
    return damaged


def _pins(environment: Environment, interpreter: Interpreter, unseen: list[str]) -> Optional[list[Pin]]:
    """Return what is pinned, also by a file on the host; ``None`` where that cannot be read."""
    problems: list[Problem] = []
    absent: list[str] = []
    try:
        requested = read_requested(environment, True, absent, problems)
        pins = requested.pins_for(list(environment.pins), interpreter.markers, problems)
        pins = combine(pins, environment.require_hashes, problems)
    except InvalidInput as invalid:
        problems += invalid.problems
    if absent or problems:
        # Without what was found: a line of a requirements file may hold a token.
        reason = absent[0] if absent else f"{problems[0].option}: expected {problems[0].expected}"
        unseen.append(f"the pins of {environment.virtualenv} ({reason})")
        return None
    return pins


def _wrong(pins: Iterable[Pin], versions: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {
        pin.name: (versions.get(pin.name, ""), pin.version)
        for pin in pins
        if not same_version(versions.get(pin.name, ""), pin.version)
    }


@dataclass(frozen=True)
class Known:
    """What the two lists say of an environment: the item (``None``: it is not listed), the source folders of what runs in it, and
    who that runs as (``user`` or ``user:group``; empty: nobody says).

    ``units`` run in it, and no list says where their source lies.
    """

    listed: Optional[Environment] = None
    sources: Sequence[str] = ()
    runs_as: str = ""
    units: Sequence[Unit] = ()


@dataclass(frozen=True)
class Looking:
    """How the source of applications is looked at: how much of it that nobody named, and whether anything may be kept for the next
    time."""

    allowance: Allowance
    remember: bool


def _references(
    path: str, distributions: Mapping[str, list[Distribution]], known: Known, owner: User, looking: Looking, python: str
) -> References:
    """Return what is used of an environment and not there, and what is wrong with what uses it, looked at as its owner, or instead of root as what runs
    in it.

    ``python`` is its version; empty where the times of files do not tell whether it has changed.
    """
    runs_as = known.runs_as or next((unit.properties.get("User") or "root" for unit in known.units), "")
    user = owner if owner.uid else user_in_group(runs_as) if runs_as else None
    if not known.sources and not known.units:
        return References()
    if user is None:
        return References(unseen=[f"whether {path} has what is used of it (no service says as whom)"])
    with acting_as(user):
        application = application_of(known.units, path, looking.allowance)
        sources = [*known.sources, *application.files]
        mark = mark_of(python, distributions, sources, application.own) if python else ""
    uses, faults = recall(path, mark, USES), recall(path, mark, FAULTS)
    found = References(missing=[Reference(*fields) for fields in uses or ()])
    rules = SourceRules() if faults is None else None
    if sources and uses is None:
        found = find_missing(path, distributions, sources, user, application.own, rules)
        if looking.remember and not found.unseen:
            remember(path, mark, USES, map(astuple, found.missing))
    elif sources and rules is not None:
        with acting_as(user):
            found.unseen += read_sources(sources, (), rules).problems
    if rules is None:
        found.faults = [Fault(*fields) for fields in faults or ()]
    else:
        with acting_as(user):
            found.faults = rules.judge(lambda modules: which_logs(distributions, modules - application.own))
        if looking.remember and not found.unseen:
            remember(path, mark, FAULTS, map(astuple, found.faults))
    found.unseen += [f"the source in {folder} (it is much; sources says where it lies)" for folder in application.left]
    return found


def _conflicts(path: str, distributions: Mapping[str, list[Distribution]], interpreter: Interpreter) -> list[str]:
    """Return the conflicts of what is installed in an environment, where that sees the system's distributions with these."""
    if not sees_system(path):
        return find_conflicts(distributions, interpreter.markers)
    everything = installed_distributions(interpreter.searched)
    lines = find_conflicts({**everything, **distributions}, interpreter.markers)
    return [line for line in lines if line.partition(" ")[0] in distributions]


def _interpreter_of(path: str, user: User) -> tuple[Interpreter, frozenset[str]]:
    """Return what the interpreter of an environment says of itself, and the names of its own modules that others can hide.

    Raises :class:`EnvironmentFailure` when it does not run, or does not even get to its end when it has next to nothing to do: who only
    looks at a host must not wait for ever for something that hangs there.
    """
    program = python_of(path)
    answer = run([program, "-I", "-B", "-c", _STANDARD], user, timeout=PATIENCE)
    return ask_interpreter(program, user), frozenset(answer.stdout.rpartition(_ANSWER)[2].split())


def _switched_at(path: str) -> float:
    """Return when the baseline put an environment in its place, in seconds since the epoch; 0 when it never did.

    One that was put back holds distributions that were installed long ago.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        descriptor = os.open(os.path.join(path, GENERATION_FILE), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            # Whoever owns the environment may have put anything there.
            moment = json.loads(stream.read(_LONGEST_MARK))["changed_at"]
        switched = datetime.fromisoformat(moment).timestamp()
        # The clock was ahead then.
        return switched if switched <= time.time() else 0.0
    return 0.0


def read_environment(path: str, known: Known, looking: Looking, unseen: list[str]) -> Optional[Held]:
    """Return an environment as it is; ``None`` when there is none, or it cannot be read, of which ``unseen`` then tells."""
    try:
        os.stat(os.path.join(path, _CONFIGURATION))
        return _read(path, known, looking, unseen)
    except FileNotFoundError:
        unseen.append(f"{path} (it is no virtual environment)")
    except OSError as error:
        unseen.append(f"{path} ({error.filename or path}: {error.strerror})")
    return None


def _read(path: str, known: Known, looking: Looking, unseen: list[str]) -> Optional[Held]:
    listed = known.listed
    user = _user_of(path)
    try:
        interpreter, standard = _interpreter_of(path, user)
    except EnvironmentFailure as failure:
        unseen.append(f"{path} ({failure})")
        return None
    hashes = FileHashes(cache_path(environment_key(path)))
    with acting_as(user):
        sites = sites_of(path)
        distributions = installed_distributions(sites)
        damaged = _damaged(distributions, hashes, unseen)
        left = [os.path.basename(one) for one in leftovers(sites)]
        left += ["an unfinished change of the baseline"] if os.path.lexists(os.path.join(path, JOURNAL_FILE)) else []
        modules = frozenset().union(*map(modules_in, sites))
        age = time.time() - max(changed_at(distributions), _switched_at(path))
    if looking.remember:
        hashes.save()
    versions = {name: own[0].version for name, own in distributions.items()}
    pins = _pins(listed, interpreter, unseen) if listed else None
    references = _references(
        path, distributions, known, user, looking, "" if damaged else interpreter.markers["python_full_version"]
    )
    unseen += references.unseen
    return Held(
        path=path,
        python=interpreter.markers["python_full_version"],
        versions=versions,
        conflicts=_conflicts(path, distributions, interpreter),
        damaged=damaged,
        leftovers=left,
        age=age,
        modules=modules,
        standard=standard,
        references=references.missing,
        faults=references.faults,
        unpinned=None if pins is None else unpinned(pins, distributions),
        wrong=None if pins is None else _wrong(pins, versions),
    )
