# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a process: what it holds in memory, by class.

Whatever touches objects of the application is one call of C, in which nothing of Python runs: no other thread comes in between, so
nothing ends, and no ``__del__`` runs, because somebody counts. Such a call is short, as it takes every n-th object only, and between
two of them the others have the process for as long as it has taken. No attribute, comparison, hash or ``repr`` of the application's
own classes is ever asked for. It is run by a thread of the probe, or sent into the process; so it imports nothing that is not in
every Python from 3.8 on, and nothing of this collection.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from _signal import sigtimedwait  # type: ignore[import-not-found]
from array import array
from collections import Counter, deque
from itertools import chain, compress, repeat, starmap, tee
from operator import attrgetter, is_, itemgetter
from time import thread_time, time
from types import CoroutineType, MethodDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds for which one call may stop the other threads, when nobody names others, and what is aimed at beside the unavoidable.
LONGEST, _AIM = 0.25, 0.05
#: Seconds that it takes to list an object, at the most that was measured (docs/memory.md).
LISTED = 40e-9
#: So many calls take all of the objects, or as many as they get hold of; so many classes are told.
_MOST_PARTS, _MOST_CLASSES = 40, 1000
#: The objects of the first part, which shows how long one takes.
_FIRST_PART = 20_000
#: Of an object that was not allocated by Python's own allocator: bytes in memory.
_SMALL = 64
_LONGEST_NAME = 200
#: What a class says through its own metaclass may be anything; these are the answers of C.
_MODULE, _QUALNAME, MRO, NAMESPACE, _BASIC = (
    type.__dict__[name].__get__ for name in ("__module__", "__qualname__", "__mro__", "__dict__", "__basicsize__")
)
MODULE_DICT = vars(ModuleType)["__dict__"].__get__
_PLACE = attrgetter("f_code", "f_lineno")


class Stops:
    """Does what stops the other threads, measures it, and lets them go on for as long afterwards."""

    def __init__(self) -> None:
        self.calls, self.longest, self.total, self.last = 0, 0.0, 0.0, 0.0

    def stop(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what ``function`` returns. sigtimedwait(2) is the sleep that gevent and eventlet do not replace."""
        begun = thread_time()
        result = function(*arguments)
        self.last = thread_time() - begun
        self.calls, self.total, self.longest = self.calls + 1, self.total + self.last, max(self.longest, self.last)
        sigtimedwait((), max(0.002, self.last))
        return result

    def told(self) -> dict[str, float]:
        """Return them in milliseconds."""
        return {"calls": self.calls, "longest": round(self.longest * 1000, 1), "total": round(self.total * 1000, 1)}


def is_exactly(thing: object, kind: type) -> bool:
    """Whether something is of a class itself: what is of one below it may do anything, and say that it is of another one."""
    found = type(thing)
    return found is kind


def is_any_of(thing: object, *kinds: type) -> bool:
    """Whether it is of one of some classes itself."""
    return any(is_exactly(thing, kind) for kind in kinds)


def text(value: object) -> str:
    return str(value)[:_LONGEST_NAME] if is_exactly(value, str) else "?"


def _module_of(kind: type) -> str:
    try:
        return text(_MODULE(kind))
    except AttributeError:
        return "?"


def name_of(kind: type) -> str:
    """Return the name of a class with its module, as no metaclass has a say in it."""
    module, name = _module_of(kind), text(_QUALNAME(kind))
    return name if module == "builtins" else f"{module}.{name}"


def classes_of_process() -> dict[int, type]:
    """Return all classes of this process by their address."""
    found: dict[int, type] = {}
    waiting: list[type] = [object]
    while waiting:
        kind = waiting.pop()
        if id(kind) not in found:
            found[id(kind)] = kind
            waiting += type.__subclasses__(kind)
    return found


def _sizes_by_code(kind: type) -> bool:
    """Whether somebody's own code would say how large an object is."""
    for base in MRO(kind):
        namespace = NAMESPACE(base)
        if "__sizeof__" in namespace:
            is_known = _module_of(base) in ("builtins", "collections", "_collections")
            return not (is_known and is_exactly(namespace["__sizeof__"], MethodDescriptorType))
    return False


def old_generations() -> tuple[int, ...]:
    """Return where old objects are: with a collector that is off none ever gets old; Python 3.14.0 keeps them in two halves."""
    if not gc.isenabled():
        return (0, 1, 2)
    return (1, 2) if sys.version_info[:2] == (3, 14) else (2,)


def number_in(generations: tuple[int, ...]) -> int:
    return sum(map(len, map(gc.get_objects, generations)))


def listed(generations: tuple[int, ...], offset: int, parts: int, times: int) -> tuple[Iterator[Any], ...]:
    """Return so many times the iterator over a part of the objects, which is made as soon as the first of them is asked.

    The last one beside these empties that part: young objects are in it, such as these iterators, and so it would hold itself.
    """
    lists = map(itemgetter(slice(offset, None, parts)), map(gc.get_objects, generations))
    *copies, last = tee(lists, times + 1)
    return (*map(chain.from_iterable, copies), map(list.clear, last))


def of_kinds(twice: tuple[Iterator[Any], ...], kinds: dict[int, Any]) -> Iterator[Any]:
    """Return those objects whose class has its address in ``kinds``, of what was listed two times."""
    objects, again, emptied = twice
    found = compress(objects, map(kinds.__contains__, map(id, map(type, again))))
    return chain(found, compress(emptied, repeat(False)))


class Counted:
    """What was counted: objects and bytes by the address of the class, states of tasks, and the code that they run."""

    def __init__(self) -> None:
        self.kinds: dict[int, int] = {}
        self.sizes: dict[int, int] = {}
        self.states: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.seen = 0
        self.classes: dict[int, type] = {}
        #: Classes whose size their own code would tell, and those of tasks.
        self.closed: dict[int, int] = {}
        self.tasks: dict[int, type] = {}

    def look_at_classes(self) -> None:
        """Get to know the classes that have come meanwhile; they stay, so that no address becomes that of another one."""
        task = _task_class()
        for number, kind in classes_of_process().items():
            if number not in self.classes:
                self.classes[number] = kind
                if _sizes_by_code(kind):
                    self.closed[number] = 0
                if task is not None and issubclass(kind, task):
                    self.tasks[number] = kind

    def take(self, stops: Stops, generations: tuple[int, ...], offset: int, parts: int) -> None:
        """Count every object of a part."""
        kinds, sizes = array("Q"), array("Q")
        states: list[str] = []
        codes: list[Any] = []

        def count() -> None:
            # The iterators are in no variable: what they hold is gone as soon as the call is over.
            deque(
                chain(
                    self._counting(kinds, sizes, listed(generations, offset, parts, 3)),
                    map(list.extend, (states, codes), self._tasks_in(generations, offset, parts)),
                ),
                0,
            )

        stops.stop(count)
        for kind, size in zip(kinds, sizes):
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            self.sizes[kind] = self.sizes.get(kind, 0) + size
        self.seen += len(kinds)
        self.states.update(states)
        self.codes.update(map(code_name, codes))

    def _counting(self, kinds: array[int], sizes: array[int], times: tuple[Iterator[Any], ...]) -> Iterator[Any]:
        """Return what writes down the class and the size of each object, of what was listed three times."""
        first, second, third, emptied = times
        sized = map(self.closed.get, map(id, map(type, second)), third) if self.closed else second
        return chain(map(array.extend, (kinds, sizes), (map(id, map(type, first)), map(sys.getsizeof, sized))), emptied)

    def _tasks_in(self, generations: tuple[int, ...], offset: int, parts: int) -> tuple[Iterator[Any], ...]:
        """Return the state of each task of asyncio, and the code of those that run a coroutine of Python."""
        if not self.tasks:
            return iter(()), iter(())
        task = _task_class()
        first, second = tee(of_kinds(listed(generations, offset, parts, 2), self.tasks))
        coroutines, again = tee(map(_member(task, "get_coro"), second))
        codes = map(attrgetter("cr_code"), compress(coroutines, map(is_, map(type, again), repeat(CoroutineType))))
        return map(_member(task, "_state").__get__, first), codes


def _task_class() -> Any:
    """Return the class of tasks, when this process has asyncio."""
    module = sys.modules.get("_asyncio")
    return MODULE_DICT(module).get("Task") if is_exactly(module, ModuleType) else None


def _member(kind: type, name: str) -> Any:
    return next(NAMESPACE(base)[name] for base in MRO(kind) if name in NAMESPACE(base))


def code_name(code: Any) -> str:
    """Return a function as people look for it: its name, and where it is."""
    return f"{text(getattr(code, 'co_qualname', code.co_name))} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"


def in_use() -> int:
    """Return at least as many as there are objects: the blocks of Python's allocator, or where it is not used, what memory has room for."""
    blocks = sys.getallocatedblocks()
    if blocks:
        return blocks
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // _SMALL


def refusal(expected: float, longest: float, what: str) -> dict[str, Any]:
    milliseconds = f"{expected * 1000:.0f} ms, more than the {longest * 1000:.0f} ms that longest_stop allows"
    return {"error": f"{what}, so this could stop it for {milliseconds}"}


def census(asked: str) -> dict[str, Any]:
    """Return what this process holds; ``asked`` is JSON, with the longest stop in seconds as ``longest``."""
    longest, begun = float(json.loads(asked or "{}").get("longest", LONGEST)), time()
    blocks, generations, stops = in_use(), old_generations(), Stops()
    if blocks * LISTED > longest:
        return refusal(blocks * LISTED, longest, f"it has {blocks} blocks of memory")
    number = stops.stop(number_in, generations)
    if stops.last > longest / 2:
        return refusal(2 * stops.last, longest, f"it has {number} objects")
    counted = Counted()
    factor = _count(counted, stops, generations, number)
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "time": begun,
        "objects": {"number": number, "counted": counted.seen, "generations": list(generations), "blocks": blocks},
        **_by_name(counted, factor),
        "garbage": _garbage(),
        "collector": _collector(),
        "threads": _threads(),
        "tasks": {
            "states": {name: round(found * factor) for name, found in counted.states.items()},
            "coroutines": {name: round(found * factor) for name, found in counted.codes.most_common(100)},
        },
        "stops": stops.told(),
    }


def _count(counted: Counted, stops: Stops, generations: tuple[int, ...], number: int) -> float:
    """Count the objects part by part, and return by how much what was found is to be multiplied, as not all parts may be taken.

    The first one shows how many parts it takes, and is counted again with the others.
    """
    unavoidable, first = stops.last, Counted()
    first.look_at_classes()
    first.take(stops, generations, 0, max(1, number // _FIRST_PART))
    each = max(1e-8, (stops.last - unavoidable) / max(1, first.seen))
    parts = int(number * each / _AIM) + 1
    for part in range(min(parts, _MOST_PARTS)):
        counted.look_at_classes()
        # Those that lie side by side were made side by side: of all alike, each part has its share.
        counted.take(stops, generations, part, parts)
    return max(1.0, parts / _MOST_PARTS)


def _by_name(counted: Counted, factor: float) -> dict[str, Any]:
    """Return the classes with the most objects or bytes as rows of name, objects and bytes, and the sum of all others."""
    found: dict[str, tuple[int, int]] = {}
    for number, objects in counted.kinds.items():
        kind = counted.classes.get(number)
        size = counted.sizes[number]
        if number in counted.closed and kind is not None:
            size = objects * _BASIC(kind)
        name = "a class that is gone" if kind is None else name_of(kind)
        told, its_bytes = found.get(name, (0, 0))
        found[name] = told + round(objects * factor), its_bytes + round(size * factor)
    rows = sorted(((name, *row) for name, row in found.items()), key=lambda row: (-row[1], row[0]))
    by_size = sorted(rows, key=lambda row: -row[2])[: _MOST_CLASSES // 2]
    kept = {row[0] for row in (*rows[: _MOST_CLASSES // 2], *by_size)}
    others = [row for row in rows if row[0] not in kept]
    return {
        "classes": [row for row in rows if row[0] in kept],
        "others": {
            "classes": len(others),
            "objects": sum(row[1] for row in others),
            "bytes": sum(row[2] for row in others),
        },
    }


def _garbage() -> dict[str, Any]:
    """Return what the collector has put aside: with ``gc.set_debug``, or because it cannot free it."""
    classes = classes_of_process()
    numbers = Counter(map(id, map(type, gc.garbage)))
    found = [(name_of(classes[number]), count) for number, count in numbers.items() if number in classes]
    return {"number": sum(numbers.values()), "classes": sorted(found, key=lambda row: -row[1])[:100]}


def _collector() -> dict[str, Any]:
    return {
        "enabled": gc.isenabled(),
        "frozen": gc.get_freeze_count(),
        "debug": gc.get_debug(),
        "thresholds": list(gc.get_threshold()),
        "counts": list(gc.get_count()),
        "stats": gc.get_stats(),
        "callbacks": len(gc.callbacks),
    }


def _running() -> Iterator[tuple[int, tuple[Any, int]]]:
    """Return the code and line where each thread is, by its number; no frame is in a variable of anybody."""
    numbers, frames = tee(starmap(sys._current_frames, ((),)))
    places = map(_PLACE, chain.from_iterable(map(dict.values, frames)))
    return zip(chain.from_iterable(numbers), places)


def _threads() -> list[dict[str, Any]]:
    """Return the threads but for this one. Those that :mod:`threading` does not know have no name."""
    places = dict(_running())
    own = [number for number, (code, _line) in places.items() if code is _threads.__code__]
    module = sys.modules.get("threading")
    known = MODULE_DICT(module).get("_active") if is_exactly(module, ModuleType) else None
    active: dict[int, Any] = dict.copy(known or {}) if is_exactly(known, dict) else {}
    found = []
    for number in [one for one in dict.fromkeys((*active, *places)) if one not in own][:1000]:
        thread, (code, line) = active.get(number), places.get(number, (None, 0))
        daemon = _plain(thread, "_daemonic")
        found.append(
            {
                "name": "" if thread is None else text(_plain(thread, "_name")),
                "daemon": daemon if is_exactly(daemon, bool) else None,
                "alive": number in places,
                "at": "" if code is None else f"{code_name(code).rpartition(':')[0]}:{line})",
                "known": thread is not None,
            }
        )
    return found


def _plain(thing: object, name: str) -> Any:
    """Return an attribute that an object itself has; ``None`` where its class has something of that name, which may be code."""
    if any(name in NAMESPACE(base) for base in MRO(type(thing))):
        return None
    try:
        return object.__getattribute__(thing, name)
    except AttributeError:
        return None


QUESTIONS: dict[str, Callable[[str], dict[str, Any]]] = {"census": census}
