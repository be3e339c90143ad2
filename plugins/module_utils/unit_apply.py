# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out: every step leaves a host from which the next run goes on, wherever this one is killed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from . import manifest as m
from . import systemd_host as systemd
from .accounts import make_account
from .files import remove_file, sync_folder, write_file, write_files
from .services import Service
from .settle import settle
from .unit_plan import FileChange, Plan, units_to_settle
from .unit_state import UNIT_FOLDER, Observed, unit_path, units_of

_STAMPS = "/var/lib/systemd/timers"


@dataclass(frozen=True)
class Failure:
    """A unit that did not come up: why, its last journal records, and what was done about it."""

    unit: str
    reason: str
    journal: tuple[str, ...]
    outcome: str


class _Run:
    """One run of a plan."""

    def __init__(self, plan: Plan, services: list[Service], observed: Observed) -> None:
        self.plan = plan
        self.listed = [service for service in services if not service.is_absent]
        self.services = {service.switched_unit: service for service in self.listed}
        self.observed = observed
        self.manifest = observed.manifest
        self.began = time.time()
        #: Units that systemd did not start, and why; a process that runs there is from before.
        self.refused: dict[str, str] = {}

    def remember(self, unit: str, entry: m.Entry | None) -> None:
        self.manifest = self.manifest.with_entry(unit, entry)

    def retire(self) -> None:
        """Stop what ends while systemd still knows its unit file."""
        if self.plan.retire:
            complaint = systemd.act("stop", list(self.plan.retire))
            if complaint:
                raise systemd.HostError(f"systemctl stop failed: {complaint}")

    def disable(self) -> None:
        """Disable what is not to be pulled in; systemctl(1): this also removes a unit file that is a link."""
        if self.plan.disable:
            self._enable_or_disable("disable", self.plan.disable)

    def remove_files(self) -> None:
        for removal in self.plan.removals:
            if removal.restores:
                self.put_foreign_back(removal.unit)
            else:
                remove_file(unit_path(removal.unit))

    def forget(self) -> None:
        """Forget the removed units, when nothing of them is left: until then the next run removes them again.

        Of some there is a unit file from before, put back or a package's own: their names stay known.
        """
        after = systemd.show([removal.unit for removal in self.plan.removals], ("FragmentPath",))
        for removal in self.plan.removals:
            if after[removal.unit]["FragmentPath"]:
                self.manifest = self.manifest.with_given_back(removal.unit)
            else:
                self.remember(removal.unit, None)
        if self.plan.removals:
            m.write_manifest(self.manifest)

    def claim(self) -> None:
        """Keep foreign unit files and claim the units, before any unit file is touched.

        So a killed run never loses a file, nor forgets an owner or a start that is owed.
        """
        owed = {switch.unit for switch in self.plan.switches if switch.verb != "stop"}
        foreign = {change.unit for change in self.plan.files if change.foreign}
        for unit in foreign:
            _keep_foreign(unit_path(unit))
        for service in self.listed:
            for unit in units_of([service]):
                entry = self.manifest.entries.get(unit) or m.Entry(service.name)
                kept = entry.replaced or unit in foreign
                claimed = replace(entry, service=service.name, replaced=kept)
                if unit == service.switched_unit:
                    self.remember(unit, replace(claimed, unfinished=entry.unfinished or unit in owed))
                else:
                    self.remember(unit, replace(claimed, started=None, unfinished=False))
        if self.manifest != self.observed.manifest:
            m.write_manifest(self.manifest)

    def write_files(self) -> None:
        write_files({change.path: change.after.encode("utf-8", "surrogateescape") for change in self.plan.files})

    def enable(self) -> None:
        if self.plan.enable:
            self._enable_or_disable("reenable", self.plan.enable)

    def _enable_or_disable(self, verb: str, units: list[str]) -> None:
        complaint = systemd.act(verb, units, "--no-reload")
        if complaint:
            raise systemd.HostError(f"systemctl {verb} failed: {complaint}")

    def retire_schedules(self) -> None:
        """Stop timers whose schedule changes, and let them take now for their last run.

        The daemon-reload would otherwise fire a running persistent timer for a time of the new schedule that is past.
        """
        timers = [switch.unit for switch in self.plan.switches if switch.new_schedule]
        running = [unit for unit in timers if self.observed.units[unit]["ActiveState"] == "active"]
        if running:
            systemd.act("stop", running)
        for timer in timers:
            _forget_past_times(timer)

    def switch(self) -> None:
        """Stop, then (re)start, one call for each verb; whether a unit is up is judged afterwards.

        A restart of a unit that waits for its automatic one would leave systemd's count of restarts as it is.
        """
        worn = [switch.unit for switch in self.plan.switches if _is_worn(self.observed.units[switch.unit])]
        if worn:
            systemd.act("reset-failed", worn)
        for verb in ("stop", "restart", "start"):
            units = [switch.unit for switch in self.plan.switches if switch.verb == verb]
            before = systemd.show(units, ("InvocationID",)) if verb != "stop" else {}
            complaint = systemd.act(verb, units) if units else ""
            if complaint and before:
                self.refused.update(_not_started(verb, before, complaint))

    def settle(self) -> dict[str, str]:
        chosen = units_to_settle(self.listed, self.plan)
        chosen = {unit: service for unit, service in chosen.items() if unit not in self.refused}
        running = {unit: service for unit, service in chosen.items() if unit in self.plan.watch}
        return settle({unit: service for unit, service in chosen.items() if unit not in running}, running)

    def record(self, failures: Mapping[str, str]) -> None:
        """Remember with what each unit was started that is up now."""
        for switch in self.plan.switches:
            if switch.verb == "stop" or switch.unit in failures:
                continue
            entry = self.manifest.entries[switch.unit]
            self.remember(switch.unit, replace(entry, started=switch.wanted, unfinished=False))
        if self.plan.switches:
            m.write_manifest(self.manifest)

    def timers_down(self) -> dict[str, str]:
        """Return the timers that were to be started and are not active."""
        timers = [s.unit for s in self.plan.switches if s.verb != "stop" and s.unit.endswith(".timer")]
        states = systemd.show(timers, ("ActiveState", "Result"))
        return {
            unit: f"is {state['ActiveState']} (Result={state['Result']}) after its start"
            for unit, state in states.items()
            if state["ActiveState"] != "active"
        }

    def put_back(self, failures: Mapping[str, str]) -> list[Failure]:
        """Put the unit file from before back for each unit that did not come up, and let it run as it did."""
        excerpts = {unit: self._excerpt(unit) for unit in failures}
        written = {change.unit: change for change in self.plan.files}
        back = [written[unit] for unit in failures if unit in written and self._was_there(written[unit])]
        for change in back:
            self._restore(change)
        if back:
            m.write_manifest(self.manifest)
            systemd.daemon_reload()
            self._run_as_before([change.unit for change in back])
        return [
            Failure(unit, reason, tuple(excerpts[unit]), self._outcome(unit, [change.unit for change in back]))
            for unit, reason in failures.items()
        ]

    def put_foreign_back(self, unit: str) -> None:
        """Put somebody else's unit file back; a run that was killed right after it finds it there."""
        with suppress(FileNotFoundError):
            os.replace(f"{m.REPLACED}/{unit}", unit_path(unit))
            sync_folder(UNIT_FOLDER)

    def _was_there(self, change: FileChange) -> bool:
        """Return whether there was a unit file before: at this path, or elsewhere, as those of packages are."""
        return change.before is not None or bool(self._elsewhere(change.unit))

    def _elsewhere(self, unit: str) -> str:
        """Return the unit file that was in effect in another folder; empty when there was none."""
        path = self.observed.units[unit]["FragmentPath"]
        return "" if path == unit_path(unit) or not os.path.exists(path) else path

    def _restore(self, change: FileChange) -> None:
        if change.foreign:
            self.put_foreign_back(change.unit)
            self.remember(change.unit, None)
            return
        if change.before is None:
            remove_file(change.path)
            self.remember(change.unit, None)
            return
        write_file(change.path, (change.before or "").encode("utf-8", "surrogateescape"))
        self.remember(change.unit, self.observed.manifest.entries.get(change.unit))

    def _run_as_before(self, units: list[str]) -> None:
        ran = [unit for unit in units if self.observed.units[unit]["ActiveState"] in ("active", "reloading")]
        # What systemd refused to start may have been stopped for it, or still run as before.
        verbs = {unit: "start" if unit in self.refused else "restart" for unit in ran}
        for verb in ("start", "restart", "stop"):
            chosen = [unit for unit in units if verbs.get(unit, "stop") == verb]
            if chosen:
                systemd.act(verb, chosen)

    def _excerpt(self, unit: str) -> list[str]:
        service = self.services[unit]
        systemd.run(["journalctl", "--sync"])
        return systemd.journal_tail(unit, self.began, namespace=service.values["log_namespace"] or "")

    def _outcome(self, unit: str, back: list[str]) -> str:
        if unit in back:
            state = systemd.show([unit], ("ActiveState",))[unit]["ActiveState"]
            return f"The unit file from before has been put back; the unit is {state} under it."
        if unit in self.refused:
            return "systemd refused the start, and does not try again by itself."
        if any(change.unit == unit for change in self.plan.files):
            return "There was no unit before; the new one stays, and systemd goes on trying as it says."
        return "Its unit file did not change; systemd goes on trying as it says."


def _is_worn(state: systemd.UnitState) -> bool:
    """Return whether a unit has failed or was restarted by systemd, and still has the marks of it."""
    return state["ActiveState"] in ("failed", "activating") or state.get("NRestarts", "0") not in ("", "0")


def _not_started(verb: str, before: Mapping[str, systemd.UnitState], complaint: str) -> dict[str, str]:
    """Return, by unit, why systemd refused its start: every start has an ``InvocationID=`` of its own."""
    after = systemd.show(list(before), ("InvocationID",))
    refused = {}
    for unit in (unit for unit in before if after[unit] == before[unit]):
        lines = complaint.splitlines()
        line = next((line for line in lines if unit in line), lines[0])
        reason = line.partition(f"{unit}: ")[2] or line
        refused[unit] = f"could not be {verb}ed: {reason.rstrip('.')}"
    return refused


def _keep_foreign(path: str) -> None:
    """Keep somebody else's unit file (or link) as it is, before it is replaced for the first time."""
    os.makedirs(m.REPLACED, mode=0o700, exist_ok=True)
    kept = os.path.join(m.REPLACED, os.path.basename(path))
    staged = f"{kept}.stability-staged"
    remove_file(staged)
    shutil.copy2(path, staged, follow_symlinks=False)
    os.replace(staged, kept)
    sync_folder(m.REPLACED)


def _forget_past_times(timer: str) -> None:
    """Let a persistent timer take now for its last run: systemd.timer(5), ``Persistent=``."""
    with suppress(FileNotFoundError):
        os.utime(f"{_STAMPS}/stamp-{timer}")


def _remove_staged() -> None:
    """Remove what a killed run left beside the unit files."""
    for name in os.listdir(UNIT_FOLDER):
        if name.startswith(".") and name.endswith(".stability-staged"):
            remove_file(unit_path(name))


def apply_plan(plan: Plan, services: list[Service], observed: Observed) -> list[Failure]:
    """Carry ``plan`` out; return the units that did not come up.

    Raises :class:`~.systemd_host.HostError` and :class:`OSError` when the host refuses a step; the next run goes on there.
    """
    run = _Run(plan, services, observed)
    _remove_staged()
    for account in plan.accounts:
        make_account(account)
    run.retire()
    run.claim()
    run.disable()
    run.remove_files()
    run.write_files()
    run.enable()
    run.retire_schedules()
    if plan.reload:
        systemd.daemon_reload()
    run.forget()
    run.switch()
    failures = {**run.settle(), **run.timers_down(), **run.refused}
    run.record(failures)
    return run.put_back(failures) if failures else []
