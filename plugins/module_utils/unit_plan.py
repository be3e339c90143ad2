# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan for the units of a host: check mode, diff mode and the real run all use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from .accounts import Account
from .manifest import ENVIRONMENT, Entry, Started, digest_text
from .placed_files import Placed, changed_places, digests_of, to_remove, to_write
from .services import Service
from .unit_files import HEADER, Rendered
from .unit_names import is_drop_in, is_instance, template_of, unit_of
from .unit_neighbours import warnings_about, warnings_of_overriding
from .unit_state import Observed, obsolete_names, unit_path, units_of

#: What runs.
UP = ("active", "reloading")
#: On the way up or down: whatever comes next, only a restart is sure to end in a process of this run.
_BETWEEN = ("activating", "deactivating")
_FIRST = "first start by the baseline"
_UNFINISHED = "its last start by the baseline was not finished"
_PENDING = "pending"
#: What is done with a unit that an earlier step of the run has started on its changed environment: it is only seen up.
SEE = "see"
#: The text of a drop-in's directives for the next start when there are none.
NOTHING = HEADER


@dataclass(frozen=True)
class FileChange:
    """A unit file or drop-in to be written; ``before`` is its text now, ``foreign`` whether that is somebody else's."""

    name: str
    service: str
    before: str | None
    after: str
    foreign: bool

    @property
    def path(self) -> str:
        """Where it is written."""
        return unit_path(self.name)


@dataclass(frozen=True)
class Removal:
    """A unit file or drop-in of ours to be removed; ``restores`` says that the foreign one from before is put back.

    ``has_file`` is whether there is a file to be removed or put back: an instance of a template has none, and a run that was
    killed may have put the foreign one back already.
    """

    name: str
    before: str | None
    restores: bool
    has_file: bool = True

    def __str__(self) -> str:
        if not self.has_file:
            return f"forget {self.name}"
        kept = " (the unit file from before is put back)" if self.restores else ""
        return f"remove {unit_path(self.name)}{kept}"


@dataclass(frozen=True)
class Switch:
    """A unit to be started, restarted or stopped (``verb``), and why; ``wanted`` is remembered as ``record`` once it is up.

    With the verb :data:`SEE` nothing is done but that.

    ``new_schedule`` marks a timer whose calendar changed: it must not fire for a time already past.
    """

    unit: str
    verb: str
    reasons: tuple[str, ...]
    wanted: Started
    record: str
    new_schedule: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.unit}: {', '.join(self.reasons)}"


@dataclass
class Plan:
    """What a run does to a host, in this order; nothing else changes.

    ``placed`` are files that processes read, ``unplaced`` those that go when every unit is up without them.
    ``retire`` maps units that are stopped under their unit file from before to the reason. ``adopt`` holds, by record, with
    what a process of somebody else's unit is taken to have been started; to remember it is no change of the host.
    """

    accounts: tuple[Account, ...] = ()
    staged: tuple[str, ...] = ()
    retire: dict[str, str] = field(default_factory=dict)
    removals: list[Removal] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    files: list[FileChange] = field(default_factory=list)
    enable: list[str] = field(default_factory=list)
    disable: list[str] = field(default_factory=list)
    reload: bool = False
    switches: list[Switch] = field(default_factory=list)
    unplaced: list[Placed] = field(default_factory=list)
    adopt: dict[str, Started] = field(default_factory=dict)
    watch: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether a run of this plan changes anything."""
        steps = (
            self.accounts,
            self.staged,
            self.retire,
            self.removals,
            self.placed,
            self.files,
            self.enable,
            self.disable,
            self.reload,
            self.acts,
            self.unplaced,
        )
        return any(map(bool, steps))

    @property
    def acts(self) -> list[Switch]:
        """The switches that change the host."""
        return [switch for switch in self.switches if switch.verb != SEE]

    def actions(self) -> list[str]:
        """Return what the run does, one line each, in order."""
        lines = [f"make {account.kind} {account.name}" for account in self.accounts]
        lines += [f"remove {path}, which a killed run left" for path in self.staged]
        lines += [f"stop {unit}: {reason}" for unit, reason in self.retire.items()]
        lines += [f"disable {unit}" for unit in self.disable]
        lines += [str(one) for one in (*self.removals, *self.placed)]
        for change in self.files:
            kept = " (the unit file that was there is kept)" if change.foreign else ""
            lines.append(f"{'create' if change.before is None else 'replace'} {change.path}{kept}")
        lines += [f"enable {unit}" for unit in self.enable]
        lines += ["daemon-reload"] if self.reload else []
        return lines + [str(one) for one in (*self.acts, *self.unplaced)]


def _wanted_links(service: Service) -> frozenset[str]:
    if not service.values["enabled"]:
        return frozenset()
    own = service.values["directives"].get("Install", {})
    default = ["timers.target" if service.is_job else "multi-user.target"]
    wanted = own.get("WantedBy", service.values["wanted_by"] or default)
    folders = {"wants": wanted, "requires": own.get("RequiredBy", []), "upholds": own.get("UpheldBy", [])}
    links = {f"{name}.{folder}" for folder, lines in folders.items() for line in lines for name in line.split()}
    return frozenset(links | {name for line in own.get("Alias", []) for name in line.split()})


def _are_linked(wanted: frozenset[str], links: frozenset[str]) -> bool:
    """Whether ``links`` are the ``wanted`` ones; of those with a specifier only systemd knows the name."""
    return len(links) == len(wanted) and {name for name in wanted if "%" not in name} <= links


def is_ours(name: str, observed: Observed) -> bool:
    """Whether the file that is there is ours: a run that was killed may have put somebody else's back already."""
    text = observed.files.get(name)
    if text is None or text.startswith(HEADER):
        return text is not None
    entry = observed.manifest.entries.get(name)
    return entry is not None and not (entry.replaced and name not in observed.kept)


def _is_starting(state: Mapping[str, str]) -> bool:
    """Whether a start of the unit goes on (``start-pre``, ``start``, ``start-post``); one that waits for the next try is none."""
    return state["ActiveState"] == "activating" and state["SubState"].startswith("start")


def is_own(unit: str, observed: Observed) -> bool:
    """Whether the run takes place inside ``unit``, by any of its names, or inside an instance of it."""
    names = {unit, *observed.units[unit]["Names"].split()}
    return bool(names & {own for name in observed.own_units for own in (name, template_of(name))})


def removal_of(name: str, observed: Observed) -> Removal:
    """Return the removal of a unit or drop-in of ours."""
    entry = observed.manifest.entries.get(name, Entry(""))
    restores = entry.replaced and name in observed.kept
    return Removal(
        name, observed.files[name], restores, not is_instance(name) and (restores or is_ours(name, observed))
    )


def has_own_file(name: str, observed: Observed) -> bool:
    """Whether somebody has made a unit file for an instance of a template, under which it runs: the template has no effect."""
    return is_instance(name) and observed.units[name].get("FragmentPath") == unit_path(name)


def not_removed(unit: str) -> str:
    """Return the warning about a unit that ends with this run if it is removed."""
    return f"{unit} is not removed, because this run takes place inside it. Remove it from elsewhere."


def drop_in_remains(name: str) -> str:
    """Return the warning about a process that was started with what a removed drop-in said."""
    return f"{unit_of(name)} goes on as it was started, with what the drop-in said. Restart it when that suits."


class _Planner:
    """Builds a plan, service by service."""

    def __init__(
        self, observed: Observed, pending: Iterable[str], started: Mapping[str, str], wanted: Mapping[str, str]
    ) -> None:
        self.observed = observed
        self.pending = frozenset(pending)
        self.started = started
        self.placed = wanted
        self.plan = Plan(accounts=observed.accounts, staged=observed.staged, placed=to_write(wanted, observed.placed))

    def add(self, service: Service, rendered: Rendered) -> None:
        for file in rendered.files:
            self._plan_file(service, file.name, file.text)
        if service.is_drop_in:
            self._plan_enabled(service)
            self.plan.warnings += warnings_of_overriding(service, rendered, self.observed)
        else:
            self.plan.warnings += warnings_about(service, self.observed)
            for one in service.processes:
                self._plan_links(one)
                self._plan_former_daemon(one)
        for one in service.processes:
            self._plan_switch(one, rendered.start)
        # NeedDaemonReload= says no for a unit's first drop-in, and for a first unit file over one of a package (seen on 252).
        if any(self._is_unfinished(one) for one in (service, *service.processes)):
            self.plan.reload = True
        if any(self.observed.units[name]["NeedDaemonReload"] == "yes" for name in units_of([service])):
            self.plan.reload = True

    def _is_unfinished(self, service: Service) -> bool:
        """Whether a run may have been killed before systemd read the files; one inside the unit itself cannot go on."""
        entries = [self.observed.manifest.entries.get(name) for name in (service.record, service.unit)]
        return any(entry and entry.unfinished for entry in entries) and not self.is_own(service.switched_unit)

    def is_own(self, unit: str) -> bool:
        return is_own(unit, self.observed)

    def remove(self, name: str, *, is_listed: bool) -> None:
        """Plan the end of a unit or drop-in of ours that no listed service makes any longer, or of a stray instance.

        ``is_listed`` is whether its service goes on in another way.
        """
        entry = self.observed.manifest.entries.get(name, Entry(""))
        if is_drop_in(name):
            self.plan.removals.append(removal_of(name, self.observed))
            if not is_listed and entry.started and entry.started.unit != digest_text(NOTHING):
                self.plan.warnings.append(drop_in_remains(name))
            return
        if has_own_file(name, self.observed):
            self.plan.removals.append(removal_of(name, self.observed))
            return
        if self.is_own(name):
            self.plan.warnings.append(not_removed(name))
            return
        if self.observed.units[name]["ActiveState"] not in ("inactive", "failed"):
            self.plan.retire[name] = "it is removed"
        if self.observed.links[name]:
            self.plan.disable.append(name)
        self.plan.removals.append(removal_of(name, self.observed))

    def _plan_file(self, service: Service, name: str, text: str) -> None:
        before = self.observed.files[name]
        if before != text:
            foreign = before is not None and not is_ours(name, self.observed)
            self.plan.files.append(FileChange(name, service.entry, before, text, foreign))

    def _plan_enabled(self, service: Service) -> None:
        """Plan whether somebody else's unit is enabled, where that is written out."""
        state = self.observed.units[service.unit]["UnitFileState"]
        if service.values["enabled"] is True and state == "disabled":
            self.plan.enable.append(service.unit)
        elif service.values["enabled"] is False and state == "enabled":
            self.plan.disable.append(service.unit)

    def _plan_links(self, service: Service) -> None:
        wanted = _wanted_links(service)
        if not _are_linked(wanted, self.observed.links[service.switched_unit]):
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
        if self.is_own(service.unit):
            self.plan.warnings.append(
                f"{service.unit} goes on as a daemon, because this run takes place inside it. Stop it from elsewhere."
            )
            return
        entry = self.observed.manifest.entries.get(service.unit)
        if entry:
            # A run that was killed owes the stop, unless systemd has read the file of the job: that is written after it.
            file = template_of(service.unit)
            is_job_yet = state["Type"] == "oneshot" and file not in {change.name for change in self.plan.files}
            daemon = entry.started is not None or (entry.unfinished and not is_job_yet)
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
        placed = digests_of(self.placed)
        digests.update({path: placed[path] for path in service.placed})
        return Started(digest_text(text), digests, generation)

    def _plan_switch(self, service: Service, text: str) -> None:
        unit = service.switched_unit
        state = self.observed.units[unit]
        up = state["ActiveState"] in UP
        wanted = self.wanted_start(service, text)
        if service.values["state"] == "stopped":
            if self.is_own(unit):
                self.plan.warnings.append(
                    f"{unit} is not stopped, because this run takes place inside it. Stop it from elsewhere."
                )
            elif up or state["ActiveState"] in _BETWEEN:
                self.plan.switches.append(Switch(unit, "stop", ("state is stopped",), wanted, service.record))
            return
        entry = self.observed.manifest.entries.get(service.record)
        started = entry.started if entry else None
        reasons = self._reasons(service, text, entry, wanted)
        if reasons == [ENVIRONMENT] and self._is_started(unit, state):
            self._switch(service, SEE, reasons, wanted, False)
        elif up and reasons and self.is_own(unit):
            self.plan.warnings.append(
                f"{unit} is not restarted, because this run takes place inside it; it goes on as it was started "
                f"({', '.join(reasons)}). Restart it from elsewhere."
            )
        elif up and reasons:
            self._switch(service, "restart", reasons, wanted, service.is_job)
        elif _is_starting(state) and service.values["state"] and not reasons:
            # As it should be; whether it comes up is seen as after a start of our own.
            self.plan.watch.append(unit)
        elif not up and service.values["state"]:
            why = reasons if not started else [f"it was {state['ActiveState']} ({state['SubState']})", *reasons]
            verb = "restart" if state["ActiveState"] in _BETWEEN else "start"
            self._switch(service, verb, why, wanted, service.is_job and bool(reasons))
        elif service.is_drop_in:
            # What does not run is started with all that is there then.
            if started is None or (not up and started != wanted):
                self.plan.adopt[service.record] = wanted
        elif up and not service.is_job and self._is_unsettled(service, state):
            self.plan.watch.append(unit)

    def _is_started(self, unit: str, state: Mapping[str, str]) -> bool:
        """Whether an earlier step has started the process that runs, or in check mode would have."""
        return unit in self.started and self.started[unit] in ("", state["InvocationID"])

    def _switch(self, service: Service, verb: str, why: list[str], wanted: Started, new_schedule: bool) -> None:
        self.plan.switches.append(Switch(service.switched_unit, verb, tuple(why), wanted, service.record, new_schedule))

    def _reasons(self, service: Service, text: str, entry: Entry | None, wanted: Started) -> list[str]:
        """Return why the unit's process is not one with ``wanted``; empty when it is.

        A unit file that somebody has changed may have been in effect since: by hand, after a crash or after a reboot.
        A process of somebody else's unit, met for the first time, lacks only what the drop-in adds.
        """
        if entry and entry.unfinished:
            return [_UNFINISHED]
        started = entry.started if entry else None
        if service.is_drop_in:
            started = started or replace(wanted, unit=digest_text(NOTHING))
        elif started is None:
            return [_FIRST]
        elif self.observed.files[template_of(service.switched_unit)] not in (None, text):
            started = replace(started, unit="")
        changed = changed_places(self.placed, self.observed.placed) & set(service.placed)
        return replace(started, paths={**started.paths, **dict.fromkeys(changed, "")}).reasons(wanted)

    def _is_unsettled(self, service: Service, state: Mapping[str, str]) -> bool:
        """Whether a unit that says active was restarted by systemd so short ago that it may be in a crash loop."""
        up_for = self.observed.now - int(state["ActiveEnterTimestampMonotonic"] or 0) / 1e6
        return int(state.get("NRestarts") or 0) > 0 and up_for < service.settle_sec

    def plan_unplaced(self, present: frozenset[str]) -> None:
        """Plan the end of files that nobody reads; a service that is not ``present``, or cannot be removed, keeps its own."""
        entries, gone = self.observed.manifest.entries, {removal.name for removal in self.plan.removals}
        names = [name for name, entry in entries.items() if entry.service not in present and name not in gone]
        services = {entries[name].service for name in names}
        with_runtime = not self.observed.with_runtime.isdisjoint(names)
        self.plan.unplaced = to_remove(self.placed, self.observed.placed, services, with_runtime)

    def orphans(self, names: Iterable[str]) -> list[str]:
        listed = set(names)
        return sorted({entry.service for entry in self.observed.manifest.entries.values()} - listed)


def plan_units(
    services: list[Service],
    rendered: Mapping[str, Rendered],
    observed: Observed,
    pending: Iterable[str] = (),
    started: Mapping[str, str] = MappingProxyType({}),
    placed: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """Return the plan that brings a host from ``observed`` to ``services``.

    ``rendered`` holds the unit files by service name; ``pending`` names the virtual environments that an earlier step
    of a real run would have changed (check mode), ``started`` the invocations that it has started on changed ones (empty in
    check mode), ``placed`` has the texts of the files that the processes of ``services`` read, by path.
    """
    planner = _Planner(observed, pending, started, placed)
    listed = {unit for service in services for unit in units_of([service])}
    for name in (*obsolete_names(services, observed.manifest), *observed.strays):
        planner.remove(name, is_listed=unit_of(name) in listed)
    for service in services:
        if not service.is_absent:
            planner.add(service, rendered[service.name])
    planner.plan_unplaced(frozenset(service.name for service in services if not service.is_absent))
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
    processes = [one for service in services for one in service.processes]
    return {one.unit: one for one in processes if one.unit in units and not one.is_job}


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
