# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The garbage collector that is turned off or frozen (SB303), finalizers and tasks that nobody gets rid of (SB308)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Optional

from .audit_rules import INFO
from .audit_source_facts import Called, Found, Function, SourceFacts, mentions, methods_of, spelled

_KEEPS_ALL = {"DEBUG_LEAK", "DEBUG_SAVEALL"}
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_CREATES_TASK = re.compile(r"asyncio\.(?:tasks\.)?(?:create_task|ensure_future)\Z")
_LOOP = re.compile(r"loop(?:\(\))?\Z")
_RUNS = {"run_forever", "run_until_complete"}


def _stands_in(call: Called, *kinds: type[ast.AST]) -> bool:
    """Whether a call stands in one of these, within its function."""
    function = call.place.function()
    for one in call.place.around():
        if one.node is function:
            return False
        if isinstance(one.node, kinds):
            return True
    return False


def collector_is_off(facts: SourceFacts) -> Iterator[Found]:
    """SB303."""
    called = {call.target for call in facts.calls}
    for call in facts.calls:
        first = call.argument("threshold0", 0)
        is_off = call.target == "gc.disable" or (
            call.target == "gc.set_threshold" and isinstance(first, ast.Constant) and first.value == 0
        )
        if is_off and "gc.enable" not in called and "enable" not in facts.attributes:
            # Whoever collects by himself, or may choose, knows what he does.
            told = "gc.collect" in called or _stands_in(call, ast.If)
            text = f"{call.spelled}() turns the collector off, and nothing turns it on again: no cycle is ever freed; write gc.freeze() after"
            yield Found(call.line, f"{text} gc.collect() where its pauses are too long", INFO if told else "")
        elif call.target == "gc.freeze" and "unfreeze" not in facts.attributes:
            yield from _freezes(facts, call)
        elif call.target == "gc.set_debug" and _keeps_all(facts, call):
            text = f"{call.spelled}() keeps all that is collected in gc.garbage; write gc.DEBUG_STATS"
            yield Found(call.line, text)


def _keeps_all(facts: SourceFacts, call: Called) -> bool:
    """Whether debug flags that keep all garbage are set for good."""
    is_only = sum(one.target == call.target for one in facts.calls) == 1
    return is_only and any(mentions(call.node, name) for flag in _KEEPS_ALL for name in (f"gc.{flag}", flag))


def _freezes(facts: SourceFacts, call: Called) -> Iterator[Found]:
    if _stands_in(call, *_LOOPS):
        yield Found(
            call.line,
            f"{call.spelled}() again and again: no cycle of what is there is freed; freeze once, before the loop",
        )
        return
    function = call.place.function()
    before = [one for one in facts.calls if one.target == "gc.collect" and one.line <= call.line]
    if not any(one.place.function() is function for one in before):
        text = f"{call.spelled}() without gc.collect() before it: cycles that are garbage by then are never freed"
        yield Found(call.line, f"{text}; write gc.collect() before it", INFO)


def _class_around(call: Called) -> Optional[ast.ClassDef]:
    return next((one.node for one in call.place.around() if isinstance(one.node, ast.ClassDef)), None)


def _is_bound(call: Called, name: str) -> bool:
    """Whether an attribute of the object is a method of its class, which holds the object."""
    around = _class_around(call)
    method: Optional[Function] = methods_of(around).get(name) if around is not None else None
    return method is not None and not {spelled(one) for one in method.decorator_list} & {
        "staticmethod",
        "classmethod",
        "property",
    }


def _holds(call: Called, node: ast.AST, name: str) -> bool:
    """Whether the value of an expression keeps the object of that name alive."""
    if isinstance(node, ast.Name):
        return node.id == name or any(mentions(one, name) for one in _nested(call, node.id))
    if isinstance(node, ast.Attribute):
        return spelled(node.value) == name and _is_bound(call, node.attr)
    if isinstance(node, ast.Lambda):
        return name not in {one.arg for one in node.args.args} and mentions(node.body, name)
    if isinstance(node, ast.Call):
        is_partial = spelled(node.func).rpartition(".")[2] == "partial"
        return is_partial and any(
            _holds(call, one, name) for one in (*node.args, *(one.value for one in node.keywords))
        )
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return any(_holds(call, one, name) for one in node.elts)
    return False


def _nested(call: Called, name: str) -> list[Function]:
    """Return the functions of that name inside of the one around the call."""
    function = call.place.function()
    inside = ast.walk(function) if function is not None else iter(())
    return [
        one
        for one in inside
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name == name and one is not function
    ]


def finalizers_that_hold(facts: SourceFacts) -> Iterator[Found]:
    """SB308: ``weakref.finalize`` that is given what it waits for."""
    for call in facts.calls:
        if call.target != "weakref.finalize" or not call.node.args:
            continue
        whole = spelled(call.node.args[0])
        name = whole.partition(".")[0]
        given = (*call.node.args[1:], *(one.value for one in call.node.keywords))
        if name and any(_holds(call, one, name) for one in given):
            text = f"weakref.finalize of {whole} holds {name}, so it is run at the end of the program only; give it a function"
            yield Found(call.line, f"{text} and what that needs, such as the descriptor, not {name} or a method of it")


def dropped_tasks(facts: SourceFacts) -> Iterator[Found]:
    """SB308: tasks that nobody keeps."""
    runs = {call.place.function() for call in facts.calls if call.method in _RUNS}
    for call in facts.calls:
        is_created = _CREATES_TASK.match(call.target) or (call.method == "create_task" and _LOOP.search(call.receiver))
        if call.is_statement and is_created and call.place.function() not in runs:
            text = f"nobody keeps the task of {call.spelled}(): it may be collected before it has ended, and what it raises is not seen"
            yield Found(
                call.line,
                f"{text}; write async with asyncio.TaskGroup(), or a set that add_done_callback() takes it out of",
                INFO,
            )
