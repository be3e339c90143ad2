# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a changed distribution: the application's source files, and the installed distributions that depend on it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Optional

from .dist_info import Distribution
from .import_packages import contents, is_test, module_name, requires
from .source_scan import scan
from .source_tree import OwnModules, SourceFile, UnreadableSource, package_of, parse_source, read_source, source_files
from .source_uses import Scan, Use

#: How many files that cannot be parsed are named one by one.
SHOWN = 5


@dataclass(frozen=True)
class FileUses:
    """What one file uses, less what it guards."""

    path: str
    uses: tuple[Use, ...]

    def without(self, provided: Collection[str]) -> FileUses:
        """Return the uses of names that nobody sets or looks for himself."""
        if not provided:
            return self
        kept = [use for use in self.uses if not any(_is_provided(one.dotted, provided) for one in use.targets)]
        return replace(self, uses=tuple(kept))


def _is_provided(dotted: str, provided: Collection[str]) -> bool:
    while dotted:
        if dotted in provided:
            return True
        dotted = dotted.rpartition(".")[0]
    return False


@dataclass(frozen=True)
class Users:
    """The files that use something, what they provide themselves, and what could not be read."""

    files: tuple[FileUses, ...] = ()
    provided: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


class Mentions:
    """A cheap look at the bytes of a file: most files never import a changed package, and need not be parsed."""

    def __init__(self, tops: Iterable[str]) -> None:
        names = b"|".join(re.escape(top.encode()) for top in sorted(tops))
        blank = rb"(?:[ \t\f]|\\\r?\n)"
        statement = rb"\b(?:from|import)%b+(?:(?:[\w.,]|%b)*(?:,|%b))?(?:%b)\b"
        self._pattern: Optional[re.Pattern[bytes]] = (
            re.compile(statement % (blank, blank, blank, names)) if names else None
        )

    def any_in(self, content: bytes) -> bool:
        """Whether a statement in a file's content may import one of the packages."""
        return self._pattern is not None and self._pattern.search(content) is not None


def _scanned(path: str, package: Callable[[], Sequence[str]], mentions: Mentions) -> Optional[Scan]:
    """Return what a file uses; ``None`` when it names nothing of interest. Raises :class:`UnreadableSource`."""
    content = read_source(path)
    if not mentions.any_in(content):
        return None
    try:
        return scan(parse_source(content), package())
    except RecursionError:
        raise UnreadableSource("it is nested too deeply") from None


def uses_of_sources(sources: Iterable[str], tops: Collection[str]) -> Users:
    """Return what the application's source files use of the import packages ``tops``."""
    mentions, own = Mentions(tops), OwnModules()
    files: list[FileUses] = []
    provided: set[str] = set()
    unread: list[str] = []
    for file in source_files(sources, unread):
        try:
            found = _scanned(file.path, partial(package_of, file.path), mentions)
        except UnreadableSource as error:
            unread.append(f"{file.path} was not checked for references: {error}")
            continue
        if found is not None:
            kept = [use for use in found.uses if _is_of_interest(use, tops) and not _is_own(use, file, own)]
            files.append(FileUses(file.path, tuple(kept)))
            provided |= found.provided
    more = [f"{len(unread) - SHOWN} more source files could not be read"] if len(unread) > SHOWN else []
    return Users(tuple(files), frozenset(provided), (*unread[:SHOWN], *more))


def _is_of_interest(use: Use, tops: Collection[str]) -> bool:
    return not use.guarded and any(target.module.partition(".")[0] in tops for target in use.targets)


def _is_own(use: Use, file: SourceFile, own: OwnModules) -> bool:
    return any(own.has(file, target.module.partition(".")[0]) for target in use.targets)


def uses_of_distributions(
    installed: Mapping[str, Iterable[Distribution]], changed: Collection[str], tops: Collection[str]
) -> Users:
    """Return what installed distributions that depend on a changed one use of the import packages ``tops``."""
    files: list[FileUses] = []
    provided: set[str] = set()
    problems: list[str] = []
    mentions = Mentions(tops)
    for name, found in sorted(installed.items()):
        for distribution in found:
            if requires(distribution) & (frozenset(changed) - {name}):
                used = uses_of_distribution(distribution, mentions, tops)
                files += used.files
                provided |= used.provided
                problems += used.problems
    return Users(tuple(files), frozenset(provided), tuple(problems))


def uses_of_distribution(distribution: Distribution, mentions: Mentions, tops: Collection[str]) -> Users:
    """Return what the files of one distribution, less its tests, use of the import packages ``tops``."""
    folder = os.path.dirname(distribution.path)
    files: list[FileUses] = []
    provided: set[str] = set()
    unread: list[str] = []
    for path in contents(distribution).sources:
        if is_test(path, folder):
            continue
        try:
            found = _scanned(path, partial(_package_in, folder, path), mentions)
        except UnreadableSource as error:
            unread.append(f"{os.path.relpath(path, folder)}: {error}")
            continue
        if found is not None:
            kept = [use for use in found.uses if _is_of_interest(use, tops)]
            files.append(FileUses(path, tuple(kept)))
            provided |= found.provided
    version = ".".join(map(str, sys.version_info[:2]))
    problems = [
        f"{distribution.name}: Python {version} could not read {len(unread)} of its files, such as {one}"
        for one in unread[:1]
    ]
    return Users(tuple(files), frozenset(provided), tuple(problems))


def _package_in(folder: str, path: str) -> tuple[str, ...]:
    module = module_name(os.path.relpath(path, folder)) or ""
    parts = tuple(module.split("."))
    return parts if os.path.basename(path) == "__init__.py" else parts[:-1]
