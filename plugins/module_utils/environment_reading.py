# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an environment and plans its change, without touching anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, Optional

from .commands import EnvironmentFailure, User, acting_as, check_can_become, current_user, user_named, user_with
from .dist_info import Distribution, installed_distributions, leftovers, verify_files, without_shared
from .environment_marks import CREATING, Journal, read_journal
from .environment_plan import Installed, Plan, State, plan
from .environments import DEFAULT_PYTHON, Environment
from .interpreters import Interpreter, ask_interpreter
from .problems import InvalidInput, Problem, show
from .requirements import Pin, combine, parse_requirements_text, pins_for
from .virtual_environments import SEED, holds_environment, python_of, sites_of


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
    """Everything that a run needs: who, what is pinned, what was found, what is to be done.

    ``pending`` names what check mode could not look at, because an earlier step of the same play would make it.
    """

    environment: Environment
    user: User
    pins: list[Pin]
    observed: Observed
    plan: Plan
    pending: list[str]


def _refuse(environment: Environment, key: str, found: str, expected: str, remedy: str) -> NoReturn:
    raise InvalidInput([Problem(environment.option(key), show(found), expected, remedy)])


def _resolve_user(environment: Environment, check_mode: bool, pending: list[str]) -> User:
    """Return who executes everything: ``run_as``, else the folder's owner, else ourselves."""
    if environment.run_as:
        user = user_named(environment.run_as)
        if user is not None:
            check_can_become(user)
            return user
        if not check_mode:
            _refuse(environment, "run_as", environment.run_as, "a user of the managed node", "Make the user first")
        pending.append(f"The user {environment.run_as} does not exist yet.")
    if os.path.isdir(environment.virtualenv):
        status = os.stat(environment.virtualenv)
        owner = user_with(status.st_uid, status.st_gid)
        check_can_become(owner)
        return owner
    return current_user()


def _read_requirements(environment: Environment, check_mode: bool, pending: list[str]) -> str:
    try:
        with open(environment.requirements, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        if not check_mode:
            expected, remedy = "a file on the managed node", "Copy it there first, or give requirements_content"
            _refuse(environment, "requirements", environment.requirements, expected, remedy)
        pending.append(f"The file {environment.requirements} does not exist yet; its pins are unknown.")
    except UnicodeDecodeError:
        _refuse(environment, "requirements", environment.requirements, "a text file in UTF-8", "Convert it")
    except OSError as error:
        _refuse(environment, "requirements", environment.requirements, "a file that can be read", str(error.strerror))
    return ""


def _installed(name: str, distributions: Mapping[str, list[Distribution]]) -> Installed:
    own = distributions[name]
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    if len(own) == 1:
        others = (other for found in distributions.values() for other in found)
        integrity = without_shared(verify_files(own[0]), own[0], others)
        changed, missing = integrity.changed, integrity.missing
    return Installed(tuple(one.version for one in own), changed, missing, any(one.direct for one in own))


def _is_seed_only(distributions: Mapping[str, list[Distribution]]) -> bool:
    """Whether only a damaged pip, or nothing at all, is installed: an environment whose making was cut short."""
    if set(distributions) - set(SEED):
        return False
    pips = distributions.get("pip", [])
    return len(pips) != 1 or bool(verify_files(pips[0]).missing)


def _half_made(virtualenv: str, journal: Optional[Journal], why: str) -> Observed:
    """Return that the environment has yet to be made, unless it holds distributions that would be lost."""
    held = set(installed_distributions(sites_of(virtualenv))) - set(SEED)
    if held:
        raise EnvironmentFailure(
            f"virtualenv: {why} Its Python is gone or was upgraded: install it again, or remove {virtualenv}, and run again."
        )
    return Observed(State(False, journal=journal))


def observe(virtualenv: str, user: User, names: Iterable[str]) -> Observed:
    """Return what is at the path; the files of the distributions in ``names`` are verified.

    Files are read as ``user``: a link in the environment leads only to what the user may read. Raises
    :class:`EnvironmentFailure` when something else is there, or an environment whose interpreter does not run.
    """
    with acting_as(user):
        journal = read_journal(virtualenv)
    if not holds_environment(virtualenv) or (journal is not None and journal.phase == CREATING):
        return Observed(State(False, journal=journal))
    python = python_of(virtualenv)
    try:
        interpreter = ask_interpreter(python, user)
    except EnvironmentFailure as failure:
        return _half_made(virtualenv, journal, str(failure))
    if not interpreter.virtual or not interpreter.sites:
        version = interpreter.markers["python_version"]
        return _half_made(
            virtualenv, journal, f"{python} is Python {version}, which this environment was not made for."
        )
    with acting_as(user):
        distributions = installed_distributions(interpreter.sites)
        if _is_seed_only(distributions):
            return Observed(State(False, journal=journal))
        wanted = {*names, *(journal.before if journal else ())}
        installed = {name: _installed(name, distributions) for name in sorted(wanted) if name in distributions}
        left = tuple(os.path.basename(path) for path in leftovers(interpreter.sites))
    return Observed(State(True, installed, left, journal), distributions, interpreter)


def _markers(
    environment: Environment, observed: Observed, user: User, check_mode: bool, pending: list[str]
) -> Mapping[str, str]:
    """Return the marker values of the environment's interpreter, or of the one that will make it."""
    if observed.interpreter is not None:
        return observed.interpreter.markers
    python = environment.python or DEFAULT_PYTHON
    if not os.path.exists(python):
        if not check_mode:
            _refuse(
                environment,
                "python",
                python,
                "an interpreter on the managed node",
                "Install it, and its venv module, first",
            )
        pending.append(f"The interpreter {python} does not exist yet; markers are those of {sys.executable}.")
        python = sys.executable
    return ask_interpreter(python, user).markers


def _may_write(folder: str) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def _check_writable(environment: Environment, observed: Observed, user: User) -> None:
    """Refuse a user that may not write where pip would, before pip finds out half-way."""
    folders = [environment.virtualenv, os.path.join(environment.virtualenv, "bin"), *observed.sites]
    with acting_as(user):
        closed = [folder for folder in folders if os.path.isdir(folder) and not _may_write(folder)]
    if closed:
        expected = f"a user that may write to {closed[0]}"
        _refuse(environment, "run_as", user.name, expected, "Change its owner, or name the owner")


def _check_pip(environment: Environment, observed: Observed, planned: Plan) -> None:
    """Refuse an environment without pip where there is something to install; an unfinished change is completed."""
    if planned.steps and observed.state.complete and not planned.finish and "pip" not in observed.distributions:
        raise EnvironmentFailure(
            f"virtualenv: {environment.virtualenv} was made without pip, which this version installs with. "
            f"Run {python_of(environment.virtualenv)} -m ensurepip once, then run again."
        )


def _read_pins(environment: Environment, check_mode: bool, pending: list[str], problems: list[Problem]) -> list[Pin]:
    """Return all pins that were given, markers not evaluated yet."""
    pins = list(environment.pins)
    if environment.requirements:
        text = _read_requirements(environment, check_mode, pending)
        place = f"{environment.option('requirements')} ({environment.requirements})"
        pins += parse_requirements_text(text, place, problems)
    return pins


def examine(environment: Environment, check_mode: bool) -> Examined:
    """Read everything and return the plan. Raises :class:`InvalidInput` and :class:`EnvironmentFailure`.

    In check mode, what an earlier step of the play would make is noted as pending instead of refused.
    """
    pending: list[str] = []
    problems: list[Problem] = []
    user = _resolve_user(environment, check_mode, pending)
    given = _read_pins(environment, check_mode, pending, problems)
    observed = observe(environment.virtualenv, user, {pin.name for pin in given})
    markers = _markers(environment, observed, user, check_mode, pending)
    pins = combine(pins_for(given, markers), environment.require_hashes, problems)
    if problems:
        raise InvalidInput(problems)
    planned = plan(pins, observed.state, environment.reinstall)
    if planned.changed and not pending:
        _check_writable(environment, observed, user)
    _check_pip(environment, observed, planned)
    return Examined(environment, user, pins, observed, planned, pending)
