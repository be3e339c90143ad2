# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change in a virtual environment, and why: one plan for check mode, diff and run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Optional

from .environment_marks import INSTALLING, Journal
from .pep440 import same_version
from .requirements import Pin

#: Reasons, the first one that holds is given.
MISSING = "missing"
VERSION = "version"
WRONG_ORIGIN = "wrong origin"
FILES_MISSING = "files missing"
FILES_CHANGED = "files changed"
INTERRUPTED = "interrupted"
REQUESTED = "requested always"
#: So many files are named as the ones that differ.
MOST_FILES = 10


@dataclass(frozen=True)
class Installed:
    """What is installed under one name: the versions (two are a fault) and the files that are not as recorded."""

    versions: tuple[str, ...]
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    direct: bool = False

    @property
    def version(self) -> str:
        """The versions as text; ``unknown`` where the metadata cannot be read."""
        return ", ".join(version or "unknown" for version in self.versions)

    @property
    def whole(self) -> bool:
        """Whether it is one distribution with all its files as recorded."""
        return len(self.versions) == 1 and not self.changed and not self.missing


@dataclass(frozen=True)
class State:
    """An environment as it is.

    ``complete`` is false when it has yet to be made; ``leftovers`` are names of what a killed pip left, ``journal`` is that of an
    unfinished change.
    """

    complete: bool
    installed: Mapping[str, Installed] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    journal: Optional[Journal] = None


@dataclass(frozen=True)
class Step:
    """One pin that is to be installed; ``before`` is ``None`` when nothing is."""

    pin: Pin
    before: Optional[str]
    reason: str
    files: tuple[str, ...] = ()

    def result(self) -> dict[str, object]:
        """Return the step as the module's return value shows it."""
        return {
            "name": self.pin.name,
            "before": self.before,
            "after": self.pin.version,
            "reason": self.reason,
            "files": list(self.files[:MOST_FILES]),
        }


@dataclass(frozen=True)
class Plan:
    """Everything that a run does: make the environment, remove leftovers, install, finish an unfinished change."""

    create: bool
    steps: tuple[Step, ...]
    leftovers: tuple[str, ...]
    finish: bool

    @property
    def changed(self) -> bool:
        """Whether anything changes."""
        return bool(self.create or self.steps or self.leftovers or self.finish)

    def diff(self, virtualenv: str) -> dict[str, str]:
        """Return the texts before and after, one line for each thing that changes."""
        before, after = [], []
        if self.create:
            after.append(f"virtual environment {virtualenv}")
        if self.finish:
            before.append("unfinished change")
        before += [f"{name}  # leftover of a killed pip" for name in self.leftovers]
        for step in self.steps:
            files = f": {', '.join(step.files[:MOST_FILES])}" if step.files else ""
            reason = f"  # {step.reason}{files}"
            if step.before is not None:
                before.append(f"{step.pin.name}=={step.before}{reason}")
            after.append(f"{step.pin.name}=={step.pin.version}" + (reason if step.before is None else ""))
        return {
            "before_header": virtualenv,
            "after_header": virtualenv,
            "before": "".join(f"{line}\n" for line in before),
            "after": "".join(f"{line}\n" for line in after),
        }


def _interrupted(journal: Optional[Journal], name: str) -> bool:
    return journal is not None and journal.phase == INSTALLING and name in journal.before


def _reason(pin: Pin, installed: Installed, journal: Optional[Journal], reinstall: str) -> tuple[str, tuple[str, ...]]:
    """Return why the pin must be installed again, and the files that show it; no reason is an empty text."""
    if len(installed.versions) != 1 or not same_version(installed.versions[0], pin.version):
        return VERSION, ()
    if installed.direct:
        return WRONG_ORIGIN, ()
    if installed.missing:
        return FILES_MISSING, installed.missing
    if installed.changed:
        return FILES_CHANGED, installed.changed
    if _interrupted(journal, pin.name):
        return INTERRUPTED, ()
    return (REQUESTED if reinstall == "always" else ""), ()


def plan(pins: Iterable[Pin], state: State, reinstall: str) -> Plan:
    """Return what makes an environment in ``state`` hold ``pins``; ``reinstall`` is ``drifted`` or ``always``.

    Distributions that nothing pins are left alone.
    """
    steps = []
    for pin in pins:
        installed = state.installed.get(pin.name)
        if installed is None:
            steps.append(Step(pin, None, MISSING))
            continue
        reason, files = _reason(pin, installed, state.journal, reinstall)
        if reason:
            steps.append(Step(pin, installed.version, reason, files))
    return Plan(not state.complete, tuple(steps), state.leftovers, state.journal is not None)
