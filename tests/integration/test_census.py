# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running services are asked what they hold: the class that leaks is named, and what holds it; the program goes on meanwhile."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml

from units import apply, properties, wait_for

MODULE = Path(__file__).parents[2] / "plugins" / "modules" / "python_process_info.py"
NAME = "census-taker"
UNIT = f"{NAME}.service"
PROBE = f"/run/stability/{NAME}"
PROGRAM = f"/srv/{NAME}.py"
#: A program does its work a hundred times a second, and 50 things at a time.
BEGIN = "import asyncio, ctypes, functools, gc, os, threading, time\nMANY = range(50)\n"
LOOP = "\nwhile True:\n    for number in MANY:\n        work(number)\n    time.sleep(0.01)\n"
SECONDS = 5
#: Each program that leaks: the class that is to be named, and what holds it.
LEAKS = {
    "a list that grows": (
        "class Order: pass\nclass Store:\n    def __init__(self): self.orders = []\nSTORE = Store()\n"
        "def work(number): STORE.orders.append(Order())",
        "__main__.Order",
        "module __main__: STORE → __main__.Store.orders → list → __main__.Order",
    ),
    "a dictionary whose keys are secret": (
        "class Session: pass\nSESSIONS = {}\ndef work(number): SESSIONS['token%d' % time.monotonic_ns()] = Session()",
        "__main__.Session",
        "module __main__: SESSIONS → dict → __main__.Session",
    ),
    "lru_cache on a method": (
        "class Report:\n    @functools.lru_cache(maxsize=None)\n    def total(self, year): return 1\n"
        "def work(number): Report().total(number)",
        "__main__.Report",
        "class __main__.Report: total → functools._lru_cache_wrapper → dict → tuple → __main__.Report",
    ),
    "an exception that is stored": (
        "class Refused(ValueError): pass\nclass Body: pass\nERRORS = []\ndef read():\n    body = Body()\n    raise Refused\n"
        "def work(number):\n    try:\n        read()\n    except Refused as error:\n        ERRORS.append(error)",
        "__main__.Body",
        "module __main__: ERRORS → list → __main__.Refused → traceback → frame read (census-taker.py:6) → __main__.Body",
    ),
    "a cycle with __del__ that rises again": (
        "class Risen:\n    dead = []\n    def __init__(self): self.me = self\n    def __del__(self): Risen.dead.append(self)\n"
        "def work(number): Risen()",
        "__main__.Risen",
        "class __main__.Risen: dead → list → __main__.Risen",
    ),
    "a list of a frozen program": (
        "class Order: pass\nORDERS = []\ngc.freeze()\ndef work(number): ORDERS.append(Order())",
        "__main__.Order",
        "module __main__: ORDERS → list → __main__.Order",
    ),
    "cycles without a collector": (
        "class Cycle:\n    def __init__(self): self.me = self\ngc.disable()\ndef work(number): Cycle()",
        "__main__.Cycle",
        "nothing that the collector looks at: a local variable of a function that runs (Python 3.11 and 3.12 do not show these), "
        "code in C, or a cycle that was not collected",
    ),
}
TASKS = """
class Request: pass
WAITING = set()
async def wait_for_answer():
    request = Request()
    await asyncio.get_running_loop().create_future()
async def serve():
    while True:
        WAITING.update(asyncio.get_running_loop().create_task(wait_for_answer()) for number in MANY)
        await asyncio.sleep(0.01)
asyncio.run(serve())
"""
#: Programs that seem to leak: one that fills a cache up to its bound, one that makes and drops, and one whose list is emptied.
CALM = {
    "a cache with a bound": (
        "class Page:\n    def __init__(self, number): self.number = number\n"
        "@functools.lru_cache(maxsize=2000)\ndef page(number): return Page(number)\nfor number in range(2000): page(number)\n"
        "def work(number): page(time.monotonic_ns())"
    ),
    "objects that are dropped": "class Job:\n    def __init__(self): self.parts = [[], {}]\ndef work(number): Job()",
    "a list that is emptied": (
        "class Row: pass\nROWS = []\ndef work(number):\n    ROWS.append(Row())\n    if len(ROWS) > 2000: ROWS.clear()"
    ),
}
MILLION = """
class Order:
    def __init__(self, number): self.tags = [number]
ORDERS = [Order(number) for number in range(500_000)]
def tick():
    last, spent = time.monotonic(), time.process_time()
    while True:
        time.sleep(0.001)
        now, used = time.monotonic(), time.process_time()
        if now - last > 0.02:
            with open("/var/lib/census/gaps", "a") as told: told.write("%f %f\\n" % (now - last, used - spent))
        last, spent = now, used
threading.Thread(target=tick, daemon=True).start()
open("/var/lib/census/gaps", "w").close()
def work(number): pass
"""
#: The longest stop of the program, in seconds of its own: what else the machine does meanwhile is no fault of it.
LONGEST = 0.25


@pytest.fixture
def taker(host):
    yield host
    apply(host, [{"name": NAME, "state": "absent"}])


def python_of(host):
    version = host.check(["/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2])"]).split()
    return tuple(map(int, version))


def deploy(host, program, probe=True, **keys):
    """Deploy a program."""
    host.put(PROGRAM, BEGIN + program)
    host.run(["systemctl", "stop", NAME])
    service = {
        "name": NAME,
        "user": "census",
        "exec_start": ["/usr/bin/python3", PROGRAM],
        "probe": probe,
        "settle_sec": 0,
        **keys,
    }
    result = apply(host, [service])
    assert not result.get("failed"), result.get("msg")
    if probe:
        wait_for(lambda: host.run(f"ls {PROBE} | grep -q .").code == 0)


def asked(host, **options):
    """Return the result, and the first process."""
    result = host.module("python_process_info", {"unit": UNIT, **options})
    assert not result.get("failed"), result["msg"]
    assert not result["changed"] and properties(host, UNIT, "ActiveState", "NRestarts") == ["active", "0"]
    return result, result["processes"][0]


def held(process, name):
    (found,) = [one["held_by"] for one in process["chains"] if one["class"] == name]
    return found.replace(" → traceback → traceback", " → traceback")


@pytest.mark.parametrize("leak", LEAKS)
def test_the_class_that_leaks_is_named_and_what_holds_it(taker, leak):
    program, name, holder = LEAKS[leak]
    deploy(taker, program + LOOP)
    result, process = asked(taker, seconds=SECONDS, classes=[name])
    assert process["asked"] == "probe" and result["unit"] == UNIT
    # Whatever grows in step with it are containers of Python, or what it is in.
    own = [one for one in process["growth"] if one["class"].startswith("__main__.")]
    assert own[0]["grown"] >= own[0]["objects"] / 4 and name in [one["class"] for one in own]
    assert held(process, name) == holder
    assert (process["collector"]["frozen"] > 0) == ("frozen" in leak) or python_of(taker) >= (3, 12)
    assert process["collector"]["enabled"] == ("without" not in leak)
    assert "token" not in json.dumps(process)


def test_tasks_that_wait_for_ever_are_named_by_what_they_run(taker):
    deploy(taker, TASKS)
    _result, process = asked(taker, seconds=SECONDS, classes=["__main__.Request", "_asyncio.Task"])
    assert {"__main__.Request", "_asyncio.Task"} <= {one["class"] for one in process["growth"]}
    assert process["tasks"]["states"]["PENDING"] > 5000
    assert max(process["tasks"]["coroutines"], key=process["tasks"]["coroutines"].get).startswith("wait_for_answer (")
    assert held(process, "_asyncio.Task") == "module __main__: WAITING → set → _asyncio.Task"
    chain = "module __main__: WAITING → set → _asyncio.Task → coroutine wait_for_answer (census-taker.py:6)"
    assert held(process, "__main__.Request").startswith(chain)


def test_what_is_frozen_again_and_again_is_told_by_its_number(taker):
    deploy(taker, "class Kept: pass\nKEPT = []\ndef work(number):\n    KEPT.append(Kept())\n    gc.freeze()" + LOOP)
    _result, process = asked(taker, seconds=SECONDS)
    assert process["frozen_grown"] > 5000


def test_what_leaks_in_c_is_said_to_be_none_of_the_objects(taker):
    program = "libc = ctypes.CDLL(None)\nlibc.calloc.restype = ctypes.c_void_p\n"
    program += "def work(number): ctypes.memset(libc.calloc(1, 20_000), 1, 20_000)"
    deploy(taker, program + LOOP)
    result, process = asked(taker, seconds=SECONDS)
    assert [one for one in process["growth"] if one["grown"] > 1000] == []
    assert any("what grows is allocated by code in C" in one for one in result["unseen"])


@pytest.mark.parametrize("calm", CALM)
def test_what_only_seems_to_leak_does_not_grow(taker, calm):
    deploy(taker, CALM[calm] + LOOP)
    asked(taker, seconds=SECONDS)
    result, process = asked(taker, seconds=SECONDS)
    assert [one for one in process["growth"] if one["class"].startswith("__main__.") and one["grown"] > 2001] == []
    assert not any("has grown" in one for one in result["unseen"])


def test_a_program_with_a_million_objects_is_never_stopped_long(taker):
    deploy(taker, MILLION + LOOP, state_directory="census")
    wait_for(lambda: taker.run("test -e /var/lib/census/gaps").code == 0, 60)
    # What it does at its start is over.
    taker.check("sleep 2; truncate --size=0 /var/lib/census/gaps")
    _result, process = asked(taker, seconds=1, classes=["__main__.Order"])
    gaps = [tuple(map(float, line.split())) for line in taker.read("/var/lib/census/gaps").splitlines()]
    longest, own = (max(values, default=0.0) for values in zip(*gaps, strict=True))
    print(f"{process['python']}: {own:.3f} s, by the clock {longest:.3f} s; {process['stops']}, {process['objects']}")
    assert process["objects"]["number"] >= 1_000_000 and 0.02 < own < LONGEST
    assert held(process, "__main__.Order") == "module __main__: ORDERS → list → __main__.Order"


def test_each_process_of_a_service_is_asked(taker):
    deploy(taker, "class Order: pass\nORDERS = []\nos.fork()\ndef work(number): ORDERS.append(Order())" + LOOP)
    wait_for(lambda: taker.run(f"test $(ls {PROBE} | wc -l) = 2").code == 0)
    result, process = asked(taker)
    again, _process = asked(taker, previous=result["processes"])
    assert len({one["pid"] for one in again["processes"]}) == 2
    assert [one["growth"] is not None for one in again["processes"]] == [True, True]
    assert [one["growth"] for one in result["processes"]] == [None, None]
    assert process["descriptors"]["unix"] >= 2 and process["logging"]["loggers"][0]["name"] == "root"
    (thread,) = [one for one in process["threads"] if one["name"] == "MainThread"]
    assert thread["at"].startswith(("<module> (census-taker.py:", "work (census-taker.py:"))
    one = taker.module("python_process_info", {"pid": process["pid"]}, check=True)
    assert (one["unit"], [each["pid"] for each in one["processes"]]) == (UNIT, [process["pid"]])


def test_a_process_that_was_started_anew_has_not_grown(taker):
    deploy(taker, "def work(number): pass" + LOOP)
    before, _process = asked(taker)
    taker.check(["systemctl", "restart", NAME])
    wait_for(lambda: taker.run(f"ls {PROBE} | grep -q .").code == 0)
    pid = properties(taker, UNIT, "MainPID")[0]
    wait_for(lambda: taker.run(["test", "-e", f"{PROBE}/{pid}"]).code == 0)
    _result, process = asked(taker, previous=before["processes"])
    assert (process["growth"], process["seconds"], process["chains"]) == (None, None, [])


@pytest.mark.parametrize("hardening", ["basic", "strict"])
def test_from_python_3_14_on_nothing_has_to_be_there_beforehand(taker, hardening):
    program, name, holder = LEAKS["a list that grows"]
    deploy(taker, program + LOOP, probe=False, hardening=hardening)
    if python_of(taker) < (3, 14):
        result = taker.module("python_process_info", {"unit": UNIT})
        assert result["failed"]
        assert (
            "can be asked through the runtime only: give its service `probe: true`, deploy and restart it"
            in result["msg"]
        )
        return
    _result, process = asked(taker, seconds=SECONDS)
    assert process["asked"] == "remote_exec"
    assert next(one["class"] for one in process["growth"] if "." in one["class"]) == name
    assert held(process, name) == holder
    assert process["logging"]["loggers"][0]["name"] == "root"
    assert taker.run("ls -d /run/stability-ask*").output == ""
    assert "Traceback" not in taker.check(["journalctl", "-u", NAME, "--no-pager"])
    again, _process = asked(taker)
    # What was sent into it is gone.
    assert [one for one in again["processes"][0]["classes"] if one["class"].startswith("stability_canary.")] == []


def test_what_cannot_be_asked_is_told_with_what_to_do(taker):
    deploy(taker, "time.sleep(1000)\n", probe=False)
    result = taker.module("python_process_info", {"unit": UNIT})
    assert result["failed"] and "`probe: true`" in result["msg"]
    for options, message in (
        (
            {"unit": "nothing-of-that-name"},
            'unit: found "nothing-of-that-name", which is inactive (LoadState=not-found); expected',
        ),
        ({"unit": "systemd-journald.service"}, "expected a service with a Python process. Name another one."),
        ({"pid": 1}, "pid: found 1; expected the number of a process that is a Python. Look it up again."),
    ):
        assert message in taker.module("python_process_info", options)["msg"]


def test_the_examples_of_the_module(taker):
    tree = ast.parse(MODULE.read_text(encoding="utf-8"))
    (examples,) = [
        node.value.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "EXAMPLES"
    ]
    deploy(taker, LEAKS["a list that grows"][0] + LOOP)
    shown = examples.replace("api.service", UNIT).replace("seconds: 30", f"seconds: {SECONDS}")
    play = yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": yaml.safe_load(shown)}])
    run = taker.playbook(play)
    assert run.code == 0, run.output
    assert "module __main__: STORE → __main__.Store.orders → list → __main__.Order" in json.dumps(
        [task["result"] for task in run.tasks], ensure_ascii=False
    )
