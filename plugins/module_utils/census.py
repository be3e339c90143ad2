# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process holds in memory, as it has told it, and what has grown between two of these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

#: Containers of Python itself, whose bytes are mostly references, and the bytes of one.
_CONTAINERS = ("dict", "list", "tuple", "set", "frozenset", "collections.deque", "collections.OrderedDict")
_REFERENCE = 8
#: A class of Python itself is looked for when it grows by so many times as much as any other: most of what it grows by belongs to those.
_MUCH_MORE = 10
_MOST_GROWN = 50
#: Bytes that are no chance, and the share of them that explains the rest, as objects refer to text and numbers of their own.
_MUCH_MEMORY, _EXPLAINED = 4 * 2**20, 0.2
_LONGEST = 300
#: What is said of a search that has not found what holds an object.
_ENDS = {
    "unseen": (
        "nothing that the collector looks at: a local variable of a function that runs (Python 3.11 and 3.12 do not show these), "
        "code in C, or a cycle that was not collected"
    ),
    "cut": "not found within the limits of the search",
    "gone": "none of them is old",
}
#: An exception has one for each function that it went through.
_TRACE = "traceback"
_NO_ANSWER = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


@dataclass(frozen=True)
class Census:
    """The census of one process; ``started`` tells it from another one that gets its number later, ``content`` is what it holds."""

    pid: int
    started: int
    content: Mapping[str, Any]

    @property
    def classes(self) -> dict[str, tuple[int, int]]:
        """Objects and bytes of each class."""
        return {one["class"]: (one["objects"], one["bytes"]) for one in self.content["classes"]}

    @property
    def size(self) -> int:
        """Bytes of all objects that it tells of."""
        return int(sum(size for _objects, size in self.classes.values()) + self.content["others"]["bytes"])

    @property
    def references(self) -> int:
        """At most so many references are in containers."""
        return sum(size for name, (_objects, size) in self.classes.items() if name in _CONTAINERS) // _REFERENCE


@dataclass(frozen=True)
class Growth:
    """A class of which there are more objects than before: how many there are, how many more, and how many more bytes."""

    name: str
    objects: int
    grown: int
    grown_bytes: int

    @property
    def is_of_python(self) -> bool:
        """Whether it is a class of Python itself: those have no module before their name."""
        return "." not in self.name

    def result(self) -> dict[str, Any]:
        """Return it as a module's result shows it."""
        return {"class": self.name, "objects": self.objects, "grown": self.grown, "grown_bytes": self.grown_bytes}


def _text(raw: Any) -> str:
    return str(raw)[:_LONGEST]


def _finite(raw: Any) -> float:
    number = float(raw)
    if not math.isfinite(number):
        raise ValueError("no number")
    return number


def _numbers(raw: Mapping[Any, Any]) -> dict[str, int]:
    return {_text(name): int(number) for name, number in raw.items()}


def _thread(raw: Mapping[str, Any]) -> dict[str, Any]:
    daemon = raw["daemon"]
    return {
        "name": _text(raw["name"]),
        "daemon": None if daemon is None else bool(daemon),
        "alive": bool(raw["alive"]),
        "known": bool(raw["known"]),
        "at": _text(raw["at"]),
    }


def _collector(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "enabled": bool(raw["enabled"]),
        "frozen": int(raw["frozen"]),
        "debug": int(raw["debug"]),
        "thresholds": [int(one) for one in raw["thresholds"]],
        "counts": [int(one) for one in raw["counts"]],
        "stats": [_numbers(one) for one in raw["stats"]],
        "callbacks": int(raw["callbacks"]),
    }


def census_of(pid: int, started: int, raw: Mapping[str, Any]) -> Optional[Census]:
    """Return what a process has answered; ``None`` when that is no answer of the runtime: it is somebody else's word."""
    try:
        content = {
            "python": _text(raw["python"]),
            "time": _finite(raw["time"]),
            "objects": {
                **{name: int(raw["objects"][name]) for name in ("number", "counted", "blocks")},
                "generations": [int(one) for one in raw["objects"]["generations"]],
            },
            "classes": [
                {"class": _text(name), "objects": int(objects), "bytes": int(size)}
                for name, objects, size in raw["classes"]
            ],
            "others": {name: int(raw["others"][name]) for name in ("classes", "objects", "bytes")},
            "garbage": {
                "number": int(raw["garbage"]["number"]),
                "classes": {_text(name): int(number) for name, number in raw["garbage"]["classes"]},
            },
            "collector": _collector(raw["collector"]),
            "threads": [_thread(one) for one in raw["threads"]],
            "tasks": {name: _numbers(raw["tasks"][name]) for name in ("states", "coroutines")},
            "stops": {name: _finite(raw["stops"][name]) for name in ("calls", "longest", "total")},
        }
    except _NO_ANSWER:
        return None
    return Census(pid, started, content)


def logging_of(raw: Mapping[str, Any]) -> Optional[dict[str, Any]]:
    """Return the tree of loggers that a process has shown; ``None`` when that is no answer of the runtime."""
    try:
        last = raw["last_resort"]
        return {
            "disabled_to": int(raw["disabled_to"]),
            "last_resort": None if last is None else int(last),
            "libraries": [_text(one) for one in raw["libraries"]],
            "loggers": [
                {
                    "name": _text(one["name"]),
                    "level": int(one["level"]),
                    "propagate": bool(one["propagate"]),
                    "disabled": bool(one["disabled"]),
                    "filters": int(one["filters"]),
                    "handlers": [
                        {"class": _text(each["class"]), "level": int(each["level"]), "target": _text(each["target"])}
                        for each in one["handlers"]
                    ],
                }
                for one in raw["loggers"]
            ],
        }
    except _NO_ANSWER:
        return None


def growth_of(before: Census, after: Census) -> list[Growth]:
    """Return the classes of which there are more objects than before, those that have grown most first.

    A class that was not told of before, because there were few of it, counts as none.
    """
    known = before.classes
    found = []
    for name, (objects, size) in after.classes.items():
        old_objects, old_size = known.get(name, (0, 0))
        if objects > old_objects:
            found.append(Growth(name, objects, objects - old_objects, size - old_size))
    return sorted(found, key=lambda one: (-one.grown, one.name))[:_MOST_GROWN]


def unlisted(before: Census, after: Census) -> str:
    """Return what is to be said of memory that grows though no objects do; empty where that is not so."""
    grown = int(after.content["anonymous"]) - int(before.content["anonymous"])
    listed = after.size - before.size
    if grown < _MUCH_MEMORY or listed > grown * _EXPLAINED:
        return ""
    return (
        f"its memory has grown by {grown / 2**20:.0f} MiB, all objects that the collector lists by {max(0, listed) / 2**20:.1f} MiB: "
        "what grows is allocated by code in C, or is text, bytes or numbers, which are not listed"
    )


def fastest(growth: Sequence[Growth]) -> list[str]:
    """Return the class whose objects are looked for: the one that has grown most, which is seldom one of Python itself."""
    own = next((one for one in growth if not one.is_of_python), None)
    if own is None or (growth and growth[0].grown > _MUCH_MORE * own.grown):
        return [growth[0].name] if growth else []
    return [own.name]


def chains_of(raw: Mapping[str, Any]) -> Optional[list[dict[str, Any]]]:
    """Return what holds the objects of classes, as a process has answered; ``None`` when that is no answer of the runtime."""
    try:
        return [
            {"class": _text(name), "held_by": _shown(str(one["ended"]), one["steps"])}
            for name, one in raw["chains"].items()
        ]
    except _NO_ANSWER:
        return None


def _shown(ended: str, steps: Sequence[Mapping[str, str]]) -> str:
    """Return the way from a module, class or function to an object in a line."""
    if ended != "found":
        return _ENDS.get(ended, _ENDS["cut"])
    words: list[str] = []
    for index, step in enumerate(steps):
        kind, name, via = (_text(step[key]) for key in ("class", "name", "via"))
        word = " ".join(filter(None, (kind, name)))
        joined = f"{word}: {via}" if via and not index else f"{word}.{via}" if via else word
        if words[-1:] != [joined] or joined != _TRACE:
            words.append(joined)
    return " → ".join(words)
