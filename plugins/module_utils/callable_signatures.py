# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change did to a function that is called: another kind, arguments that it no longer takes, another return type."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from .source_uses import Call

# The kinds of parameters, as inspect numbers them.
_POSITIONAL_ONLY, _POSITIONAL_OR_KEYWORD, _ANY_POSITIONAL, _KEYWORD_ONLY, _ANY_KEYWORD = range(5)
#: Kinds of functions whose call does not run them: the caller has to iterate or await.
_LATER = ("generator", "coroutine", "asynchronous generator")
_BUILTIN_TYPES = ("Dict", "FrozenSet", "List", "Set", "Tuple", "Type")


@dataclass(frozen=True)
class Signature:
    """How a function or class is called; ``parameters`` is ``None`` where nothing is known: name, kind, has a default."""

    kind: str
    text: str
    returns: str
    parameters: Optional[tuple[tuple[str, int, bool], ...]]


def signature(described: Mapping[str, Any]) -> Signature:
    """Return the signature that an interpreter described."""
    parameters = described["parameters"]
    known = None if parameters is None else tuple((name, kind, default) for name, kind, default in parameters)
    return Signature(described["kind"], described["text"], described["returns"], known)


def misfit(call: Call, parameters: tuple[tuple[str, int, bool], ...]) -> Optional[str]:
    """Return why a call does not fit the parameters; ``None`` when it does."""
    kinds = {name: kind for name, kind, _default in parameters}
    places = [name for name, kind, _default in parameters if kind in (_POSITIONAL_ONLY, _POSITIONAL_OR_KEYWORD)]
    by_name = [name for name, kind in kinds.items() if kind in (_POSITIONAL_OR_KEYWORD, _KEYWORD_ONLY)]
    if _ANY_KEYWORD not in kinds.values():
        for keyword in call.keywords:
            if keyword not in by_name:
                return f"takes no parameter {keyword}"
    if _ANY_POSITIONAL not in kinds.values() and call.positional > len(places):
        return f"takes {len(places)} positional arguments, not {call.positional}"
    if not call.complete:
        return None
    given = {*places[: call.positional], *call.keywords}
    for name, kind, default in parameters:
        if not default and kind not in (_ANY_POSITIONAL, _ANY_KEYWORD) and name not in given:
            return f"needs the parameter {name}"
    return None


class _Plain(ast.NodeTransformer):
    """Spells types without modules and in their newer form."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self.visit_Name(ast.Name(node.attr, ast.Load()))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(node.id.lower() if node.id in _BUILTIN_TYPES else node.id, ast.Load())

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, str):
            return node
        try:
            return self._of_expression(ast.parse(node.value, mode="eval").body)
        except SyntaxError:
            return node

    def _of_expression(self, node: ast.AST) -> ast.AST:
        visited: ast.AST = self.visit(node)
        return visited


def _members(node: ast.AST) -> list[str]:
    """Return the members of a union, or the one type."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _members(node.left) + _members(node.right)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if node.value.id == "Union":
            return [member for one in inner for member in _members(one)]
        if node.value.id == "Optional":
            return [*_members(node.slice), "None"]
    return [ast.unparse(node)]


def _types(text: str) -> Optional[frozenset[str]]:
    """Return what an annotation allows, comparable; ``None`` when it cannot be read."""
    try:
        node = _Plain().visit(ast.parse(text, mode="eval").body)
        return frozenset(_members(node))
    except (SyntaxError, ValueError, RecursionError):
        return None


def returns_differ(before: str, after: str) -> bool:
    """Whether two annotations of what is returned mean different types; without one of them nothing is known.

    ``Self`` and type variables may stand for any type.
    """
    if not before or not after or before == after:
        return False
    old, new = _types(before), _types(after)
    if old is None or new is None or old == new:
        return False
    either = old | new
    return not any(one in ("Any", "Self") or one.startswith(("~", "_T")) or len(one) == 1 for one in either)


def differences(call: Call, before: Signature, after: Signature) -> list[str]:
    """Return what a call will notice of the change from ``before`` to ``after``."""
    found = []
    if after.kind in _LATER and before.kind != after.kind:
        article = "an" if after.kind.startswith("a") else "a"
        found.append(f"became {article} {after.kind} function")
    if before.parameters is not None and after.parameters is not None and misfit(call, before.parameters) is None:
        reason = misfit(call, after.parameters)
        if reason is not None:
            found.append(reason)
    if returns_differ(before.returns, after.returns):
        found.append("changed its return type")
    return found
