# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates that a staged copy goes through before it takes the environment's place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from .commands import SYSTEM_PATH, EnvironmentFailure, User, acting_as
from .environment_layout import python_of
from .environment_outcome import Outcome
from .environment_place import Place
from .environment_plan import Installed, Step
from .environment_reading import Examined, check_locked
from .environment_staging import GATE_SCRIPTS, remove_gate_scripts, write_gate_scripts
from .environments import PYTHON_PLACEHOLDER, Environment
from .gate_failure import GateFailure
from .import_gate import ImportFailure, Run, check_imports
from .pep440 import same_version
from .pip_runner import Pip, Worker, last_lines, new_conflicts, workspace
from .reference_gate import MissingReferences, check_references

#: Seconds that the smoke test may take.
SMOKE_TEST_TIMEOUT = 1800.0


@dataclass(frozen=True)
class Candidate:
    """What goes through the gates: the staged copy, the live environment (empty when there is none), who works in it."""

    examined: Examined
    old: str
    new: str
    pip: Pip

    @property
    def environment(self) -> Environment:
        """What the user said."""
        return self.examined.environment

    @property
    def changed(self) -> set[str]:
        """The names of the distributions that were changed."""
        return {step.pin.name for step in self.examined.plan.steps}


@dataclass(frozen=True)
class _Executor:
    """As whom the gates execute what was installed, and how."""

    user: User
    run: Run


def check_installed(steps: Iterable[Step], installed: Mapping[str, Installed]) -> None:
    """Compare what was installed with what was pinned, file by file."""
    wrong = []
    for step in steps:
        found = installed.get(step.pin.name)
        if found is None or not same_version(found.version, step.pin.version):
            wrong.append(f"{step.pin.name} is {found.version if found else 'missing'}, not {step.pin.version}")
        elif not found.whole:
            wrong.append(f"{step.pin.name} has files that differ: {', '.join((found.missing + found.changed)[:3])}")
    if wrong:
        raise GateFailure("The installer ended well, but not everything is in place:\n" + "\n".join(wrong))


def _check_locked(candidate: Candidate) -> None:
    text = check_locked(candidate.examined, candidate.new)
    if text:
        raise GateFailure(text)


def _check_conflicts(candidate: Candidate, outcome: Outcome) -> None:
    if candidate.environment.pip_check == "ignore":
        return
    after = candidate.pip.check()
    if after is None:
        raise GateFailure("pip check could not check the environment.")
    outcome.conflicts_after = after
    strict = candidate.environment.pip_check == "strict"
    refused = after if strict else new_conflicts(outcome.conflicts_before or [], after)
    if refused:
        what = "conflicts" if strict else "conflicts that were not there before"
        listed = "\n".join(f"- {line}" for line in refused)
        raise GateFailure(
            f"pip check found {what}:\n{listed}\n"
            "Pin versions that fit together, what they require included, or set pip_check: ignore."
        )


def _check_imports(candidate: Candidate, executor: _Executor, outcome: Outcome) -> None:
    mode, old, new = candidate.environment.imports, candidate.old, candidate.new
    try:
        report = check_imports(mode, old, new, candidate.changed, executor.user, executor.run)
    except ImportFailure as failure:
        outcome.failed_imports = failure.report.failed
        outcome.warnings += failure.report.warnings
        raise
    outcome.warnings += report.warnings


def _check_references(candidate: Candidate, executor: _Executor, outcome: Outcome) -> None:
    environment = candidate.environment
    mode, old, new, sources = environment.references, candidate.old, candidate.new, environment.sources
    changed = candidate.changed
    try:
        report = check_references(mode, old, new, changed, sources, executor.user, executor.run)
    except MissingReferences as failure:
        outcome.missing_references = failure.report.missing
        outcome.warnings += failure.report.warnings
        raise
    outcome.missing_references = report.missing
    outcome.warnings += report.warnings


def activated(virtualenv: str) -> dict[str, str]:
    """Return the variables that the ``activate`` script of a staged copy would set, its scripts found first.

    Byte code is not written: it would name the path of the copy.
    """
    programs = f"{os.path.join(virtualenv, GATE_SCRIPTS)}:{os.path.join(virtualenv, 'bin')}"
    return {"VIRTUAL_ENV": virtualenv, "PATH": f"{programs}:{SYSTEM_PATH}", "PYTHONDONTWRITEBYTECODE": "1"}


def _smoke_test(candidate: Candidate, executor: _Executor, outcome: Outcome) -> None:
    if not candidate.environment.smoke_test:
        return
    python = python_of(candidate.new)
    argv = [word.replace(PYTHON_PLACEHOLDER, python) for word in candidate.environment.smoke_test]
    try:
        output = executor.run(argv, activated(candidate.new), SMOKE_TEST_TIMEOUT)
    except EnvironmentFailure as failure:
        raise GateFailure(f"smoke_test: {failure}") from None
    if output.status:
        said = candidate.pip.masked(last_lines(output))
        raise GateFailure(f"smoke_test ended with status {output.status}:\n{said}")
    outcome.smoke_tested = True


def check_gates(candidate: Candidate, outcome: Outcome) -> None:
    """Look at the gates in their order; raises :class:`GateFailure` at the first one that refuses the candidate."""
    _check_locked(candidate)
    _check_conflicts(candidate, outcome)
    user = candidate.examined.gate_user
    with workspace(user, os.path.join(candidate.new, "gates")) as folder:
        executor = _Executor(user, partial(candidate.pip.run, worker=Worker(user, folder)))
        _check_imports(candidate, executor, outcome)
        _check_references(candidate, executor, outcome)
        _smoke_test(candidate, executor, outcome)


def go_through(place: Place, candidate: Candidate, outcome: Outcome) -> None:
    """Let a folder go through the gates in their order, after :func:`check_installed`; ``outcome`` gets what they report.

    Meanwhile it has scripts that start its own interpreter. Raises :class:`GateFailure` at the first one that refuses it.
    """
    user = candidate.examined.user
    try:
        with acting_as(user):
            write_gate_scripts(place, candidate.new)
        check_gates(candidate, outcome)
    finally:
        with acting_as(user):
            remove_gate_scripts(candidate.new)
