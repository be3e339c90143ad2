# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a process: what keeps the objects of a class there, as names in the source; no value is ever told.

It goes by the rules of :mod:`.runtime_census`, and is sent into a process right behind that, where both are one.
"""

from __future__ import annotations

import gc
import json
import sys
from collections import Counter, deque
from itertools import chain, compress, islice, repeat, starmap
from operator import is_
from types import (
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

from .runtime_census import (
    LISTED,
    LONGEST,
    MODULE_DICT,
    MRO,
    NAMESPACE,
    Stops,
    classes_of_process,
    code_name,
    in_use,
    is_any_of,
    is_exactly,
    listed,
    name_of,
    number_in,
    of_kinds,
    old_generations,
    refusal,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds that it takes to look at one reference, at the most that was measured.
_REFERRED = 3e-9
#: Samples of a class, and of those that are looked for, so many may be in a part of the objects.
_SAMPLES, _PART = 3, 100_000
#: Of one search: levels, objects of a level that are followed, referrers of each, and calls.
_DEEPEST, _WIDEST, _MOST_REFERRERS, _MOST_CALLS = 10, 5, 64, 30
#: Of a search from the modules on: levels, objects, and the references of one object.
_LEVELS, _MOST_OBJECTS, _MOST_REFERENCES = 8, 100_000, 2_000_000
_LONGEST_NAME = 100
_HEAP_TYPE = 1 << 9
_FLAGS = type.__dict__["__flags__"].__get__
_PASSING = (
    "list_iterator",
    "tuple_iterator",
    "dict_valueiterator",
    "dict_itemiterator",
    "set_iterator",
    "cell",
    "traceback",
)
_CODES = {FunctionType: "__code__", FrameType: "f_code", CoroutineType: "cr_code", GeneratorType: "gi_code"}


class Search:
    """Looks for what holds an object: the shortest way from a module or class, and where there is none, from a function that runs."""

    def __init__(self, stops: Stops, longest: float, samples: list[Any]) -> None:
        self._stops, self._longest, self._left, self._samples = stops, longest, _MOST_CALLS, samples
        #: By address: what each refers to on the way to the sample, and whatever was asked for; and a function or coroutine on the way.
        self._reached: dict[int, Any] = {}
        self._asked: dict[int, Any] = {}
        self._fallback: list[Any] = []
        modules = [(name, one) for name, one in list(dict.items(sys.modules)) if issubclass(type(one), ModuleType)]
        self._modules = {id(MODULE_DICT(one)): text(name) for name, one in modules}

    def chain(self, sample: Any) -> tuple[str, list[dict[str, str]]]:
        """Return how the search ended (``found``, ``unseen``, ``cut``), and the steps from what holds the object to the object."""
        self._reached, self._asked, self._fallback = {id(sample): None}, {}, []
        level, ended = [sample], "unseen"
        for depth in range(_DEEPEST + 1):
            reached: list[Any] = []
            for child in level:
                if not self._left or depth == _DEEPEST or self._stops.longest > self._longest:
                    return self._ended("cut")
                for holder in self._referrers(child, level, reached):
                    self._reached[id(holder)] = child
                    if self._is_end(holder):
                        return "found", self._steps(holder)
                    if not self._is_running(holder):
                        reached.append(holder)
            if not reached:
                break
            ended = "cut" if len(reached) > _WIDEST else ended
            level = sorted(reached, key=_rank)[:_WIDEST]
        return self._ended(ended)

    def _ended(self, ended: str) -> tuple[str, list[dict[str, str]]]:
        """Name a function that holds it, where nothing else does, or what the collector does not look at."""
        if gc.get_freeze_count():
            self._search_modules()
        if not self._fallback:
            for frame in _stacks():
                number = next(iter(self._asked.keys() & set(map(id, _locals_of(frame)))), 0)
                if number and frame.f_code.co_name != "<module>":
                    self._reached[id(frame)] = self._asked[number]
                    self._fallback.append(frame)
                    break
        return ("found", self._steps(self._fallback[0])) if self._fallback else (ended, [])

    def _search_modules(self) -> None:
        """Look at all that the modules hold, as far as that goes: nothing that was frozen is shown as one that refers to something."""
        level: list[Any] = [MODULE_DICT(one) for one in list(sys.modules.values()) if issubclass(type(one), ModuleType)]
        above: dict[int, Any] = {id(one): None for one in level}
        for depth in range(_LEVELS):
            below: list[Any] = []
            for holder in level:
                if _is_too_long(holder):
                    continue
                number = next(iter(self._asked.keys() & set(map(id, gc.get_referents(holder)))), 0)
                if number:
                    self._name_way(holder, self._asked[number], above)
                    return
                for one in gc.get_referents(holder) if depth + 1 < _LEVELS else ():
                    if gc.is_tracked(one) and id(one) not in above and len(above) < _MOST_OBJECTS and not _is_ours(one):
                        above[id(one)] = holder
                        below.append(one)
            level = below

    def _name_way(self, holder: Any, child: Any, above: dict[int, Any]) -> None:
        while holder is not None:
            self._reached[id(holder)] = child
            child, holder = holder, above[id(holder)]
        self._fallback.insert(0, child)

    def _referrers(self, child: Any, *own: list[Any]) -> list[Any]:
        """Return what refers to an object and was not reached before, without what does so for this search."""
        self._left -= 1
        self._asked[id(child)] = child
        asked = ((child,),)
        found = self._stops.stop(_some_referrers, asked)
        ours = {
            id(one) for one in (self._reached, self._asked, self._fallback, self._samples, asked, asked[0], found, *own)
        }
        return [one for one in found if id(one) not in self._reached and id(one) not in ours and not _is_ours(one)]

    def _is_end(self, holder: Any) -> bool:
        return id(holder) in self._modules or issubclass(type(holder), (type, ModuleType))

    def _is_running(self, holder: Any) -> bool:
        """Whether it is a function that a thread is in now; such a one, or else a coroutine that waits, is named if nothing else is."""
        if is_exactly(holder, FrameType) and any(one is holder for one in _stacks()):
            self._fallback.insert(0, holder)
            return True
        if is_any_of(holder, CoroutineType, GeneratorType):
            self._fallback.append(holder)
        return False

    def _steps(self, holder: Any) -> list[dict[str, str]]:
        """Return what is on the way from ``holder`` to the object that was looked for: the class of each, and its name for the next."""
        steps: list[dict[str, str]] = []
        while holder is not None:
            child = self._reached[id(holder)]
            kind = "class" if issubclass(type(holder), type) else name_of(type(holder))
            step = {"class": kind, "name": _own_name(holder), "via": ""}
            module = self._modules.get(id(holder))
            if module is not None:
                step.update({"class": "module", "name": module, "via": _key_of(holder, child)})
            elif child is not None and _owns_names(holder, child):
                # Its dictionary is no step of its own: its keys are names in the source.
                step["via"] = _key_of(child, self._reached[id(child)])
                child = self._reached[id(child)]
            elif child is not None:
                step["via"] = _attribute_of(holder, child)
            steps.append(step)
            holder = child
        return steps


def _some_referrers(asked: tuple[tuple[Any], ...]) -> list[Any]:
    return list(islice(chain.from_iterable(starmap(gc.get_referrers, asked)), _MOST_REFERRERS))


def _is_ours(thing: Any) -> bool:
    return is_exactly(thing, FrameType) and thing.f_globals is globals()


def _stacks() -> Iterator[Any]:
    """Return the frames of all functions that run, but for those of this thread."""
    frame: Any
    for frame in list(sys._current_frames().values()):
        while frame is not None and not _is_ours(frame):
            yield frame
            frame = frame.f_back


def _locals_of(frame: Any) -> list[Any]:
    """Return what the local variables of a function that runs refer to; Python 3.11 and 3.12 do not show it without leaving a copy there."""
    return list(frame.f_locals.values()) if sys.version_info >= (3, 13) else gc.get_referents(frame)


def _is_too_long(holder: Any) -> bool:
    return is_any_of(holder, list, tuple, dict, set, frozenset, deque) and len(holder) > _MOST_REFERENCES


def _rank(thing: Any) -> bool:
    """Return what puts last whatever is mostly passed by, and seldom holds on to something."""
    return is_any_of(thing, FrameType, FunctionType, MethodType) or name_of(type(thing)) in _PASSING


def _own_name(thing: Any) -> str:
    """Return the name that something has in the source, as far as it has one."""
    kind = type(thing)
    if issubclass(kind, type):
        return name_of(thing)
    if issubclass(kind, ModuleType):
        return text(dict.get(MODULE_DICT(thing), "__name__"))
    thing = thing.__func__ if kind is MethodType else thing
    attribute = next((attribute for known, attribute in _CODES.items() if is_exactly(thing, known)), "")
    return code_name(getattr(thing, attribute)) if attribute else ""


def _dict_of(thing: Any) -> Any:
    """Return the dictionary with the attributes of an object; ``None`` when it has none."""
    for base in MRO(type(thing)):
        found = NAMESPACE(base).get("__dict__")
        if is_exactly(found, GetSetDescriptorType):
            try:
                return found.__get__(thing)
            except AttributeError:
                return None
    return None


def _owns_names(holder: Any, child: Any) -> bool:
    """Whether ``child`` is the dictionary in which a class, a module or an object has its attributes."""
    if not is_exactly(child, dict):
        return False
    if issubclass(type(holder), type):
        # What a class shows of it is a view.
        return any(one is child for one in gc.get_referents(NAMESPACE(holder)))
    return _FLAGS(type(holder)) & _HEAP_TYPE != 0 and _dict_of(holder) is child


def _key_of(names: Any, value: Any) -> str:
    """Return the name of a value among the attributes of something."""
    try:
        found: Any = next(compress(dict.keys(names), map(is_, dict.values(names), repeat(value))), None)
    except RuntimeError:
        # It changes at this moment.
        return ""
    return str(found) if is_exactly(found, str) and found.isidentifier() and len(found) < _LONGEST_NAME else ""


def _attribute_of(holder: Any, child: Any) -> str:
    """Return the name of the attribute by which an object of somebody's class refers to another."""
    kind = type(holder)
    if not _FLAGS(kind) & _HEAP_TYPE:
        return ""
    for base in MRO(kind):
        for name, member in list(NAMESPACE(base).items()):
            if is_exactly(member, MemberDescriptorType) and _slot(member, holder) is child:
                return text(name)
    names = _dict_of(holder)
    return _key_of(names, child) if is_exactly(names, dict) else ""


def _slot(member: Any, holder: Any) -> Any:
    try:
        return member.__get__(holder)
    except AttributeError:
        return None


def _samples(stops: Stops, kinds: dict[int, Any], generations: tuple[int, ...], number: int) -> list[Any]:
    """Return some of the newest objects of classes that have become old."""
    parts = max(1, number // _PART)
    for part in range(parts):
        found: list[Any] = stops.stop(_last, kinds, generations, part, parts)
        if found:
            return found
    return []


def _last(kinds: dict[int, Any], generations: tuple[int, ...], part: int, parts: int) -> list[Any]:
    return list(deque(of_kinds(listed(generations, part, parts, 2), kinds), _SAMPLES))


def chains(asked: str) -> dict[str, Any]:
    """Return what holds the objects of some classes; of several samples the way that most have.

    ``asked`` is JSON: the names of the ``classes``, the ``longest`` stop, and ``references``, the number of references in containers.
    """
    options = json.loads(asked)
    longest, blocks, stops = float(options.get("longest", LONGEST)), in_use(), Stops()
    expected = blocks * LISTED + float(options.get("references", 0)) * _REFERRED
    if expected > longest:
        return refusal(expected, longest, f"it has {blocks} blocks of memory, and containers with many references")
    generations = old_generations()
    number = stops.stop(number_in, generations)
    found = {}
    for name in options["classes"][:3]:
        kinds = {one: None for one, kind in classes_of_process().items() if name_of(kind) == name}
        samples = _samples(stops, kinds, generations, number)
        ways = [Search(stops, longest, samples).chain(samples[index]) for index in range(len(samples))]
        best = Counter(json.dumps(way) for way in ways).most_common(1)
        ended, steps = json.loads(best[0][0]) if best else ("gone", [])
        found[name] = {"ended": ended, "steps": steps}
    return {"chains": found, "stops": stops.told()}


QUESTIONS: dict[str, Callable[[str], dict[str, Any]]] = {"chains": chains}
