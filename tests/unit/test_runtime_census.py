# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process counts what it holds, and says what holds it, on every Python that this machine has; it notices nothing of that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.census import chains_of
from matrix import pythons

FOUND = {version: pythons.find(version) for version in (f"3.{minor}" for minor in range(8, 15))}
ALL = {version: python for version, python in FOUND.items() if python} or {"ours": sys.executable}
#: Versions that show neither what a function that runs refers to, nor that there is something.
BLIND = ("3.11", "3.12")
BEGIN = """
import gc, json, sys, threading, time
from stability_runtime import runtime_census, runtime_chains

def asked(question, **told):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(question(json.dumps(told))), name="asking")
    thread.start()
    thread.join()
    return answers[0]

def chain(name):
    return asked(runtime_chains.chains, classes=[name])

def census(**told):
    return asked(runtime_census.census, **told)

def counts(answer):
    return {name: objects for name, objects, size in answer["classes"]}
"""


def run(runtime: Path, version: str, program: str, *options: str) -> list[str]:
    """Run a program, as the file app.py; return the lines that it prints."""
    path = runtime / "app.py"
    path.write_text(BEGIN + program)
    done = subprocess.run(
        [ALL[version], *options, str(path)],
        env={"PYTHONPATH": str(runtime)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("version", ALL)
def test_a_process_counts_its_old_objects_by_class(runtime: Path, version: str) -> None:
    program = """
class Order:
    __slots__ = ("n",)
ORDERS = [Order() for number in range(30_000)]
BIG = [None] * 1_000_000
gc.collect()
print(json.dumps(census()))
"""
    (line,) = run(runtime, version, program)
    answer = json.loads(line)
    rows = {name: (objects, size) for name, objects, size in answer["classes"]}
    assert rows["__main__.Order"][0] == 30_000 and rows["__main__.Order"][1] >= 30_000 * 24
    assert rows["list"][1] > 8_000_000
    assert answer["objects"]["counted"] == pytest.approx(answer["objects"]["number"], rel=0.01)
    assert answer["python"].startswith(version if version != "ours" else "3")
    assert answer["collector"]["enabled"] and len(answer["collector"]["stats"]) >= 3
    (main,) = [one for one in answer["threads"] if one["name"] == "MainThread"]
    assert (main["alive"], main["daemon"], main["known"]) == (True, False, True)
    assert "(threading.py:" in main["at"] or "(app.py:" in main["at"]


#: What the classes of an application may do when somebody touches their objects; whatever of it runs is printed.
HARMFUL = """
class Meta(type):
    def __hash__(self): print("hash of a class"); return 1
    def __eq__(self, other): print("comparison of a class"); return True
    def __getattribute__(self, name): print("attribute of a class"); return type.__getattribute__(self, name)
    def __instancecheck__(self, other): print("check of an instance"); return True
    def __repr__(self): print("repr of a class"); return "Meta"
class Touchy(metaclass=Meta):
    armed = False
    def __init__(self): object.__setattr__(self, "part", [])
    def __getattribute__(self, name): print("attribute", name); return object.__getattribute__(self, name)
    def __hash__(self): print("hash"); return 1
    def __eq__(self, other): print("comparison"); return True
    def __repr__(self): print("repr"); return ""
    def __sizeof__(self): print("size"); return 10**9
    def __len__(self): print("length"); return 1
    @property
    def __class__(self): print("class"); return dict
class Listed(list):
    def __sizeof__(self): print("size"); return 10**9
    def __iter__(self): print("iteration"); return iter(())
    def __len__(self): print("length"); return 0
class Keyed(dict):
    def __getitem__(self, key): print("item"); return 1
    def keys(self): print("keys"); return []
KEPT = [Touchy() for number in range(50)]
LISTED = Listed(Listed() for number in range(50))
KEYED = Keyed((number, Touchy()) for number in range(50))
class Worker(threading.Thread):
    daemon = property(lambda self: print("daemon"))
    name = property(lambda self: print("name"))
STOPPING = threading.Event()
threading.Thread.start(Worker(target=STOPPING.wait))
gc.collect()
"""


@pytest.mark.parametrize("version", ALL)
def test_no_code_of_the_application_runs(runtime: Path, version: str) -> None:
    program = f"""{HARMFUL}
print("begin")
answer = census()
chains = [chain(name) for name in ("__main__.Touchy", "__main__.Listed", "__main__.Keyed")]
print("end")
STOPPING.set()
print(counts(answer)["__main__.Touchy"], [size for name, objects, size in answer["classes"] if name == "__main__.Listed"][0] < 10**6)
print(json.dumps([one["chains"] for one in chains]))
"""
    lines = run(runtime, version, program)
    begin = lines.index("begin")
    assert lines[begin : begin + 3] == ["begin", "end", "100 True"]
    found = [chains_of({"chains": one})[0]["held_by"] for one in json.loads(lines[-1])]
    assert (
        found[0].endswith("→ __main__.Touchy")
        and found[1] == "module __main__: LISTED → __main__.Listed → __main__.Listed"
    )


@pytest.mark.parametrize("version", ALL)
def test_nothing_is_kept_alive_and_nothing_ends_in_a_foreign_thread(runtime: Path, version: str) -> None:
    program = """
import weakref
class Short:
    where = set()
    def __init__(self): self.number = [0]
    def __del__(self): Short.where.add(threading.current_thread().name)
KEPT = [Short() for number in range(40_000)]
gc.collect()
done = []
def work():
    # Old ones end all the time, and new ones become old.
    number = 0
    while not done:
        KEPT[number % 40_000] = Short()
        number += 1
thread = threading.Thread(target=work, name="working")
thread.start()
for number in range(3):
    census()
    chain("__main__.Short")
done.append(True)
thread.join()
watched = [weakref.ref(one) for one in KEPT[:1000]]
census()
chain("__main__.Short")
gc.disable()
KEPT.clear()
print(sorted(Short.where - {"MainThread"}), sum(one() is not None for one in watched), gc.get_count()[2] >= 0)
"""
    (line,) = run(runtime, version, program)
    # A sample whose chain was looked for may have been let go by the program meanwhile.
    assert line in ("['working'] 0 True", "['asking', 'working'] 0 True")
    only_counted = program.replace('chain("__main__.Short")', "pass")
    assert run(runtime, version, only_counted) == ["['working'] 0 True"]


@pytest.mark.parametrize("version", ALL)
def test_a_census_collects_nothing_and_changes_nothing(runtime: Path, version: str) -> None:
    program = """
class Cycle:
    def __init__(self): self.me = self
KEPT = [[] for number in range(1000)]
gc.collect()
before = gc.get_stats()[2]["collections"], gc.get_threshold(), gc.isenabled(), gc.get_freeze_count(), len(gc.callbacks), gc.get_debug()
gc.disable()
for number in range(100): Cycle()
answer = census()
chain("__main__.Cycle")
gc.enable()
after = gc.get_stats()[2]["collections"], gc.get_threshold(), gc.isenabled(), gc.get_freeze_count(), len(gc.callbacks), gc.get_debug()
print(before == after, answer["collector"]["enabled"], answer["objects"]["generations"], counts(answer)["__main__.Cycle"])
"""
    assert run(runtime, version, program) == ["True False [0, 1, 2] 100"]


@pytest.mark.parametrize("version", ALL)
def test_without_a_collector_nothing_is_kept_alive_either(runtime: Path, version: str) -> None:
    program = """
import weakref
class Short: pass
class Cycle:
    def __init__(self): self.me = self
gc.disable()
kept = [Short() for number in range(10_000)]
for number in range(100): Cycle()
watched = [weakref.ref(one) for one in kept]
census()
number = len(gc.get_objects())
print(json.dumps([chain("__main__." + name)["chains"] for name in ("Short", "Cycle")]))
census()
kept.clear()
print(sum(one() is not None for one in watched), len(gc.get_objects()) - number + 10_000 < 500)
"""
    first, line = run(runtime, version, program)
    held = [chains_of({"chains": one})[0]["held_by"] for one in json.loads(first)]
    assert held[0] == "module __main__: kept → list → __main__.Short"
    assert held[1].startswith("nothing that the collector looks at") and held[1].endswith(
        "a cycle that was not collected"
    )
    assert line == "0 True"


HELD = {
    "Listed": "module __main__: STORE → __main__.Store.orders → list → __main__.Listed",
    "Keyed": "module __main__: SLOT → __main__.Slot.kept → dict → __main__.Keyed",
    "Cached": "class __main__.Cached: total → functools._lru_cache_wrapper → dict → tuple → __main__.Cached",
    "Failed": "module __main__: ERRORS → list → __main__.Failed",
    "Payload": "module __main__: ERRORS → list → __main__.Failed → traceback → frame fail (app.py:*) → __main__.Payload",
    "Risen": "class __main__.Risen: dead → list → __main__.Risen",
    "Local": "frame loop (app.py:*) → list → __main__.Local",
    "Dropped": "module __main__: TASKS → set → _asyncio.Task → coroutine job (app.py:*) → __main__.Dropped",
    "Nobody": "none of them is old",
}
HOLDERS = """
import asyncio, functools
class Listed: pass
class Store:
    def __init__(self): self.orders = []
class Keyed: pass
class Slot:
    __slots__ = ("kept",)
class Cached:
    @functools.lru_cache(maxsize=None)
    def total(self): return 1
class Failed(ValueError): pass
class Payload: pass
class Risen:
    dead = []
    def __init__(self): self.me = self
    def __del__(self): Risen.dead.append(self)
class Local: pass
class Dropped: pass
STORE, SLOT, ERRORS, TASKS = Store(), Slot(), [], set()
STORE.orders += [Listed() for number in range(50)]
SLOT.kept = {"s3cret%d" % number: Keyed() for number in range(50)}
for number in range(50):
    Cached().total()
    Risen()
def fail():
    payload = Payload()
    raise Failed("s3cret")
for number in range(50):
    try:
        fail()
    except Failed as error:
        ERRORS.append(error)
async def job():
    dropped = Dropped()
    await asyncio.sleep(1000)
async def serve():
    TASKS.update(asyncio.get_running_loop().create_task(job()) for number in range(20))
    await asyncio.sleep(1000)
def loop():
    mine = [Local() for number in range(50)]
    time.sleep(1000)
for function in (loop, lambda: asyncio.run(serve())):
    threading.Thread(target=function, daemon=True).start()
time.sleep(0.5)
gc.collect()
gc.collect()
"""


def masked(text: str) -> str:
    head, place, tail = text.partition("(app.py:")
    return f"{head}{place}*{tail[tail.index(')') :]}" if place else text


@pytest.mark.parametrize("version", ALL)
def test_what_holds_an_object_is_named_without_any_value(runtime: Path, version: str) -> None:
    program = f"""{HOLDERS}
answer = census()
print(json.dumps([answer["tasks"], answer["threads"]]))
for name in {list(HELD)!r}:
    print(json.dumps(chain("__main__." + name)["chains"]))
import os
sys.stdout.flush()
os._exit(0)
"""
    first, *lines = run(runtime, version, program)
    tasks, threads = json.loads(first)
    assert tasks["states"] == {"PENDING": 21}
    assert sum(number for name, number in tasks["coroutines"].items() if name.startswith("job (app.py:")) == 20
    assert sum(one["daemon"] is True for one in threads) == 2
    for name, line in zip(HELD, lines, strict=True):
        assert "s3cret" not in line
        (one,) = chains_of({"chains": json.loads(line)})
        # Up to Python 3.10 the frame of a coroutine is an object of its own.
        found = (
            masked(one["held_by"].replace(" → frame job (app.py:", "\\0").split("\\0")[0] + " → __main__.Dropped")
            if (name == "Dropped" and " → frame job" in one["held_by"])
            else masked(one["held_by"])
        )
        if name == "Local" and version in BLIND:
            assert found.startswith("nothing that the collector looks at: a local variable")
        else:
            assert found == HELD[name]


@pytest.mark.parametrize("version", ALL)
def test_what_a_frozen_object_holds_is_found_from_the_modules_on(runtime: Path, version: str) -> None:
    program = """
class Order: pass
class Cache:
    def __init__(self): self.known = {}
class Registry:
    cache = Cache()
gc.collect()
gc.freeze()
Registry.cache.known.update((number, Order()) for number in range(100))
gc.collect()
answer = census()
print(json.dumps([answer["collector"]["frozen"] > 1000, chain("__main__.Order")]))
"""
    (line,) = run(runtime, version, program)
    frozen, answer = json.loads(line)
    (one,) = chains_of(answer)
    # The class is found by its own name and by another one, whichever comes first.
    assert frozen and "Registry" in one["held_by"]
    assert one["held_by"].endswith("cache → __main__.Cache.known → dict → __main__.Order")


@pytest.mark.parametrize(("question", "told"), [("census", {}), ("chains", {"classes": ["x.Y"], "references": 10**9})])
def test_a_process_that_it_would_stop_too_long_is_left_alone(
    runtime: Path, question: str, told: dict[str, object]
) -> None:
    options = {**told, "longest": 0.0001} if question == "census" else told
    program = f"print(json.dumps(asked(runtime_{question}.{question}, **{options!r})))"
    (line,) = run(runtime, next(iter(ALL)), program)
    answer = json.loads(line)
    assert (
        list(answer) == ["error"] and "more than the " in answer["error"] and "longest_stop allows" in answer["error"]
    )
