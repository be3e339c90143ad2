# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit files of a service: its directives from top to bottom, then their text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .hardening import PRESETS
from .quoting import assignment, command_line, quote_word, without_specifiers
from .service_keys import DIRECTIVE_KEYS, Key
from .services import Service

HEADER = (
    "# Managed by stability.baseline. A change made here is undone by the next run:\n"
    "# change stability_services instead.\n"
)
#: What every service's process finds in its environment: no buffered output, a traceback on a fatal signal, and no
#: distribution from the user's own folder (python(1), "ENVIRONMENT VARIABLES").
ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", "PYTHONNOUSERSITE": "1"}

#: section -> directive -> its values (several repeat the directive); dictionaries keep the order of the file.
Sections = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class UnitFile:
    """The name of a unit and the text of its unit file."""

    name: str
    text: str


@dataclass(frozen=True)
class RetryWindow:
    """How a job's failed runs are retried: ``seconds`` of the start limit, and the number of ``retries`` inside it."""

    seconds: float
    retries: int


@dataclass(frozen=True)
class Rendered:
    """The unit files of one service; ``too_new`` has (directive, systemd that it needs) of what was left out."""

    files: tuple[UnitFile, ...]
    too_new: tuple[tuple[str, int], ...]


def _words(members: list[str]) -> list[str]:
    return [" ".join(quote_word(member) for member in members)]


def _commands(members: list[list[str] | str]) -> list[str]:
    return [member if isinstance(member, str) else command_line(member) for member in members]


def _whole_lines(members: list[str]) -> list[str]:
    return [without_specifiers(member) for member in members]


#: How the values of these keys are written; all others are written as they are.
_WRITERS: dict[str, Callable[[Any], list[str]]] = {
    "description": lambda text: [without_specifiers(text)],
    "syslog_identifier": lambda text: [without_specifiers(text)],
    "log_namespace": lambda text: [without_specifiers(text)],
    "working_directory": lambda path: [without_specifiers(path)],
    "after": lambda units: [" ".join(units)],
    "wants": lambda units: [" ".join(units)],
    "requires": lambda units: [" ".join(units)],
    "on_failure": lambda units: [" ".join(units)],
    "wanted_by": lambda units: [" ".join(units)],
    "environment": lambda names: [assignment(name, value) for name, value in names.items()],
    "environment_files": _whole_lines,
    "credentials": lambda names: [f"{name}:{without_specifiers(path)}" for name, path in names.items()],
    "state_directory": _words,
    "runtime_directory": _words,
    "read_write_paths": _words,
    "exec_start_pre": _commands,
    "exec_start": lambda command: _commands([command]),
    "exec_reload": _commands,
    "on_calendar": list,
}


def _span(seconds: float) -> str:
    """Return a time span for systemd, never longer than ``seconds``: a job's window must end before its next time."""
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{int(seconds * 1000)}ms"


def _derived(service: Service, window: RetryWindow | None) -> dict[str, Any]:
    """Return what the baseline makes of a service's keys where the key itself says nothing."""
    values = dict(service.values)
    values["description"] = values["description"] or service.name
    values["syslog_identifier"] = values["syslog_identifier"] or service.name
    values["environment"] = {**ENVIRONMENT, **(values["environment"] or {})}
    values["wanted_by"] = values["wanted_by"] or ["timers.target" if service.is_job else "multi-user.target"]
    if window and values["restart"] != "no":
        values["start_limit_interval_sec"] = values["start_limit_interval_sec"] or _span(window.seconds)
        values["start_limit_burst"] = values["start_limit_burst"] or window.retries + 1
    elif service.is_job:
        values["start_limit_interval_sec"] = values["start_limit_interval_sec"] or "0"
    return values


def _written(key: Key, value: object) -> list[str]:
    writer = _WRITERS.get(key.name)
    return writer(value) if writer else [str(value)]


def _put_hardening(sections: Sections, preset: str) -> None:
    for directive, value in PRESETS[preset].items():
        sections["Service"].setdefault(directive, [value])


def sections_of(service: Service, window: RetryWindow | None = None) -> Sections:
    """Return every directive of ``service``, its own ``directives`` included, in the order of the unit files."""
    values = _derived(service, window)
    sections: Sections = {"Unit": {}, "Service": {}, "Timer": {}, "Install": {}}
    for key in DIRECTIVE_KEYS:
        if not key.directive:
            continue
        value = values[key.name] if key.name else (key.job if service.is_job else key.daemon)
        if value is not None and value != [] and value != {}:
            sections[key.section][key.directive] = _written(key, value)
        if key.name == "limit_nofile":
            _put_hardening(sections, values["hardening"])
    for section, entries in values["directives"].items():
        sections[section].update({name: list(lines) for name, lines in entries.items()})
    return sections


def _text(sections: Mapping[str, Mapping[str, list[str]]]) -> str:
    parts = [HEADER]
    for section, entries in sections.items():
        if entries:
            lines = [f"{name}={value}\n" for name, values in entries.items() for value in values]
            parts.append(f"\n[{section}]\n" + "".join(lines))
    return "".join(parts)


def _leave_out_too_new(sections: Sections, version: int) -> list[tuple[str, int]]:
    left_out = []
    for key in DIRECTIVE_KEYS:
        if key.since > version and key.directive in sections[key.section]:
            del sections[key.section][key.directive]
            left_out.append((key.directive, key.since))
    return left_out


def render(service: Service, systemd_version: int, window: RetryWindow | None = None) -> Rendered:
    """Return the unit files of ``service`` for a host with ``systemd_version`` (``252``).

    ``window`` is needed for a job that is retried; see :func:`~.calendar_period.retry_window`.
    """
    sections = sections_of(service, window)
    too_new = tuple(_leave_out_too_new(sections, systemd_version))
    if not service.is_job:
        daemon = {name: sections[name] for name in ("Unit", "Service", "Install")}
        return Rendered((UnitFile(service.unit, _text(daemon)),), too_new)
    job = {name: sections[name] for name in ("Unit", "Service")}
    timer = {
        "Unit": {"Description": [f"Timer of {service.unit}"]},
        "Timer": sections["Timer"],
        "Install": sections["Install"],
    }
    return Rendered((UnitFile(service.unit, _text(job)), UnitFile(service.switched_unit, _text(timer))), too_new)
