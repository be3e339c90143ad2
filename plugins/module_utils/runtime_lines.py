# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a unit by which a service has the runtime, beside its variables, and what takes their place."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from .quoting import quoted
from .runtime_place import PROBE
from .sandbox import made_folders
from .service_runtime import IDENTIFIER, PATH, VARIABLES
from .services import Service

_RUNTIME_DIRECTORY = "RUNTIME_DIRECTORY"
#: The folder with the sockets below /run. What follows a colon in a name would be taken for a link (systemd.exec(5)), but not what a
#: specifier stands for, which is the name of the unit without its suffix, of each instance its own (systemd.unit(5)).
_SOCKETS = "stability/%N"
#: What a drop-in has to know of the unit that it lies over: without it, what it writes would take its place.
_BELOW = re.compile(r"^[ \t]*(SyslogIdentifier|RuntimeDirectory|Environment)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_SETS_PATH = re.compile(rf"(?:^|[\s\"']){PATH}=")
#: A line of a file for ``EnvironmentFile=`` that gives one of the variables another value.
_SET_IN_FILE = re.compile(rf"^[ \t]*({'|'.join((PATH, *VARIABLES))})[ \t]*=", re.MULTILINE)

#: The lines of a ``[Service]`` section by directive.
Section = dict[str, list[str]]


def lines_below(texts: Iterable[str]) -> Section:
    """Return the lines that count for :func:`complete` of the files of a unit that a drop-in lies over."""
    found: Section = {}
    for text in texts:
        for directive, value in _BELOW.findall(text):
            found.setdefault(directive, []).append(value)
    return found


def sets_path(below: Mapping[str, list[str]]) -> bool:
    """Whether a unit has a ``PYTHONPATH`` of its own."""
    return any(_SETS_PATH.search(line) for line in below.get("Environment", ()))


def complete(values: Mapping[str, Any], section: Section, below: Mapping[str, list[str]]) -> Section:
    """Return ``section`` with what follows from its other lines: what the journal calls the service, the folder of its sockets.

    ``below`` are the lines of the unit that a drop-in lies over.
    """
    variables = []
    logging = values["logging"]
    identifier = (section.get("SyslogIdentifier") or below.get("SyslogIdentifier") or [""])[-1]
    if logging and logging.apply == "startup" and identifier:
        variables.append(_assigned(IDENTIFIER, identifier))
    if not values["probe"]:
        return _with_lines(section, {"Environment": variables})
    variables.append(_assigned(PROBE, f"/run/{_SOCKETS}"))
    # The service has the variable that it has without the probe: many a program takes it for the path of one folder.
    folders = [*below.get("RuntimeDirectory", ()), *section.get("RuntimeDirectory", ())]
    own = ":".join(made_folders({"RuntimeDirectory": folders}))
    added = {"RuntimeDirectory": [_SOCKETS]}
    if _RUNTIME_DIRECTORY not in (values["environment"] or {}):
        if own:
            variables.append(_assigned(_RUNTIME_DIRECTORY, own))
        else:
            added["UnsetEnvironment"] = [_RUNTIME_DIRECTORY]
    return _with_lines(section, {"Environment": variables, **added})


def _assigned(name: str, text: str) -> str:
    """Return an assignment of a text whose specifiers stay what they are."""
    return quoted(f"{name}={text}")


def _with_lines(section: Section, added: Mapping[str, list[str]]) -> Section:
    """Return ``section`` with further lines, those of new directives behind the environment."""
    found: Section = {}
    new = {directive: lines for directive, lines in added.items() if lines and directive not in section}
    for directive, lines in section.items():
        found[directive] = [*lines, *added.get(directive, ())]
        if directive == "Environment":
            found.update(new)
    return {**found, **new}


def overridden(services: Iterable[Service]) -> list[str]:
    """Return a warning for each file of variables that gives one of the runtime's variables another value."""
    warnings = []
    for one in (one for entry in services if entry.uses_runtime for one in entry.processes):
        patterns = [name.lstrip("-") for name in one.values["environment_files"] or ()]
        for path in sorted({path for pattern in patterns for path in glob.glob(pattern)}):
            with suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
                names = sorted(set(_SET_IN_FILE.findall(stream.read())))
                if names:
                    warnings.append(_told(one.name, path, names))
    return warnings


def _told(service: str, path: str, names: list[str]) -> str:
    lost = f" With another {PATH} there is no runtime: move that to the key environment." if PATH in names else ""
    return f"{service}: {path} sets {', '.join(names)}, which counts instead of what its keys say.{lost}"
