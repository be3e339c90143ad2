# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in a source file: scopes, what a name stands for, and what a guard around a use says.

Everything is recorded while the syntax tree is walked and decided afterwards, when all bindings of a name are known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Optional

MODULE = "module"
CLASS = "class"
FUNCTION = "function"
#: A comprehension: what is assigned inside with ``:=`` belongs to the scope around it.
COMPREHENSION = "comprehension"

#: Names that say which versions there are, when they come from an import: ``six.PY2``, ``NUMPY_LT_1_24``, ``HAS_LXML``.
_TELLING = re.compile(
    r"version|compat|available|installed|^_?(?:is_)?(?:py|python|pypy|cpython)_?\d*$"
    r"|^_?(?:has|have|is|with|support|supports|use|using)_|_(?:lt|le|gt|ge|gte|lte)_?v?\d|(?:lt|gt|gte|lte|pre|post)_?\d",
    re.IGNORECASE,
)
#: How far it is followed what a flag was computed from.
_DEEPEST = 30


class Target(NamedTuple):
    """An attribute of a module: ``chain`` is looked up in ``module``; an empty chain is the module itself."""

    module: str
    chain: tuple[str, ...] = ()

    @property
    def dotted(self) -> str:
        """The whole as one dotted name."""
        return ".".join((self.module, *self.chain))

    def attribute(self, chain: tuple[str, ...]) -> Target:
        """Return what ``chain`` leads to from here."""
        return Target(self.module, self.chain + chain)


@dataclass(frozen=True)
class Fact:
    """A name in a test, which makes it a guard when the name is a flag, or comes from an import and ``telling`` is true."""

    scope: Scope
    name: str
    telling: bool


class Guard:
    """A test, a ``try`` or the like around a part of the source, and the guards around that."""

    __slots__ = ("_active", "definite", "facts", "parent")

    def __init__(self, parent: Optional[Guard], definite: bool, facts: tuple[Fact, ...] = ()) -> None:
        self.parent = parent
        self.definite = definite
        self.facts = facts
        self._active: Optional[bool] = None

    def is_active(self, depth: int = 0) -> bool:
        """Whether what stands inside may be missing without harm."""
        if self._active is None:
            self._active = False
            self._active = (
                self.definite
                or (self.parent is not None and self.parent.is_active(depth))
                or any(fact.scope.is_flag(fact, depth) for fact in self.facts)
            )
        return self._active


def is_guarded(guard: Optional[Guard]) -> bool:
    """Whether there is a guard, and it is one."""
    return guard is not None and guard.is_active()


class Binding(NamedTuple):
    """One place that gives a name a value; ``target`` is what an import brings, ``constant`` marks ``None``, ``True`` and the like."""

    target: Optional[Target]
    guard: Optional[Guard]
    line: int
    typing: bool = False
    constant: bool = False


class Scope:
    """A module, class, function or comprehension, with the bindings of its own names."""

    __slots__ = ("_flags", "_meanings", "bindings", "elsewhere", "flags", "kind", "parent", "stars")

    def __init__(self, kind: str, parent: Optional[Scope]) -> None:
        self.kind = kind
        self.parent = parent
        self.bindings: dict[str, list[Binding]] = {}
        #: Names declared ``global`` (true) or ``nonlocal`` (false).
        self.elsewhere: dict[str, bool] = {}
        #: Guards that a name's value was computed from, or was assigned under.
        self.flags: dict[str, list[Guard]] = {}
        #: The last line with a star import.
        self.stars = 0
        self._meanings: dict[str, tuple[Target, ...]] = {}
        self._flags: dict[str, bool] = {}

    def module(self) -> Scope:
        """Return the module's scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def named_expression_scope(self) -> Scope:
        """Return the scope in which ``:=`` assigns."""
        scope = self
        while scope.kind == COMPREHENSION and scope.parent is not None:
            scope = scope.parent
        return scope

    def home(self, name: str) -> Optional[Scope]:
        """Return the scope whose binding a use of ``name`` here finds; ``None`` for builtins and unknown names."""
        scope: Optional[Scope] = self
        while scope is not None:
            declared = scope.elsewhere.get(name)
            if declared:
                return self.module() if name in self.module().bindings else None
            visible = scope.kind != CLASS or scope is self
            if visible and declared is None and name in scope.bindings:
                return scope
            scope = scope.parent
        return None

    def meaning(self, name: str) -> tuple[Target, ...]:
        """Return the imports that ``name`` may come from when it is used here; none when it may be anything else."""
        home = self.home(name)
        if home is None:
            return ()
        if name not in home._meanings:
            home._meanings[name] = home._imports_of(name)
        return home._meanings[name]

    def _imports_of(self, name: str) -> tuple[Target, ...]:
        bindings = sorted(self.bindings[name], key=lambda one: one.line)
        imports = [one for one in bindings if one.target is not None and not one.typing]
        for one in bindings:
            if one.target is None and not one.constant and not is_guarded(one.guard):
                return ()
        if any(one.line < self.stars for one in imports):
            return ()
        return tuple(dict.fromkeys(one.target for one in imports if one.target is not None))

    def is_flag(self, fact: Fact, depth: int = 0) -> bool:
        """Whether the name of ``fact``, used here, says which versions there are."""
        home = self.home(fact.name)
        if home is None or depth > _DEEPEST:
            return False
        if fact.telling and any(one.target is not None for one in home.bindings[fact.name]):
            return True
        if fact.name not in home._flags:
            home._flags[fact.name] = False
            home._flags[fact.name] = any(guard.is_active(depth + 1) for guard in home.flags.get(fact.name, ()))
        return home._flags[fact.name]

    def settle_declared(self) -> None:
        """Move the bindings of names declared ``global`` or ``nonlocal`` to the scope that they belong to."""
        for name, is_global in self.elsewhere.items():
            bindings, flags = self.bindings.pop(name, []), self.flags.pop(name, [])
            other = self.module() if is_global else self._around(name)
            if other is not None and bindings:
                other.bindings.setdefault(name, []).extend(bindings)
                other.flags.setdefault(name, []).extend(flags)

    def _around(self, name: str) -> Optional[Scope]:
        scope = self.parent
        while scope is not None and (scope.kind == CLASS or name not in scope.bindings):
            scope = scope.parent
        return scope


def is_telling(name: str) -> bool:
    """Whether an imported name sounds as if it said which versions there are."""
    return _TELLING.search(name) is not None
