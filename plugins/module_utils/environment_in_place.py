# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distributions of a Python outside of any virtual environment: changed in place, after a rehearsal beside it.

Nothing can be switched at once there, so there is no transaction and no way back. What can be known before is: the change is
made in a virtual environment that holds the same distributions, and goes through all gates there.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import Optional

from .commands import EnvironmentFailure, User, acting_as, check_can_become, user_named, user_with
from .dist_info import Distribution, installed_distributions, leftovers
from .environment_gates import Candidate, check_gates, check_installed
from .environment_layout import sites_of
from .environment_lock import environment_key
from .environment_outcome import Outcome
from .environment_plan import State, plan
from .environment_reading import Examined, Observed, installed_of, may_write, read_requested, refuse, unlocked_by
from .environments import Environment
from .file_hashes import FileHashes, cache_path
from .interpreters import Interpreter, ask_interpreter
from .pip_runner import Pip, PipFailure, last_lines, workspace
from .problems import InvalidInput, Problem
from .requirements import combine
from .stray_files import remove_stray_files
from .virtual_environments import remove_all

#: What is said of every change.
IN_PLACE = (
    "{0} is not a virtual environment, so it was changed in place: not at once, and nothing is kept to go back to. "
    "Make a virtual environment of it where you can."
)


def _user(environment: Environment, folder: str) -> User:
    """Return who changes the interpreter's distributions: ``run_as``, else the owner of ``folder``."""
    if environment.run_as:
        named = user_named(environment.run_as)
        if named is None:
            refuse(environment, "run_as", environment.run_as, "a user of the managed node", "Make the user first")
        user = named
    else:
        status = os.stat(folder)
        user = user_with(status.st_uid, status.st_gid)
    check_can_become(user)
    return user


def _usable(environment: Environment) -> Interpreter:
    """Return the interpreter; it must be outside of any virtual environment, and nobody else's to change."""
    path = environment.interpreter
    owner = os.stat(path)
    interpreter = ask_interpreter(path, user_with(owner.st_uid, owner.st_gid) if os.geteuid() == 0 else _ourselves())
    if interpreter.virtual:
        remedy = "Name its folder with virtualenv"
        refuse(environment, "interpreter", path, "a Python outside of any virtual environment", remedy)
    if interpreter.managed:
        expected = f"one that nobody else manages (PEP 668: {interpreter.managed})"
        remedy = f"Write virtualenv: FOLDER and python: {path} instead, which makes an environment of its own"
        refuse(environment, "interpreter", path, expected, remedy)
    return interpreter


def _ourselves() -> User:
    return user_with(os.geteuid(), os.getegid())


def _distributions(folders: Sequence[str]) -> dict[str, list[Distribution]]:
    """Return the distributions that the interpreter finds: of several folders, the first one counts."""
    found: dict[str, list[Distribution]] = {}
    for folder in folders:
        if os.path.isdir(folder):
            found = {**installed_distributions([folder]), **found}
    return found


def _observed(
    environment: Environment, interpreter: Interpreter, user: User, names: set[str], hashes: FileHashes
) -> Observed:
    with acting_as(user):
        distributions = _distributions(interpreter.searched)
        installed = installed_of(names, distributions, hashes)
        left = tuple(os.path.basename(path) for path in leftovers(interpreter.sites))
    return Observed(State(True, installed, left), distributions, interpreter)


def examine_in_place(environment: Environment, check_mode: bool) -> Examined:
    """Read everything and return the plan. Raises :class:`InvalidInput` and :class:`EnvironmentFailure`."""
    pending: list[str] = []
    problems: list[Problem] = []
    requested = read_requested(environment, check_mode, pending, problems)
    names = {pin.name for pin in environment.pins} | requested.names
    hashes = FileHashes(cache_path(environment_key(environment.interpreter)))
    if os.path.exists(environment.interpreter):
        interpreter = _usable(environment)
        user = _user(environment, next(iter(interpreter.sites), environment.interpreter))
        observed = _observed(environment, interpreter, user, names, hashes)
        markers = interpreter.markers
    elif check_mode:
        pending.append(f"The interpreter {environment.interpreter} does not exist yet.")
        user, observed, markers = (
            _ourselves(),
            Observed(State(True)),
            ask_interpreter(sys.executable, _ourselves()).markers,
        )
    else:
        refuse(
            environment,
            "interpreter",
            environment.interpreter,
            "an interpreter on the managed node",
            "Install it first",
        )
    pins = combine(requested.pins_for(list(environment.pins), markers, problems), environment.require_hashes, problems)
    if problems:
        raise InvalidInput(problems)
    if not check_mode:
        hashes.save()
    examined = Examined(
        environment, user, pins, observed, plan(pins, observed.state, environment.reinstall), pending, user, hashes
    )
    if examined.plan.changed and not pending:
        _check_fit(examined)
    if not pending:
        examined.unlocked = unlocked_by(examined, observed, {step.pin.name for step in examined.plan.steps})
    return examined


def _check_fit(examined: Examined) -> None:
    """Refuse, before anything is touched, an interpreter without pip, and a user that may not write where pip would."""
    environment, user = examined.environment, examined.user
    if "pip" not in examined.observed.distributions:
        raise EnvironmentFailure(
            f"interpreter: {environment.interpreter} has no pip. Install it with the package manager of the host."
        )
    with acting_as(user):
        closed = [folder for folder in examined.observed.sites if not may_write(folder)]
    if closed:
        expected = f"a user that may write to {closed[0]}"
        refuse(environment, "run_as", user.name, expected, "Name the owner, or run as root")


class _SystemPip(Pip):
    """The pip of an interpreter outside of any virtual environment."""

    def __init__(self, examined: Examined, temporary: str, held: Sequence[int]) -> None:
        super().__init__(examined.environment, examined.user, temporary, held, virtualenv=temporary)
        self._python = examined.environment.interpreter


def _make_like(interpreter: Interpreter, examined: Examined, pip: Pip, folder: str) -> None:
    """Make a virtual environment of the interpreter that holds copies of the distributions that it finds."""
    made = pip.run([interpreter.path, "-I", "-m", "venv", "--without-pip", folder], {})
    if made.status:
        said = last_lines(made)
        raise EnvironmentFailure(f"The change cannot be rehearsed: no virtual environment could be made.\n{said}")
    (site,) = sites_of(folder)
    with acting_as(examined.user):
        for source in filter(os.path.isdir, interpreter.searched):
            with os.scandir(source) as entries:
                for entry in entries:
                    _copy(entry, os.path.join(site, entry.name))


def _copy(entry: os.DirEntry[str], target: str) -> None:
    """Copy a file or folder, where the folder searched before it has none of the name."""
    if os.path.lexists(target) or entry.name == "__pycache__":
        return
    if entry.is_dir():
        shutil.copytree(entry.path, target, symlinks=True, ignore=_left_out)
    elif entry.is_file():
        shutil.copy2(entry.path, target)


def _left_out(folder: str, names: Sequence[str]) -> set[str]:
    """Return what is not copied: byte code, which would name where it was compiled, and what is neither file, folder nor link."""
    paths = {name: os.path.join(folder, name) for name in names}
    odd = {name for name, path in paths.items() if os.path.lexists(path) and not _is_plain(path)}
    return odd | ({"__pycache__"} & set(names))


def _is_plain(path: str) -> bool:
    return os.path.islink(path) or os.path.isfile(path) or os.path.isdir(path)


class _InPlace:
    """One change of an interpreter's distributions."""

    def __init__(self, interpreter: Interpreter, examined: Examined, temporary: str, held: Sequence[int]) -> None:
        self.interpreter = interpreter
        self.examined = examined
        self.user = examined.user
        self.environment = examined.environment
        self.steps = examined.plan.steps
        self.lines = [step.pin.line for step in self.steps]
        self.temporary = temporary
        self.held = held
        self.outcome = Outcome()
        self.before = self._versions()

    def _versions(self) -> dict[str, list[str]]:
        with acting_as(self.user):
            found = _distributions(self.interpreter.searched)
        return {name: [one.version for one in own] for name, own in found.items()}

    def rehearse(self) -> None:
        """Make the change in a virtual environment, and let that go through the gates."""
        old, new = (os.path.join(self.temporary, name) for name in ("old", "new"))
        pip = Pip(self.environment, self.user, self.temporary, self.held, new)
        for folder in (old, new):
            _make_like(self.interpreter, self.examined, pip, folder)
        self.outcome.conflicts_before = pip.check() or []
        if self.steps:
            pip.install(self.lines, self.environment.require_hashes)
            check_gates(Candidate(self.examined, old, new, pip), self.outcome)
        self.outcome.commands += pip.commands

    def install(self) -> None:
        """Make the change where it counts."""
        pip = _SystemPip(self.examined, self.temporary, self.held)
        with acting_as(self.user):
            left = leftovers(self.interpreter.sites)
        remove_all(left, self.user)
        if self.steps:
            pip.install(self.lines, self.environment.require_hashes)
            names = {step.pin.name for step in self.steps}
            removed = remove_stray_files(sorted(names), list(self.interpreter.sites), self.user)
            self.outcome.warnings += self.examined.plan.unplanned(removed)
            with acting_as(self.user):
                installed = installed_of(names, _distributions(self.interpreter.searched), self.examined.hashes)
            check_installed(self.steps, installed)
        self.outcome.commands += pip.commands

    def _where_it_is(self, text: str) -> str:
        """Return a text that names files of the rehearsal with the files that they are copies of."""

        def real(copied: re.Match[str]) -> str:
            paths = [os.path.join(folder, copied[1]) for folder in self.interpreter.searched]
            return next(filter(os.path.lexists, paths), paths[0])

        for name in ("old", "new"):
            for site in sites_of(os.path.join(self.temporary, name)):
                text = re.sub(re.escape(site) + r"/([^\s:,]+)", real, text)
        return text

    def execute(self) -> Outcome:
        """Rehearse, then install; a failure is part of the outcome."""
        failing = "Nothing was changed."
        try:
            self.rehearse()
            failing = f"{self.environment.interpreter} may be half-changed. Mend what is named and run again."
            self.install()
        except PipFailure as failure:
            self.outcome.failure = f"pip failed:\n{failure}\n{failing}"
        except EnvironmentFailure as failure:
            self.outcome.failure = self._where_it_is(f"{failure}\n{failing}")
        self.outcome.warnings = [self._where_it_is(warning) for warning in self.outcome.warnings]
        for missing in self.outcome.missing_references:
            missing["source"] = self._where_it_is(missing["source"])
        self.outcome.changed = self.outcome.failure is None or self._versions() != self.before
        if self.outcome.changed:
            self.outcome.warnings.append(IN_PLACE.format(self.environment.interpreter))
        return self.outcome


def change_in_place(examined: Examined, check_mode: bool, held: Optional[int]) -> Outcome:
    """Carry the plan out; in check mode, say what it would do."""
    interpreter = examined.observed.interpreter
    unlocked = list(examined.unlocked.names)
    if examined.environment.locked and examined.unlocked.text:
        return Outcome(failure=examined.unlocked.text, unlocked=unlocked)
    if check_mode or interpreter is None or not examined.plan.changed:
        return Outcome(examined.plan.changed, unlocked=unlocked)
    with workspace(examined.user, examined.environment.interpreter) as temporary:
        outcome = _InPlace(interpreter, examined, temporary, () if held is None else (held,)).execute()
    outcome.unlocked = list(examined.unlocked.names)
    return outcome
