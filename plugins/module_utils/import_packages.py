# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What installed distributions bring to import, which of their files are source, and what depends on what."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Optional

from .dist_info import Distribution, listed_files, requirements_of
from .names import normalised

#: Folders and files beside the packages that are not meant to be imported, where they stand at the top or in a namespace.
_NOT_IMPORTED = {
    *("benchmarks", "conftest", "doc", "docs", "example", "examples", "noxfile", "scripts", "setup", "test", "tests"),
    *("__main__", "__init__"),
}
#: ``_speedups.cpython-311-x86_64-linux-gnu.so``, ``_speedups.abi3.so``, ``web.py``.
_MODULE_FILE = re.compile(r"(?P<name>[^.]+)(?:\.py|(?:\.[^.]+)*\.so)\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: How an ``__init__`` makes a namespace of its package.
_NAMESPACE = re.compile(r"\b(?:extend_path|declare_namespace)\s*\(")
_EXTRA = re.compile(r";.*\bextra\s*==")
#: Nothing of these is run by an application.
_TESTS = re.compile(r"(?:.*/)?(?:tests?|testing/tests)/|(?:.*/)?(?:conftest|test_[^/]*|[^/]*_test)\.py\Z")

_Path = tuple[str, ...]


@dataclass(frozen=True)
class Dependency:
    """The normalised name of what a distribution requires; ``extra`` when only one of its extras does."""

    name: str
    extra: bool


@dataclass(frozen=True)
class Contents:
    """The modules of a distribution by dotted name, and the paths of its source files."""

    modules: frozenset[str]
    sources: tuple[str, ...]


def _stem_of(file_name: str) -> str:
    """Return the last part of the name of the module that a file is; empty for a file that is none."""
    match = _MODULE_FILE.match(file_name)
    return match.group("name") if match is not None and match.group("name").isidentifier() else ""


def module_name(path: str) -> Optional[str]:
    """Return the dotted name of the module in a file below ``site-packages``; ``None`` when it is none."""
    *folders, file = path.split("/")
    stem = _stem_of(file)
    if not stem or not all(part.isidentifier() for part in folders):
        return None
    return ".".join(folders if stem == "__init__" else [*folders, stem]) or None


def _packages(files: Iterable[_Path], is_namespace: Callable[[str], bool]) -> set[_Path]:
    """Return the folders that are packages, less those at the top whose ``__init__`` only makes a namespace."""
    inits = {parts[:-1]: "/".join(parts) for parts in files if len(parts) > 1 and _stem_of(parts[-1]) == "__init__"}
    namespaces: set[_Path] = {()}
    for folders in sorted(inits, key=len):
        if folders[:-1] in namespaces and is_namespace(inits[folders]):
            namespaces.add(folders)
    return set(inits) - namespaces


def modules_among(paths: Iterable[str], is_namespace: Callable[[str], bool]) -> list[str]:
    """Return the import packages and modules among the files of a distribution, by their full names, sorted.

    ``paths`` are relative to ``site-packages``. Of a package only the top is named. A folder without ``__init__``, or with one
    of which ``is_namespace`` holds, is a namespace, of which each portion is named.
    """
    files = [tuple(path.split("/")) for path in paths]
    packages = _packages(files, is_namespace)
    found = set()
    for parts in files:
        module = _stem_of(parts[-1])
        folders = parts[:-1]
        if not module or any(not name.isidentifier() for name in folders):
            continue
        tops = [folders[:depth] for depth in range(1, len(folders) + 1) if folders[:depth] in packages]
        top = tops[0] if tops else (*folders, module)
        if not _NOT_IMPORTED.intersection(top):
            found.add(".".join(top))
    return sorted(found)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _named_tops(distribution: Distribution) -> list[str]:
    """Return what a distribution that does not list its files says that it brings."""
    names = _lines(os.path.join(distribution.path, "top_level.txt"))
    return [name.strip() for name in names if name.strip().isidentifier()]


def modules_of(distribution: Distribution) -> list[str]:
    """Return what the distribution brings to import, by its list of files, or by ``top_level.txt`` where it has none."""
    files = listed_files(distribution)
    if not files:
        return sorted(name for name in _named_tops(distribution) if name not in _NOT_IMPORTED)
    site = os.path.dirname(distribution.path)

    def is_namespace(path: str) -> bool:
        return any(_NAMESPACE.search(line) for line in _lines(os.path.join(site, path)))

    return modules_among(files, is_namespace)


def _below(folder: str, name: str) -> Iterable[str]:
    """Return the files of a top-level module or package."""
    if os.path.isfile(os.path.join(folder, f"{name}.py")):
        yield f"{name}.py"
    for place, _folders, files in os.walk(os.path.join(folder, name)):
        for file in files:
            yield os.path.relpath(os.path.join(place, file), folder)


def contents(distribution: Distribution) -> Contents:
    """Return what a distribution brings, by its list of files, or by ``top_level.txt`` where it has none."""
    folder = os.path.dirname(distribution.path)
    files = listed_files(distribution)
    if not files:
        files = [path for name in _named_tops(distribution) for path in _below(folder, name)]
    modules = {path: module_name(path) for path in files}
    sources = [
        os.path.join(folder, path) for path, module in modules.items() if module is not None and path.endswith(".py")
    ]
    return Contents(frozenset(module for module in modules.values() if module is not None), tuple(sorted(sources)))


def is_test(path: str, folder: str) -> bool:
    """Whether a source file below ``folder`` is a test that a distribution brought along."""
    return _TESTS.match(os.path.relpath(path, folder)) is not None


def dependencies_of(distribution: Distribution) -> list[Dependency]:
    """Return what the metadata requires, whether its environment markers hold or not."""
    found = []
    for value in requirements_of(distribution):
        match = _NAME.match(value)
        if match is not None:
            found.append(Dependency(normalised(match.group()), _EXTRA.search(value) is not None))
    return found


def requires(distribution: Distribution) -> frozenset[str]:
    """Return the normalised names of what a distribution depends on, for whatever extra or marker."""
    return frozenset(one.name for one in dependencies_of(distribution))


def with_dependents(changed: Iterable[str], distributions: Mapping[str, list[Distribution]]) -> set[str]:
    """Return the names in ``changed`` that are installed, and of all installed distributions that depend on one of them.

    Further ones are followed from there, too. What only an extra requires counts where it is one of ``changed``.
    """
    needed = {
        name: [one for found in all_of for one in dependencies_of(found)] for name, all_of in distributions.items()
    }
    first = set(changed)
    selected = first & set(distributions)
    open_names = set(first)
    while open_names:
        reached = {
            name
            for name, required in needed.items()
            if any(one.name in open_names and (one.name in first or not one.extra) for one in required)
        }
        open_names = reached - selected
        selected |= reached
    return selected


class Owners:
    """Which distributions of an environment bring a module; several may share a namespace package."""

    def __init__(self, distributions: Mapping[str, Iterable[Distribution]]) -> None:
        self._owners: dict[str, set[str]] = {}
        for name, found in distributions.items():
            for distribution in found:
                for module in contents(distribution).modules:
                    self._owners.setdefault(module, set()).add(name)

    def of(self, dotted: str) -> frozenset[str]:
        """Return the distributions that bring the module which a dotted name lies in; none for a namespace that all share."""
        while dotted:
            if dotted in self._owners:
                return frozenset(self._owners[dotted])
            dotted = dotted.rpartition(".")[0]
        return frozenset()

    def tops(self, names: Collection[str]) -> frozenset[str]:
        """Return the first parts of the modules that the distributions ``names`` bring."""
        return frozenset(
            module.partition(".")[0] for module, owners in self._owners.items() if not owners.isdisjoint(names)
        )
