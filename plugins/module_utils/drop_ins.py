# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins over units of somebody else: a restart policy that fits the unit's own type, and what is written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .services import Service
from .unit_files import Rendered, Sections, UnitFile, fail_once, leave_out_too_new, sections_with, text_of

#: Kinds of units that a policy is for.
DAEMON, ONESHOT, TRIGGERED = "daemon", "oneshot", "triggered"
#: The policy for each kind of unit, by key. What is triggered keeps its own: it is tried again at its next time, a start
#: limit counts the starts by its timer, too (systemd.unit(5), ``StartLimitIntervalSec=``), and a job that ends well would
#: begin again and again under ``Restart=always``.
_POLICIES: dict[str, dict[str, Any]] = {
    DAEMON: {"start_limit_interval_sec": "0", "restart": "always", "restart_sec": "5s"},
    ONESHOT: {
        "start_limit_interval_sec": "10min",
        "start_limit_burst": 4,
        "restart": "on-failure",
        "restart_sec": "1min",
    },
    TRIGGERED: {},
}
#: What systemd takes over for a running unit at the daemon-reload; all else is of the next start.
_AT_RELOAD = frozenset(
    (
        "After",
        "Description",
        "Documentation",
        "OnFailure",
        "OnSuccess",
        "Restart",
        "RestartSec",
        "RestartSteps",
        "RestartMaxDelaySec",
        "RestartMode",
        "StartLimitBurst",
        "StartLimitIntervalSec",
        "TimeoutStartSec",
        "TimeoutStopSec",
        "Wants",
    )
)


def type_under(service: Service, unit_type: str) -> str:
    """Return the ``Type=`` of a unit under its drop-in; ``unit_type`` is its own."""
    written = service.values["directives"].get("Service", {}).get("Type") or [""]
    return str(written[-1] or service.values["type"] or unit_type)


@dataclass(frozen=True)
class Under:
    """What a drop-in lies over: the ``Type=`` of the unit itself, the kinds of units that start it (``timer``, ``socket``,
    ``path``), whether it is enabled, so that it runs without them, and the lines of it that :mod:`.runtime_lines` asks for."""

    type: str
    triggers: frozenset[str] = frozenset()
    is_enabled: bool = False
    lines: Mapping[str, list[str]] = field(default_factory=dict)


def policy_for(service: Service, under: Under) -> str:
    """Return which policy fits a unit.

    systemd.service(5): ``Restart=always`` on a oneshot unit keeps it from being loaded. What a timer starts is a job whatever
    its ``Type=``, and so is what only a path starts. The instances of a template that a socket starts are one connection each.
    """
    is_oneshot = type_under(service, under.type) == "oneshot"
    is_job = "timer" in under.triggers or ("path" in under.triggers and not under.is_enabled)
    if is_job or (under.triggers and (is_oneshot or service.is_template)):
        return TRIGGERED
    return ONESHOT if is_oneshot else DAEMON


def _values(service: Service, under: Under) -> dict[str, Any]:
    policy = _POLICIES[policy_for(service, under)]
    given = {name: value for name, value in service.values.items() if value is not None}
    return {**service.values, **policy, **given}


def _resetting(sections: Sections) -> Sections:
    """Return ``sections`` with the unit's own command taken out before a new one: there may be one only."""
    service = dict(sections["Service"])
    for directive in ("ExecStart", "ExecReload"):
        if service.get(directive, [""])[:1] not in ([], [""]):
            service[directive] = ["", *service[directive]]
    return {**sections, "Service": service}


def render_drop_in(service: Service, systemd_version: int, under: Under) -> Rendered:
    """Return the drop-in of ``service`` for a host with ``systemd_version``, over a unit that is there."""
    sections = _resetting(sections_with(service, _values(service, under), under.lines))
    too_new = tuple(leave_out_too_new(sections, systemd_version))
    fail_once(sections, systemd_version)
    started = {
        name: {directive: lines for directive, lines in entries.items() if directive not in _AT_RELOAD}
        for name, entries in sections.items()
    }
    return Rendered((UnitFile(service.files[0], text_of(sections)),), too_new, text_of(started))
