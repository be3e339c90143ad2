# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches on methods (SB308): they keep the objects whose methods are called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

from .audit_rules import INFO
from .audit_source_facts import Found, Function, SourceFacts, methods_of, spelled

_CACHES = {"functools.lru_cache", "functools.cache", "async_lru.alru_cache"}
_USUAL = 128
_NO_OBJECT = {"staticmethod", "classmethod"}
_NO_SELF = {"cls", "mcs", "mcls", "meta", "metacls"}
#: The objects of these are few, and live as long as the program.
_LASTING = re.compile(r"(?:Enum|Flag|Meta|\Atype)\Z")
#: Who says how many of them there may be has thought of it, and a few hurt nobody.
_FEW = 16
#: Of these a program has one.
_ONE = re.compile(
    r"(?:Addon|App|Application|Backend|Bot|Command|Compiler|Config|Connector|Engine|Environment|Extension|Factory|Manager|Plugin|Provider|Proxy|Registry"
    r"|Reloader|Resolver|Router|Runner|Server|Settings)\Z"
)
_INSTANCE = re.compile(r"_*(?:instance|singleton)s?\Z", re.IGNORECASE)


def _target(facts: SourceFacts, mark: ast.expr) -> str:
    """Return what a decorator comes from; empty when from no import."""
    node = mark.func if isinstance(mark, ast.Call) else mark
    # The scanner keeps no name that is only mentioned.
    imported = f"functools.{spelled(node)}" if f"functools.{spelled(node)}" in facts.imports else ""
    return facts.target(node) or imported


class _Size(NamedTuple):
    """How many entries a cache has room for; ``None`` when the source does not say."""

    most: Optional[int]
    is_bounded: bool


def _size(target: str, node: ast.expr) -> _Size:
    if target == "functools.cache":
        return _Size(None, False)
    given: Optional[ast.expr] = ast.Constant(_USUAL)
    if isinstance(node, ast.Call):
        named = [one.value for one in node.keywords if one.arg == "maxsize"]
        given = (*named, *node.args, given)[0]
    if isinstance(given, ast.Constant):
        return _Size(given.value if isinstance(given.value, int) else None, given.value is not None)
    return _Size(None, True)


def _lasts(facts: SourceFacts, one: ast.ClassDef) -> bool:
    """Whether objects of a class live as long as the program anyway."""
    if any(_LASTING.search(spelled(base)) for base in one.bases) or any(
        "ingleton" in spelled(word.value) for word in one.keywords
    ):
        return True
    if any("ingleton" in spelled(mark) for mark in one.decorator_list):
        return True
    for node in one.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(_INSTANCE.match(spelled(target)) for target in targets):
            return True
    values = [value for assigned in facts.assigned.values() for place, value in assigned if place.above is None]
    return any(isinstance(value, ast.Call) and spelled(value.func) == one.name for value in values)


def _is_value(one: ast.ClassDef, methods: Mapping[str, Function]) -> bool:
    """Whether objects that are equal share an entry."""
    bases = [spelled(base.func if isinstance(base, ast.Call) else base).rpartition(".")[2] for base in one.bases]
    marks = [mark for mark in one.decorator_list if isinstance(mark, ast.Call)]
    return (
        "__hash__" in methods
        or "NamedTuple" in bases
        or any(word.arg in ("frozen", "unsafe_hash") for mark in marks for word in mark.keywords)
    )


def caches_on_methods(facts: SourceFacts) -> Iterator[Found]:
    """SB308: caches on methods."""
    for one in facts.classes:
        methods = methods_of(one)
        for method in methods.values():
            arguments = [*getattr(method.args, "posonlyargs", []), *method.args.args]
            marks = {spelled(mark) for mark in method.decorator_list}
            if not arguments or arguments[0].arg in _NO_SELF or marks & _NO_OBJECT:
                continue
            for mark in method.decorator_list:
                target = _target(facts, mark)
                if target not in _CACHES or _lasts(facts, one):
                    continue
                size = _size(target, mark)
                is_harmless = size.is_bounded and (size.most is None or size.most <= _FEW or _is_value(one, methods))
                if not is_harmless and not _ONE.search(one.name):
                    yield _found(one, method, mark, size, len(arguments) == 1)


def _found(one: ast.ClassDef, method: Function, mark: ast.expr, size: _Size, is_plain: bool) -> Found:
    kept = f"up to {size.most}" if size.is_bounded else "every"
    word = spelled(mark.func if isinstance(mark, ast.Call) else mark)
    instead = (
        "functools.cached_property"
        if is_plain
        else "a function of the module that is given what it needs, or a dict of the object's own"
    )
    text = f"{word} on {one.name}.{method.name} keeps {kept} {one.name} that it was called on; write {instead}"
    return Found(mark.lineno, text, INFO if size.is_bounded else "")
