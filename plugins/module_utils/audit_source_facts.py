# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the calls of a source file stand, and what the names in them come from: what the rules about source look at.

Names are those of the scanner (:mod:`~.source_scan`); here is what it does not keep: values of arguments, and the order of statements.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, Optional, Union

from .import_packages import is_test
from .source_guards import leaves, root_of
from .source_tree import SourceFile
from .source_uses import Scan

#: No service runs these.
_NOT_RUN = re.compile(
    r"(?:.*/)?(?:docs?|examples?|samples?|benchmarks?|demos?|tutorials?|emscripten)/|(?:.*/)?(?:setup|noxfile|tests?)\.py\Z"
)
_FOREIGN = {"nt", "win32", "cygwin", "darwin"}
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


@dataclass(frozen=True)
class Fault:
    """What one file has of one rule: the first ``line``, what is told of it, and in how many places. ``severity`` may be less than
    the rule's."""

    rule: str
    file: str
    line: int
    text: str
    number: int = 1
    severity: str = ""

    @property
    def seen(self) -> str:
        """The fault in a line."""
        more = f" (and {self.number - 1} more in this file)" if self.number > 1 else ""
        return f"{self.file}:{self.line}: {self.text}{more}"


class Found(NamedTuple):
    """What a rule finds at a line; ``severity`` may be less than the rule's."""

    line: int
    text: str
    severity: str = ""


def is_run(file: SourceFile) -> bool:
    """Whether a service may run a file: it is no test, example or documentation."""
    return not is_test(file.path, file.root) and not _NOT_RUN.match(os.path.relpath(file.path, file.root))


class Place(NamedTuple):
    """Where a statement stands: its block, its number in that, and the place of what the block belongs to."""

    block: int
    number: int
    node: ast.AST
    above: Optional[Place]

    def around(self) -> Iterator[Place]:
        """Yield this place and those above it."""
        place: Optional[Place] = self
        while place is not None:
            yield place
            place = place.above

    def surely_after(self, other: Place) -> bool:
        """Whether what stands here runs only when ``other``, a whole statement, has run before."""
        return any(one.block == other.block and one.number > other.number for one in self.around())

    def function(self) -> Optional[Function]:
        """Return the innermost function around it; ``None`` in a module or class."""
        inside = (one.node for one in self.around() if isinstance(one.node, (ast.FunctionDef, ast.AsyncFunctionDef)))
        return next((node for node in inside if node is not self.node), None)


class Called(NamedTuple):
    """A call: where, what (``logging.handlers.RotatingFileHandler``; empty when it comes from no import), and as written."""

    node: ast.Call
    place: Place
    target: str
    spelled: str

    @property
    def line(self) -> int:
        """The line that it begins in."""
        return self.node.lineno

    @property
    def method(self) -> str:
        """The last part of its name."""
        return self.spelled.rpartition(".")[2]

    @property
    def receiver(self) -> str:
        """What it is a method of, as written."""
        return self.spelled.rpartition(".")[0]

    @property
    def is_statement(self) -> bool:
        """Whether it is a statement by itself, and so is done whenever that is reached."""
        return isinstance(self.place.node, ast.Expr) and self.place.node.value is self.node

    @property
    def passes_unknown(self) -> bool:
        """Whether it passes ``*arguments`` or ``**options``."""
        starred = any(isinstance(one, ast.Starred) for one in self.node.args)
        return starred or any(one.arg is None for one in self.node.keywords)

    def argument(self, keyword: str, position: int = -1) -> Optional[ast.expr]:
        """Return what is passed by a keyword or at a position."""
        for one in self.node.keywords:
            if one.arg == keyword:
                return one.value
        return self.node.args[position] if 0 <= position < len(self.node.args) else None


def spelled(node: Optional[ast.AST]) -> str:
    """Return ``a.b.c`` as written; empty for anything else."""
    if not isinstance(node, (ast.Attribute, ast.Name)):
        return ""
    root, chain = root_of(node)
    return ".".join((root, *chain)) if root is not None else ""


def text_of(node: Optional[ast.AST]) -> Optional[str]:
    """Return the text of a literal; ``None`` for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _blocks(node: ast.AST) -> Iterator[Sequence[ast.AST]]:
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list) and value:
            if isinstance(value[0], ast.stmt):
                yield value
            elif isinstance(value[0], ast.ExceptHandler) or hasattr(value[0], "pattern"):
                # Only one of them is run: no order holds between them.
                yield from ([one] for one in value)


def places_of(tree: ast.Module) -> Iterator[Place]:
    """Yield the places of all statements, handlers of exceptions and cases, in no particular order of blocks."""
    stack: list[tuple[Sequence[ast.AST], Optional[Place]]] = [(tree.body, None)]
    for number in count():
        if not stack:
            return
        block, above = stack.pop()
        for index, node in enumerate(block):
            place = Place(number, index, node, above)
            yield place
            stack += [(inner, place) for inner in _blocks(node)]


def _is_inner(node: ast.AST) -> bool:
    return isinstance(node, (ast.stmt, ast.ExceptHandler)) or hasattr(node, "pattern")


def expressions_of(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes of a statement but those of the statements inside of it."""
    todo = [one for one in ast.iter_child_nodes(node) if not _is_inner(one)]
    while todo:
        one = todo.pop()
        yield one
        todo += ast.iter_child_nodes(one)


def methods_of(one: ast.ClassDef) -> dict[str, Function]:
    """Return the methods that stand in the body of a class, by name."""
    return {node.name: node for node in one.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def _is_foreign(test: ast.expr) -> bool:
    """Whether a test asks for another system than those with systemd."""
    asked = any(spelled(one) in ("os.name", "sys.platform") for one in ast.walk(test))
    return asked and any(text_of(one) in _FOREIGN for one in ast.walk(test))


class SourceFacts:
    """What is in one file: its ``tree``, ``calls``, ``dicts`` (literals), ``assigned`` (values by the name as written), and what it ``imports``."""

    def __init__(self, path: str, tree: ast.Module, scan: Scan) -> None:
        self.path = path
        self.tree = tree
        self._targets = {(use.line, use.spelled): use.targets[0].dotted for use in scan.uses if use.through}
        self.imports: set[str] = set()
        self.calls: list[Called] = []
        self.dicts: list[ast.Dict] = []
        self.listed: set[str] = set()
        self.assigned: dict[str, list[tuple[Place, ast.expr]]] = {}
        self.attributes: set[str] = set()
        self.classes: list[ast.ClassDef] = []
        #: Those of the classes that are for another system.
        self.foreign: set[ast.ClassDef] = set()
        self.bound: set[str] = set()
        self.assigned_attributes: set[str] = set()
        for place in places_of(tree):
            self._statement(place)
            for node in expressions_of(place.node):
                self._expression(node, place)
        self.calls.sort(key=lambda one: one.line)

    def _statement(self, place: Place) -> None:
        node = place.node
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = f"{node.module or ''}." if isinstance(node, ast.ImportFrom) else ""
            self.imports.update(module + alias.name for alias in node.names)
            self.bound.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            self.classes.append(node)
            if any(isinstance(one.node, ast.If) and _is_foreign(one.node.test) for one in place.around()):
                self.foreign.add(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.bound.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                self.assigned.setdefault(spelled(target), []).append((place, node.value))
                if isinstance(target, ast.Attribute):
                    self.assigned_attributes.add(target.attr)

    def _expression(self, node: ast.AST, place: Place) -> None:
        if isinstance(node, ast.Call):
            name = spelled(node.func)
            if not name and isinstance(node.func, ast.Attribute):
                # logging.getLogger().setLevel(…): the method of what another call returns.
                inner = self.target(node.func.value.func) if isinstance(node.func.value, ast.Call) else ""
                name = f"{inner}().{node.func.attr}"
            self.calls.append(Called(node, place, self._targets.get((node.lineno, name), ""), name))
        elif isinstance(node, ast.Dict):
            self.dicts.append(node)
        elif isinstance(node, ast.Attribute):
            self.attributes.add(node.attr)
        elif isinstance(node, (ast.List, ast.Tuple)):
            self.listed.update(filter(None, map(text_of, node.elts)))

    def target(self, node: ast.expr) -> str:
        """Return what an attribute or a called name comes from, as a dotted name; empty when from no import."""
        return self._targets.get((node.lineno, spelled(node)), "")


def mentions(node: ast.AST, name: str) -> bool:
    """Whether an expression holds a name as written."""
    return any(spelled(one) == name for one in ast.walk(node))


def is_tested(place: Place, names: Iterable[str]) -> bool:
    """Whether one of the names is tested around a place, or before it so that the rest of the block is left out."""
    names = [name for name in names if name]
    inside = place.around()
    tests = [one.node.test for one in inside if isinstance(one.node, (ast.If, ast.While))]
    if isinstance(place.node, (ast.Assign, ast.Expr, ast.Return)) and place.node.value is not None:
        tests += [one.test for one in ast.walk(place.node.value) if isinstance(one, ast.IfExp)]
    function = place.function()
    body = function.body if function is not None else []
    tests += [one.test for one in body if isinstance(one, ast.If) and leaves(one.body)]
    return any(mentions(test, name) for test in tests for name in names)
