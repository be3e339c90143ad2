# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change in a virtual environment, and why: one plan for check mode, diff and run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Optional

from .direct_references import DirectUrl, same_origin
from .environment_marks import INSTALLING, Journal
from .masking import masked
from .pep440 import same_version
from .requirements import Pin

#: Reasons, the first one that holds is given.
MISSING = "missing"
VERSION = "version"
WRONG_ORIGIN = "wrong origin"
FILES_MISSING = "files missing"
FILES_CHANGED = "files changed"
STRAY_FILES = "stray files"
INTERRUPTED = "interrupted"
INTERPRETER_CHANGED = "interpreter changed"
REQUESTED = "requested always"
#: So many files are named as the ones that differ.
MOST_FILES = 10


@dataclass(frozen=True)
class Installed:
    """What is installed under one name: the versions (two are a fault), the files that are not as recorded.

    ``stray`` are files in its import packages that nothing recorded; ``origin`` is ``None`` for what came from an index.
    """

    versions: tuple[str, ...]
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()
    origin: Optional[DirectUrl] = None

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
    unfinished change. ``rebuild`` are the versions by name that an environment holds whose Python is gone or was upgraded.
    """

    complete: bool
    installed: Mapping[str, Installed] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    journal: Optional[Journal] = None
    rebuild: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One pin that is to be installed; ``before`` is ``None`` when nothing is.

    ``files`` are those that differ and those that are stray, ``origin`` is the address that ``before`` came from, if any.
    """

    pin: Pin
    before: Optional[str]
    reason: str
    files: tuple[str, ...] = ()
    origin: str = ""

    def result(self) -> dict[str, object]:
        """Return the step as the module's return value shows it."""
        return {
            "name": self.pin.name,
            "before": self.before,
            "after": self.pin.version,
            "reason": self.reason,
            "files": list(self.files[:MOST_FILES]),
        }

    def lines(self) -> tuple[str, str]:
        """Return the lines of the diff before and after; the first is empty when nothing is installed."""
        shown = ", ".join(self.files[:MOST_FILES])
        more = f" and {len(self.files) - MOST_FILES} more" if len(self.files) > MOST_FILES else ""
        reason = f"  # {self.reason}" + (f": {shown}{more}" if shown else "")
        after = _line(self.pin.name, self.pin.version, self.pin.url)
        if self.before is None:
            return "", after + reason
        return _line(self.pin.name, self.before, self.origin) + reason, after


def _line(name: str, version: str, url: str) -> str:
    return f"{name}=={version}" + (f" @ {masked(url)}" if url else "")


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

    @property
    def drift(self) -> list[str]:
        """The names of installed distributions that are touched."""
        return [step.pin.name for step in self.steps if step.before is not None]

    def unplanned(self, removed: Iterable[str]) -> list[str]:
        """Return a warning of stray files that were removed and are in no step: they became stray by the installation."""
        named = {name for step in self.steps for name in step.files}
        left = sorted(set(removed) - named)
        return [f"Removed files that no distribution brought: {', '.join(left)}."] if left else []

    def diff(self, virtualenv: str) -> dict[str, str]:
        """Return the texts before and after, one line for each thing that changes."""
        before, after = [], []
        if self.create:
            after.append(f"virtual environment {virtualenv}")
        if self.finish:
            before.append("unfinished change")
        before += [f"{name}  # leftover of a killed pip" for name in self.leftovers]
        for step in self.steps:
            old, new = step.lines()
            before += [old] if old else []
            after.append(new)
        return {
            "before_header": virtualenv,
            "after_header": virtualenv,
            "before": "".join(f"{line}\n" for line in before),
            "after": "".join(f"{line}\n" for line in after),
        }


def _interrupted(journal: Optional[Journal], name: str) -> bool:
    return journal is not None and journal.phase == INSTALLING and name in journal.before


def _reason(pin: Pin, installed: Installed, journal: Optional[Journal], reinstall: str) -> str:
    """Return why the pin must be installed again; no reason is an empty text."""
    if len(installed.versions) != 1 or not same_version(installed.versions[0], pin.version):
        return VERSION
    if not same_origin(pin.url, pin.all_hashes, installed.origin):
        return WRONG_ORIGIN
    if installed.missing:
        return FILES_MISSING
    if installed.changed:
        return FILES_CHANGED
    if installed.stray:
        return STRAY_FILES
    if _interrupted(journal, pin.name):
        return INTERRUPTED
    return REQUESTED if reinstall == "always" else ""


def _files(installed: Installed, reason: str) -> tuple[str, ...]:
    """Return the files that a step names: stray ones always, since they are removed whatever the reason."""
    differing = {FILES_MISSING: installed.missing, FILES_CHANGED: installed.changed}.get(reason, ())
    return differing + installed.stray


def _rebuilt(pins: Iterable[Pin], held: Mapping[str, str]) -> tuple[Step, ...]:
    """Return what is installed into an environment that is made anew: what it held, at the pinned version where there is one."""
    wanted = {**{name: Pin(name, version) for name, version in held.items()}, **{pin.name: pin for pin in pins}}
    return tuple(
        Step(pin, held.get(name), INTERPRETER_CHANGED if name in held else MISSING)
        for name, pin in sorted(wanted.items())
    )


def plan(pins: Iterable[Pin], state: State, reinstall: str) -> Plan:
    """Return what makes an environment in ``state`` hold ``pins``; ``reinstall`` is ``drifted`` or ``always``.

    Distributions that nothing pins are left alone.
    """
    if state.rebuild:
        return Plan(True, _rebuilt(pins, state.rebuild), (), state.journal is not None)
    steps = []
    for pin in pins:
        installed = state.installed.get(pin.name)
        if installed is None:
            steps.append(Step(pin, None, MISSING))
            continue
        reason = _reason(pin, installed, state.journal, reinstall)
        if reason:
            origin = installed.origin.url if installed.origin else ""
            steps.append(Step(pin, installed.version, reason, _files(installed, reason), origin))
    return Plan(not state.complete, tuple(steps), state.leftovers, state.journal is not None)
