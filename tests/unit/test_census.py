# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process answers is somebody else's word; of two censuses the growth is named; descriptors are told by kind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.census import (
    Census,
    Growth,
    census_of,
    chains_of,
    fastest,
    growth_of,
    logging_of,
    unlisted,
)
from ansible_collections.stability.baseline.plugins.module_utils.census_run import Asked, run_census
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.process_descriptors import kinds_of
from ansible_collections.stability.baseline.plugins.module_utils.runtime_canary import tree
from ansible_collections.stability.baseline.plugins.module_utils.runtime_census import census

ANSWER = json.loads(json.dumps(census("")))
CHAIN = {
    "ended": "found",
    "steps": [{"class": "module", "name": "app", "via": "X"}, {"class": "list", "name": "", "via": ""}],
}


def taken(**classes: tuple[int, int]) -> Census:
    rows = [{"class": name.replace("_", "."), "objects": one[0], "bytes": one[1]} for name, one in classes.items()]
    return Census(1, 2, {"classes": rows, "others": {"bytes": 0}})


def test_an_answer_is_understood():
    found = census_of(7, 8, ANSWER)
    assert found is not None and (found.pid, found.started) == (7, 8)
    assert found.classes["dict"][0] > 0 and found.references > 0
    assert json.loads(json.dumps(found.content))["collector"]["enabled"] is True


@pytest.mark.parametrize("key", sorted(ANSWER))
@pytest.mark.parametrize("value", [None, 7, "x", [1], {"number": "many"}, float("inf")])
def test_what_is_no_answer_is_none(key, value):
    broken = {**ANSWER, key: value}
    found = census_of(7, 8, broken)
    assert found is None or key in ("python", "time")
    assert found is None or json.dumps(found.content)


@pytest.mark.parametrize(
    "raw", [{}, {"chains": 1}, {"chains": {"x": {"ended": "found", "steps": [{}]}}}, {"chains": {"x": None}}]
)
def test_what_is_no_chain_is_none(raw):
    assert chains_of(raw) is None


def test_the_loggers_of_this_process_are_understood():
    found = logging_of(json.loads(json.dumps(tree())))
    assert found is not None and found["loggers"][0]["name"] == "root"
    assert logging_of({"loggers": 1}) is None


def test_growth_is_by_class_the_fastest_first():
    before = taken(app_Order=(10, 480), dict=(100, 6400), gone=(3, 9), app_Few=(1, 1))
    after = taken(dict=(150, 9600), app_Order=(40, 1920), app_New=(30, 300), app_Few=(1, 1))
    assert growth_of(before, after) == [
        Growth("dict", 150, 50, 3200),
        Growth("app.New", 30, 30, 300),
        Growth("app.Order", 40, 30, 1440),
    ]


@pytest.mark.parametrize(
    ("memory", "objects", "expected"),
    [
        (1_000_000, 0, ""),
        (50_000_000, 20_000_000, ""),
        (50_000_000, 1_000_000, "its memory has grown by 48 MiB, all objects that the collector lists by 1.0 MiB"),
        (50_000_000, -9, "its memory has grown by 48 MiB, all objects that the collector lists by 0.0 MiB"),
    ],
)
def test_memory_that_no_object_explains_is_told(memory, objects, expected):
    before, after = (taken(dict=(1, 100 + more)) for more in (0, objects))
    with_memory = [
        Census(1, 2, {**one.content, "anonymous": size}) for one, size in ((before, 10), (after, 10 + memory))
    ]
    assert unlisted(*with_memory).startswith(expected) and bool(unlisted(*with_memory)) == bool(expected)


@pytest.mark.parametrize(
    ("grown", "expected"),
    [
        ({}, []),
        ({"dict": 50, "app.Order": 30}, ["app.Order"]),
        ({"dict": 500, "app.Order": 30}, ["dict"]),
        ({"list": 5}, ["list"]),
        ({"_asyncio.Task": 20, "coroutine": 20}, ["_asyncio.Task"]),
    ],
)
def test_the_class_that_is_looked_for_is_one_of_the_application(grown, expected):
    assert fastest([Growth(name, number, number, 0) for name, number in grown.items()]) == expected


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        (CHAIN["steps"], "module app: X → list"),
        ([{"class": "class", "name": "a.B", "via": ""}], "class a.B"),
        (
            [{"class": "a.B", "name": "", "via": "c"}, *[{"class": "traceback", "name": "", "via": ""}] * 2],
            "a.B: c → traceback",
        ),
        (
            [CHAIN["steps"][0], {"class": "a.B", "name": "", "via": "c"}, CHAIN["steps"][1]],
            "module app: X → a.B.c → list",
        ),
    ],
)
def test_a_chain_is_a_line(steps, shown):
    assert chains_of({"chains": {"a.C": {"ended": "found", "steps": steps}}}) == [{"class": "a.C", "held_by": shown}]


@pytest.mark.parametrize(
    ("ended", "shown"), [("unseen", "nothing that"), ("cut", "not found"), ("gone", "none"), ("?", "not found")]
)
def test_a_search_that_found_nothing_says_so(ended, shown):
    (found,) = chains_of({"chains": {"a.C": {"ended": ended, "steps": []}}})
    assert found["held_by"].startswith(shown)


@pytest.mark.parametrize("previous", [[1], [{}], [{"pid": 1, "started": 2, "time": 3, "classes": []}], [[]]])
def test_what_is_no_earlier_result_is_told(previous):
    with pytest.raises(
        InvalidInput, match=r"previous\[0\]: found .*; expected a member of processes of an earlier result\. Give it as"
    ):
        run_census(Asked(pid=1, previous=previous))


@pytest.mark.parametrize("pid", [None, 2**22 + 1, -1])
def test_a_process_that_is_no_python_is_told(pid):
    with pytest.raises(InvalidInput, match=r"pid: found .*; expected the number of a process that is a Python"):
        run_census(Asked(pid=pid))


def test_descriptors_are_told_by_kind():
    before = kinds_of(os.getpid())
    assert before is not None
    with contextlib.ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = opened.enter_context(socket.create_connection(server.getsockname()))
        accepted = opened.enter_context(server.accept()[0])
        opened.enter_context(tempfile.TemporaryFile())
        opened.enter_context(open("/dev/null", "rb"))
        for one in (socket.socketpair()[0], socket.socket()):
            opened.enter_context(one)
        for number in os.pipe():
            opened.callback(os.close, number)
        client.shutdown(socket.SHUT_WR)
        assert accepted.recv(1) == b""
        after = kinds_of(os.getpid())
    assert after is not None
    grown = {kind: number - before.get(kind, 0) for kind, number in after.items() if number > before.get(kind, 0)}
    assert grown == {
        **{"tcp listening": 1, "tcp other": 1, "tcp close-wait": 1, "unix": 1, "socket": 1},
        **{"deleted file": 1, "device": 1, "pipe": 2},
    }
    assert kinds_of(2**22 + 1) is None
