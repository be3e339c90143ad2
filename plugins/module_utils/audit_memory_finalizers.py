# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``__del__`` does in a source file (SB301, SB302)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .audit_rules import INFO
from .audit_source_facts import Found, Function, SourceFacts, methods_of, spelled

_LOGS = re.compile(
    r"(?:\A|[._])log(?:ger|ging)?(?:\(\))?\.(?:debug|info|warn(?:ing)?|error|critical|exception|log)\Z", re.IGNORECASE
)
#: What touches files, other processes or the network, or waits.
_DOES = re.compile(
    r"(?:open|print|input)\Z|os\.(?:remove|unlink|rmdir|removedirs|rename|replace|kill|killpg|makedirs|mkdir|system|write|waitpid)\Z"
    r"|shutil\.(?:rmtree|move|copy\w*)\Z|subprocess\.|requests\.|time\.sleep\Z|asyncio\.(?:run|create_task|ensure_future)\Z"
    r"|(?:.*\.)?(?:run_until_complete|create_task|rmtree|sendall)\Z"
)
#: What ends something that is in use.
_CLOSES = re.compile(
    r"_*(?:a?close\w*|shutdown|stop\w*|terminate|kill|disconnect\w*|quit|log_?out|clean_?up\w*|tear_?down|dispose|unlink|exit|__exit__)\Z",
    re.IGNORECASE,
)
#: What is closed by an event loop.
_OF_LOOPS = re.compile(r"aclose|create_task|ensure_future|run_until_complete|asyncio\.run|call_soon")
_CLOSE = ("close", "aclose")
#: What is only put off is done elsewhere.
_PUT_OFF = re.compile(r"no_lock|no_?wait|soon|later|threadsafe", re.IGNORECASE)
#: Streams of Python have a ``__del__`` of their own, which can only be replaced by another one.
_STREAM = re.compile(r"(?:IOBase|TextIOWrapper|Buffered\w+|FileIO)\Z")
#: So many methods deep it is followed what is called.
_DEPTH = 3


class _Effect(NamedTuple):
    line: int
    text: str
    is_close: bool


def _is_empty(method: Function) -> bool:
    """Whether nothing is done: a stub, or what only keeps that of a base class from being run."""
    return all(
        isinstance(node, (ast.Pass, ast.Raise))
        or (isinstance(node, (ast.Expr, ast.Return)) and (node.value is None or isinstance(node.value, ast.Constant)))
        for node in method.body
    )


def _warns(method: Function) -> bool:
    """Whether it tells that somebody has not closed it, as ``ResourceWarning`` does: what it closes then is only the net below."""
    calls = (spelled(node.func) for node in ast.walk(method) if isinstance(node, ast.Call))
    return any(name.rpartition(".")[2] in ("warn", "_warn") for name in calls)


def _never_run(facts: SourceFacts, method: Function) -> set[int]:
    """Return the lines of what stands below a constant of the module that is false, as one variant of a file that has two has it."""
    found: set[int] = set()
    for node in ast.walk(method):
        name = spelled(node.test) if isinstance(node, ast.If) else ""
        values = [value for place, value in facts.assigned.get(name, ()) if place.above is None]
        if (
            isinstance(node, ast.If)
            and values
            and all(isinstance(one, ast.Constant) and one.value is False for one in values)
        ):
            found.update(getattr(inner, "lineno", 0) for statement in node.body for inner in ast.walk(statement))
    return found


def _effects(method: Function, methods: Mapping[str, Function], seen: tuple[str, ...]) -> Iterator[_Effect]:
    for node in ast.walk(method):
        name = spelled(node.func) if isinstance(node, ast.Call) else ""
        owner, _dot, last = name.rpartition(".")
        line = node.lineno if isinstance(node, ast.Call) else 0
        if _LOGS.search(name):
            yield _Effect(line, "logs", False)
        elif _DOES.match(name):
            yield _Effect(line, f"calls {name}()", False)
        elif owner == "self" and last in methods and last not in seen and len(seen) < _DEPTH:
            inner = list(_effects(methods[last], methods, (*seen, last)))
            yield from (_Effect(line, f"calls {name}(), which {one.text}", one.is_close) for one in inner)
            if _CLOSES.match(last) and not inner:
                yield _Effect(line, f"calls {name}()", True)
        elif owner and _CLOSES.match(last) and not _PUT_OFF.search(last):
            yield _Effect(line, f"calls {name}()", True)


def _instead(methods: Mapping[str, Function], name: str, text: str) -> str:
    """Return what to write in the place of a ``__del__`` that ends something."""
    if "__aexit__" in methods:
        return f"use {name} by async with"
    if "__exit__" in methods:
        return f"use {name} by with, several by contextlib.ExitStack"
    if "aclose" in methods or _OF_LOOPS.search(text) or isinstance(methods.get("close"), ast.AsyncFunctionDef):
        return f"give {name} __aexit__, and use it by async with"
    if "close" in methods or "self.close()" in text:
        return f"use {name} by contextlib.closing"
    return f"give {name} close(), and use it by contextlib.closing, or let weakref.finalize do it"


def _judged(
    facts: SourceFacts, one: ast.ClassDef, method: Function, methods: Mapping[str, Function]
) -> Iterator[tuple[str, Found]]:
    name = f"{one.name}.__del__"
    if isinstance(method, ast.AsyncFunctionDef):
        text = f"{name} is async, nothing of it is ever run; {_instead(methods, one.name, 'self.aclose()')}"
        yield "SB302", Found(method.lineno, text)
        return
    left_out, everything = _never_run(facts, method), list(_effects(method, methods, ("__del__",)))
    effects = [effect for effect in everything if effect.line not in left_out]
    if effects:
        worst = min(effects, key=lambda effect: (effect.is_close, effect.line))
        # Somebody can close it, and this is for those who forget to.
        is_net = worst.is_close and (
            bool(methods.keys() & {"__exit__", "__aexit__", *_CLOSE}) or "self.close()" in worst.text
        )
        yield (
            "SB302",
            Found(
                worst.line, f"{name} {worst.text}; {_instead(methods, one.name, worst.text)}", INFO if is_net else ""
            ),
        )
    elif not everything and not any(_STREAM.search(spelled(base)) for base in one.bases):
        yield (
            "SB301",
            Found(method.lineno, f"{one.name} defines __del__; weakref.finalize is run once, and never too late"),
        )


def finalizers(facts: SourceFacts) -> Iterator[tuple[str, Found]]:
    """Yield what is found of the classes with a ``__del__``, with its rule."""
    for one in facts.classes:
        methods = methods_of(one)
        method = methods.get("__del__")
        if one not in facts.foreign and method is not None and not _is_empty(method) and not _warns(method):
            yield from _judged(facts, one, method, methods)
