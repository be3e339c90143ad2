# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an environment and plans its change, without touching anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, Optional

from .commands import (
    EnvironmentFailure,
    User,
    acting_as,
    check_can_become,
    current_user,
    user_in_group,
    user_named,
    user_with,
)
from .dist_info import Distribution, Records, installed_distributions, leftovers, verify_files, without_shared
from .environment_layout import python_of, sites_of
from .environment_lock import environment_key
from .environment_marks import CREATING, Journal, read_journal
from .environment_plan import Installed, Plan, State, plan
from .environments import Environment
from .file_hashes import FileHashes, cache_path
from .installers import check_installer
from .interpreters import Interpreter, ask_interpreter, runs_without_site
from .locked_pins import Unlocked, find_unlocked, unpinned
from .problems import InvalidInput, Problem, show
from .requirement_files import Requested, read_requirement_files
from .requirements import Pin, combine
from .stray_files import stray_files
from .virtual_environments import SEED, holds_environment, maker_of


@dataclass(frozen=True)
class Observed:
    """What was found at the path: its state, its distributions by name, the interpreter and its folders."""

    state: State
    distributions: Mapping[str, list[Distribution]] = field(default_factory=dict)
    interpreter: Optional[Interpreter] = None

    @property
    def sites(self) -> tuple[str, ...]:
        """The environment's ``site-packages`` folders."""
        return self.interpreter.sites if self.interpreter else ()


@dataclass
class Examined:
    """Everything that a run needs: who (and as whom the gates execute), what is pinned, what was found, what is to be done.

    ``pending`` names what check mode could not look at, because an earlier step of the same play would make it; ``unlocked``
    is what the pins do not explain, ``hashes`` are the digests of files that are known.
    """

    environment: Environment
    user: User
    pins: list[Pin]
    observed: Observed
    plan: Plan
    pending: list[str]
    gate_user: User
    hashes: FileHashes = field(default_factory=FileHashes)
    unlocked: Unlocked = field(default_factory=Unlocked)


def refuse(environment: Environment, key: str, found: str, expected: str, remedy: str) -> NoReturn:
    raise InvalidInput([Problem(environment.option(key), show(found), expected, remedy)])


def resolve_user(environment: Environment, check_mode: bool, pending: list[str]) -> User:
    """Return who executes everything: ``run_as``, else the folder's owner, else ourselves."""
    if environment.run_as:
        user = user_named(environment.run_as)
        if user is not None:
            check_can_become(user)
            return user
        if not check_mode:
            refuse(environment, "run_as", environment.run_as, "a user of the managed node", "Make the user first")
        pending.append(f"The user {environment.run_as} does not exist yet.")
    if os.path.isdir(environment.virtualenv):
        status = os.stat(environment.virtualenv)
        owner = user_with(status.st_uid, status.st_gid)
        check_can_become(owner)
        return owner
    return current_user()


def resolve_gate_user(environment: Environment, user: User, check_mode: bool) -> User:
    """Return who imports and tests what is staged: ``user``, but where that is root unasked, the one of ``gates_as``.

    In check mode nothing is executed, and an earlier step may have yet to make the user.
    """
    if user.uid or environment.run_as or not environment.gates_as:
        return user
    found = user_in_group(environment.gates_as)
    if found is None and not check_mode:
        expected = "a user, and a group, of the managed node"
        refuse(environment, "gates_as", environment.gates_as, expected, "Make them first")
    return found or user


def installed_of(
    names: Iterable[str], distributions: Mapping[str, list[Distribution]], hashes: FileHashes
) -> dict[str, Installed]:
    """Return what is installed of ``names``, each file compared with its ``RECORD``."""
    records = Records()
    found = {name: distributions[name] for name in sorted(set(names)) if name in distributions}
    stray = stray_files(found, distributions, records)
    installed = {}
    for name, own in found.items():
        changed: tuple[str, ...] = ()
        missing: tuple[str, ...] = ()
        if len(own) == 1:
            others = (other for several in distributions.values() for other in several)
            integrity = without_shared(verify_files(own[0], hashes, records), own[0], others, records)
            changed, missing = integrity.changed, integrity.missing
        versions = tuple(one.version for one in own)
        origin = next((one.origin for one in own if one.origin), None)
        installed[name] = Installed(versions, changed, missing, stray.get(name, ()), origin)
    return installed


def _is_seed_only(distributions: Mapping[str, list[Distribution]], needs_pip: bool) -> bool:
    """Whether only a damaged pip, or nothing at all, is installed: an environment whose making was cut short.

    Without ``needs_pip`` an environment may have no pip.
    """
    if set(distributions) - set(SEED):
        return False
    pips = distributions.get("pip", [])
    if not pips and not needs_pip:
        return False
    return len(pips) != 1 or bool(verify_files(pips[0]).missing)


def _half_made(virtualenv: str, user: User, journal: Optional[Journal], pinned: Collection[str]) -> Observed:
    """Return that the environment has yet to be made, and what it held: it is made anew from its own list.

    ``pinned`` are names whose versions are known without the list. Raises :class:`EnvironmentFailure` for what no version
    brings back.
    """
    with acting_as(user):
        found = installed_distributions(sites_of(virtualenv))
    held: dict[str, str] = {}
    lost = []
    for name, own in sorted(found.items()):
        if name in SEED and name not in pinned:
            continue
        held[name] = own[0].version
        if name not in pinned and (len(own) != 1 or not own[0].version or own[0].origin):
            lost.append(name)
    if lost:
        raise EnvironmentFailure(
            f"virtualenv: the Python of {virtualenv} is gone or was upgraded, and nothing says how to get {', '.join(lost)} again "
            "(installed from an address or a file, or without readable metadata). Pin it, or remove the environment."
        )
    return Observed(State(False, journal=journal, rebuild=held))


def observe(
    virtualenv: str, user: User, names: Iterable[str], hashes: Optional[FileHashes] = None, needs_pip: bool = True
) -> Observed:
    """Return what is at the path; the files of the distributions in ``names`` are verified, with digests of ``hashes``.

    Files are read as ``user``: a link in the environment leads only to what the user may read. Without ``needs_pip`` it may be
    an environment without any distribution. Raises :class:`EnvironmentFailure` when something else is there, or an environment
    whose interpreter does not run and that cannot be made anew.
    """
    names = set(names)
    with acting_as(user):
        journal = read_journal(virtualenv)
    if not holds_environment(virtualenv) or (journal is not None and journal.phase == CREATING):
        return Observed(State(False, journal=journal))
    python = python_of(virtualenv)
    try:
        interpreter = ask_interpreter(python, user)
    except EnvironmentFailure:
        if runs_without_site(python, user, virtualenv):
            # It is neither gone nor upgraded: what is run at its start (.pth, sitecustomize) stops it, and is there to stay.
            raise
        return _half_made(virtualenv, user, journal, names)
    if not interpreter.virtual or not interpreter.sites:
        return _half_made(virtualenv, user, journal, names)
    with acting_as(user):
        distributions = installed_distributions(interpreter.sites)
        if _is_seed_only(distributions, needs_pip):
            return Observed(State(False, journal=journal))
        wanted = {*names, *(journal.before if journal else ())}
        installed = installed_of(wanted, distributions, hashes or FileHashes())
        left = tuple(os.path.basename(path) for path in leftovers(interpreter.sites))
    return Observed(State(True, installed, left, journal), distributions, interpreter)


def _markers(
    environment: Environment, observed: Observed, user: User, check_mode: bool, pending: list[str]
) -> Mapping[str, str]:
    """Return the marker values of the environment's interpreter, or of the one that will make it."""
    if observed.interpreter is not None:
        return observed.interpreter.markers
    python = maker_of(environment)
    if not os.path.exists(python):
        if not check_mode:
            refuse(
                environment,
                "python",
                python,
                "an interpreter on the managed node",
                "Install it, and its venv module, first",
            )
        pending.append(f"The interpreter {python} does not exist yet; markers are those of {sys.executable}.")
        python = sys.executable
    return ask_interpreter(python, user).markers


def may_write(folder: str) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def _check_writable(environment: Environment, observed: Observed, user: User) -> None:
    """Refuse a user that may not write where pip would, before pip finds out half-way."""
    folders = [environment.virtualenv, os.path.join(environment.virtualenv, "bin"), *observed.sites]
    with acting_as(user):
        closed = [folder for folder in folders if os.path.isdir(folder) and not may_write(folder)]
    if closed:
        expected = f"a user that may write to {closed[0]}"
        refuse(environment, "run_as", user.name, expected, "Change its owner, or name the owner")


def read_requested(
    environment: Environment, check_mode: bool, pending: list[str], problems: list[Problem]
) -> Requested:
    """Return what the requirement files on the host say, markers not evaluated yet."""
    if not environment.requirements:
        return Requested()
    option = environment.option("requirements")
    requested = read_requirement_files(environment.requirements, option, check_mode, problems)
    if problems and not (requested.pins or requested.opened):
        raise InvalidInput(problems)
    pending += [f"The file {path} does not exist yet; its pins are unknown." for path in requested.absent]
    return requested


def examine(environment: Environment, check_mode: bool) -> Examined:
    """Read everything and return the plan. Raises :class:`InvalidInput` and :class:`EnvironmentFailure`.

    In check mode, what an earlier step of the play would make is noted as pending instead of refused.
    """
    pending: list[str] = []
    problems: list[Problem] = []
    user = resolve_user(environment, check_mode, pending)
    gate_user = resolve_gate_user(environment, user, check_mode)
    requested = read_requested(environment, check_mode, pending, problems)
    names = {pin.name for pin in environment.pins} | requested.names
    hashes = FileHashes(cache_path(environment_key(environment.virtualenv)))
    observed = observe(environment.virtualenv, user, names, hashes, needs_pip=environment.installer != "uv")
    if not check_mode:
        hashes.save()
    markers = _markers(environment, observed, user, check_mode, pending)
    pins = requested.pins_for(list(environment.pins), markers, problems)
    pins = combine(pins, environment.require_hashes, problems)
    if problems:
        raise InvalidInput(problems)
    planned = plan(pins, observed.state, environment.reinstall)
    if planned.changed and not pending:
        _check_writable(environment, observed, user)
    if planned.steps:
        has_pip = not observed.state.complete or planned.finish or "pip" in observed.distributions
        check_installer(environment, user, has_pip, check_mode, pending)
    examined = Examined(environment, user, pins, observed, planned, pending, gate_user, hashes)
    if not pending:
        examined.unlocked = unlocked_by(examined, observed, {step.pin.name for step in planned.steps})
    return examined


def unlocked_by(examined: Examined, observed: Observed, changing: Collection[str]) -> Unlocked:
    """Return what the pins do not explain; what distributions need is read only when they must be locked."""
    if observed.interpreter is None:
        return Unlocked()
    if not examined.environment.locked:
        return Unlocked(tuple(unpinned(examined.pins, observed.distributions)))
    with acting_as(examined.user):
        return find_unlocked(examined.pins, observed.distributions, observed.interpreter.markers, changing)


def check_locked(examined: Examined, virtualenv: str) -> str:
    """Return why the environment at ``virtualenv``, into which the plan was carried out, is not locked.

    Empty when it is, or need not be. That is what only the metadata of what was installed can tell; ``examined`` remembers it.
    """
    if examined.environment.locked:
        examined.unlocked = unlocked_by(examined, observe(virtualenv, examined.user, (), needs_pip=False), ())
    return examined.unlocked.text
