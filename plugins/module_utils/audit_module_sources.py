# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of an environment as their source shows them: what is there without asking, and what may come later."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from .audit_module_names import ModuleNames, module_names
from .dist_info import Distribution
from .import_packages import contents, is_test, module_name
from .source_names import Target
from .source_scan import scan
from .source_tree import UnreadableSource, parse_source, read_source

#: How many imports are followed to where a name comes from.
_DEEPEST = 10
#: Bytes of source that are parsed to find out who sets an attribute.
_MOST_PARSED = 4 << 20


class Setters(NamedTuple):
    """Who sets an attribute: ``anybody``, and of which modules it is set, by their dotted names with it."""

    anybody: bool
    dotted: frozenset[str] = frozenset()


def _sets(tree: ast.Module, name: str) -> bool:
    """Whether an attribute of that name is set of anything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            key = node.args[1] if len(node.args) == 3 else None
            if isinstance(key, ast.Constant) and key.value == name:
                return True
    return False


def _package(path: str, folder: str) -> tuple[str, ...]:
    parts = tuple((module_name(os.path.relpath(path, folder)) or "").split("."))
    return parts if os.path.basename(path) == "__init__.py" else parts[:-1]


def find_setters(distributions: Iterable[Distribution], name: str) -> Setters:
    """Return who sets an attribute in the source of distributions; where that is too much to look at, anybody may."""
    mention, anybody, parsed = re.compile(rb"\b%b\b" % name.encode()), False, 0
    dotted: set[str] = set()
    for distribution in distributions:
        folder = os.path.dirname(distribution.path)
        for path in contents(distribution).sources:
            try:
                content = b"" if is_test(path, folder) else read_source(path)
                if not mention.search(content):
                    continue
                parsed += len(content)
                if parsed > _MOST_PARSED:
                    return Setters(True)
                tree = parse_source(content)
            except UnreadableSource:
                continue
            if _sets(tree, name):
                anybody = True
                dotted |= scan(tree, _package(path, folder)).provided
    return Setters(anybody, frozenset(dotted))


class ModuleSources:
    """The modules in the ``site-packages`` folders ``sites``; one that has no source shows nothing."""

    def __init__(self, sites: Sequence[str], distributions: Mapping[str, list[Distribution]]) -> None:
        self._sites = sites
        self._distributions = distributions
        self._names: dict[str, ModuleNames] = {}
        self._setters: dict[tuple[str, str], Setters] = {}

    def _file(self, module: str, suffix: str = ".py") -> Optional[str]:
        for site in self._sites:
            path = os.path.join(site, *module.split("."))
            for candidate in (os.path.join(path, f"__init__{suffix}"), f"{path}{suffix}"):
                if os.path.isfile(candidate):
                    return candidate
        return None

    def _read(self, module: str) -> ModuleNames:
        if module not in self._names:
            self._names[module] = self._parsed(module)
        return self._names[module]

    def _parsed(self, module: str, suffix: str = ".py") -> ModuleNames:
        path = self._file(module, suffix)
        if path is None:
            return ModuleNames()
        parts = module.split(".")
        try:
            content = read_source(path)
            return module_names(
                content, parse_source(content), parts if path.endswith(f"/__init__{suffix}") else parts[:-1]
            )
        except (UnreadableSource, RecursionError):
            return ModuleNames()

    def _places(self, target: Target, depth: int = 0) -> Iterator[Target]:
        """Yield where a target may lie: the last module on the way, and what is looked up in it."""
        module, chain = target
        leads = self._leads(module, chain[0]) if len(chain) > 1 and depth < _DEEPEST else {None}
        for one in leads:
            if one is None:
                yield target
            else:
                yield from self._places(one.attribute(chain[1:]), depth + 1)

    def _leads(self, module: str, name: str) -> set[Optional[Target]]:
        """Return what an attribute of a module may be: another module, something in one, or anything else (``None``)."""
        found = self._read(module).imports.get(name, set())
        submodule = Target(f"{module}.{name}")
        if not found:
            return {submodule if self._file(submodule.module) else None}
        return {submodule if one == Target(module, (name,)) else one for one in found}

    def surely_has(self, target: Target) -> bool:
        """Whether the source says that a target is there, or that it may be at any time."""
        if not target.chain:
            return self._file(target.module) is not None
        places = set(self._places(target))
        return len(places) == 1 and all(len(one.chain) == 1 and self._shows(*one) for one in places)

    def _shows(self, module: str, chain: tuple[str, ...]) -> bool:
        names, first = self._read(module), chain[0]
        if names.has(first) or self._file(f"{module}.{first}") is not None:
            return True
        # alembic.context: who sets the names sets those that the stub beside it says.
        return names.handed and self._parsed(module, ".pyi").has(first)

    def may_get(self, target: Target, depth: int, owners: Iterable[str]) -> bool:
        """Whether the ``depth``-th name of a target, which is not there now, may be at another time, or in another place.

        ``owners`` are the distributions that bring its module.
        """
        if depth < 0:
            return False
        name, gone = target.chain[depth], Target(target.module, target.chain[: depth + 1])
        for module, chain in set(self._places(gone)):
            if len(chain) == 1 and (self._shows(module, chain) or self._may_be_brought(module, name, ())):
                return True
            for setters in (self._set_by(owner, name) for owner in owners):
                if f"{module}.{name}" in setters.dotted or (len(chain) > 1 and setters.anybody):
                    return True
        return False

    def _may_be_brought(self, module: str, name: str, seen: tuple[str, ...]) -> bool:
        """Whether a star import brings a name that depends on something, or is such an import itself."""
        if module in seen:
            return False
        for star in self._read(module).stars:
            names = self._read(star.module)
            if names.gives(name) and (
                name in (names.bound if star.conditional else names.conditional)
                or self._may_be_brought(star.module, name, (*seen, module))
            ):
                return True
        return False

    def _set_by(self, owner: str, name: str) -> Setters:
        if (owner, name) not in self._setters:
            self._setters[owner, name] = find_setters(self._distributions.get(owner, ()), name)
        return self._setters[owner, name]
