# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an application uses of installed distributions and these do not have, and what the rules about source find: each file is read
once for all of them.

Most names are seen in the source of the module that is used. Only for what is not, the environment's own interpreter is asked,
which imports the module; what that does not have counts only when the source shows nobody who sets it later.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Optional

from .audit_module_sources import ModuleSources
from .audit_source_facts import Fault
from .audit_source_rules import SourceRules, needs_names
from .commands import EnvironmentFailure, Output, User, acting_as, run
from .dist_info import Distribution
from .environment_layout import sites_of
from .import_packages import Owners, contents
from .reference_resolution import GONE, THERE, Answers, Question, ask_environment
from .reference_users import SHOWN, FileUses, Mentions, Users
from .source_names import Target
from .source_scan import scan
from .source_tree import OwnModules, SourceFile, UnreadableSource, package_of, parse_source, read_source, source_files
from .source_uses import Scan, Use

#: From this Python on an annotation is not evaluated until somebody asks for it.
_LAZY_ANNOTATIONS = (3, 14)
_GETS_LOGGER = re.compile(rb"\blogging\.getLogger\(|^from logging import", re.MULTILINE)
#: So many files of distributions are looked at for that.
_MOST_FILES = 300


@dataclass(frozen=True)
class Reference:
    """A name that is used at a line of a file, of a distribution that does not have it."""

    file: str
    line: int
    spelled: str
    distribution: str


@dataclass
class References:
    """What is missing, and what could not be looked at."""

    missing: list[Reference] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def _scanned(file: SourceFile, content: bytes, rules: Optional[SourceRules], is_used: bool) -> Optional[Scan]:
    """Return what a file uses, and show it to the ``rules``; ``None`` when neither asks for it. Raises :class:`UnreadableSource`."""
    wanted = rules is not None and rules.wants(file, content)
    if not wanted and not is_used:
        return None
    try:
        tree = parse_source(content)
        found = scan(tree, package_of(file.path)) if is_used or needs_names(content) else Scan((), frozenset())
    except RecursionError:
        raise UnreadableSource("it is nested too deeply") from None
    if wanted and rules is not None:
        rules.add(file.path, tree, found)
    return found if is_used else None


def _uses(found: Scan, file: SourceFile, tops: Collection[str], own: OwnModules) -> FileUses:
    """Return what a file uses of ``tops`` that it does not guard, less what the tree has itself."""
    kept = [
        use
        for use in found.uses
        if not use.guarded
        and any(target.module.partition(".")[0] in tops for target in use.targets)
        and not any(own.has(file, target.module.partition(".")[0]) for target in use.targets)
    ]
    return FileUses(file.path, tuple(kept))


def read_sources(sources: Iterable[str], tops: Collection[str], rules: Optional[SourceRules] = None) -> Users:
    """Return what source files use of the import packages ``tops``, and show the ``rules`` each of them that they want."""
    mentions, own = Mentions(tops), OwnModules()
    files: list[FileUses] = []
    provided: set[str] = set()
    unread: list[str] = []
    for file in source_files(sources, unread):
        what = "references"
        try:
            content = read_source(file.path)
            is_used = mentions.any_in(content)
            what = what if is_used else "how it logs and what it keeps"
            found = _scanned(file, content, rules, is_used)
        except UnreadableSource as error:
            unread.append(f"{file.path} was not checked for {what}: {error}")
            continue
        if found is not None:
            files.append(_uses(found, file, tops, own))
            provided |= found.provided
    more = [f"{len(unread) - SHOWN} more source files could not be read"] if len(unread) > SHOWN else []
    return Users(tuple(files), frozenset(provided), (*unread[:SHOWN], *more))


def which_logs(distributions: Mapping[str, list[Distribution]], modules: Iterable[str]) -> str:
    """Return the name of a distribution that brings one of the ``modules`` and logs by the standard library; empty for none."""
    owners, left = Owners(distributions), _MOST_FILES
    names = {name for module in modules for name in owners.of(module)} - {"loguru", "structlog"}
    for name in sorted(names):
        for path in contents(distributions[name][0]).sources[:left]:
            left -= 1
            try:
                if _GETS_LOGGER.search(read_source(path)):
                    return name
            except UnreadableSource:
                continue
    return ""


def _doubtful(files: Iterable[FileUses], modules: ModuleSources) -> list[FileUses]:
    return [
        FileUses(
            file.path, tuple(use for use in file.uses if not any(modules.surely_has(target) for target in use.targets))
        )
        for file in files
    ]


def _is_gone(target: Target, answers: Answers, owners: Owners, modules: ModuleSources) -> bool:
    answer, having = answers.of(target), owners.of(target.dotted)
    return bool(having) and answer.verdict == GONE and not modules.may_get(target, answer.depth, having)


def _is_missing(use: Use, answers: Answers, owners: Owners, modules: ModuleSources) -> bool:
    if use.annotation and answers.python >= _LAZY_ANNOTATIONS:
        return False
    if use.through and not any(answers.of(target).verdict == THERE for target in use.through):
        # What is imported is missing: that is said of the import.
        return False
    return all(_is_gone(target, answers, owners, modules) for target in use.targets)


def _run(user: User, argv: Sequence[str], variables: Mapping[str, str], timeout: Optional[float]) -> Output:
    return run(argv, user, variables, timeout)


def find_missing(
    virtualenv: str,
    distributions: Mapping[str, list[Distribution]],
    sources: Sequence[str],
    user: User,
    own: Collection[str] = (),
    rules: Optional[SourceRules] = None,
) -> References:
    """Return what the ``sources`` use of ``distributions``, those of the environment, that is not there, asked as ``user``.

    ``own`` are top-level modules of the application itself, also where its source lies in several folders. The ``rules`` are shown each file,
    too.
    """
    owners, found = Owners(distributions), References()
    with acting_as(user):
        used = read_sources(sources, owners.tops(distributions) - set(own), rules)
        modules = ModuleSources(sites_of(virtualenv), distributions)
        files = _doubtful((file.without(used.provided) for file in used.files), modules)
    found.unseen += used.problems
    uses = [(file.path, use) for file in files for use in file.uses]
    questions = {Question(target) for _path, use in uses for target in (*use.targets, *use.through)}
    if not questions:
        return found
    try:
        answers = ask_environment(virtualenv, questions, user, partial(_run, user))
    except EnvironmentFailure as failure:
        found.unseen.append(f"whether {virtualenv} has what is used of it ({failure})")
        return found
    with acting_as(user):
        uses = [(path, use) for path, use in uses if _is_missing(use, answers, owners, modules)]
    for path, use in uses:
        (owner, *_others) = sorted(owners.of(use.targets[0].dotted))
        found.missing.append(Reference(path, use.line, use.spelled, owner))
    found.missing = list(dict.fromkeys(found.missing))
    return found
