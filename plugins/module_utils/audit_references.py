# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an application uses of installed distributions and these do not have.

Most names are seen in the source of the module that is used. Only for what is not, the environment's own interpreter is asked,
which imports the module; what that does not have counts only when the source shows nobody who sets it later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Optional

from .audit_module_sources import ModuleSources
from .commands import EnvironmentFailure, Output, User, acting_as, run
from .dist_info import Distribution
from .environment_layout import sites_of
from .import_packages import Owners
from .reference_resolution import GONE, THERE, Answers, Question, ask_environment
from .reference_users import FileUses, uses_of_sources
from .source_names import Target
from .source_uses import Use

#: From this Python on an annotation is not evaluated until somebody asks for it.
_LAZY_ANNOTATIONS = (3, 14)


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
) -> References:
    """Return what the ``sources`` use of ``distributions``, those of the environment, that is not there, asked as ``user``.

    ``own`` are top-level modules of the application itself, also where its source lies in several folders.
    """
    owners, found = Owners(distributions), References()
    with acting_as(user):
        used = uses_of_sources(sources, owners.tops(distributions) - set(own))
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
