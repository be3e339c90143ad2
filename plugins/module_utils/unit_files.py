# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit files of a service: its directives from top to bottom, then their text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .hardening import PRESETS
from .quoting import assignment, command_line, quote_word, without_specifiers
from .runtime_lines import complete
from .service_keys import DAEMON, DIRECTIVE_KEYS, DROP_IN, JOB, Key
from .service_runtime import environment
from .services import Service

HEADER = (
    "# Managed by stability.baseline. A change made here is undone by the next run:\n"
    "# change stability_services instead.\n"
)
#: What every service's process finds in its environment: no buffered output, a traceback on a fatal signal, and no
#: distribution from the user's own folder (python(1), "ENVIRONMENT VARIABLES").
ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", "PYTHONNOUSERSITE": "1"}
#: The first systemd with ``RestartMode=``.
_RESTART_MODE = 254
#: The first systemd that takes capabilities away from a process with ``User=root`` and filters of system calls, so that it can no
#: longer become somebody else (seen with 257, not with 252). From 255 on there is another way to the variables that come with it.
_LOSES_CAPABILITIES = 257

#: section -> directive -> its values (several repeat the directive); dictionaries keep the order of the file.
Sections = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class UnitFile:
    """The name of a unit and the text of its unit file."""

    name: str
    text: str


@dataclass(frozen=True)
class RetryWindow:
    """How a job's failed runs are retried: ``seconds`` of the start limit, and the number of ``retries`` inside it.

    That bounds the retries as long as no try takes more than ``longest_try`` seconds.
    """

    seconds: float
    retries: int
    longest_try: float = float("inf")


@dataclass(frozen=True)
class Rendered:
    """The unit files of one service; ``too_new`` has (directive, systemd that it needs) of what was left out.

    ``start`` is what a running process must have been started with: the text of the unit that is started, or, of a
    drop-in, only that of the directives which a running unit does not take over.
    """

    files: tuple[UnitFile, ...]
    too_new: tuple[tuple[str, int], ...]
    start: str


def _line(text: str, kept: str) -> list[str]:
    return [without_specifiers(text, kept)]


def _words(members: list[str], kept: str) -> list[str]:
    return [" ".join(quote_word(member, kept) for member in members)]


def _commands(members: list[list[str] | str], kept: str) -> list[str]:
    return [member if isinstance(member, str) else command_line(member, kept) for member in members]


def _units(members: list[str], kept: str) -> list[str]:
    return [" ".join(members)]


#: How the values of these keys are written; all others are written as they are. The second argument holds the letters
#: of the specifiers that stay: values of variables reach the process byte for byte, so that there are none in them.
_WRITERS: dict[str, Callable[[Any, str], list[str]]] = {
    "description": _line,
    "syslog_identifier": _line,
    "log_namespace": _line,
    "working_directory": _line,
    "after": _units,
    "wants": _units,
    "requires": _units,
    "on_failure": _units,
    "wanted_by": _units,
    "environment": lambda names, kept: [assignment(name, value) for name, value in names.items()],
    "environment_files": lambda paths, kept: [without_specifiers(path, kept) for path in paths],
    "credentials": lambda names, kept: [f"{name}:{without_specifiers(path, kept)}" for name, path in names.items()],
    "state_directory": _words,
    "runtime_directory": _words,
    "read_write_paths": _words,
    "exec_start_pre": _commands,
    "exec_start": lambda command, kept: _commands([command], kept),
    "exec_reload": _commands,
    "on_calendar": lambda expressions, kept: list(expressions),
}
#: The specifiers of systemd.unit(5) that mean something in the lists of a template, and only there.
_OF_INSTANCE = "iI"


def _span(seconds: float) -> str:
    """Return a time span for systemd, never longer than ``seconds``: a job's window must end before its next time."""
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{int(seconds * 1000)}ms"


def _derived(service: Service, window: RetryWindow | None) -> dict[str, Any]:
    """Return what the baseline makes of a service's keys where the key itself says nothing."""
    values = dict(service.values)
    own_name = f"{service.name}%i" if service.is_template else service.name
    values["description"] = values["description"] or own_name
    values["syslog_identifier"] = values["syslog_identifier"] or own_name
    values["environment"] = {**ENVIRONMENT, **(values["environment"] or {})}
    values["wanted_by"] = values["wanted_by"] or ["timers.target" if service.is_job else "multi-user.target"]
    if window and window.retries and values["restart"] != "no":
        values["start_limit_interval_sec"] = values["start_limit_interval_sec"] or _span(window.seconds)
        values["start_limit_burst"] = values["start_limit_burst"] or window.retries + 1
    elif service.is_job:
        values["restart"] = "no"
        values["start_limit_interval_sec"] = values["start_limit_interval_sec"] or "0"
    return values


def _written(key: Key, value: object, kept: str) -> list[str]:
    writer = _WRITERS.get(key.name)
    return writer(value, kept) if writer else [str(value)]


def _put_hardening(sections: Sections, preset: str) -> None:
    for directive, value in PRESETS[preset].items():
        sections["Service"].setdefault(directive, [value])


def sections_with(
    service: Service, values: Mapping[str, Any], below: Mapping[str, list[str]] = MappingProxyType({})
) -> Sections:
    """Return every directive that ``values`` (by key) and the ``directives`` of ``service`` make, in the order of the files.

    ``below`` are lines of the unit that a drop-in lies over (see :func:`~.runtime_lines.complete`).
    """
    sections: Sections = {"Unit": {}, "Service": {}, "Timer": {}, "Install": {}}
    values = {**values, "environment": environment(values)}
    kind = DROP_IN if service.is_drop_in else JOB if service.is_job else DAEMON
    kept = _OF_INSTANCE if service.is_template else ""
    for key in DIRECTIVE_KEYS:
        if not key.directive:
            continue
        value = values[key.name] if key.name else key.default(kind)
        if value is not None and value != [] and value != {}:
            sections[key.section][key.directive] = _written(key, value, kept)
        if key.name == "limit_nofile":
            _put_hardening(sections, values["hardening"])
    for section, entries in values["directives"].items():
        sections[section].update({name: list(lines) for name, lines in entries.items()})
    sections["Service"] = complete(values, sections["Service"], below)
    return sections


def sections_of(service: Service, window: RetryWindow | None = None) -> Sections:
    """Return every directive of ``service``, its own ``directives`` included, in the order of the unit files."""
    return sections_with(service, _derived(service, window))


def text_of(sections: Mapping[str, Mapping[str, list[str]]]) -> str:
    """Return the text of a unit file or drop-in with these directives."""
    parts = [HEADER]
    for section, entries in sections.items():
        if entries:
            lines = [f"{name}={value}\n" for name, values in entries.items() for value in values]
            parts.append(f"\n[{section}]\n" + "".join(lines))
    return "".join(parts)


def leave_out_too_new(sections: Sections, version: int) -> list[tuple[str, int]]:
    """Take out what a host with systemd ``version`` does not know; return (directive, systemd that it needs) for each."""
    left_out = []
    for key in DIRECTIVE_KEYS:
        if key.since > version and key.directive in sections[key.section]:
            del sections[key.section][key.directive]
            left_out.append((key.directive, key.since))
    return left_out


def fail_once(sections: Sections, version: int) -> None:
    """Let ``OnFailure=`` run when the last try has failed, on a host with systemd ``version``.

    systemd.service(5): from 254 on each try passes through ``failed``, and so runs it, unless ``RestartMode=direct``.
    """
    if version >= _RESTART_MODE and "OnFailure" in sections["Unit"] and "RestartMode" not in sections["Service"]:
        service: dict[str, list[str]] = {}
        for name, lines in sections["Service"].items():
            service[name] = lines
            if name == "Restart":
                service["RestartMode"] = ["direct"]
        sections["Service"] = service


def keep_capabilities(sections: Sections, version: int) -> None:
    """Let a process of root be one without ``User=root``, on a host with systemd ``version`` where that costs capabilities."""
    service = sections["Service"]
    if (
        version >= _LOSES_CAPABILITIES
        and service.get("User") in (["root"], ["0"])
        and "SetLoginEnvironment" not in service
    ):
        lines = {"SetLoginEnvironment" if name == "User" else name: lines for name, lines in service.items()}
        sections["Service"] = {**lines, "SetLoginEnvironment": ["yes"]}


def render(service: Service, systemd_version: int, window: RetryWindow | None = None) -> Rendered:
    """Return the unit files of ``service`` for a host with ``systemd_version`` (``252``).

    ``window`` is needed for a job that is retried; see :func:`~.calendar_period.retry_window`.
    """
    sections = sections_of(service, window)
    too_new = tuple(leave_out_too_new(sections, systemd_version))
    fail_once(sections, systemd_version)
    keep_capabilities(sections, systemd_version)
    if not service.is_job:
        text = text_of({name: sections[name] for name in ("Unit", "Service", "Install")})
        return Rendered((UnitFile(service.unit, text),), too_new, text)
    job = {name: sections[name] for name in ("Unit", "Service")}
    timer = {
        "Unit": {
            "Description": [f"Timer of {service.name}%i.service" if service.is_template else f"Timer of {service.unit}"]
        },
        "Timer": sections["Timer"],
        "Install": sections["Install"],
    }
    text = text_of(timer)
    return Rendered((UnitFile(service.unit, text_of(job)), UnitFile(service.switched_unit, text)), too_new, text)
