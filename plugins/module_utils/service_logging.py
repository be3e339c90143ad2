# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the key ``logging`` of a service may say, and what becomes of it: variables of its process, or a file of its own."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import values as v
from .runtime_place import ROOT

#: The levels of :mod:`logging` by name, the lowest first.
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: The folder of the files for ``apply: file`` on a host, each named after its service.
FOLDER = f"{ROOT}/logging"
_TEXT = "%(levelname)s %(name)s: %(message)s"
#: A name has to be a word of ``STABILITY_LOGGERS``; those of :mod:`logging` are names of modules.
_LOGGER = re.compile(r"[^\s=]+\Z")


@dataclass(frozen=True)
class Logging:
    """How a service logs: ``level`` of the root logger, ``loggers`` by name, ``format``, and who applies it.

    With ``apply`` ``startup`` that is the runtime, before the first line of the program; with ``file`` the program reads a file.
    """

    level: str = "INFO"
    format: str = "text"
    loggers: Mapping[str, str] = field(default_factory=dict)
    apply: str = "startup"

    @property
    def variables(self) -> dict[str, str]:
        """The variables by which the runtime knows it (:mod:`.runtime_start`)."""
        if self.apply == "file":
            return {}
        words = " ".join(f"{name}={level}" for name, level in self.loggers.items())
        return {
            "STABILITY_LOG_LEVEL": self.level,
            "STABILITY_LOG_FORMAT": self.format,
            **({"STABILITY_LOGGERS": words} if words else {}),
        }

    @property
    def file(self) -> str:
        """The configuration for ``logging.config.dictConfig`` as JSON: one handler on stderr, and no logger is disabled.

        The handler's own level is the lowest that any logger has, so that it holds back nothing.
        """
        lowest = min((self.level, *self.loggers.values()), key=LEVELS.index)
        handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "level": lowest, "formatter": "text"}
        configuration = {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"text": {"format": _TEXT}},
            "handlers": {"stderr": handler},
            "root": {"level": self.level, "handlers": ["stderr"]},
            "loggers": {name: {"level": level} for name, level in self.loggers.items()},
        }
        return json.dumps(configuration, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def file_of(service: str) -> str:
    """Return the path of the file of a service for ``apply: file``."""
    return f"{FOLDER}/{service}.json"


def _level(value: object) -> str:
    if isinstance(value, str) and value in LEVELS:
        return value
    remedy = f"Write {value.upper()}" if isinstance(value, str) and value.upper() in LEVELS else "Choose one of them"
    raise v.Refused(f"one of {', '.join(LEVELS)}", remedy)


def _loggers(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise v.Refused("a mapping of names of loggers to levels", "Write {urllib3: WARNING}")
    faults = v.Faults()
    for name, level in value.items():
        if not isinstance(name, str):
            faults.add("the name of a logger", v.QUOTE_IT, "", name)
        elif name == "root":
            faults.add("the name of a logger that is not the root logger", "Write level beside loggers", ".root", level)
        elif not _LOGGER.match(name) or "\0" in name:
            faults.add("the name of a logger without blanks and =", "Write it as logging.getLogger has it", "", name)
        else:
            faults.check(_level, level, f".{name}")
    faults.raise_any()
    return dict(value)


_KEYS: dict[str, v.Checker] = {
    "level": _level,
    "format": v.one_of("text", "json"),
    "loggers": _loggers,
    "apply": v.one_of("file", "startup"),
}


def parse_logging(value: object) -> Logging:
    """Return the checked value of the key ``logging``; :class:`~.values.Refused` with every fault."""
    if not isinstance(value, Mapping):
        raise v.Refused(f"a mapping with {', '.join(_KEYS)}", "Write {level: INFO}")
    faults, given = v.Faults(), dict[str, Any]()
    for key, part in value.items():
        if key in _KEYS:
            given[key] = faults.check(_KEYS[key], part, f".{key}")
        else:
            near = difflib.get_close_matches(str(key), _KEYS, n=1)
            remedy = f"Did you mean {near[0]}" if near else "Take it out"
            faults.add(f"one of {', '.join(_KEYS)}", remedy, "", key)
    if given.get("apply") == "file" and given.get("format") == "json":
        faults.add(
            "text with apply: file", "The formatter is a part of the runtime; write apply: startup", ".format", "json"
        )
    faults.raise_any()
    return Logging(**given)
