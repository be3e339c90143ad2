# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out as a transaction: stage a copy, change it, let it go through the gates, switch it in.

Until the switch nothing of the environment is touched, so there is nothing to undo: a copy that fails is removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Optional

from .commands import EnvironmentFailure, acting_as
from .dist_info import (
    Distribution,
    dead_links,
    installed_distributions,
    leftovers,
    listed_files,
    lost_files,
    recorded_sources,
    removable,
)
from .environment_gates import Candidate, check_installed, go_through
from .environment_generations import Generation, exchange_with, generation_at, identity, next_number
from .environment_lock import check_no_installer
from .environment_marks import JOURNAL_FILE, Mark, write_mark
from .environment_outcome import Outcome, tidy_up, warn_unless
from .environment_place import make_work_folder, remove_empty
from .environment_preparation import Prepared
from .environment_reading import Examined, observe
from .environment_staging import (
    carry_over,
    compile_command,
    copy_environment,
    copy_settings,
    in_copy,
    make_staged,
    put_links,
    relocate,
    restore_file,
)
from .environment_switch import KEPT, Switch, repair, switch, sync_file_system
from .files import remove_file
from .pip_runner import Pip, PipFailure
from .stray_files import remove_stray_files
from .virtual_environments import make_environment, maker_of, remove_all, restore_pip, sees_system


class Change:
    """One change of one environment, in a copy of it."""

    def __init__(self, prepared: Prepared, examined: Examined, pip: Pip, temporary: str) -> None:
        self.place = prepared.place
        self.user = prepared.user
        self.pause = prepared.pause
        self.examined = examined
        self.environment = examined.environment
        self.plan = examined.plan
        self.pins = examined.pins
        self.observed = examined.observed
        self.pip = pip
        self.temporary = temporary
        self.outcome = Outcome(repaired=prepared.repaired)
        self.sites: list[str] = [in_copy(self.place, site) for site in self.observed.sites]
        self.live = _entries(self.observed.sites)
        self.compiled = {step.pin.name for step in self.plan.steps}
        self.made: list[str] = []
        self.links: Mapping[str, str] = {}
        self.mark: Optional[Mark] = None
        self.kept = ""

    def execute(self) -> Outcome:
        """Carry the plan out; a failure is part of the outcome."""
        try:
            self._stage()
            self._heal()
            self._install()
            self._relocate()
            self._compile()
            self._check()
            self._seal()
            self._switch()
        except PipFailure as failure:
            self._give_up(f"{self.pip.name} failed:\n{failure}")
        except EnvironmentFailure as failure:
            self._give_up(str(failure))
        except OSError as error:
            self._give_up(f"{error.filename or self.place.final}: {error.strerror}.")
        else:
            self._tidy()
        self.outcome.commands = self.pip.commands
        return self.outcome

    def _stage(self) -> None:
        """Make the copy, or the environment itself where there is none that could be copied."""
        outside = [site for site in self.observed.sites if not site.startswith(f"{self.place.target}/")]
        if outside:
            raise EnvironmentFailure(
                f"{outside[0]} lies outside of the environment. Let it be a folder of its own in there."
            )
        there = os.path.isdir(self.place.target)
        maker = maker_of(self.environment)
        self.made = make_work_folder(self.place)
        make_staged(self.place, self.user, self.place.target if there else "")
        if not self.plan.create:
            self.links = copy_environment(self.place, self.user)
            return
        if there:
            self.links = copy_settings(self.place, self.user)
        make_environment(self.place.staged, self.place.final, maker, self.user, self.pip)
        observed = observe(self.place.staged, self.user, (), needs_pip=self.pip.name == "pip")
        if not observed.state.complete:
            raise EnvironmentFailure(
                f"{self.place.final} was made, but has no pip. Is the Python module ensurepip installed?"
            )
        self.sites = list(observed.sites)
        if there:
            self.links = {**self.links, **carry_over(self.place, self.user, self.sites[0])}
        self.compiled |= set(observed.distributions)

    def _distributions(self) -> dict[str, list[Distribution]]:
        with acting_as(self.user):
            return installed_distributions(self.sites)

    def _heal(self) -> None:
        """Take out of the copy what killed installers left, and what pip could not remove."""
        found = self._distributions()
        with acting_as(self.user):
            stale = leftovers(self.sites)
            for step in self.plan.steps:
                own = found.get(step.pin.name, [])
                kept = removable(own)
                # The links first: one may lie in a folder that goes.
                stale += [path for one in own for path in dead_links(one)]
                stale += [one.path for one in own if one != kept]
        remove_all(dict.fromkeys(stale), self.user)
        if self.plan.finish:
            with acting_as(self.user):
                remove_file(os.path.join(self.place.staged, JOURNAL_FILE))
            if self.pip.name == "pip":
                self._heal_pip()
        self.outcome.conflicts_before = self._conflicts_before()

    def _heal_pip(self) -> None:
        """Restore the pip of the copy where it is missing or half there."""
        pip = observe(self.place.staged, self.user, {"pip"}).state.installed.get("pip")
        if pip is None or len(pip.versions) != 1 or pip.missing:
            restore_pip(self.place.staged, self.user, self.pip)
            self.compiled.add("pip")

    def _conflicts_before(self) -> Optional[list[str]]:
        journal = self.observed.state.journal
        if self.environment.pip_check == "ignore":
            return None
        if self.plan.create and not sees_system(self.place.staged):
            return []
        if journal is not None and journal.conflicts is not None:
            return list(journal.conflicts)
        return self.pip.check() or []

    def _install(self) -> None:
        if self.plan.steps:
            self.pip.install([step.pin.line for step in self.plan.steps], self.environment.require_hashes)
            names = [step.pin.name for step in self.plan.steps]
            self._restore_shared()
            self.outcome.warnings += self.plan.unplanned(remove_stray_files(names, self.sites, self.user))
        put_links(self.links, self.place, self.user)

    def _restore_shared(self) -> None:
        """Give back what an installer removed with an old version although another distribution recorded it, too."""
        names = {step.pin.name for step in self.plan.steps}
        gone = {
            in_copy(self.place, os.path.normpath(os.path.join(os.path.dirname(one.path), name)))
            for own in (self.observed.distributions.get(name, ()) for name in names)
            for one in own
            for name in listed_files(one)
        }
        found = self._distributions()
        others = (one for name, own in found.items() if name not in names for one in own)
        with acting_as(self.user):
            for path, row in lost_files(others, gone):
                restore_file(os.path.join(self.place.target, os.path.relpath(path, self.place.staged)), path, row)

    def _relocate(self) -> None:
        """Let everything in the copy name the path that it will have."""
        found = self._distributions()
        built = [one for step in self.plan.steps for one in found.get(step.pin.name, ())] if self.pip.built else []
        with acting_as(self.user):
            everything = [one for own in found.values() for one in own]
            relocate(self.place.staged, self.place.final, self.sites, everything, built)

    def _compile(self) -> None:
        """Make byte code of what was installed, with the path that it will have."""
        found = self._distributions()
        with acting_as(self.user):
            paths = [path for name in self.compiled for one in found.get(name, []) for path in recorded_sources(one)]
            command = compile_command(self.place, paths, self.temporary)
        if paths:
            self.pip.run(command, {})

    def _check(self) -> None:
        """Let the copy go through the gates. Raises :class:`~.environment_gates.GateFailure`."""
        if not self.plan.steps and not self.plan.finish:
            return
        names = {step.pin.name for step in self.plan.steps}
        observed = observe(self.place.staged, self.user, names, self.examined.hashes)
        check_installed(self.plan.steps, observed.state.installed)
        old = "" if self.plan.create else self.place.target
        go_through(self.place, Candidate(self.examined, old, self.place.staged, self.pip), self.outcome)

    def _seal(self) -> None:
        """Give the copy its mark, and bring everything to the disk before it can become the environment."""
        mark, own = identity(self.place, self.user)
        # What was half-made, or can no longer be run, is nothing to go back to.
        keeps = self.environment.keep_generations and not self.plan.create and not self.plan.finish
        self.kept = own if keeps else ""
        number = next_number(self.place, self.user, mark)
        with acting_as(self.user):
            self.mark = write_mark(self.place.staged, number, self.kept)
        sync_file_system(self.place.work)

    def _switch(self) -> None:
        """Let the copy take the environment's place, unless somebody changed the environment in the meantime."""
        with self.pause.held(self.outcome):
            check_no_installer(self.place.final)
            if not self.plan.create and _entries(self.observed.sites) != self.live:
                raise EnvironmentFailure(f"Something else changed {self.place.final} in the meantime. Run again.")
            if self.mark is not None:
                kept = f"{KEPT}{self.kept}" if self.kept else ""
                name = os.path.basename(self.place.staged)
                warn_unless(switch(self.place, Switch(name, kept, self.mark.generation)), self.place, self.outcome)
                self.outcome.changed = True

    def _tidy(self) -> None:
        tidy_up(self.place, self.user, self.environment, self.outcome)
        pinned = {pin.name for pin in self.pins}
        for name, installed in self.observed.state.installed.items():
            if name not in pinned and not installed.whole:
                self.outcome.warnings.append(
                    f"{name} was left incomplete by an interrupted run and is no longer pinned. Pin it, or uninstall it."
                )

    def _give_up(self, reason: str) -> None:
        """Remove the copy, and say truthfully what the environment is."""
        try:
            repair(self.place, self.user)
            remove_empty(self.made, self.place.actor())
            switched = self.mark is not None and generation_at(self.place, self.user) == self.mark.generation
            self.outcome.changed = switched
        except OSError as error:
            self.outcome.warnings.append(
                f"{error.filename}: {error.strerror}. The next run removes what is left there."
            )
        self.outcome.failure = f"{reason}\n{self._state()}"

    def _state(self) -> str:
        if self.outcome.changed:
            return "The environment was changed before that."
        if self.observed.state.journal is not None:
            return "The environment is still as an earlier, interrupted run left it."
        return "The environment was not changed." if os.path.lexists(self.place.target) else "Nothing was made."


def _entries(sites: Iterable[str]) -> Mapping[str, dict[str, int]]:
    """Return name and inode of what is in the ``site-packages`` folders: other ones mean that an installer was at work."""
    found: dict[str, dict[str, int]] = {}
    for site in sites:
        with os.scandir(site) as entries:
            found[site] = {entry.name: entry.inode() for entry in entries if entry.name != "__pycache__"}
    return found


def put_back(prepared: Prepared, examined: Examined, generation: Generation, live: Pip, pip: Pip) -> Outcome:
    """Put a kept generation back instead of installing what it holds; it goes through the gates like a new copy."""
    place, user, environment = prepared.place, prepared.user, examined.environment
    outcome = Outcome(restored=generation.id, repaired=prepared.repaired)
    was = generation_at(place, user)
    if environment.pip_check != "ignore":
        outcome.conflicts_before = [] if examined.plan.create else live.check() or []
    try:
        old = "" if examined.plan.create else place.target
        go_through(place, Candidate(examined, old, generation.path, pip), outcome)
        keeps = environment.keep_generations > 0 and not examined.plan.create and not examined.plan.finish
        with prepared.pause.held(outcome):
            check_no_installer(place.final)
            warn_unless(exchange_with(place, user, generation, keeps, rolled_back=False), place, outcome)
        tidy_up(place, user, environment, outcome)
        examined.hashes.save()
    except (EnvironmentFailure, OSError) as error:
        outcome.failure = f"{error}\nThe environment was not changed."
    outcome.changed = prepared.repaired or generation_at(place, user) != was
    outcome.commands = live.commands + pip.commands
    return outcome
