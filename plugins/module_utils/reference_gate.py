# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate *references*: what an application and installed distributions use of a changed one must still be there.

The uses come from the source, what is there is asked of the old and of the staged environment's interpreter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .callable_signatures import differences, signature
from .commands import EnvironmentFailure, User, acting_as
from .dist_info import Distribution, installed_distributions
from .environment_layout import sites_of
from .gate_failure import GateFailure
from .import_packages import Owners
from .reference_resolution import FAILED, GONE, THERE, Answer, Answers, Question, Run, ask_environment
from .reference_users import FileUses, uses_of_distributions, uses_of_sources
from .source_names import Target
from .source_uses import Use

#: How many missing references a message names.
SHOWN = 10
FAIL = "fail"
WARN = "warn"
IGNORE = "ignore"
#: From this Python on an annotation is not evaluated until somebody asks for it.
_LAZY_ANNOTATIONS = (3, 14)
_ABSENT = (GONE, FAILED)


@dataclass(frozen=True)
class ReferenceReport:
    """What the module returns: missing references as ``source``, ``line``, ``name``, ``distribution``, and warnings."""

    missing: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class MissingReferences(GateFailure):
    """References are missing; ``report`` holds them for the module's return values."""

    def __init__(self, message: str, report: ReferenceReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, order=True)
class Missing:
    """One reference that resolved before and does not now; ``text`` is its line for people."""

    source: str
    line: int
    name: str
    distribution: str
    text: str


class _Versions:
    """What an environment holds, by normalised name."""

    def __init__(self, virtualenv: str) -> None:
        self.distributions: Mapping[str, list[Distribution]] = installed_distributions(sites_of(virtualenv))

    def of(self, name: str) -> str:
        found = self.distributions.get(name, [])
        return found[0].version if found else ""


class _Comparison:
    """The old environment against the staged one, for the uses of changed distributions."""

    def __init__(self, old: str, new: str, changed: Collection[str], user: User, run: Run) -> None:
        self.old_path, self.new_path = old, new
        self.changed = frozenset(changed)
        self.user, self.run = user, run
        with acting_as(user):
            self.before, self.after = _Versions(old), _Versions(new)
            self.owners = Owners(self.before.distributions)
        self.old, self.new = Answers(), Answers()

    def owner(self, target: Target) -> str:
        """Return the changed distribution that a target belongs to; empty when there is none."""
        return min(self.owners.of(target.dotted) & self.changed, default="")

    def ask_old(self, files: Iterable[FileUses]) -> None:
        """Ask the old environment for everything that is used of changed distributions."""
        self.old = ask_environment(self.old_path, self._questions(files), self.user, self.run)

    def ask_new(self, files: Iterable[FileUses]) -> None:
        """Ask the staged environment for what the old one has, and for everything that may take its place."""
        self.new = ask_environment(self.new_path, self._questions(self._resolved(files)), self.user, self.run)
        # Once more by themselves: what else was imported before may have made them fail.
        absent = [question for question, answer in self.new.by_question.items() if answer.verdict in _ABSENT]
        self.new.by_question.update(ask_environment(self.new_path, absent, self.user, self.run).by_question)

    def _resolved(self, files: Iterable[FileUses]) -> list[FileUses]:
        """Return the uses that resolved in the old environment."""
        return [replace(file, uses=tuple(use for use in file.uses if self._was_there(use))) for file in files]

    def _was_there(self, use: Use) -> bool:
        return any(self.old.of(target).verdict == THERE for target in use.targets)

    def _questions(self, files: Iterable[FileUses]) -> set[Question]:
        found: set[Question] = set()
        for file in files:
            for use in file.uses:
                if any(map(self.owner, use.targets)):
                    found.update(Question(target, use.call is not None) for target in use.targets)
                    found.update(Question(target) for target in use.through)
        return found

    def is_missing(self, use: Use) -> bool:
        """Whether a use resolved before, and by no import that it may come by does so now."""
        if use.annotation and self.new.python >= _LAZY_ANNOTATIONS:
            return False
        if use.through and not any(self.new.of(target).verdict == THERE for target in use.through):
            # What is imported is gone: that is said of the import.
            return False
        return self._was_there(use) and all(
            self.owner(target) and self.new.of(target).verdict in _ABSENT for target in use.targets
        )

    def shown(self, path: str) -> str:
        """Return where a file of the staged environment will be after the switch; any other path as it is."""
        inside = path.startswith(f"{self.new_path}/")
        return self.old_path + path[len(self.new_path) :] if inside else path

    def describe(self, file: FileUses, use: Use) -> Missing:
        source = self.shown(file.path)
        target = next(one for one in use.targets if self.old.of(one).verdict == THERE)
        owner = self.owner(target)
        answer = self.new.of(target)
        before, after = self.before.of(owner), self.after.of(owner)
        has_not = f"{owner} {after} has not" if after else f"{owner} is not installed any more"
        name, spelled = target.dotted, use.spelled
        if answer.verdict == FAILED:
            what = f"{target.module} cannot be imported any more ({answer.why}): it could be with {owner} {before}"
            text = f"{source}:{use.line}: {what}, and cannot with {after}" if after else f"{source}:{use.line}: {what}"
            return Missing(source, use.line, target.module, owner, text)
        name, spelled = _as_far_as_gone(target, spelled, answer)
        text = f"{source}:{use.line}: {spelled} is gone: {owner} {before} had it, {has_not}"
        return Missing(source, use.line, name, owner, text)

    def missing(self, files: Iterable[FileUses]) -> list[Missing]:
        """Return the missing references, each once."""
        return sorted({self.describe(file, use) for file in files for use in file.uses if self.is_missing(use)})

    def call_warnings(self, files: Iterable[FileUses]) -> list[str]:
        """Return what calls will notice of changed signatures, each once for a file and function."""
        found: dict[tuple[str, str, str], str] = {}
        for file in files:
            for use in file.uses:
                if use.call is None or len(use.targets) != 1:
                    continue
                target = use.targets[0]
                old, new = self.old.of(target).callable, self.new.of(target).callable
                if old is None or new is None:
                    continue
                before, after = signature(old), signature(new)
                owner = self.owner(target)
                for what in differences(use.call, before, after):
                    then = f"{owner} {self.before.of(owner)}: {use.spelled}{before.text}"
                    now = f"{owner} {self.after.of(owner)}: {use.spelled}{after.text}"
                    text = f"{self.shown(file.path)}:{use.line}: {use.spelled} {what}: {then}; {now}"
                    found.setdefault((file.path, use.spelled, what), text)
        return list(found.values())


def _as_far_as_gone(target: Target, spelled: str, answer: Answer) -> tuple[str, str]:
    """Return full and written name up to the first part that is not there."""
    unused = len(target.chain) - 1 - answer.depth if answer.depth >= 0 else 0
    if not unused:
        return target.dotted, spelled
    written = spelled.split(".")
    return ".".join(target.dotted.split(".")[:-unused]), ".".join(
        written[:-unused] if len(written) > unused else written
    )


def _message(missing: Sequence[Missing], changed: str) -> str:
    lines = [one.text for one in missing[:SHOWN]]
    if len(missing) > SHOWN:
        lines.append(f"… and {len(missing) - SHOWN} more")
    listed = "\n".join(lines)
    return (
        f"References that resolved before do not now:\n{listed}\n"
        f"Keep the version of {changed} that has them, or change (for a distribution: pin a version of) what uses them; "
        "references: warn lets the change through."
    )


def check_references(
    mode: str, old: str, new: str, changed: Collection[str], sources: Sequence[str], user: User, run: Run
) -> ReferenceReport:
    """Compare what is used of the distributions ``changed`` (normalised names) in the environments ``old`` and ``new``.

    Raises :class:`MissingReferences` with ``mode`` ``fail`` when something that resolved in ``old`` does not in ``new``.
    Nothing is compared without an ``old`` environment (empty), nor with ``mode`` ``ignore``.
    """
    if mode == IGNORE or not old or not changed:
        return ReferenceReport()
    comparison = _Comparison(old, new, changed, user, run)
    tops = comparison.owners.tops(comparison.changed)
    with acting_as(user):
        of_sources = uses_of_sources(sources, tops)
        of_distributions = uses_of_distributions(comparison.after.distributions, comparison.changed, tops)
    files = [*of_sources.files, *of_distributions.files]
    provided = of_sources.provided | of_distributions.provided
    files = [file.without(provided) for file in files]
    warnings = [*of_sources.problems, *of_distributions.problems]
    try:
        comparison.ask_old(files)
    except EnvironmentFailure as failure:
        return ReferenceReport(
            warnings=[*warnings, f"References were not compared with the environment before. {failure}"]
        )
    try:
        comparison.ask_new(files)
    except EnvironmentFailure as failure:
        raise GateFailure(f"references: {failure}") from None
    missing = comparison.missing(files)
    warnings += comparison.call_warnings(files)
    listed = [
        {"source": one.source, "line": one.line, "name": one.name, "distribution": one.distribution} for one in missing
    ]
    report = ReferenceReport(listed, warnings)
    if missing and mode == WARN:
        shown = [one.text for one in missing]
        return ReferenceReport(listed, [*shown, *warnings])
    if missing:
        raise MissingReferences(_message(missing, " and ".join(sorted({one.distribution for one in missing}))), report)
    return report
