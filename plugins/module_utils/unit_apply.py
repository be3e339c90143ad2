# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out: every step leaves a host from which the next run goes on, wherever this one is killed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from . import manifest as m
from . import placed_files
from . import systemd_host as systemd
from .accounts import make_account
from .files import STAGED, remove_file, sync_folder, write_file, write_files
from .placed_files import Placed
from .services import Service
from .settle import settle
from .unit_files import HEADER
from .unit_names import is_drop_in, is_instance, is_template, template_of, unit_of
from .unit_plan import UP, FileChange, Plan, has_own_file, units_to_settle
from .unit_state import Observed, elsewhere, links_to, put_links_back, recorded_names, unit_path

_STAMPS = "/var/lib/systemd/timers"


@dataclass(frozen=True)
class Failure:
    """A unit that did not come up: why, its last journal records, and what was done about it."""

    unit: str
    reason: str
    journal: tuple[str, ...]
    outcome: str


@dataclass(frozen=True)
class Applied:
    """What came of a plan: the units that did not come up, and when the last one had been restarted (epoch seconds)."""

    failures: list[Failure]
    switched: float


class Run:
    """One run of a plan."""

    def __init__(self, plan: Plan, services: list[Service], observed: Observed) -> None:
        self.plan = plan
        self.listed = [service for service in services if not service.is_absent]
        self.services = {one.switched_unit: one for service in self.listed for one in service.processes}
        #: What the manifest has for these, by which it is known with what they were started.
        self.records = {one.record for one in self.services.values()}
        self.observed = observed
        self.manifest = observed.manifest
        self.began = time.time()
        #: The links to units that are enabled or disabled, as they were.
        self.links = {unit: links_to(unit) for unit in (*plan.enable, *plan.disable)}
        #: Units that systemd did not start, and why; a process that runs there is from before.
        self.refused: dict[str, str] = {}

    def remember(self, unit: str, entry: m.Entry | None) -> None:
        self.manifest = self.manifest.with_entry(unit, entry)

    def retire(self) -> None:
        """Stop what ends while systemd still knows its unit file."""
        if self.plan.retire:
            _stop(list(self.plan.retire))

    def disable(self) -> None:
        """Disable what is not to be pulled in; systemctl(1): this also removes a unit file that is a link."""
        if self.plan.disable:
            self._enable_or_disable("disable", self.plan.disable)

    def remove_files(self) -> None:
        for removal in self.plan.removals:
            if removal.restores:
                self.put_foreign_back(removal.name)
            elif removal.has_file:
                _remove(removal.name)

    def forget(self) -> None:
        """Forget the removed units, when nothing of them is left: until then the next run removes them again.

        Of some there is a unit file from before, put back or a package's own: their names stay known.
        """
        after = systemd.show([unit_of(removal.name) for removal in self.plan.removals], ("FragmentPath", "ActiveState"))
        gone = [removal for removal in self.plan.removals if not after[unit_of(removal.name)]["FragmentPath"]]
        failed = [unit_of(removal.name) for removal in gone if after[unit_of(removal.name)]["ActiveState"] == "failed"]
        if failed:
            systemd.act("reset-failed", failed)
        for removal in self.plan.removals:
            unit = unit_of(removal.name)
            self.remember(removal.name, None)
            if removal in gone and unit.endswith(".timer"):
                remove_file(f"{_STAMPS}/stamp-{unit}")
            elif removal not in gone and not is_instance(unit) and unit not in self.manifest.entries:
                self.manifest = self.manifest.with_given_back(unit)
        if self.plan.removals:
            m.write_manifest(self.manifest)

    def claim(self) -> None:
        """Keep foreign unit files and claim the units, before any unit file is touched or unit stopped.

        So a killed run never loses a file, nor forgets an owner, that a unit ran, or a start or stop that is owed.
        """
        owed = {switch.record for switch in self.plan.switches if switch.verb != "stop"}
        foreign = {change.name for change in self.plan.files if change.foreign}
        written = {change.name for change in self.plan.files}
        for name in foreign:
            _keep_foreign(name)
        for service in self.listed:
            records = {one.record for one in service.processes}
            for name in recorded_names([service]):
                entry = self.manifest.entries.get(name) or m.Entry(service.entry, found=self._found(name))
                if entry.found is None and _switches_foreign(service):
                    entry = replace(entry, found=self._found(service.unit))
                claimed = replace(entry, service=service.entry, replaced=entry.replaced or name in foreign)
                if name in records:
                    started = self.plan.adopt.get(name, entry.started)
                    claimed = replace(claimed, started=started, unfinished=entry.unfinished or name in owed)
                else:
                    # A template whose text has changed needs the daemon-reload, and has no process that could show it.
                    # A daemon that becomes a job is still to be stopped.
                    owes = (is_drop_in(name) and name in written) or name in self.plan.retire
                    claimed = replace(claimed, started=None, unfinished=owes)
                self.remember(name, claimed)
        if self.manifest != self.observed.manifest:
            m.write_manifest(self.manifest)

    def _found(self, name: str) -> m.Found | None:
        """Return how a unit that is not ours is now; ``None`` when there is none."""
        state = self.observed.units.get(name)
        text = self.observed.files.get(template_of(name)) or ""
        if state is None or is_template(name) or state["LoadState"] != "loaded" or text.startswith(HEADER):
            return None
        return m.Found(_goes_on(state), links_to(name))

    def write_files(self) -> None:
        """Write the unit files; what has failed gets all its tries back first, so that a mended job can be started at once.

        Up to systemd 252 the daemon-reload does that; 257 and 262 keep the count of starts. With its timer a job changes, with
        a template all its instances do, whoever started them. A failure of anything else stays to be seen.
        """
        names = [change.name for change in self.plan.files if not is_drop_in(change.name)]
        names += [f"{name[: -len('.timer')]}.service" for name in names if name.endswith(".timer")]
        instances = systemd.loaded_instances([name for name in dict.fromkeys(names) if is_template(name)])
        states = {**self.observed.units, **systemd.show(instances, ("ActiveState",))}
        units = [unit for unit in dict.fromkeys([*names, *instances]) if unit in states]
        failed = [unit for unit in units if states[unit]["ActiveState"] == "failed"]
        if failed:
            systemd.act("reset-failed", failed)
        for change in self.plan.files:
            os.makedirs(os.path.dirname(change.path), mode=0o755, exist_ok=True)
        write_files({change.path: change.after.encode("utf-8", "surrogateescape") for change in self.plan.files})

    @property
    def ended(self) -> list[str]:
        """The units of which nothing goes on under the unit file from before."""
        names = [one.name for one in self.plan.removals if not (is_drop_in(one.name) or is_template(one.name))]
        removed = [name for name in names if not has_own_file(name, self.observed)]
        return list(dict.fromkeys([*self.plan.retire, *removed]))

    def reload(self, ended: Iterable[str]) -> None:
        """Let systemd read the files, and stop again what was started in between under those from before, as by a timer.

        Under the unit file that is put back such a process would go on, and the unit's own would never begin. What begins
        after this is theirs, or a job.
        """
        systemd.daemon_reload()
        read = time.monotonic()
        states = systemd.show(list(ended), ("ActiveState", "InactiveExitTimestampMonotonic"))
        again = [
            unit
            for unit, state in states.items()
            if state["ActiveState"] not in ("inactive", "failed")
            and int(state["InactiveExitTimestampMonotonic"] or 0) / 1e6 < read
        ]
        if again:
            _stop(again)
            # It is theirs now, and has not failed.
            systemd.act("reset-failed", again)

    def enable(self) -> None:
        if self.plan.enable:
            self._enable_or_disable("reenable", self.plan.enable)

    def _enable_or_disable(self, verb: str, units: list[str]) -> None:
        complaint = systemd.act(verb, units, "--no-reload")
        if complaint:
            raise systemd.HostError(f"systemctl {verb} failed: {complaint}")

    def retire_schedules(self) -> None:
        """Stop timers whose schedule changes, and let them take now for their last run.

        A daemon-reload, of this run or of anybody after it was killed, would otherwise fire a running persistent timer for a time
        of the new schedule that is past: so this comes before the files. The start that is owed is made up for by the next run.
        """
        timers = [switch.unit for switch in self.plan.switches if switch.new_schedule]
        running = [unit for unit in timers if self.observed.units[unit]["ActiveState"] == "active"]
        if running:
            systemd.act("stop", running)
        for timer in timers:
            _forget_past_times(timer)

    def switch(self) -> None:
        """Stop, then (re)start, one call for each verb; whether a unit is up is judged afterwards.

        The services of a changed environment are restarted one after the other, in the order of the list: systemd does not
        keep to the order within a call. A restart of a unit that waits for its automatic one would leave its count of restarts.
        """
        worn = [switch.unit for switch in self.plan.acts if _is_worn(self.observed.units[switch.unit])]
        if worn:
            systemd.act("reset-failed", worn)
        for verb in ("stop", "restart", "start"):
            chosen = [switch for switch in self.plan.switches if switch.verb == verb]
            together = [switch.unit for switch in chosen if m.ENVIRONMENT not in switch.reasons]
            one_by_one = [[switch.unit] for switch in chosen if m.ENVIRONMENT in switch.reasons]
            for units in (together, *one_by_one) if together else one_by_one:
                self._act(verb, units)

    def _act(self, verb: str, units: list[str]) -> None:
        before = systemd.show(units, ("InvocationID",))
        complaint = systemd.act(verb, units)
        if complaint and verb == "stop":
            self.refused.update(_not_stopped(units, complaint))
        elif complaint:
            self.refused.update(_not_started(verb, before, complaint))

    def settle(self) -> dict[str, str]:
        chosen = units_to_settle(self.listed, self.plan)
        chosen = {unit: service for unit, service in chosen.items() if unit not in self.refused}
        running = {unit: service for unit, service in chosen.items() if unit in self.plan.watch}
        return settle({unit: service for unit, service in chosen.items() if unit not in running}, running)

    def record(self, failures: Mapping[str, str]) -> None:
        """Remember with what each unit was started that is up now, and that the daemon-reload is done."""
        started = {switch.record for switch in self.plan.switches if switch.verb != "stop"}
        for name in {*recorded_names(self.listed)} - started:
            entry = self.manifest.entries[name]
            if entry.unfinished and (is_drop_in(name) or name not in self.records):
                self.remember(name, replace(entry, unfinished=False))
            elif entry.unfinished and self._is_down(name):
                self.remember(name, replace(entry, started=None, unfinished=False))
        for switch in self.plan.switches:
            if switch.verb == "stop" or switch.unit in failures:
                continue
            entry = self.manifest.entries[switch.record]
            self.remember(switch.record, replace(entry, started=switch.wanted, unfinished=False))
        m.write_manifest(self.manifest)

    def _is_down(self, unit: str) -> bool:
        stopped = unit in {switch.unit for switch in self.plan.switches if switch.verb == "stop"}
        return stopped or self.observed.units[unit]["ActiveState"] in ("inactive", "failed")

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
        """Put the unit file from before back for each unit that did not come up, and let it run as it did.

        What is remembered says until the end that a start is owed, and how the unit was found: a run that is killed on the
        way is taken up by the next one. The journal is read last, up to where it was: what it holds cannot keep a unit down.
        """
        for namespace in {self._namespace(unit) for unit in failures}:
            with suppress(systemd.HostError):
                systemd.sync_journal(namespace)
        ended = time.time()
        written = {change.name: change for change in self.plan.files}
        changes = {unit: written[name] for unit in failures for name in self._files(unit) if name in written}
        back = {unit: change for unit, change in changes.items() if self._was_there(change)}
        restored = {change.name for change in back.values()}
        placed = self._placed_before(failures)
        placed_files.restore(placed.values())
        again = [unit for unit in self.services if restored & set(self._files(unit)) or self._file(unit) in placed]
        for change in dict.fromkeys(back.values()):
            self._restore(change)
        if again:
            self._restore_drop_ins(again)
            for unit in again:
                put_links_back(unit, self.links.get(unit, links_to(unit)), self._fragment(unit))
            systemd.daemon_reload()
            self._run_as_before(again)
            for name in restored:
                self._remember_restored(written[name])
            for record in [self.services[unit].record for unit in again if self._file(unit) in placed]:
                self.remember(record, self.observed.manifest.entries.get(record))
            m.write_manifest(self.manifest)
        return [
            Failure(
                unit,
                reason,
                self._journal_of(unit, ended),
                self._outcome(unit, again, unit in back, unit in changes),
            )
            for unit, reason in failures.items()
        ]

    def _namespace(self, unit: str) -> str:
        return self.services[unit].values["log_namespace"] or ""

    def _journal_of(self, unit: str, ended: float) -> tuple[str, ...]:
        """Return the last records of a unit; where they cannot be read, all else is still to be told."""
        try:
            return tuple(systemd.journal_tail(unit, self.began, ended, self._namespace(unit)))
        except systemd.HostError as error:
            return (f"(they cannot be read: {error})",)

    def _file(self, unit: str) -> str:
        """Return the file of ours by which a unit's process configures its logging; empty when there is none."""
        return self.services[unit].logging_file

    def _placed_before(self, units: Iterable[str]) -> dict[str, Placed]:
        """Return, by path, the files of logging that were another before, and that ``units`` have not come up with."""
        paths = {self._file(unit) for unit in units}
        return {one.path: one for one in self.plan.placed if one.path in paths and one.before is not None}

    def _fragment(self, unit: str) -> str:
        own = unit_path(template_of(unit))
        return own if os.path.lexists(own) else elsewhere(unit)

    def _restore_drop_ins(self, units: list[str]) -> None:
        """Write the drop-ins of ours again that full unit files were to take the place of."""
        for removal in self.plan.removals:
            if is_drop_in(removal.name) and unit_of(removal.name) in units and removal.before is not None:
                os.makedirs(os.path.dirname(unit_path(removal.name)), mode=0o755, exist_ok=True)
                write_file(unit_path(removal.name), removal.before.encode("utf-8", "surrogateescape"))
                self.remember(removal.name, self.observed.manifest.entries.get(removal.name))

    def _files(self, unit: str) -> list[str]:
        """Return the names of the files of ours that say how ``unit`` is run."""
        service = self.services[unit]
        return list(service.files) if service.is_drop_in else [template_of(unit)]

    def put_foreign_back(self, name: str) -> None:
        """Put somebody else's unit file back; a run that was killed right after it finds it there."""
        with suppress(FileNotFoundError):
            os.replace(f"{m.REPLACED}/{name}", unit_path(name))
            sync_folder(os.path.dirname(unit_path(name)))

    def _was_there(self, change: FileChange) -> bool:
        """Return whether there was a unit file before: at this path, or elsewhere, as those of packages are."""
        return change.before is not None or is_drop_in(change.name) or bool(elsewhere(change.name))

    def _restore(self, change: FileChange) -> None:
        if change.foreign:
            self.put_foreign_back(change.name)
        elif change.before is None:
            _remove(change.name)
        else:
            write_file(change.path, change.before.encode("utf-8", "surrogateescape"))

    def _remember_restored(self, change: FileChange) -> None:
        ours = not change.foreign and change.before is not None
        for name in [name for name in self.manifest.entries if template_of(name) == change.name]:
            self.remember(name, self.observed.manifest.entries.get(name) if ours else None)

    def _run_as_before(self, units: list[str]) -> None:
        ran = [unit for unit in units if self.observed.units[unit]["ActiveState"] in UP]
        # What systemd refused to start may have been stopped for it, or still run as before.
        verbs = {unit: "start" if unit in self.refused else "restart" for unit in ran}
        for verb in ("start", "restart", "stop"):
            chosen = [unit for unit in units if verbs.get(unit, "stop") == verb]
            if chosen:
                systemd.act(verb, chosen)

    def _outcome(self, unit: str, again: list[str], is_back: bool, changed: bool) -> str:
        if unit in again:
            state = systemd.show([unit], ("ActiveState",))[unit]["ActiveState"]
            file = "unit file" if is_back else "file of its logging"
            return f"The {file} from before has been put back; the unit is {state} under it."
        if unit in {switch.unit for switch in self.plan.switches if switch.verb == "stop"}:
            return "It goes on as it ran."
        if unit in self.refused:
            return "systemd refused the start, and does not try again by itself."
        if changed:
            return "There was no unit before; the new one stays, and systemd goes on trying as it says."
        return "Its unit file did not change; systemd goes on trying as it says."


def _switches_foreign(service: Service) -> bool:
    """Whether somebody else's unit is started, stopped, enabled or disabled under a drop-in."""
    return service.is_drop_in and (service.values["state"] is not None or service.values["enabled"] is not None)


def _stop(units: list[str]) -> None:
    complaint = systemd.act("stop", units)
    if complaint:
        raise systemd.HostError(f"systemctl stop failed: {complaint}")


def _goes_on(state: systemd.UnitState) -> bool:
    """Whether a unit is up or comes up; what a oneshot unit is doing ends, and is nothing to be begun again later."""
    # A timer has no type.
    ends = state.get("Type") == "oneshot" and state.get("RemainAfterExit") != "yes"
    return state["ActiveState"] in UP or (state["ActiveState"] == "activating" and not ends)


def _is_worn(state: systemd.UnitState) -> bool:
    """Return whether a unit has failed or was restarted by systemd, and still has the marks of it."""
    return state["ActiveState"] in ("failed", "activating") or state.get("NRestarts", "0") not in ("", "0")


def _not_stopped(units: list[str], complaint: str) -> dict[str, str]:
    """Return, by unit, why systemd refused to stop it."""
    after = systemd.show(units, ("ActiveState",))
    return {unit: _refusal("stopped", unit, complaint) for unit in units if after[unit]["ActiveState"] in UP}


def _refusal(done: str, unit: str, complaint: str) -> str:
    lines = complaint.split("\n")
    line = next((line for line in lines if unit in line), lines[0])
    reason = line.partition(f"{unit}: ")[2] or line
    return f"could not be {done}: {reason.rstrip('.')}"


def _not_started(verb: str, before: Mapping[str, systemd.UnitState], complaint: str) -> dict[str, str]:
    """Return, by unit, why systemd refused its start: every start has an ``InvocationID=`` of its own."""
    after = systemd.show(list(before), ("InvocationID",))
    return {unit: _refusal(f"{verb}ed", unit, complaint) for unit in before if after[unit] == before[unit]}


def _keep_foreign(name: str) -> None:
    """Keep somebody else's unit file (or link) as it is, before it is replaced for the first time."""
    kept = os.path.join(m.REPLACED, name)
    os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
    staged = f"{kept}{STAGED}"
    remove_file(staged)
    shutil.copy2(unit_path(name), staged, follow_symlinks=False)
    status = os.lstat(unit_path(name))
    os.chown(staged, status.st_uid, status.st_gid, follow_symlinks=False)
    os.replace(staged, kept)
    sync_folder(os.path.dirname(kept))


def _remove(name: str) -> None:
    """Remove a unit file or drop-in, and the folder of drop-ins when nothing else is in it."""
    remove_file(unit_path(name))
    if is_drop_in(name):
        with suppress(OSError):
            os.rmdir(os.path.dirname(unit_path(name)))


def _forget_past_times(timer: str) -> None:
    """Let a persistent timer take now for its last run: systemd.timer(5), ``Persistent=``."""
    with suppress(FileNotFoundError):
        os.utime(f"{_STAMPS}/stamp-{timer}")


def apply_plan(plan: Plan, services: list[Service], observed: Observed) -> Applied:
    """Carry ``plan`` out.

    Raises :class:`~.systemd_host.HostError` and :class:`OSError` when the host refuses a step; the next run goes on there.
    """
    run = Run(plan, services, observed)
    for path in plan.staged:
        remove_file(path)
    for account in plan.accounts:
        make_account(account)
    run.claim()
    run.retire()
    run.disable()
    run.remove_files()
    run.retire_schedules()
    placed_files.write(plan.placed)
    run.write_files()
    run.enable()
    if plan.reload:
        run.reload(run.ended)
    run.forget()
    run.switch()
    switched = time.time()
    failures = {**run.settle(), **run.timers_down(), **run.refused}
    run.record(failures)
    if failures:
        # What goes back may need the files that nobody needed any longer; the next run removes them.
        return Applied(run.put_back(failures), switched)
    placed_files.remove(plan.unplaced)
    return Applied([], switched)
