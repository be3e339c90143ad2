# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an application uses of installed distributions and these do not have.

Most names are seen in the source of the module that is used. Only for what is not, the environment's own interpreter is asked,
which imports the module.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Optional

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


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements of a module bind, whatever they depend on."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name
            continue
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
            continue
        for node in ast.iter_child_nodes(statement):
            if isinstance(node, (ast.expr, ast.withitem)):
                yield from (
                    one.id
                    for one in ast.walk(node)
                    if isinstance(one, ast.Name) and isinstance(one.ctx, (ast.Store, ast.Del))
                )
        for name in ("body", "orelse", "finalbody"):
            yield from _bound(getattr(statement, name, ()))
        for handler in getattr(statement, "handlers", ()):
            yield from _bound(handler.body)


class _Modules:
    """The modules of an environment as their source shows them; one that has no source shows nothing."""

    def __init__(self, sites: Sequence[str]) -> None:
        self._sites = sites
        self._names: dict[str, frozenset[str]] = {}

    def _file(self, module: str) -> Optional[str]:
        for site in self._sites:
            path = os.path.join(site, *module.split("."))
            for candidate in (os.path.join(path, "__init__.py"), f"{path}.py"):
                if os.path.isfile(candidate):
                    return candidate
        return None

    def _read(self, module: str) -> frozenset[str]:
        if module not in self._names:
            self._names[module] = frozenset()
            path = self._file(module)
            if path is not None:
                with suppress(OSError, SyntaxError, ValueError, RecursionError), open(path, "rb") as stream:
                    self._names[module] = frozenset(_bound(ast.parse(stream.read()).body))
        return self._names[module]

    def surely_has(self, target: Target) -> bool:
        """Whether the source says that a target is there."""
        if not target.chain:
            return self._file(target.module) is not None
        first = target.chain[0]
        found = first in self._read(target.module) or self._file(f"{target.module}.{first}") is not None
        return found and len(target.chain) == 1


def _doubtful(files: Iterable[FileUses], modules: _Modules) -> list[FileUses]:
    return [
        FileUses(
            file.path, tuple(use for use in file.uses if not any(modules.surely_has(target) for target in use.targets))
        )
        for file in files
    ]


def _is_missing(use: Use, answers: Answers, owners: Owners) -> bool:
    if use.annotation and answers.python >= _LAZY_ANNOTATIONS:
        return False
    if use.through and not any(answers.of(target).verdict == THERE for target in use.through):
        # What is imported is missing: that is said of the import.
        return False
    return all(owners.of(target.dotted) and answers.of(target).verdict == GONE for target in use.targets)


def _run(user: User, argv: Sequence[str], variables: Mapping[str, str], timeout: Optional[float]) -> Output:
    return run(argv, user, variables, timeout)


def find_missing(
    virtualenv: str, distributions: Mapping[str, list[Distribution]], sources: Sequence[str], user: User
) -> References:
    """Return what the ``sources`` use of ``distributions``, those of the environment, that is not there, asked as ``user``."""
    owners, found = Owners(distributions), References()
    with acting_as(user):
        used = uses_of_sources(sources, owners.tops(distributions))
        modules = _Modules(sites_of(virtualenv))
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
    for path, use in uses:
        if _is_missing(use, answers, owners):
            (owner, *_others) = sorted(owners.of(use.targets[0].dotted))
            found.missing.append(Reference(path, use.line, use.spelled, owner))
    found.missing = list(dict.fromkeys(found.missing))
    return found
