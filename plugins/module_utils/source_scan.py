# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scanner of source files: which attributes of which modules a file uses, from which line, and how it calls them.

It knows the names that imports bring, as long as nothing else in their scope gives them another value. What a file guards
(``try``, ``hasattr``, tests of versions) is marked as such. Nothing is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional, Union

from .source_guards import (
    Facts,
    facts_of,
    has_fallback,
    last_name,
    leaves,
    root_of,
    suppresses,
    type_checking,
)
from .source_names import CLASS, COMPREHENSION, FUNCTION, MODULE, Binding, Guard, Scope, Target, is_guarded
from .source_uses import Call, Scan, Use


class _State(NamedTuple):
    """Where a node stands; ``function`` is the function whose returned values are followed."""

    scope: Scope
    guard: Optional[Guard] = None
    typing: bool = False
    annotation: bool = False
    function: Optional[tuple[Scope, str]] = None


class _Found(NamedTuple):
    line: int
    state: _State
    name: str
    chain: tuple[str, ...]
    call: Optional[Call] = None


_Comprehension = Union[ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp]
_PLAIN = (ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)
_VALUES = (
    *(ast.Attribute, ast.BoolOp, ast.Call, ast.Compare, ast.IfExp, ast.Name),
    *(ast.Subscript, ast.Tuple, ast.UnaryOp),
)


class _Walker:
    """Walks a syntax tree without recursion, in no particular order, and records names and their bindings."""

    def __init__(self, package: Sequence[str]) -> None:
        self.package = tuple(package)
        self.scope = Scope(MODULE, None)
        self.scopes = [self.scope]
        self.lazy_annotations = False
        self.found: list[_Found] = []
        self.imports: list[tuple[int, _State, str, Target]] = []
        self.looked_for: list[_Found] = []
        self.stack: list[tuple[ast.AST, _State]] = []
        self.visitors = {name[len("visit_") :]: getattr(self, name) for name in dir(self) if name.startswith("visit_")}

    def walk(self, tree: ast.Module) -> None:
        """Record everything of a module."""
        self.block(tree.body, _State(self.scope))
        visitors, stack = self.visitors, self.stack
        while stack:
            node, state = stack.pop()
            visitor = visitors.get(type(node).__name__)
            if visitor is None:
                self.children(node, state)
            else:
                visitor(node, state)
        for scope in self.scopes:
            scope.settle_declared()

    def push(self, nodes: Iterable[Optional[ast.AST]], state: _State) -> None:
        self.stack.extend((node, state) for node in nodes if node is not None)

    def children(self, node: ast.AST, state: _State) -> None:
        stack = self.stack
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                if not isinstance(value, _PLAIN):
                    stack.append((value, state))
            elif isinstance(value, list) and value:
                if isinstance(value[0], ast.stmt):
                    self.block(value, state)
                else:
                    stack.extend((one, state) for one in value if isinstance(one, ast.AST))

    def block(self, statements: Sequence[ast.stmt], state: _State) -> None:
        """Record a block; what follows a test that left it stands in the other branch of the test."""
        for statement in statements:
            self.stack.append((statement, state))
            if isinstance(statement, ast.If) and (leaves(statement.body) or leaves(statement.orelse)):
                facts = facts_of(statement.test, state.scope)
                state = self.under(state, facts) if facts else state

    @staticmethod
    def under(state: _State, facts: Facts) -> _State:
        return state._replace(guard=Guard(state.guard, facts.definite, facts.names))

    @staticmethod
    def guarded(state: _State) -> _State:
        return state._replace(guard=Guard(state.guard, True))

    def inner(self, kind: str, state: _State) -> _State:
        scope = Scope(kind, state.scope)
        self.scopes.append(scope)
        return state._replace(scope=scope)

    def bind(
        self, name: str, state: _State, line: int, target: Optional[Target] = None, constant: bool = False
    ) -> None:
        binding = Binding(target, state.guard, line, state.typing, constant)
        state.scope.bindings.setdefault(name, []).append(binding)

    # Names and attributes

    def visit_Name(self, node: ast.Name, state: _State) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.bind(node.id, state, node.lineno)

    def visit_Attribute(self, node: ast.Attribute, state: _State) -> None:
        root, chain = root_of(node)
        if root is None:
            self.push([_below(node)], state)
            return
        found = _Found(node.lineno, state, root, tuple(chain))
        if isinstance(node.ctx, ast.Load):
            self.found.append(found)
            return
        self.looked_for.append(found)
        if len(chain) > 1:
            self.found.append(found._replace(chain=tuple(chain[:-1])))

    def visit_Call(self, node: ast.Call, state: _State) -> None:
        self.push(node.args, state)
        self.push((keyword.value for keyword in node.keywords), state)
        root, chain = root_of(node.func)
        if root is None:
            self.push([node.func], state)
            return
        keywords = tuple(keyword.arg for keyword in node.keywords if keyword.arg is not None)
        complete = len(keywords) == len(node.keywords) and not any(isinstance(one, ast.Starred) for one in node.args)
        call = Call(sum(not isinstance(one, ast.Starred) for one in node.args), keywords, complete)
        self.found.append(_Found(node.lineno, state, root, tuple(chain), call))
        if root in ("hasattr", "getattr", "setattr") and not chain:
            self.looks_for(node, state)

    def looks_for(self, node: ast.Call, state: _State) -> None:
        if len(node.args) < 2 or (last_name(node.func) == "getattr" and len(node.args) < 3):
            return
        owner, attribute = node.args[:2]
        root, chain = root_of(owner)
        if root is not None and isinstance(attribute, ast.Constant) and isinstance(attribute.value, str):
            self.looked_for.append(_Found(node.lineno, state, root, (*chain, attribute.value)))

    # Imports

    def visit_Import(self, node: ast.Import, state: _State) -> None:
        for alias in node.names:
            module = Target(alias.name)
            self.imports.append((node.lineno, state, alias.name, module))
            if alias.asname:
                self.bind(alias.asname, state, node.lineno, module)
            else:
                top = alias.name.partition(".")[0]
                self.bind(top, state, node.lineno, Target(top))

    def visit_ImportFrom(self, node: ast.ImportFrom, state: _State) -> None:
        module = self.module_of(node)
        if module == "__future__":
            self.lazy_annotations = self.lazy_annotations or any(alias.name == "annotations" for alias in node.names)
            return
        for alias in node.names:
            if alias.name == "*":
                state.scope.stars = max(state.scope.stars, node.lineno)
                target = Target(module)
            else:
                target = Target(module, (alias.name,))
                self.bind(alias.asname or alias.name, state, node.lineno, target if module else None)
            if module:
                self.imports.append((node.lineno, state, target.dotted, target))

    def module_of(self, node: ast.ImportFrom) -> str:
        """Return the full name of the module that names are taken from; empty when a relative one leads nowhere."""
        if not node.level:
            return node.module or ""
        kept = len(self.package) - (node.level - 1)
        base = self.package[:kept] if kept > 0 else ()
        return ".".join((*base, node.module) if node.module else base) if base else ""

    # Scopes

    def visit_FunctionDef(self, node: ast.FunctionDef, state: _State) -> None:
        self.bind(node.name, state, node.lineno)
        facts = [facts_of(one, state.scope) for one in node.decorator_list if isinstance(one, ast.Call)]
        self.push(node.decorator_list, state)
        around = self.type_parameters(node, state)
        self.annotation(node.returns, around)
        self.arguments(node.args, state, around)
        inside = self.inner(FUNCTION, around)._replace(function=(state.scope, node.name))
        self.parameters(node.args, inside)
        for one in facts:
            inside = self.under(inside, one) if one.definite else inside
        self.block(node.body, inside)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda, state: _State) -> None:
        self.arguments(node.args, state, state)
        inside = self.inner(FUNCTION, state)
        self.parameters(node.args, inside)
        self.push([node.body], inside)

    def visit_ClassDef(self, node: ast.ClassDef, state: _State) -> None:
        self.bind(node.name, state, node.lineno)
        self.push(node.decorator_list, state)
        around = self.type_parameters(node, state)
        self.push(node.bases, around)
        self.push((keyword.value for keyword in node.keywords), around)
        self.block(node.body, self.inner(CLASS, around)._replace(function=None))

    def type_parameters(self, node: ast.AST, state: _State) -> _State:
        parameters = getattr(node, "type_params", None)
        if not parameters:
            return state
        around = self.inner(FUNCTION, state)
        for parameter in parameters:
            self.bind(parameter.name, around, parameter.lineno)
            self.push([getattr(parameter, "bound", None)], around._replace(annotation=True))
        return around

    def arguments(self, arguments: ast.arguments, state: _State, around: _State) -> None:
        """Record default values and annotations, which stand outside of the function."""
        self.push([*arguments.defaults, *arguments.kw_defaults], state)
        for argument in _all_arguments(arguments):
            self.annotation(argument.annotation, around)

    def parameters(self, arguments: ast.arguments, inside: _State) -> None:
        for argument in _all_arguments(arguments):
            self.bind(argument.arg, inside, argument.lineno)

    def annotation(self, node: Optional[ast.expr], state: _State) -> None:
        self.push([node], state._replace(annotation=True))

    def comprehension(self, node: _Comprehension, state: _State) -> None:
        inside = self.inner(COMPREHENSION, state)
        for index, generator in enumerate(node.generators):
            self.push([generator.iter], inside if index else state)
            self.push([generator.target], inside)
            for test in generator.ifs:
                self.push([test], inside)
                facts = facts_of(test, inside.scope)
                inside = self.under(inside, facts) if facts else inside
        self.push([getattr(node, name, None) for name in ("elt", "key", "value")], inside)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension

    # Bindings

    def assigned(self, targets: Sequence[ast.expr], value: Optional[ast.expr], state: _State) -> None:
        names = [one for one in targets if isinstance(one, ast.Name)]
        constant = isinstance(value, ast.Constant) and (value.value is None or isinstance(value.value, bool))
        for name in names:
            self.bind(name.id, state, name.lineno, constant=constant)
            self.flag((state.scope, name.id), value, state)
        self.push((one for one in targets if not isinstance(one, ast.Name)), state)

    def flag(self, variable: tuple[Scope, str], value: Optional[ast.expr], state: _State) -> None:
        """Keep what a variable's value, or a function's result, says about versions."""
        scope, name = variable
        if isinstance(value, ast.Constant) and isinstance(value.value, bool) and state.guard is not None:
            scope.flags.setdefault(name, []).append(state.guard)
        elif isinstance(value, _VALUES):
            facts = facts_of(value, state.scope)
            if facts:
                scope.flags.setdefault(name, []).append(Guard(None, facts.definite, facts.names))

    def visit_Assign(self, node: ast.Assign, state: _State) -> None:
        self.assigned(node.targets, node.value, state)
        self.push([node.value], state)

    def visit_AnnAssign(self, node: ast.AnnAssign, state: _State) -> None:
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.assigned([node.target], node.value, state)
            self.push([node.value], state)
        if state.scope.kind != FUNCTION:
            self.annotation(node.annotation, state)

    def visit_NamedExpr(self, node: ast.NamedExpr, state: _State) -> None:
        self.assigned([node.target], node.value, state._replace(scope=state.scope.named_expression_scope()))
        self.push([node.value], state)

    def visit_Return(self, node: ast.Return, state: _State) -> None:
        if state.function is not None:
            self.flag(state.function, node.value, state)
        self.push([node.value], state)

    def visit_ExceptHandler(self, node: ast.ExceptHandler, state: _State) -> None:
        if node.name:
            self.bind(node.name, state, node.lineno)
        self.push([node.type], state)
        self.block(node.body, state)

    def visit_MatchAs(self, node: ast.AST, state: _State) -> None:
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if name:
            self.bind(name, state, getattr(node, "lineno", 0))
        self.children(node, state)

    visit_MatchStar = visit_MatchMapping = visit_MatchAs

    def visit_TypeAlias(self, node: ast.AST, state: _State) -> None:
        around = self.type_parameters(node, state)
        self.push([getattr(node, "name", None)], state)
        self.push([getattr(node, "value", None)], around._replace(annotation=True))

    def visit_Global(self, node: ast.Global, state: _State) -> None:
        state.scope.elsewhere.update(dict.fromkeys(node.names, True))

    def visit_Nonlocal(self, node: ast.Nonlocal, state: _State) -> None:
        state.scope.elsewhere.update(dict.fromkeys(node.names, False))

    # Guards

    def visit_If(self, node: Union[ast.If, ast.While], state: _State) -> None:
        self.push([node.test], state)
        checked = type_checking(node.test)
        if checked is not None:
            first, second = state._replace(typing=True), self.guarded(state)
            self.block(node.body, first if checked else second)
            self.block(node.orelse, second if checked else first)
            return
        facts = facts_of(node.test, state.scope)
        inside = self.under(state, facts) if facts else state
        self.block(node.body, inside)
        self.block(node.orelse, inside)

    visit_While = visit_If

    def visit_IfExp(self, node: ast.IfExp, state: _State) -> None:
        self.push([node.test], state)
        facts = facts_of(node.test, state.scope)
        self.push([node.body, node.orelse], self.under(state, facts) if facts else state)

    def visit_BoolOp(self, node: ast.BoolOp, state: _State) -> None:
        for value in node.values:
            self.push([value], state)
            facts = facts_of(value, state.scope)
            state = self.under(state, facts) if facts else state

    def visit_Try(self, node: ast.Try, state: _State) -> None:
        inside = self.guarded(state) if has_fallback(node.handlers) else state
        self.block(node.body, inside)
        self.push(node.handlers, inside)
        self.block(node.orelse, inside)
        self.block(node.finalbody, state)

    visit_TryStar = visit_Try

    def visit_With(self, node: ast.With, state: _State) -> None:
        self.push((item.context_expr for item in node.items), state)
        self.push((item.optional_vars for item in node.items), state)
        suppressed = any(suppresses(item.context_expr) for item in node.items)
        self.block(node.body, self.guarded(state) if suppressed else state)

    visit_AsyncWith = visit_With


def _below(node: ast.Attribute) -> ast.expr:
    """Return what a chain of attributes begins with."""
    value: ast.expr = node
    while isinstance(value, ast.Attribute):
        value = value.value
    return value


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    more = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*getattr(arguments, "posonlyargs", []), *arguments.args, *arguments.kwonlyargs, *more]


def scan(tree: ast.Module, package: Sequence[str] = ()) -> Scan:
    """Return what a module's syntax tree uses; ``package`` is where its relative imports start from."""
    walker = _Walker(package)
    walker.walk(tree)
    uses = [
        Use(line, spelled, (target,), (), is_guarded(state.guard) or state.typing)
        for line, state, spelled, target in walker.imports
    ]
    for found in walker.found:
        state = found.state
        through = () if state.annotation and walker.lazy_annotations else state.scope.meaning(found.name)
        if through and (found.chain or found.call):
            targets = tuple(target.attribute(found.chain) for target in through)
            spelled = ".".join((found.name, *found.chain))
            guarded = is_guarded(state.guard) or state.typing
            uses.append(Use(found.line, spelled, targets, through, guarded, state.annotation, found.call))
    provided = {
        target.attribute(found.chain).dotted
        for found in walker.looked_for
        for target in found.state.scope.meaning(found.name)
    }
    return Scan(tuple(sorted(uses, key=lambda use: (use.line, use.spelled))), frozenset(provided))
