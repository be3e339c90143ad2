# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a process: records that are made to be looked for in the journal, and the tree of loggers that they went through.

It is run by the thread of the probe, or alone as a program. This runs on Python 3.8 and newer, with nothing but the standard library.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: So many loggers are tried, and shown: beside the root logger those that somebody has configured. A rate limit has room for more.
MOST_LOGGERS = 25
#: A record is a test: it says so to whoever reads it, or is woken by it.
_TEXT = "stability canary {}: {} of {}; this is a test of logging, nothing is wrong"


def text(token: str, level: str, name: str) -> str:
    """Return the message of a record; ``name`` is the logger's, or that of the library."""
    return _TEXT.format(token, level, name)


def configured() -> list[logging.Logger]:
    """Return the root logger and those that have a level, a handler or a filter of their own, or are cut off."""
    found: list[logging.Logger] = [logging.root]
    # Another thread may add some meanwhile.
    for _name, one in sorted(logging.root.manager.loggerDict.copy().items()):
        # Python 3.8 lets another one be called root.
        if (
            isinstance(one, logging.Logger)
            and one.name != logging.root.name
            and (one.level or one.handlers or one.filters or one.disabled or not one.propagate)
        ):
            found.append(one)
    return found[:MOST_LOGGERS]


def _target(stream: Any) -> str:
    """Return what a stream leads to, as ``/proc`` names it: a path, or a socket or pipe with its number."""
    try:
        return os.readlink(f"/proc/self/fd/{stream.fileno()}")
    except (AttributeError, OSError, TypeError, ValueError):
        return ""


def _handler(one: logging.Handler) -> dict[str, Any]:
    stream = getattr(one, "stream", None)
    kind = type(one)
    names = [base.__name__ for base in kind.__mro__]
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "kinds": [name for name in ("FileHandler", "StreamHandler", "QueueHandler", "MemoryHandler") if name in names],
        "level": one.level,
        "filters": len(one.filters),
        "target": "" if stream is None else _target(stream),
        "closed": bool(getattr(stream, "closed", False)),
    }


def tree(_token: str = "") -> dict[str, Any]:
    """Return the loggers as they are now: each with what decides whether a record of it goes anywhere."""
    loggers = [
        {
            "name": one.name,
            "level": one.level,
            "propagate": bool(one.propagate),
            "disabled": bool(one.disabled),
            "filters": len(one.filters),
            "handlers": [_handler(handler) for handler in one.handlers],
        }
        for one in configured()
    ]
    last = logging.lastResort
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "disabled_to": logging.root.manager.disable,
        "last_resort": None if last is None else last.level,
        "loggers": loggers,
        "libraries": [name for name in ("structlog", "loguru") if name in sys.modules],
        "patched": _patched(),
    }


def _patched() -> str:
    """Return what has replaced the locks of :mod:`threading`: a foreign thread that waits for such a one may wait for ever."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    return ""


class Outcome:
    """What became of the making of one record: a filter, handler or processor of the application may raise anything."""

    failed = ""

    def __enter__(self) -> Outcome:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        # Without what it says, which may quote what the application works with; an import names a module.
        said = f": {error}" if isinstance(error, ImportError) else ""
        self.failed = f"{type(error).__name__}{said}" if error is not None else ""
        return isinstance(error, Exception)


def _make(library: str, logger: logging.Logger | None, level: str, message: str) -> None:
    """Make one record; ``logger`` is one of :mod:`logging`, or none for the other libraries."""
    if logger is not None:
        logger.log(getattr(logging, level), message)
    elif library == "structlog":
        getattr(sys.modules[library].get_logger(), level.lower())(message)
    else:
        sys.modules[library].logger.log(level, message)


def canary(token: str) -> dict[str, Any]:
    """Make a record at every level through each way that this process has; return them and the tree.

    A row is what was used (``logging``, ``structlog``, ``loguru``), the logger, or the library again, the level, and what went
    wrong; that is empty mostly. Where threads are not those of the operating system no record is made.
    """
    found = tree()
    ways: list[tuple[str, logging.Logger | None]] = [("logging", one) for one in configured()]
    ways += [(one, None) for one in found["libraries"]]
    rows: list[tuple[str, str, str, str]] = []
    for library, logger in () if found["patched"] else ways:
        name = library if logger is None else logger.name
        for level in LEVELS:
            with Outcome() as outcome:
                _make(library, logger, level, text(token, level, name))
            rows.append((library, name, level, outcome.failed))
    return {**found, "records": rows}


QUESTIONS: dict[str, Callable[[str], dict[str, Any]]] = {"canary": canary, "logging": tree}
