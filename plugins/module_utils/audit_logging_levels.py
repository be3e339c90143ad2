# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Levels of handlers that hold back what their logger lets through, in code and in literal configurations."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from .audit_logging_facts import LEVELS, level_of
from .audit_source_facts import Called, SourceFacts, spelled, text_of

_NAMES = {number: name for name, number in LEVELS.items() if name not in ("WARN", "FATAL")}


class Held(NamedTuple):
    """A logger of which all handlers hold records back: where, and from which level on its handlers let them through.

    ``unless_root`` is whether a handler of the root logger would get them.
    """

    line: int
    handlers: int
    text: str
    unless_root: bool


@dataclass
class _Logger:
    name: str
    levels: list[Optional[int]] = field(default_factory=list)
    handlers: list[Optional[Called]] = field(default_factory=list)
    propagates: bool = True


def _told(name: str, level: int, handlers: Sequence[int]) -> str:
    lowest = min(handlers)
    what = f"the logger {name}" if name else "the root logger"
    low, high = _NAMES.get(level, str(level)), _NAMES.get(lowest, str(lowest))
    return f"{what} lets through {low}, and each of its handlers holds back what is below {high}"


def _key(call: Called, name: str) -> tuple[Optional[ast.AST], str]:
    """Return what tells variables apart: one of a function is another one in the next."""
    return call.place.function(), name


def _created(facts: SourceFacts, before: Called, name: str) -> Optional[Called]:
    """Return the call whose value a variable has, where that is sure: the only assignment in its function."""
    found = [
        (place, value) for place, value in facts.assigned.get(name, []) if place.function() is before.place.function()
    ]
    if len(found) != 1 or (len(facts.assigned[name]) > len(found) and "." in name):
        return None
    _place, value = found[0]
    return next((call for call in facts.calls if call.node is value), None)


def _level_of_handler(facts: SourceFacts, created: Called, name: str) -> Optional[int]:
    """Return the level of a handler, 0 where nothing sets it; ``None`` where that is not sure."""
    given = created.argument("level")
    level = level_of(facts, given) if given is not None else 0
    sets = [call for call in facts.calls if call.method == "setLevel" and call.receiver == name]
    mine = [call for call in sets if call.place.function() is created.place.function()]
    if not mine:
        return level if not sets or created.place.function() is not None else None
    (first, *others) = mine
    if others or first.place.block != created.place.block:
        return None
    if created.place.function() is None and len(sets) > len(mine):
        return None
    return level_of(facts, first.argument("level", 0))


def _loggers(facts: SourceFacts) -> dict[tuple[Optional[ast.AST], str], _Logger]:
    """Return the loggers that variables hold, with what is done to each."""
    loggers: dict[tuple[Optional[ast.AST], str], _Logger] = {}
    for call in facts.calls:
        if call.method not in ("addHandler", "setLevel"):
            continue
        name = logger_of(facts, call)
        if name is None:
            continue
        logger = loggers.setdefault(_key(call, call.receiver), _Logger(name))
        if call.method == "addHandler":
            handler = call.argument("hdlr", 0)
            created = None
            if isinstance(handler, ast.Name):
                created = _created(facts, call, handler.id)
            logger.handlers.append(created)
        else:
            logger.levels.append(level_of(facts, call.argument("level", 0)))
    for (function, name), logger in loggers.items():
        for place, value in facts.assigned.get(f"{name}.propagate", []):
            if place.function() is function and isinstance(value, ast.Constant) and not value.value:
                logger.propagates = False
    return loggers


def logger_of(facts: SourceFacts, call: Called) -> Optional[str]:
    """Return the name of the logger that a method is called of, empty for the root logger; ``None`` for anything else."""
    if call.receiver == "logging.root":
        return ""
    if call.receiver == "logging.getLogger()":
        inner = call.node.func.value if isinstance(call.node.func, ast.Attribute) else None
        return _argument_of(inner) if isinstance(inner, ast.Call) else None
    created = _created(facts, call, call.receiver)
    if created is None or created.target != "logging.getLogger":
        return None
    return _argument_of(created.node)


def _argument_of(call: ast.Call) -> str:
    if not call.args or (isinstance(call.args[0], ast.Constant) and not call.args[0].value):
        return ""
    name = text_of(call.args[0])
    return "" if name == "root" else name or ast.unparse(call.args[0])


def _in_code(facts: SourceFacts) -> Iterator[Held]:
    for (function, variable), logger in _loggers(facts).items():
        if len(logger.levels) != 1 or not logger.handlers or logger.levels[0] is None or variable.endswith("()"):
            continue
        elsewhere = [
            call
            for call in facts.calls
            if call.receiver == variable and call.method in ("addHandler", "setLevel", "removeHandler")
            if call.place.function() is not function
        ]
        if elsewhere and (function is None or "." in variable):
            continue
        levels = [
            None
            if one is None or not one.spelled.endswith("Handler") or one.spelled.endswith("NullHandler")
            else _level_of_handler(facts, one, _variable(facts, one))
            for one in logger.handlers
        ]
        sure = [level for level in levels if level is not None]
        if len(sure) == len(levels) and min(sure) > logger.levels[0]:
            line = min(one.line for one in logger.handlers if one is not None)
            yield Held(
                line, min(sure), _told(logger.name, logger.levels[0], sure), bool(logger.name) and logger.propagates
            )


def _variable(facts: SourceFacts, created: Called) -> str:
    return next(
        (name for name, values in facts.assigned.items() if any(value is created.node for _place, value in values)), ""
    )


# Literal configurations


def _items(node: Optional[ast.AST]) -> Optional[Mapping[str, ast.expr]]:
    """Return a literal with plain keys; ``None`` for anything else."""
    if not isinstance(node, ast.Dict):
        return None
    keys = [text_of(key) for key in node.keys]
    return None if None in keys else {key or "": value for key, value in zip(keys, node.values)}


def _handlers_of(
    logger: Mapping[str, ast.expr], handlers: Mapping[str, ast.expr], facts: SourceFacts
) -> list[Optional[int]]:
    """Return the level of each handler of a logger, ``None`` where that is not plain."""
    named = logger.get("handlers")
    if named is None:
        return []
    if not isinstance(named, (ast.List, ast.Tuple)):
        return [None]
    levels: list[Optional[int]] = []
    for one in named.elts:
        items = _items(handlers.get(text_of(one) or ""))
        if items is None or "()" in items or (text_of(items.get("class")) or "").endswith("NullHandler"):
            levels.append(None)
        else:
            levels.append(level_of(facts, items["level"]) if "level" in items else 0)
    return levels


def _in_configuration(facts: SourceFacts, configuration: Mapping[str, ast.expr]) -> Iterator[Held]:
    handlers = _items(configuration.get("handlers"))
    loggers = _items(configuration.get("loggers")) if "loggers" in configuration else {}
    if handlers is None or loggers is None:
        return
    root = configuration.get("root") or loggers.get("")
    of_root = _handlers_of(_items(root) or {}, handlers, facts) if root is not None else []
    for name, node in [*loggers.items(), *([("", configuration["root"])] if "root" in configuration else [])]:
        items = _items(node)
        if items is None or "level" not in items:
            continue
        level, levels = level_of(facts, items["level"]), _handlers_of(items, handlers, facts)
        propagate = items.get("propagate")
        stays = isinstance(propagate, ast.Constant) and not propagate.value
        if levels and name and not stays:
            levels += of_root
        sure = [one for one in levels if one is not None]
        if level is not None and levels and len(sure) == len(levels) and min(sure) > level:
            yield Held(node.lineno, min(sure), _told(name, level, sure), bool(name) and not stays and root is None)


def gives_root_a_handler(facts: SourceFacts, call: Called) -> bool:
    """Whether a ``dictConfig`` may give the root logger a handler: only a literal one that does not name it surely does not."""
    node = call.argument("config", 0)
    values = [value for _place, value in facts.assigned.get(spelled(node), [])]
    items = _items(values[0] if len(values) == 1 else node)
    if items is None:
        return True
    loggers = _items(items.get("loggers")) if "loggers" in items else {}
    return "root" in items or loggers is None or "" in loggers


def held_back(facts: SourceFacts) -> list[Held]:
    """Return the loggers of a file of which every handler holds back what the logger lets through, by line."""
    found = list(_in_code(facts))
    for one in facts.dicts:
        items = {text_of(key): value for key, value in zip(one.keys, one.values)}
        if "handlers" in items and ("loggers" in items or "root" in items) and isinstance(items["handlers"], ast.Dict):
            found += _in_configuration(facts, {key or "": value for key, value in items.items()})
    return sorted(found)
