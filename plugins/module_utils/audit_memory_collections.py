# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections that only grow, and exceptions that somebody keeps (SB308)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional, Union

from .audit_rules import INFO
from .audit_source_facts import Found, SourceFacts, spelled

_EMPTY = rb"(?:\{\}|\[\]|(?:set|dict|list)\(\)|(?:collections\.)?(?:defaultdict|OrderedDict|Counter|deque)\([^\n]*)"
_MADE = re.compile(rb"^(_*[A-Za-z]\w*)(?:[ \t]*:[^=\n]+)?[ \t]*=[ \t]*" + _EMPTY, re.MULTILINE)
_GROWING = rb"(?:\.(?:append|appendleft|add|insert|setdefault)\(|\[[^\n]*\](?:\.(?:append|add)\(|[ \t]*=[^=]))"
#: What another file may do to a collection so that it shrinks. Each begins with what is rare: this is looked for in every file.
_TAKES = re.compile(rb"\.(?:pop(?:item|left)?|clear|remove|discard)\(")
_DELETES = re.compile(rb"\bdel [\w.]*?(\w+)\[")
_BEFORE = re.compile(rb"(\w+)\Z")
#: No name is longer.
_LONGEST = 80
_CAUGHT = re.compile(rb"\bexcept\b[^\n:]*\bas[ \t]+(\w+)[ \t]*:")
_ADDS = ("append", "appendleft", "add")
_GROWS = {*_ADDS, "insert", "setdefault"}
_READS = {
    "get",
    "keys",
    "values",
    "items",
    "copy",
    "index",
    "count",
    "most_common",
    "union",
    "intersection",
    "difference",
    "isdisjoint",
}
_ONLY_READ = {
    "len",
    "sorted",
    "list",
    "tuple",
    "set",
    "dict",
    "frozenset",
    "sum",
    "min",
    "max",
    "any",
    "all",
    "enumerate",
    "str",
    "repr",
    "bool",
}
_LOOKED_AT = (
    ast.Compare,
    ast.For,
    ast.AsyncFor,
    ast.comprehension,
    ast.If,
    ast.IfExp,
    ast.BoolOp,
    ast.UnaryOp,
    ast.FormattedValue,
)
#: What comes again and again, each time another one, as long as a service runs.
_COMING = (
    "req|request|resp|response|session|user|client|customer|visitor|message|msg|job|order|payload|packet|peer|ip|uuid|guid|token|nonce|timestamp"
    "|now|reading|query|chat|pid|sid|uid|conn|connection|socket|sock|websocket|ws|transaction|ticket|upload|download|trace|span"
)
_KEYS = re.compile(rf"(?:\A|_)(?:{_COMING})s?(?:_?id|_?key|_?hash)?\Z", re.IGNORECASE)
_VALUES = re.compile(
    rf"(?:\A|_)(?:{_COMING}|event|record|sample|result|line|row|entry|data|item|chunk|body|text)s?\Z", re.IGNORECASE
)
_NEW = re.compile(r"(?:(?:\A|\.)(?:time|monotonic|perf_counter|now|utcnow|uuid[14])|token_\w+)\Z")
#: What is done once for each part of a program, not for each of what it handles.
_ONCE = re.compile(
    r"regist|install|load|init|set_?up|config|import|define|declar|subclass|hook|handler|plugin|decorat|wrap|warn|deprecat|listen|subscri|alias"
    r"|once|\A_?log_|__new__|__set_name__|__getattr__|\A_?add_|fix_?up|\Amain\Z",
    re.IGNORECASE,
)
#: Something is not installed: that is found out once.
_MISSING = re.compile(r"ImportError|ModuleNotFoundError")
Use = Union[ast.Name, ast.Attribute]


class Grown(NamedTuple):
    """A collection that only grows in its own file."""

    name: str
    found: Found


def may_grow(content: bytes) -> bool:
    """Whether a file may have a collection of a module that grows."""
    names = {match.group(1) for match in _MADE.finditer(content)}
    return any(re.search(rb"^[ \t]+[^#\n]*\b" + name + _GROWING, content, re.MULTILINE) for name in names)


def may_keep_errors(content: bytes) -> bool:
    """Whether a file may put an exception that it has caught anywhere."""
    names = set(_CAUGHT.findall(content)) if b" as " in content else set()
    kept = rb"(?:\.(?:append|appendleft|add)\([^\n]*|=[^\n=]*)\b(?:" + b"|".join(names) + rb")\b[\])},]*[ \t]*$"
    return bool(names) and re.search(kept, content, re.MULTILINE) is not None


def shrinking(content: bytes) -> set[str]:
    """Return the names of what a file may take something out of."""
    names = {match.group(1) for match in _DELETES.finditer(content)}
    for match in _TAKES.finditer(content):
        before = _BEFORE.search(content, max(match.start() - _LONGEST, 0), match.start())
        names.update(before.groups() if before else ())
    return {name.decode() for name in names}


class _Uses:
    """What a file does with names and attributes, as they are written."""

    def __init__(self, tree: ast.AST) -> None:
        self.above = {inner: node for node in ast.walk(tree) for inner in ast.iter_child_nodes(node)}
        self.names: dict[str, list[Use]] = {}
        self.hidden: set[str] = set()
        self.shared: set[str] = set()
        for node in (tree, *self.above):
            if isinstance(node, (ast.Name, ast.Attribute)):
                self.names.setdefault(spelled(node), []).append(node)
            elif isinstance(node, ast.arg):
                self.hidden.add(node.arg)
            elif isinstance(node, ast.Global):
                self.shared.update(node.names)

    def functions(self, node: ast.AST) -> list[str]:
        """Return the names of the functions that a node stands in."""
        found = []
        while node in self.above:
            node = self.above[node]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                found.append(getattr(node, "name", ""))
        return found

    def growth(self, use: Use) -> tuple[Optional[ast.expr], bool]:
        """Return what a use puts into a collection, the key of a dictionary or the value, and whether that is a value."""
        inner = self.above[use]
        outer = self.above.get(inner)
        if isinstance(inner, ast.Attribute) and inner.attr in _GROWS and isinstance(outer, ast.Call) and outer.args:
            return outer.args[-1 if inner.attr == "insert" else 0], inner.attr in ("append", "appendleft", "insert")
        if not isinstance(inner, ast.Subscript) or isinstance(inner.slice, ast.Slice):
            return None, False
        is_put = isinstance(inner.ctx, ast.Store) or (isinstance(outer, ast.Attribute) and outer.attr in _ADDS)
        return (inner.slice if is_put else None), False

    def only_reads(self, use: Use) -> bool:
        """Whether a use leaves a collection as it is, and gives it to nobody."""
        inner = self.above[use]
        if isinstance(inner, ast.Attribute):
            return inner.attr in _READS
        if isinstance(inner, ast.Subscript):
            return isinstance(inner.ctx, ast.Load)
        if isinstance(inner, ast.Call):
            is_bound = spelled(inner.func) == "len" and isinstance(self.above.get(inner), ast.Compare)
            return spelled(inner.func) in _ONLY_READ and not is_bound
        return isinstance(inner, _LOOKED_AT)

    def additions(self, name: str) -> Optional[list[Use]]:
        """Return the uses of a name that add to it; ``None`` where another one may take something out, or hides the name."""
        found: list[Use] = []
        for use in self.names.get(name, ()) if name not in self.hidden | self.shared else ():
            if isinstance(use.ctx, ast.Load) and self.growth(use)[0] is not None:
                found.append(use)
            elif isinstance(use.ctx, ast.Del) or (isinstance(use.ctx, ast.Load) and not self.only_reads(use)):
                return None
        return found or None


def _is_empty(node: Optional[ast.expr]) -> bool:
    if isinstance(node, (ast.List, ast.Dict)):
        return not (node.elts if isinstance(node, ast.List) else node.keys)
    if not isinstance(node, ast.Call) or any(word.arg == "maxlen" for word in node.keywords):
        return False
    kind = spelled(node.func).rpartition(".")[2]
    return kind == "defaultdict" or (
        not node.args and kind in ("set", "dict", "list", "OrderedDict", "Counter", "deque")
    )


def _made(facts: SourceFacts, is_attribute: bool = False) -> Sequence[str]:
    """Return the collections that are made once, empty: those of the module, or of objects."""
    return [
        name
        for name, assigned in facts.assigned.items()
        if len(assigned) == 1
        and _is_empty(assigned[0][1])
        and (name.startswith("self.") if is_attribute else name.isidentifier() and assigned[0][0].above is None)
    ]


def _is_new(node: Optional[ast.expr], is_value: bool) -> bool:
    """Whether what is put in is another one each time that something comes in."""
    if node is None:
        return False
    words = _VALUES if is_value else _KEYS
    if is_value and isinstance(node, (ast.Dict, ast.JoinedStr, ast.BinOp)):
        return True
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and (
            _NEW.search(spelled(one.func)) or (is_value and one is node and spelled(one.func) != "cls")
        ):
            return True
        if isinstance(one, (ast.Name, ast.Attribute)) and words.search(
            one.id if isinstance(one, ast.Name) else one.attr
        ):
            return True
    return False


def growing_collections(facts: SourceFacts) -> Iterator[Grown]:
    """Yield the collections of a module that get what comes in while the service runs, and that nothing shrinks here."""
    made = _made(facts)
    uses = _Uses(facts.tree if made else ast.Module([], []))
    for name in made:
        growing = (use for use in uses.additions(name) or () if _is_run_again(uses, use) and _is_new(*uses.growth(use)))
        use = next(growing, None)
        if use is not None:
            text = f"{name} of the module only grows: each call may add to it, and nothing takes anything out"
            instead = "a bound: collections.deque(maxlen=...), functools.lru_cache(maxsize=...), or take out what is done with"
            yield Grown(name, Found(use.lineno, f"{text}; write {instead}"))


def _is_run_again(uses: _Uses, use: Use) -> bool:
    """Whether a use stands in a function that does not prepare the program, but does its work."""
    functions = uses.functions(use)
    return len(functions) == 1 and not _ONCE.search(functions[0])


def kept_exceptions(facts: SourceFacts) -> Iterator[Grown]:
    """Yield where a caught exception is put into a collection that only grows, or into a variable of the module."""
    uses = _Uses(facts.tree)
    for node in [
        one
        for one in uses.above
        if isinstance(one, ast.ExceptHandler) and one.name and not _MISSING.search(_kinds(one))
    ]:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id == node.name and isinstance(inner.ctx, ast.Load):
                place = _place(uses, inner)
                severity = _severity(facts, uses, place) if place is not None else None
                if place is not None and severity is not None:
                    text = f"{spelled(place)} keeps the exception, with its frames and all their variables"
                    instead = "traceback.format_exc(), or the exception.with_traceback(None)"
                    yield Grown(spelled(place), Found(inner.lineno, f"{text}; keep {instead}", severity))


def _kinds(handler: ast.ExceptHandler) -> str:
    return " ".join(spelled(one) for one in ast.walk(handler.type)) if handler.type is not None else ""


def _place(uses: _Uses, error: ast.Name) -> Optional[Use]:
    """Return where an exception is put."""
    inner, above = error, uses.above[error]
    while isinstance(above, (ast.Tuple, ast.List, ast.Dict)):
        inner, above = above, uses.above[above]  # type: ignore[assignment]
    place: Optional[ast.expr] = None
    if (
        isinstance(above, ast.Call)
        and inner in above.args
        and isinstance(above.func, ast.Attribute)
        and above.func.attr in _ADDS
    ):
        place = above.func.value
    elif isinstance(above, ast.Assign) and len(above.targets) == 1:
        (place,) = above.targets
    if isinstance(place, ast.Subscript):
        place = place.value
    return place if isinstance(place, (ast.Name, ast.Attribute)) else None


def _severity(facts: SourceFacts, uses: _Uses, place: Use) -> Optional[str]:
    """Return the severity of keeping an exception at a place; ``None`` where it is not kept, or not for long."""
    name = spelled(place)
    if isinstance(place.ctx, ast.Store):
        # One at a time, of which the last one stays.
        return INFO if name in uses.shared else None
    if name in _made(facts):
        return "" if uses.additions(name) else None
    # Nobody knows how long the object lives.
    return INFO if name in _made(facts, is_attribute=True) and uses.additions(name) else None
