# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names a module has, as its source says: those that its import binds, and those that its functions set later."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Optional, Union

from .source_guards import last_name, type_checking
from .source_names import Target

#: Without one of these words in a file, no function of it sets a name of the module.
_SETS_LATER = re.compile(
    rb"\bglobal\s|\bglobals\s*\(|\b(?:modules\s*\[|modules\.get\s*\(|import_module\s*\(|__import__\s*\()\s*__name__\b"
)
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITION = (*_FUNCTION, ast.ClassDef)
#: Statements that hold no others.
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Pass)
#: Functions that only read the dictionary of names that is passed to them, or run at once what sets some.
_READERS = (
    *("eval", "exec", "dict", "list", "tuple", "set", "sorted", "iter", "len", "isinstance", "print", "copy"),
    *(
        "update",
        "__import__",
        "get_type_hints",
        "format_map",
        "substitute",
        "runctx",
        "run_path",
        "run_module",
        "testmod",
    ),
)
_MAKES_ATTRIBUTES = "__getattr__"
_ALL = "__all__"


class Star(NamedTuple):
    """A star import from ``module``; ``conditional`` when it stands in another statement, so that it may not have run."""

    module: str
    conditional: bool


@dataclass
class ModuleNames:
    """The names of one module.

    ``bound`` are those that its import binds, whatever that depends on, less what it removes again or has for type checkers alone;
    ``conditional`` those that it may not bind. ``later`` are set by functions; ``anything`` is whether these set names that are made
    at run time, ``handed`` whether somebody else may do so who was given the dictionary of its names. ``imports`` is
    where imported names lead (``None``: to something else), ``exported`` what ``__all__`` plainly lists.
    """

    bound: set[str] = field(default_factory=set)
    conditional: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    anything: bool = False
    handed: bool = False
    imports: dict[str, set[Optional[Target]]] = field(default_factory=dict)
    stars: list[Star] = field(default_factory=list)
    exported: Optional[frozenset[str]] = None

    def has(self, name: str) -> bool:
        """Whether it has the name, or may get it at any time."""
        return self.anything or name in self.bound or name in self.later

    def gives(self, name: str) -> bool:
        """Whether a star import brings the name, if it is there; what ``__all__`` is computed from is not looked at."""
        return not name.startswith("_") if self.exported is None else name in self.exported


def _stored(node: ast.AST) -> Iterator[str]:
    """Yield the names that an expression binds outside of itself."""
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            yield node.id
        return
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Lambda):
            waiting += [*one.args.defaults, *filter(None, one.args.kw_defaults)]
        elif isinstance(one, ast.comprehension):
            # Its own variable stays inside; what := binds does not.
            waiting += [one.iter, *one.ifs]
        else:
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                yield one.id
            waiting += ast.iter_child_nodes(one)


def _captured(pattern: ast.AST) -> Iterator[str]:
    """Yield the names that a pattern of ``match`` binds: the nodes exist from Python 3.10 on."""
    for node in ast.walk(pattern):
        for name in (getattr(node, "name", None), getattr(node, "rest", None)):
            if isinstance(name, str):
                yield name


def _runs(test: ast.expr) -> tuple[bool, bool]:
    """Whether the two branches of a test can run: only a type checker believes that ``TYPE_CHECKING`` is true."""
    if isinstance(test, ast.Constant):
        return bool(test.value), not test.value
    checked = type_checking(test)
    return checked is not True, checked is not False


def _listed(node: ast.stmt) -> Optional[frozenset[str]]:
    """Return the names of a plain ``__all__ = [...]``."""
    value = node.value if isinstance(node, ast.Assign) else None
    if not isinstance(value, (ast.List, ast.Tuple)):
        return None
    names = [one.value for one in value.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return frozenset(names) if len(names) == len(value.elts) else None


def _grows_all(node: ast.expr) -> bool:
    """Whether an expression is such as ``__all__.extend(...)``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and last_name(node.func.value) == _ALL


class _Import:
    """What runs when a module is imported, statement after statement."""

    def __init__(self, package: Sequence[str], walrus: bool) -> None:
        self.package = tuple(package)
        self.walrus = walrus
        self.names = ModuleNames()

    def block(self, statements: Iterable[ast.stmt], conditional: bool) -> None:
        for statement in statements:
            if isinstance(statement, _DEFINITION):
                self.bind(statement.name, conditional)
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    top = alias.name.partition(".")[0]
                    self.bind(alias.asname or top, conditional, Target(alias.name if alias.asname else top))
            elif isinstance(statement, ast.ImportFrom):
                self.import_from(statement, conditional)
            elif isinstance(statement, ast.Delete):
                removed = {
                    one.id for target in statement.targets for one in ast.walk(target) if isinstance(one, ast.Name)
                }
                # Whether it was there, and is bound again below a test, the interpreter knows.
                self.names.bound -= removed
            else:
                self.compound(statement, conditional)

    def compound(self, statement: ast.stmt, conditional: bool) -> None:
        for node in self.binding(statement):
            for name in _stored(node):
                self.bind(name, conditional)
                if name == _ALL:
                    self.names.exported = None if conditional else _listed(statement)
        if not isinstance(statement, _SIMPLE):
            self.blocks(statement, conditional)

    def binding(self, statement: ast.stmt) -> Iterable[ast.AST]:
        """Return the parts of a statement that may bind names; without ``:=`` in the file these are few."""
        if self.walrus:
            return [one for one in ast.iter_child_nodes(statement) if isinstance(one, (ast.expr, ast.withitem))]
        if isinstance(statement, ast.Assign):
            return statement.targets
        target = getattr(statement, "target", None) or getattr(statement, "name", None)
        contexts = [one.optional_vars for one in getattr(statement, "items", ()) if one.optional_vars is not None]
        return [*([target] if isinstance(target, ast.AST) else []), *contexts]

    def blocks(self, statement: ast.stmt, conditional: bool) -> None:
        if isinstance(statement, ast.Expr) and _grows_all(statement.value):
            self.names.exported = None
        if isinstance(statement, ast.If):
            body, orelse = _runs(statement.test)
            certain = not (body and orelse)
            self.block(statement.body if body else (), conditional or not certain)
            self.block(statement.orelse if orelse else (), conditional or not certain)
            return
        handlers = getattr(statement, "handlers", ())
        self.block(getattr(statement, "body", ()), True)
        for handler in handlers:
            self.block(handler.body, True)
        for case in getattr(statement, "cases", ()):
            for name in _captured(case.pattern):
                self.bind(name, True)
            self.block(case.body, True)
        self.block(getattr(statement, "orelse", ()), True)
        self.block(getattr(statement, "finalbody", ()), conditional)

    def import_from(self, node: ast.ImportFrom, conditional: bool) -> None:
        module = self.module_of(node)
        for alias in node.names:
            if alias.name != "*":
                self.bind(alias.asname or alias.name, conditional, Target(module, (alias.name,)) if module else None)
            elif module:
                self.names.stars.append(Star(module, conditional))

    def module_of(self, node: ast.ImportFrom) -> str:
        kept = len(self.package) - (node.level - 1)
        if not node.level or kept <= 0:
            return "" if node.level else node.module or ""
        return ".".join([*self.package[:kept], *([node.module] if node.module else [])])

    def bind(self, name: str, conditional: bool, target: Optional[Target] = None) -> None:
        names = self.names
        names.bound.add(name)
        if conditional:
            names.conditional.add(name)
        names.imports.setdefault(name, set()).add(target)


def _is_module(node: Optional[ast.AST], aliases: Iterable[str]) -> bool:
    """Whether an expression is the module itself: ``sys.modules[__name__]``, ``import_module(__name__)``, or a name for that."""
    if isinstance(node, ast.Name):
        return node.id in aliases
    if isinstance(node, ast.Subscript):
        return last_name(node.value) == "modules" and last_name(node.slice) == "__name__"
    if not isinstance(node, ast.Call) or [last_name(one) for one in node.args] != ["__name__"]:
        return False
    function = node.func
    in_modules = isinstance(function, ast.Attribute) and last_name(function.value) == "modules"
    return last_name(function) in ("import_module", "__import__") or (in_modules and last_name(function) == "get")


def _is_namespace(node: Optional[ast.AST], modules: Iterable[str], aliases: Iterable[str]) -> bool:
    """Whether an expression is the dictionary of the module's names."""
    if isinstance(node, ast.Name):
        return node.id in aliases
    if isinstance(node, ast.Attribute):
        return node.attr == "__dict__" and _is_module(node.value, modules)
    if not isinstance(node, ast.Call):
        return False
    name = last_name(node.func)
    return (name == "globals" and not node.args) or (
        name == "vars" and len(node.args) == 1 and _is_module(node.args[0], modules)
    )


class _Place(NamedTuple):
    """Where a node stands: in which function of the module (``.``: in what is none), and whether only a call runs it."""

    function: str = ""
    inside: bool = False

    def below(self, node: ast.AST) -> _Place:
        """Return where the body of a definition stands."""
        name = node.name if isinstance(node, _FUNCTION) else "."
        return _Place(self.function or name, self.inside or not isinstance(node, ast.ClassDef))


_Key = Union[str, None]


class _Functions:
    """What the functions of a module, wherever they stand in it, set of its names."""

    def __init__(self, tree: ast.Module) -> None:
        self.placed = list(_placed(tree))
        self.modules: set[str] = set()
        self.namespaces: set[str] = set()
        assigned = [node for node, _place in self.placed if isinstance(node, ast.Assign)]
        for node in assigned:
            if _is_module(node.value, ()):
                self.modules.update(one.id for one in node.targets if isinstance(one, ast.Name))
        for node in assigned:
            if _is_namespace(node.value, self.modules, ()):
                self.namespaces.update(one.id for one in node.targets if isinstance(one, ast.Name))

    def report(self, names: ModuleNames) -> None:
        """Add what is set to ``names``."""
        # What the module calls while it is imported has run, so that the interpreter has seen what that sets.
        ran = {name for node, place in self.placed if not place.inside for name in _called(node)}
        # Such a module keeps what it has made: it makes all that it can, the interpreter only has to ask.
        made = _MAKES_ATTRIBUTES in names.bound
        for node, place in self.placed:
            if isinstance(node, ast.Global):
                names.later.update(node.names)
            names.handed = names.handed or (isinstance(node, ast.Call) and self.hands_over(node))
            for key in self.keys(node):
                if key is not None:
                    names.later.add(key)
                elif place.inside and place.function not in ran and not made:
                    names.anything = True

    def keys(self, node: ast.AST) -> Iterator[_Key]:
        """Yield the names of the module that a node sets; ``None`` for one that is made at run time."""
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            if isinstance(node, ast.Attribute) and _is_module(node.value, self.modules):
                yield node.attr
            elif isinstance(node, ast.Subscript) and self.is_namespace(node.value):
                yield _text(node.slice)
        elif isinstance(node, ast.Call):
            yield from self.called(node)

    def called(self, node: ast.Call) -> Iterator[_Key]:
        name = last_name(node.func)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name == "setattr" and len(node.args) == 3 and _is_module(node.args[0], self.modules):
            yield _text(node.args[1])
        elif name in ("setdefault", "__setitem__") and node.args and self.is_namespace(owner):
            yield _text(node.args[0])
        elif name == "update" and self.is_namespace(owner):
            yield from (keyword.arg for keyword in node.keywords if keyword.arg is not None)
            for one in (*node.args, *(keyword.value for keyword in node.keywords if keyword.arg is None)):
                yield from map(_text, one.keys) if isinstance(one, ast.Dict) else (None,)
        elif name == "exec" and len(node.args) > 1 and self.is_namespace(node.args[1]):
            yield None

    def hands_over(self, node: ast.Call) -> bool:
        """Whether a call gives the names of the module to somebody who may keep them, and set some at another time."""
        passed = (*node.args, *(keyword.value for keyword in node.keywords))
        return last_name(node.func) not in _READERS and any(map(self.is_namespace, passed))

    def is_namespace(self, node: Optional[ast.AST]) -> bool:
        return _is_namespace(node, self.modules, self.namespaces)


def _text(node: Optional[ast.AST]) -> _Key:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _called(node: ast.AST) -> Iterator[str]:
    """Yield the name of what a call, or a definition by its decorators, calls."""
    if isinstance(node, ast.Call):
        yield last_name(node.func)
    for decorator in getattr(node, "decorator_list", ()):
        yield last_name(decorator)


def _placed(tree: ast.Module) -> Iterator[tuple[ast.AST, _Place]]:
    """Yield every node of a module, each after what is around it."""
    waiting: list[tuple[ast.AST, _Place]] = [(tree, _Place())]
    while waiting:
        node, place = waiting.pop()
        yield node, place
        inside = place.below(node) if isinstance(node, (*_DEFINITION, ast.Lambda)) else place
        for name, value in ast.iter_fields(node):
            there = inside if name == "body" else place
            children = value if isinstance(value, list) else [value]
            waiting += [(one, there) for one in children if isinstance(one, ast.AST)]


def module_names(content: bytes, tree: ast.Module, package: Sequence[str]) -> ModuleNames:
    """Return the names of a module whose source is ``content``, parsed as ``tree``; its relative imports start from ``package``."""
    importing = _Import(package, b":=" in content)
    importing.block(tree.body, False)
    if _SETS_LATER.search(content):
        _Functions(tree).report(importing.names)
    return importing.names
