# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan for the units of a host: check mode, diff mode and the real run all use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .accounts import Account
from .manifest import Entry, Started, digest_text
from .services import Service
from .unit_files import HEADER, Rendered
from .unit_state import Observed, obsolete_units, unit_path

_UP = ("active", "reloading")
#: On the way up or down: whatever comes next, only a restart is sure to end in a process of this run.
_BETWEEN = ("activating", "deactivating")
_FIRST = "first start by the baseline"
_UNFINISHED = "its last start by the baseline was not finished"
_PENDING = "pending"


@dataclass(frozen=True)
class FileChange:
    """A unit file to be written; ``before`` is its text now, ``foreign`` whether that is somebody else's."""

    unit: str
    service: str
    before: str | None
    after: str
    foreign: bool

    @property
    def path(self) -> str:
        """Where it is written."""
        return unit_path(self.unit)


@dataclass(frozen=True)
class Removal:
    """A unit file of ours to be removed; ``restores`` says that the foreign one from before is put back."""

    unit: str
    before: str | None
    restores: bool

    def __str__(self) -> str:
        kept = " (the unit file from before is put back)" if self.restores else ""
        return f"remove {unit_path(self.unit)}{kept}"


@dataclass(frozen=True)
class Switch:
    """A unit to be started, restarted or stopped (``verb``), and why; ``wanted`` is remembered once it is up.

    ``new_schedule`` marks a timer whose calendar changed: it must not fire for a time already past.
    """

    unit: str
    verb: str
    reasons: tuple[str, ...]
    wanted: Started
    new_schedule: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.unit}: {', '.join(self.reasons)}"


@dataclass
class Plan:
    """What a run does to a host, in this order; nothing else changes.

    ``retire`` maps units that are stopped under their unit file from before to the reason.
    """

    accounts: tuple[Account, ...] = ()
    retire: dict[str, str] = field(default_factory=dict)
    removals: list[Removal] = field(default_factory=list)
    files: list[FileChange] = field(default_factory=list)
    enable: list[str] = field(default_factory=list)
    disable: list[str] = field(default_factory=list)
    reload: bool = False
    switches: list[Switch] = field(default_factory=list)
    watch: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether a run of this plan changes anything."""
        steps = (
            self.accounts,
            self.retire,
            self.removals,
            self.files,
            self.enable,
            self.disable,
            self.reload,
            self.switches,
        )
        return any(map(bool, steps))

    def actions(self) -> list[str]:
        """Return what the run does, one line each, in order."""
        lines = [f"make {account.kind} {account.name}" for account in self.accounts]
        lines += [f"stop {unit}: {reason}" for unit, reason in self.retire.items()]
        lines += [f"disable {unit}" for unit in self.disable]
        lines += [str(removal) for removal in self.removals]
        for change in self.files:
            kept = " (the unit file that was there is kept)" if change.foreign else ""
            lines.append(f"{'create' if change.before is None else 'replace'} {change.path}{kept}")
        lines += [f"enable {unit}" for unit in self.enable]
        lines += ["daemon-reload"] if self.reload else []
        return lines + [str(switch) for switch in self.switches]


def _wanted_links(service: Service) -> frozenset[str]:
    if not service.values["enabled"]:
        return frozenset()
    own = service.values["directives"].get("Install", {})
    default = ["timers.target" if service.is_job else "multi-user.target"]
    wanted = own.get("WantedBy", service.values["wanted_by"] or default)
    required = own.get("RequiredBy", [])
    links = {f"{name}.wants" for line in wanted for name in line.split()}
    return frozenset(links | {f"{name}.requires" for line in required for name in line.split()})


class _Planner:
    """Builds a plan, service by service."""

    def __init__(self, observed: Observed, pending: Iterable[str]) -> None:
        self.observed = observed
        self.pending = frozenset(pending)
        self.plan = Plan(accounts=observed.accounts)

    def add(self, service: Service, rendered: Rendered) -> None:
        for file in rendered.files:
            self._plan_file(service, file.name, file.text)
            self._warn_about(file.name)
        self._plan_links(service)
        self._plan_former_daemon(service)
        texts = {file.name: file.text for file in rendered.files}
        self._plan_switch(service, texts[service.switched_unit])
        if any(self.observed.units[name]["NeedDaemonReload"] == "yes" for name in texts):
            self.plan.reload = True

    def remove(self, unit: str) -> None:
        """Plan the end of a unit of ours that no listed service makes any longer."""
        if unit in self.observed.own_units:
            self.plan.warnings.append(
                f"{unit} is not removed, because this run takes place inside it. Remove it from elsewhere."
            )
            return
        if self.observed.units[unit]["ActiveState"] not in ("inactive", "failed"):
            self.plan.retire[unit] = "it is removed"
        if self.observed.links[unit]:
            self.plan.disable.append(unit)
        entry = self.observed.manifest.entries[unit]
        self.plan.removals.append(Removal(unit, self.observed.files[unit], entry.replaced))

    def _plan_file(self, service: Service, unit: str, text: str) -> None:
        before = self.observed.files[unit]
        if before != text:
            ours = unit in self.observed.manifest.entries or (before or "").startswith(HEADER)
            self.plan.files.append(FileChange(unit, service.name, before, text, before is not None and not ours))

    def _warn_about(self, unit: str) -> None:
        state = self.observed.units[unit]
        for path in state["DropInPaths"].split():
            if f"/{unit}.d/" in path:
                self.plan.warnings.append(
                    f"{path} changes {unit} and is not of this collection. Move what it says into "
                    "stability_services and remove it, or leave it if it is meant."
                )
        if state["FragmentPath"].startswith(("/usr/lib/", "/lib/")):
            self.plan.warnings.append(
                f"{state['FragmentPath']} of a package is overridden by the unit file of the same name. "
                "Rename the service if both are needed."
            )

    def _plan_links(self, service: Service) -> None:
        wanted = _wanted_links(service)
        if self.observed.links[service.switched_unit] != wanted:
            (self.plan.enable if wanted else self.plan.disable).append(service.switched_unit)
        if service.is_job and self.observed.links[service.unit]:
            self.plan.disable.append(service.unit)

    def _plan_former_daemon(self, service: Service) -> None:
        """Plan the end of the process of a daemon, ours or somebody else's, that has become a scheduled job.

        A job is a oneshot unit whose processes end; while a daemon is up under its name, no calendar time starts it.
        """
        state = self.observed.units[service.unit]
        if not service.is_job or state["ActiveState"] in ("inactive", "failed"):
            return
        entry = self.observed.manifest.entries.get(service.unit)
        if entry:
            daemon = entry.started is not None or entry.unfinished
        else:
            daemon = state["Type"] != "oneshot" or state["SubState"] == "exited"
        if daemon:
            self.plan.retire[service.unit] = "it becomes a scheduled job"

    def wanted_start(self, service: Service, text: str) -> Started:
        """Return what the process must have been started with."""
        if service.is_job:
            return Started(digest_text(text), {}, "")
        virtualenv = service.values["virtualenv"]
        generation = self.observed.generations.get(virtualenv, "") if virtualenv else ""
        if virtualenv in self.pending:
            generation = _PENDING
        digests = {path: self.observed.digests[path] for path in service.watched_paths}
        return Started(digest_text(text), digests, generation)

    def _plan_switch(self, service: Service, text: str) -> None:
        unit = service.switched_unit
        state = self.observed.units[unit]
        up = state["ActiveState"] in _UP
        wanted = self.wanted_start(service, text)
        if service.values["state"] == "stopped":
            if up or state["ActiveState"] in _BETWEEN:
                self.plan.switches.append(Switch(unit, "stop", ("state is stopped",), wanted))
            return
        entry: Entry | None = self.observed.manifest.entries.get(unit)
        started = entry.started if entry else None
        reasons = self._reasons(unit, text, entry, wanted)
        if up and reasons and unit in self.observed.own_units:
            self.plan.warnings.append(
                f"{unit} is not restarted, because this run takes place inside it; it goes on as it was started "
                f"({', '.join(reasons)}). Restart it from elsewhere."
            )
        elif up and reasons:
            self.plan.switches.append(Switch(unit, "restart", tuple(reasons), wanted, service.is_job))
        elif not up:
            why = reasons if not started else [f"it was {state['ActiveState']} ({state['SubState']})", *reasons]
            verb = "restart" if state["ActiveState"] in _BETWEEN else "start"
            self.plan.switches.append(Switch(unit, verb, tuple(why), wanted, service.is_job and bool(reasons)))
        elif not service.is_job and self._is_unsettled(service, state):
            self.plan.watch.append(unit)

    def _reasons(self, unit: str, text: str, entry: Entry | None, wanted: Started) -> list[str]:
        """Return why the unit's process is not one with ``wanted``; empty when it is.

        A unit file that somebody has changed may have been in effect since: by hand, after a crash or after a reboot.
        """
        if entry and entry.unfinished:
            return [_UNFINISHED]
        if entry is None or entry.started is None:
            return [_FIRST]
        started = entry.started
        if self.observed.files[unit] not in (None, text):
            started = replace(started, unit="")
        return started.reasons(wanted)

    def _is_unsettled(self, service: Service, state: Mapping[str, str]) -> bool:
        """Whether a unit that says active was restarted by systemd so short ago that it may be in a crash loop."""
        up_for = self.observed.now - int(state["ActiveEnterTimestampMonotonic"] or 0) / 1e6
        return int(state.get("NRestarts") or 0) > 0 and up_for < service.settle_sec

    def orphans(self, names: Iterable[str]) -> list[str]:
        listed = set(names)
        return sorted({entry.service for entry in self.observed.manifest.entries.values()} - listed)


def plan_units(
    services: list[Service], rendered: Mapping[str, Rendered], observed: Observed, pending: Iterable[str] = ()
) -> Plan:
    """Return the plan that brings a host from ``observed`` to ``services``.

    ``rendered`` holds the unit files by service name; ``pending`` names the virtual environments that an earlier step
    of a real run would have changed (check mode).
    """
    planner = _Planner(observed, pending)
    for unit in obsolete_units(services, observed.manifest):
        planner.remove(unit)
    for service in services:
        if not service.is_absent:
            planner.add(service, rendered[service.name])
    plan = planner.plan
    plan.reload = bool(plan.reload or plan.removals or plan.files or plan.enable or plan.disable)
    plan.orphans = planner.orphans(service.name for service in services)
    if plan.orphans:
        plan.warnings.append(
            f"No longer listed, but still on the host: {', '.join(plan.orphans)}. "
            "Put each back into stability_services, with state: absent if it is to go."
        )
    return plan


def units_to_settle(services: Iterable[Service], plan: Plan) -> dict[str, Service]:
    """Return the services whose units the run must see up, by unit."""
    units = {switch.unit for switch in plan.switches if switch.verb != "stop"} | set(plan.watch)
    return {service.unit: service for service in services if service.unit in units and not service.is_job}


def describe(plan: Plan) -> dict[str, Any]:
    """Return the plan for a module's result."""
    return {
        "changed": plan.changed,
        "actions": plan.actions(),
        "orphans": plan.orphans,
        "restarted": [switch.unit for switch in plan.switches if switch.verb == "restart"],
        "started": [switch.unit for switch in plan.switches if switch.verb == "start"],
        "stopped": [*plan.retire, *(switch.unit for switch in plan.switches if switch.verb == "stop")],
    }
