# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directives of a unit as the keys of a service: what has a key and says the same there; all else stays a directive."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Optional

from . import values as v
from .adopt_unit_text import Sections, assignments_in, command_in, resolved, words_in
from .service_keys import DAEMON, DIRECTIVE_KEYS, JOB, KEYS
from .unit_files import ENVIRONMENT

#: Returns the value of a key from the lines of its directive and the name of the unit; ``None`` where no key says the same.
_Reader = Callable[[list[str], str], Any]
#: Variables that Python takes for off where they are 0; for others any text is on.
_OFF_AT_0 = ("PYTHONUNBUFFERED", "PYTHONNOUSERSITE")
#: What systemd does when nothing is written, and the baseline when nothing else is.
_JOURNAL = ("journal", "inherit", "syslog")


def _last(lines: list[str], _unit: str) -> str:
    return lines[-1]


def _number(lines: list[str], _unit: str) -> Optional[int]:
    return int(lines[-1]) if v.is_number(lines[-1]) else None


def _text(lines: list[str], unit: str) -> Optional[str]:
    return resolved(lines[-1], unit)


def _units(lines: list[str], _unit: str) -> list[str]:
    # Names may stand in quotes, though they have no blanks; their escapes are a part of them.
    return list(dict.fromkeys(name for line in lines for name in re.sub("[\"']", "", line).split()))


def _all(found: list[Optional[str]]) -> Optional[list[str]]:
    complete = [one for one in found if one is not None]
    return complete if len(complete) == len(found) else None


def _lines(lines: list[str], unit: str) -> Optional[list[str]]:
    return _all([resolved(line, unit) for line in lines])


def _words(lines: list[str], unit: str) -> Optional[list[str]]:
    words = [words_in(line) for line in lines]
    if None in words:
        return None
    return _all([resolved(word, unit) for own in words for word in own or ()])


def _credentials(lines: list[str], unit: str) -> Optional[dict[str, str]]:
    pairs = [line.partition(":") for line in lines]
    paths = _all([resolved(path, unit) for _name, _colon, path in pairs])
    return None if paths is None else {pair[0]: path for pair, path in zip(pairs, paths)}


def _command(lines: list[str], unit: str) -> Any:
    return command_in(lines[0], unit) if len(lines) == 1 else None


def _commands(lines: list[str], unit: str) -> Any:
    found = [command_in(line, unit) for line in lines]
    if len(found) == 1:
        return found[0]
    # A list of text would be one command.
    return found if all(isinstance(command, list) for command in found) else None


_READERS: dict[str, _Reader] = {
    **dict.fromkeys(("after", "wants", "requires", "on_failure", "wanted_by"), _units),
    **dict.fromkeys(("start_limit_burst", "restart_steps", "log_rate_limit_burst"), _number),
    **dict.fromkeys(("description", "syslog_identifier", "log_namespace", "working_directory"), _text),
    **dict.fromkeys(("state_directory", "runtime_directory", "read_write_paths"), _words),
    **dict.fromkeys(("exec_start_pre", "exec_reload"), _commands),
    "exec_start": _command,
    "environment": assignments_in,
    "environment_files": _lines,
    "credentials": _credentials,
    "on_calendar": lambda lines, _unit: lines,
}


def take_keys(sections: Sections, unit: str, kind: str) -> dict[str, Any]:
    """Return the keys of a service of ``kind``, and take their directives out of ``sections``.

    ``unit`` is its name, or that of its template.
    """
    values: dict[str, Any] = {}
    for key in DIRECTIVE_KEYS:
        lines = sections.get(key.section, {}).get(key.directive)
        if not key.name or not lines or (kind == JOB and key.kind == DAEMON):
            continue
        value = _READERS.get(key.name, _last)(lines, unit)
        try:
            checked = None if value is None else key.check(value)
        except v.Refused:
            continue
        if checked is not None:
            values[key.name] = value
            del sections[key.section][key.directive]
    return values


def _is_default(name: str, value: Any, kind: str) -> bool:
    default = KEYS[name].default(kind)
    if default is not None and KEYS[name].check is v.time_span:
        return v.seconds(v.time_span(value)) == v.seconds(default)
    return bool(value == default)


def drop_defaults(values: dict[str, Any], sections: Sections, kind: str) -> None:
    """Take out what the baseline writes when nothing is said."""
    for name in [name for name in values if name in KEYS and _is_default(name, values[name], kind)]:
        del values[name]
    name = values["name"]
    own = f"{name}%i" if name.endswith("@") else name
    for key in ("description", "syslog_identifier"):
        if values.get(key) == own:
            del values[key]
    if values.get("wanted_by") == ["timers.target" if kind == JOB else "multi-user.target"]:
        del values["wanted_by"]
    if values.get("type") == "simple":
        # systemd's own default; exec is the same, and tells when the program cannot be started.
        del values["type"]
    for variable in ENVIRONMENT:
        written = values.get("environment", {}).get(variable)
        if written and not (written == "0" and variable in _OFF_AT_0):
            del values["environment"][variable]
    service = sections.get("Service", {})
    for directive in ("StandardOutput", "StandardError"):
        if service.get(directive, [""])[-1] in _JOURNAL:
            del service[directive]
    if kind == JOB:
        # The baseline writes true, systemd's own default is false.
        persistent = sections.setdefault("Timer", {}).setdefault("Persistent", ["no"])
        if persistent[-1].lower() in v.TRUE:
            del sections["Timer"]["Persistent"]
