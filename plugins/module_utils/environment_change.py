# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out, in place, and puts the versions from before back when a gate fails.

In place means: between the first and the last file, the environment is neither the old one nor the new one. The journal
lets the next run finish what a killed one began.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Optional

from .commands import SYSTEM_PATH, EnvironmentFailure, acting_as
from .dist_info import leftovers, removable
from .environment_marks import (
    CHECKING,
    INSTALLING,
    Journal,
    read_generation,
    remove_journal,
    restore_generation,
    write_generation,
    write_journal,
)
from .environment_plan import Installed
from .environment_reading import Examined, Observed, observe
from .environments import DEFAULT_PYTHON, PYTHON_PLACEHOLDER
from .pep440 import same_version
from .pip_runner import Pip, PipFailure, last_lines, new_conflicts, workspace
from .virtual_environments import make_environment, python_of, remove_all, restore_pip

#: What pip could not remove waits here until the change is complete.
ASIDE_FOLDER = "stability-aside"
#: Seconds that the smoke test may take.
SMOKE_TEST_TIMEOUT = 1800.0


class GateFailure(EnvironmentFailure):
    """The change was made, and must not stay."""


@dataclass
class Outcome:
    """What a run did. ``failure`` is a message for the user, ``None`` when all went well.

    ``conflicts_before`` and ``conflicts_after`` are ``None`` where ``pip check`` was not run.
    """

    changed: bool = False
    failure: Optional[str] = None
    conflicts_before: Optional[list[str]] = None
    conflicts_after: Optional[list[str]] = None
    commands: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    smoke_tested: bool = False


class Change:
    """One change of one environment, from the first mark to the last."""

    def __init__(self, examined: Examined, pip: Pip) -> None:
        self.environment = examined.environment
        self.path = examined.environment.virtualenv
        self.user = examined.user
        self.plan = examined.plan
        self.pins = examined.pins
        self.observed: Observed = examined.observed
        self.pip = pip
        self.outcome = Outcome()
        with acting_as(self.user):
            self.generation = read_generation(self.path)
        self.unfinished = examined.observed.state.journal
        self.before: dict[str, Optional[str]] = {}
        self.aside = os.path.join(self.path, ASIDE_FOLDER)
        self.moved: list[str] = []

    def execute(self) -> Outcome:
        """Carry the plan out; a failure is part of the outcome, except one before anything was installed."""
        self._begin()
        try:
            self._install()
            self._check()
        except PipFailure as failure:
            self._undo(str(failure), pip_was_done=False)
        except GateFailure as failure:
            self._undo(str(failure), pip_was_done=True)
        else:
            self._end()
            self._warn_of_unpinned()
        self.outcome.commands = self.pip.commands
        return self.outcome

    def _begin(self) -> None:
        """Mark the environment as changing, and make it ready for pip."""
        self.outcome.changed = True
        if self.plan.create:
            make_environment(self.path, self.environment.python or DEFAULT_PYTHON, self.user, self.pip)
            self._mark(INSTALLING)
            self.observed = observe(self.path, self.user, {pin.name for pin in self.pins})
            if not self.observed.state.complete:
                raise EnvironmentFailure(
                    f"{self.path} was made, but has no pip. Is the Python module ensurepip installed?"
                )
        self.before = self._versions_before()
        self._mark(INSTALLING)
        # Before pip check: what a killed pip left makes it blind to what was installed afterwards.
        self._remove_leftovers()
        if self.plan.finish and not self._pip_is_whole():
            restore_pip(self.path, self.user, self.pip)
        self.outcome.conflicts_before = self._conflicts_before()
        with acting_as(self.user):
            self._write_journal(INSTALLING)
        self._move_aside()

    def _remove_leftovers(self) -> None:
        stale = [self.aside] if os.path.lexists(self.aside) else []
        remove_all([*leftovers(self.observed.sites), *stale], self.user)

    def _mark(self, phase: str) -> None:
        """Give the environment a new generation and write the journal."""
        with acting_as(self.user):
            write_generation(self.path)
            self._write_journal(phase)

    def _pip_is_whole(self) -> bool:
        pip = observe(self.path, self.user, {"pip"}).state.installed.get("pip")
        return pip is not None and len(pip.versions) == 1 and not pip.missing

    def _versions_before(self) -> dict[str, Optional[str]]:
        """Return the version of each distribution that changes; an unfinished run's notes are older, and win."""
        before: dict[str, Optional[str]] = {}
        with acting_as(self.user):
            for step in self.plan.steps:
                kept = removable(self.observed.distributions.get(step.pin.name, []))
                before[step.pin.name] = kept.version if kept else None
        return {**before, **(self.unfinished.before if self.unfinished else {})}

    def _conflicts_before(self) -> Optional[list[str]]:
        if self.environment.pip_check == "ignore":
            return None
        if self.plan.create:
            return []
        if self.unfinished is not None and self.unfinished.conflicts is not None:
            return list(self.unfinished.conflicts)
        return self.pip.check() or []

    def _write_journal(self, phase: str) -> None:
        conflicts = self.outcome.conflicts_before
        write_journal(self.path, Journal(phase, self.before, None if conflicts is None else tuple(conflicts)))

    def _move_aside(self) -> None:
        """Hide from pip what it could not remove: a second entry of one name, or one without ``RECORD``."""
        with acting_as(self.user):
            for step in self.plan.steps:
                found = self.observed.distributions.get(step.pin.name, [])
                kept = removable(found)
                for path in [one.path for one in found if one != kept]:
                    os.makedirs(self.aside, mode=0o755, exist_ok=True)
                    os.rename(path, self._aside_of(path))
                    self.moved.append(path)

    def _aside_of(self, path: str) -> str:
        return os.path.join(self.aside, os.path.basename(path))

    def _install(self) -> None:
        if not self.plan.steps:
            return
        try:
            self.pip.install([step.pin.line for step in self.plan.steps], self.environment.require_hashes)
        except PipFailure as failure:
            raise PipFailure(f"pip failed:\n{failure}") from None

    def _check(self) -> None:
        """Go through the gates. Raises :class:`GateFailure`."""
        if not self.plan.steps and not self.plan.finish:
            return
        with acting_as(self.user):
            self._write_journal(CHECKING)
        self._check_installed()
        self._check_conflicts()
        self._smoke_test()

    def _check_installed(self) -> None:
        names = {step.pin.name for step in self.plan.steps}
        installed = observe(self.path, self.user, names).state.installed
        wrong = []
        for step in self.plan.steps:
            found = installed.get(step.pin.name)
            if found is None or not same_version(found.version, step.pin.version):
                wrong.append(f"{step.pin.name} is {found.version if found else 'missing'}, not {step.pin.version}")
            elif not found.whole:
                wrong.append(f"{step.pin.name} has files that differ: {', '.join((found.missing + found.changed)[:3])}")
        if wrong:
            raise GateFailure("pip ended well, but not everything is in place:\n" + "\n".join(wrong))

    def _check_conflicts(self) -> None:
        if self.environment.pip_check == "ignore":
            return
        after = self.pip.check()
        if after is None:
            raise GateFailure("pip check could not check the environment.")
        self.outcome.conflicts_after = after
        strict = self.environment.pip_check == "strict"
        refused = after if strict else new_conflicts(self.outcome.conflicts_before or [], after)
        if refused:
            what = "conflicts" if strict else "conflicts that were not there before"
            listed = "\n".join(f"- {line}" for line in refused)
            raise GateFailure(
                f"pip check found {what}:\n{listed}\n"
                "Pin versions that fit together, what they require included, or set pip_check: ignore."
            )

    def _smoke_test(self) -> None:
        if not self.environment.smoke_test:
            return
        python = python_of(self.path)
        argv = [word.replace(PYTHON_PLACEHOLDER, python) for word in self.environment.smoke_test]
        try:
            output = self.pip.run(argv, self._activated(), SMOKE_TEST_TIMEOUT)
        except EnvironmentFailure as failure:
            raise GateFailure(f"smoke_test: {failure}") from None
        self.outcome.smoke_tested = output.status == 0
        if output.status:
            said = self.pip.masked(last_lines(output))
            raise GateFailure(f"smoke_test ended with status {output.status}:\n{said}")

    def _activated(self) -> dict[str, str]:
        """Return the variables that the environment's ``activate`` script would set."""
        return {"VIRTUAL_ENV": self.path, "PATH": f"{os.path.join(self.path, 'bin')}:{SYSTEM_PATH}"}

    def _end(self) -> None:
        if self.moved:
            remove_all([self.aside], self.user)
        with acting_as(self.user):
            remove_journal(self.path)

    def _warn_of_unpinned(self) -> None:
        """Name what an interrupted run was installing and nothing pins any more: nobody will repair it."""
        pinned = {pin.name for pin in self.pins}
        for name, installed in self.observed.state.installed.items():
            if name not in pinned and not installed.whole:
                self.outcome.warnings.append(
                    f"{name} was left incomplete by an interrupted run and is no longer pinned. Pin it, or uninstall it."
                )

    def _undo(self, reason: str, pip_was_done: bool) -> None:
        """Put the versions from before back and say truthfully what the environment now is.

        ``pip_was_done`` says that pip was done, maybe in an earlier run: then there is something to put back.
        """
        try:
            state = self._restored(pip_was_done)
        except (EnvironmentFailure, OSError) as error:
            state = f"The environment could not be put back: {error}\nRun again when that is mended; it finishes this change."
        self.outcome.failure = f"{reason}\n{state}"

    def _restored(self, pip_was_done: bool) -> str:
        """Undo what was done; return what to say about the environment."""
        with acting_as(self.user):
            for path in self.moved:
                if not os.path.lexists(path):
                    with suppress(FileNotFoundError):
                        os.rename(self._aside_of(path), path)
        now = observe(self.path, self.user, self.before).state
        untouched = not (pip_was_done or self.plan.leftovers or self.plan.create or now.leftovers)
        if untouched and now.installed == self._relevant(set(self.before)):
            return self._nothing_changed()
        return self._put_back(now.installed)

    def _relevant(self, names: set[str]) -> Mapping[str, Installed]:
        return {name: found for name, found in self.observed.state.installed.items() if name in names}

    def _nothing_changed(self) -> str:
        self.outcome.changed = False
        with acting_as(self.user):
            restore_generation(self.path, self.generation)
            if self.unfinished is None:
                remove_journal(self.path)
            else:
                write_journal(self.path, self.unfinished)
                return "The environment is still as an earlier, interrupted run left it."
        return "The environment was not changed."

    def _put_back(self, now: Mapping[str, Installed]) -> str:
        """Install the versions from before; return what to say about the environment."""
        wrong = {name: version for name, version in self.before.items() if not _holds(now.get(name), version)}
        extra = [name for name, version in wrong.items() if version is None]
        lines = [f"{name}=={version}" for name, version in wrong.items() if version is not None]
        failure = ""
        with acting_as(self.user):
            self._write_journal(INSTALLING)
        remove_all(leftovers(self.observed.sites), self.user)
        try:
            if extra:
                self.pip.uninstall(extra)
            if lines:
                self.pip.install(lines, require_hashes=False)
        except PipFailure as error:
            failure = str(error)
        installed = observe(self.path, self.user, self.before).state.installed
        left = [name for name, version in self.before.items() if not _holds(installed.get(name), version)]
        if not left:
            self._end()
            if self.plan.create:
                return f"{self.path} was made by this run; nothing of what it installed is left there."
            return f"The versions from before are back in {self.path}."
        listed = "\n".join(
            f"- {name}: {installed[name].version if name in installed else 'missing'} (before: {self.before[name] or 'missing'})"
            for name in left
        )
        because = f" (pip: {failure.splitlines()[-1]})" if failure else ""
        return (
            f"The versions from before could not be put back{because}. {self.path} now holds:\n{listed}\n"
            "Run again with pins that can be installed; it finishes this change."
        )


def _holds(installed: Optional[Installed], version: Optional[str]) -> bool:
    """Whether a distribution is whole and at that version; ``None`` stands for not installed."""
    if installed is None or version is None:
        return installed is None and version is None
    return installed.whole and installed.version == version


def carry_out(examined: Examined, check_mode: bool, lock: Optional[int]) -> Outcome:
    """Do what the plan says; in check mode only what changes nothing.

    With nothing to do, ``pip_check: strict`` still looks for conflicts, in both modes.
    """
    environment, planned = examined.environment, examined.plan
    if planned.changed and check_mode:
        return Outcome(changed=True)
    if not planned.changed and environment.pip_check != "strict":
        return Outcome()
    with workspace(examined.user, environment.virtualenv) as temporary:
        pip = Pip(environment, examined.user, temporary, () if lock is None else (lock,))
        if planned.changed:
            return Change(examined, pip).execute()
        return _strict_check(pip)


def _strict_check(pip: Pip) -> Outcome:
    """Return an outcome that changed nothing, and failed if there are conflicts."""
    conflicts = pip.check()
    outcome = Outcome(conflicts_before=conflicts, conflicts_after=conflicts, commands=pip.commands)
    if conflicts is None:
        outcome.failure = "pip check could not check the environment. Nothing was changed."
    elif conflicts:
        listed = "\n".join(f"- {line}" for line in conflicts)
        outcome.failure = f"pip check found conflicts:\n{listed}\nNothing was changed. Pin versions that fit together."
    return outcome
