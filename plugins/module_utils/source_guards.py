# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test or a value in a source file says about versions: whether it makes a guard, and by which names."""

from __future__ import annotations

import ast
from typing import NamedTuple, Optional

from .source_names import Fact, Scope, is_telling

#: Attributes and functions that tell a version, or whether something is there, whatever they belong to.
_TELLING_ATTRIBUTES = {
    *("__version__", "__version_info__", "version_info", "version_tuple", "hexversion", "python_version_tuple"),
    *("__dict__", "find_spec", "find_loader", "get_distribution", "parse_version", "LooseVersion", "StrictVersion"),
}
_TELLING_CALLS = {"hasattr", "dir", "vars", "locals", "globals"}
_TYPE_CHECKING = "TYPE_CHECKING"
#: Errors that show that a name is missing, and those above them.
_CAUGHT = {"ImportError", "ModuleNotFoundError", "AttributeError", "Exception", "BaseException"}
#: A test with more nodes than this is looked at no further.
_LONGEST = 200


class Facts(NamedTuple):
    """``definite`` says that the expression tells versions by itself; ``names`` are those that may."""

    definite: bool
    names: tuple[Fact, ...]

    def __bool__(self) -> bool:
        return self.definite or bool(self.names)


def root_of(node: ast.expr) -> tuple[Optional[str], list[str]]:
    """Return the name that a chain of attributes begins with (``None`` for anything but a name), and the attributes."""
    chain = []
    while isinstance(node, ast.Attribute):
        chain.append(node.attr)
        node = node.value
    chain.reverse()
    return (node.id if isinstance(node, ast.Name) else None), chain


def _tells(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in _TELLING_ATTRIBUTES or (node.attr == "modules" and last_name(node.value) == "sys")
    if isinstance(node, ast.Call):
        name = last_name(node.func)
        return name in _TELLING_CALLS or (name == "getattr" and len(node.args) > 2)
    return False


def facts_of(expression: ast.expr, scope: Scope) -> Facts:
    """Return what an expression says about versions; a long one is read only at its beginning."""
    names: dict[tuple[str, bool], Fact] = {}
    todo: list[ast.AST] = [expression]
    for _count in range(_LONGEST):
        if not todo:
            break
        node = todo.pop()
        if _tells(node):
            return Facts(True, ())
        if isinstance(node, ast.Attribute):
            root, chain = root_of(node)
            if root in ("self", "cls"):
                continue
            if root is not None:
                telling = is_telling(root) or any(map(is_telling, chain))
                names[root, telling] = Fact(scope, root, telling)
                continue
        elif isinstance(node, ast.Name):
            names[node.id, is_telling(node.id)] = Fact(scope, node.id, is_telling(node.id))
            continue
        todo.extend(ast.iter_child_nodes(node))
    return Facts(False, tuple(names.values()))


def type_checking(test: ast.expr) -> Optional[bool]:
    """Whether a test is true (or, with ``not``, false) only for type checkers; ``None`` for any other test."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        found = type_checking(test.operand)
        return None if found is None else not found
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return True if any(type_checking(value) for value in test.values) else None
    return True if last_name(test) == _TYPE_CHECKING else None


def last_name(node: Optional[ast.AST]) -> str:
    """Return the last name of ``a.b.c``; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _catches(kind: Optional[ast.expr]) -> bool:
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(last_name(one) in _CAUGHT for one in kinds)


def has_fallback(handlers: list[ast.ExceptHandler]) -> bool:
    """Whether a missing name is caught, and something else done instead: a handler that only raises does nothing else."""
    return any(_catches(one.type) and not isinstance(one.body[-1], ast.Raise) for one in handlers)


def suppresses(context: ast.expr) -> bool:
    """Whether a context manager lets what is missing pass: ``suppress(ImportError)``, ``raises(AttributeError)``."""
    if not isinstance(context, ast.Call) or last_name(context.func) not in ("suppress", "raises", "assertRaises"):
        return False
    return any(_catches(argument) for argument in context.args)


def leaves(block: list[ast.stmt]) -> bool:
    """Whether a block ends by leaving the function or the turn of the loop, so that what follows is the other branch."""
    last = block[-1] if block else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return last_name(last.value.func) in ("skip", "skipTest")
    return isinstance(last, (ast.Return, ast.Continue, ast.Break))
