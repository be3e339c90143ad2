# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call notices of a changed signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.callable_signatures import (
    Signature,
    differences,
    misfit,
    returns_differ,
    signature,
)
from ansible_collections.stability.baseline.plugins.module_utils.source_uses import Call


def parameters(function: Callable[..., Any]) -> tuple[tuple[str, int, bool], ...]:
    found = inspect.signature(function).parameters.values()
    return tuple((one.name, int(one.kind), one.default is not one.empty) for one in found)


MISFITS = {
    "fits": (lambda a, b=1: 0, Call(1, ("b",)), None),
    "lost keyword": (lambda a: 0, Call(1, ("b",)), "takes no parameter b"),
    "any keyword": (lambda a, **rest: 0, Call(1, ("b",)), None),
    "too many": (lambda a: 0, Call(2), "takes 1 positional arguments, not 2"),
    "any number": (lambda a, *rest: 0, Call(2), None),
    "only by name": (lambda *, a: 0, Call(1), "takes 0 positional arguments, not 1"),
    "only by place": (lambda a, /: 0, Call(0, ("a",)), "takes no parameter a"),
    "missing": (lambda a, b: 0, Call(1), "needs the parameter b"),
    "missing keyword": (lambda *, a: 0, Call(0), "needs the parameter a"),
    "maybe passed": (lambda a, b: 0, Call(0, (), complete=False), None),
    "lost keyword beside unknown ones": (lambda a: 0, Call(0, ("b",), complete=False), "takes no parameter b"),
}


@pytest.mark.parametrize(("function", "call", "expected"), MISFITS.values(), ids=MISFITS)
def test_calls_that_do_not_fit(function: Callable[..., Any], call: Call, expected: str | None) -> None:
    assert misfit(call, parameters(function)) == expected


RETURNS = {
    "same": ("list[int]", "list[int]", False),
    "another": ("list[int]", "tuple[int]", True),
    "iterator": ("list", "Iterator", True),
    "none before": ("", "int", False),
    "none after": ("int", "", False),
    "text": ("int", "'int'", False),
    "module": ("typing.Iterator[a.b.C]", "Iterator['C']", False),
    "older spelling": ("typing.List[typing.Dict[str, int]]", "list[dict[str, int]]", False),
    "optional": ("typing.Optional[int]", "int | None", False),
    "union": ("typing.Union[int, str]", "str | int", False),
    "a member more": ("int", "int | None", True),
    "type variable": ("~T", "int", False),
    "self": ("typing.Self", "Session", False),
    "any": ("Any", "int", False),
    "unreadable": ("<object>", "int", False),
}


@pytest.mark.parametrize(("before", "after", "expected"), RETURNS.values(), ids=RETURNS)
def test_return_types_are_compared_by_meaning(before: str, after: str, expected: bool) -> None:
    assert returns_differ(before, after) is expected


KINDS = {
    ("function", "generator"): ["became a generator function"],
    ("function", "coroutine"): ["became a coroutine function"],
    ("generator", "asynchronous generator"): ["became an asynchronous generator function"],
    ("generator", "function"): [],
    ("function", "class"): [],
}


@pytest.mark.parametrize(("kinds", "expected"), KINDS.items(), ids=map("-".join, KINDS))
def test_kinds_of_functions(kinds: tuple[str, str], expected: list[str]) -> None:
    before, after = (Signature(kind, "()", "", ()) for kind in kinds)
    assert differences(Call(0), before, after) == expected


def test_a_call_that_did_not_fit_before_is_no_news() -> None:
    described = {"kind": "function", "text": "()", "returns": "", "parameters": []}
    other = {**described, "parameters": [["a", 1, False]]}
    assert differences(Call(2), signature(described), signature(other)) == []
    assert differences(Call(0), signature(described), signature({**described, "parameters": None})) == []
    assert differences(Call(0), signature(described), signature(other)) == ["needs the parameter a"]
