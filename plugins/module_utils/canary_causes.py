# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a record of :mod:`logging` goes nowhere: the way that ``Logger.handle`` takes, walked through the tree that a process has shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NUMBERS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_NAMES = {number: name for name, number in NUMBERS.items()}
ROOT = "root"
#: What the root logger has as long as nobody sets it.
_DEFAULT = NUMBERS["WARNING"]
_STREAM, _NULL = "StreamHandler", "logging.NullHandler"


def level_name(number: int) -> str:
    """Return what people call a level."""
    return _NAMES.get(number, str(number))


def way_of(loggers: Mapping[str, Mapping[str, Any]], name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the logger ``name`` and those above it up to the root, as far as the tree shows them; the others only pass records on."""
    while name and name != ROOT:
        if name in loggers:
            yield loggers[name]
        name = name.rpartition(".")[0]
    if ROOT in loggers:
        yield loggers[ROOT]


def effective_level(loggers: Mapping[str, Mapping[str, Any]], name: str) -> tuple[int, str]:
    """Return from which level on a logger makes records, and the logger that says so."""
    for one in way_of(loggers, name):
        if one["level"]:
            return int(one["level"]), str(one["name"])
    return 0, ROOT


def is_silenced(loggers: Mapping[str, Mapping[str, Any]], name: str) -> bool:
    """Whether a logger passes nothing on, and none of those up to there has a handler that would do anything."""
    for one in way_of(loggers, name):
        if any(handler["class"] != _NULL for handler in one["handlers"]):
            return False
        if not one["propagate"] and one["name"] != ROOT:
            return True
    return False


def loggers_of(tree: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the loggers of a tree by name."""
    return {one["name"]: one for one in tree["loggers"]}


def cause_of(tree: Mapping[str, Any], name: str, level: str) -> str:
    """Return why a record of a logger does not reach the journal, as a process has shown its tree."""
    loggers, number = loggers_of(tree), NUMBERS[level]
    if tree["disabled_to"] >= number:
        return f"logging.disable({level_name(tree['disabled_to'])}) is in effect"
    own = loggers.get(name)
    if own is not None and own["disabled"]:
        return "the logger is disabled: dictConfig() and fileConfig() do that to those that they do not name (disable_existing_loggers)"
    effective, sayer = effective_level(loggers, name)
    if number < effective:
        return _too_low(loggers, effective, sayer)
    if own is not None and own["filters"]:
        return "a filter of the logger holds it back"
    return _in_handlers(tree, loggers, name, number)


def _too_low(loggers: Mapping[str, Mapping[str, Any]], effective: int, sayer: str) -> str:
    whose = "the root logger" if sayer == ROOT else f"the logger {sayer}"
    by_default = sayer == ROOT and effective == _DEFAULT and not loggers[ROOT]["handlers"]
    return f"the level of {whose} is {level_name(effective)}{', as nobody has set it' if by_default else ''}"


def _in_handlers(tree: Mapping[str, Any], loggers: Mapping[str, Mapping[str, Any]], name: str, number: int) -> str:
    """Return what becomes of a record behind the loggers."""
    told, end = [], ""
    for one in way_of(loggers, name):
        told += [_held_back(one["name"], handler, number) for handler in one["handlers"]]
        if not one["propagate"] and one["name"] != ROOT:
            end = one["name"]
            break
    if told:
        return "; ".join(dict.fromkeys(told))
    if end:
        return f"{end} passes nothing on (propagate=False), and there is no handler"
    if tree["last_resort"] is None:
        return "there is no handler"
    return f"there is no handler, and without one only {level_name(tree['last_resort'])} and above are shown"


def _held_back(logger: str, handler: Mapping[str, Any], number: int) -> str:
    """Return what a handler does with a record."""
    kinds, target = handler["kinds"], handler["target"]
    what = f"{handler['class'].rpartition('.')[2]} of {logger}"
    if handler["level"] > number:
        return f"{what} has the level {level_name(handler['level'])} (SB205)"
    if handler["filters"]:
        return f"{what} has a filter"
    if handler["closed"]:
        return f"{what} has a stream that is closed"
    if target.startswith("/"):
        return f"{what} writes to {target}{' (SB203)' if 'FileHandler' in kinds else ''}"
    if "QueueHandler" in kinds or "MemoryHandler" in kinds:
        return f"{what} keeps records until somebody takes them"
    if _STREAM in kinds:
        return (
            f"{what} writes it to a stream ({target or 'without a descriptor'}) that does not bring it to the journal"
        )
    return f"{what} takes it elsewhere"
