# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan for the journal of a host: check mode, diff mode and the real run all use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import journal_storage as storage
from .journal_config import OWN_NAME, Configuration, own_folder, own_path
from .journal_settings import SETTINGS, Rendered, setting_of
from .journal_state import TAKEN, Instance, Observed
from .problems import Problem

#: From here on journald keeps the journal on the disk unless it is told otherwise.
_PERSISTENT_BY_DEFAULT = 259
_DIRECTIVES = {setting.name: setting.directive for setting in SETTINGS}
#: What the directives begin with that limit what is kept.
_LIMITS = ("System", "Runtime", "MaxRetention")


@dataclass(frozen=True)
class Change:
    """Our drop-in for a namespace, to be written or (``after`` is ``None``) removed."""

    namespace: str
    before: str | None
    after: str | None

    @property
    def path(self) -> str:
        """Where it is."""
        return own_path(self.namespace)

    def __str__(self) -> str:
        verb = "remove" if self.after is None else "create" if self.before is None else "replace"
        return f"{verb} {self.path}"


@dataclass(frozen=True)
class Restart:
    """A journald to be restarted, why, and the digest of the configuration that it then has."""

    unit: str
    reason: str
    digest: str

    def __str__(self) -> str:
        return f"restart {self.unit}: {self.reason}"


@dataclass
class Plan:
    """What a run does to a host, in this order; nothing else changes.

    ``folders`` are removed when nothing is in them, ``flush`` is why the journal must be flushed to the disk (empty: it
    need not), ``stored`` whether it is kept there, ``forget`` whether all that is remembered of starts is removed.
    """

    changes: list[Change] = field(default_factory=list)
    make_folder: bool = False
    restarts: list[Restart] = field(default_factory=list)
    flush: str = ""
    stored: bool = False
    folders: list[str] = field(default_factory=list)
    forget: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether a run of this plan changes anything."""
        return bool(self.changes or self.make_folder or self.restarts or self.flush or self.folders or self.forget)

    def actions(self) -> list[str]:
        """Return what the run does, one line each, in order."""
        lines = [str(change) for change in self.changes]
        lines += [f"create {storage.STORED}"] if self.make_folder else []
        lines += [str(restart) for restart in self.restarts]
        lines += [f"flush the journal to {storage.STORED}: {self.flush}"] if self.flush else []
        return lines + [f"remove {path}" for path in (*self.folders, *((TAKEN,) if self.forget else ()))]


def _restart(instance: Instance, change: Change | None) -> Restart | None:
    """Return the restart that is owed to an instance once ``change`` was made.

    What we have started ourselves is judged by what it was started with; any other process, and one that was reloaded
    since, by its age.
    """
    after = instance.configuration
    if change:
        after = after.with_own(instance.namespace, change.after)
    if not instance.active:
        # A namespace's journald starts, and reads its configuration, when the first record comes.
        return None if instance.namespace else Restart(instance.unit, "it does not run", after.digest)
    if instance.taken and (instance.taken.invocation, instance.taken.moment) == (instance.invocation, instance.moment):
        if after.digest == instance.taken.digest:
            return None
        reason = "its configuration changes" if change else "its configuration was changed since its start"
        return Restart(instance.unit, reason, after.digest)
    if change:
        return Restart(instance.unit, "its configuration changes", after.digest)
    if instance.configuration.newest > instance.started:
        return Restart(instance.unit, "it is older than its configuration", after.digest)
    return None


class _Planner:
    """Builds a plan, namespace by namespace."""

    def __init__(self, observed: Observed) -> None:
        self.observed = observed
        self.plan = Plan()
        #: The configurations after the change, by namespace, and those that come into effect by what is planned.
        self.after: dict[str, Configuration] = {}
        self.taken_over: list[str] = []

    def add(self, instance: Instance, text: str | None) -> None:
        """Plan our drop-in of an instance as ``text``, or its end for ``None``, and the restart that is owed."""
        change = None
        if instance.own != text:
            change = Change(instance.namespace, instance.own, text)
            self.plan.changes.append(change)
        # Where nothing is of ours, and nothing that we have started runs, an edit of somebody else is theirs to put in force.
        foreign = text is None and not change and not instance.taken
        restart = None if foreign else _restart(instance, change)
        if restart:
            self.plan.restarts.append(restart)
        self.after[instance.namespace] = instance.configuration.with_own(instance.namespace, text)
        if restart or (change and not instance.active):
            self.taken_over.append(instance.namespace)
        if text is None and instance.folder and instance.alone and (change or self.observed.remembers):
            self.plan.folders.append(own_folder(instance.namespace))

    def is_stored(self, configuration: Configuration) -> bool:
        """Whether a journal belongs to the disk."""
        default = "persistent" if self.observed.version >= _PERSISTENT_BY_DEFAULT else "auto"
        where = configuration.assignments.get("Storage") or default
        return where == "persistent" or (where == "auto" and self.observed.has_folder)

    def store(self) -> None:
        """Plan that the journal of the default namespace gets to the disk, when that is where it belongs."""
        self.plan.stored = self.is_stored(self.after[""])
        if not self.plan.stored:
            return
        main = self.observed.instances[""]
        if self.observed.is_elsewhere and main.unit not in [restart.unit for restart in self.plan.restarts]:
            # It has asked for the machine-id once.
            reason = "the machine-id was changed since its start"
            self.plan.restarts.insert(0, Restart(main.unit, reason, self.after[""].digest))
            self.taken_over.insert(0, "")
        self.plan.make_folder = not self.observed.has_folder
        if self.observed.is_left:
            self.plan.flush = f"there are records in {storage.VOLATILE}"
        elif not self.observed.is_stored:
            self.plan.flush = "it is not written there"

    def warn(self, values: Mapping[str, str], rendered: Rendered, namespaces: Sequence[str]) -> None:
        """Warn about what is left out and what does not come into effect."""
        version = self.observed.version
        for directive, needed in rendered.too_new:
            self.plan.warnings.append(
                f"{setting_of(directive)}: {directive}= needs systemd {needed} and this host has {version}; it is left out."
            )
        written = {_DIRECTIVES[name]: value for name, value in values.items()}
        for directive, _needed in rendered.too_new:
            del written[directive]
        for namespace in ("", *namespaces):
            for each in self.observed.instances[namespace].configuration.overrides(namespace, written):
                self.plan.warnings.append(
                    f"{each.path} sets {each.directive}={each.value} and sorts after {OWN_NAME}: it takes the place of "
                    f"{setting_of(each.directive)} ({written[each.directive]}). Remove the line there, or the setting here."
                )

    def judge(self, namespaces: Sequence[str], prefix: str) -> list[Problem]:
        """Return what the host has against the limits that are new; warn about those that are in effect already."""
        if not self.plan.changed and not any(name.startswith(_LIMITS) for name in self.after[""].assignments):
            return []
        # Imported here: most runs change nothing, and compile all that they import.
        from . import journal_limits

        refused: list[Problem] = []
        for namespace in ("", *namespaces):
            instance = self.observed.instances[namespace]
            stored = self.is_stored(self.after[namespace])
            before, after = (
                journal_limits.Journal(namespace, configuration, *self.place(stored))
                for configuration in (instance.configuration, self.after[namespace])
            )
            found = [] if namespace else journal_limits.size_problems(after, prefix)
            if not found:
                usage = instance.stored if stored else instance.volatile
                found = [] if namespace else journal_limits.span_problems(after, prefix)
                found += journal_limits.retention_problems(after, usage, prefix)
            if before.limits == after.limits:
                # They must not hold up what else is deployed: the journal grows faster than it did, or the disk is another.
                self.plan.warnings += [str(problem) for problem in found]
            else:
                refused += found
        self.tell_losses()
        return refused

    def place(self, stored: bool) -> tuple[str, storage.Disk]:
        """Return what the limits of a journal begin with, and the file system that it is on."""
        return ("System", self.observed.disk) if stored else ("Runtime", self.observed.memory)

    def tell_losses(self) -> None:
        """Warn about the records that are removed when a journald takes its configuration over."""
        if not self.taken_over:
            return
        from . import journal_limits

        for namespace in self.taken_over:
            instance = self.observed.instances[namespace]
            stored = self.is_stored(self.after[namespace])
            flushed = instance.volatile if stored and self.plan.flush and not namespace else storage.Usage()
            for on_disk, usage in ((True, instance.stored.with_more(flushed)), (False, instance.volatile)):
                if usage.files and (stored or not on_disk):
                    before, after = (
                        journal_limits.Journal(namespace, configuration, *self.place(on_disk))
                        for configuration in (instance.configuration, self.after[namespace])
                    )
                    self.plan.warnings += journal_limits.losses(after, before.limits, usage)


def plan_journal(
    values: Mapping[str, str],
    rendered: Rendered,
    namespaces: Sequence[str],
    observed: Observed,
    prefix: str = "settings.",
) -> tuple[Plan, list[Problem]]:
    """Return the plan that brings a host from ``observed`` to the settings ``values``, and what the host has against them."""
    planner = _Planner(observed)
    for namespace, instance in observed.instances.items():
        wanted = not namespace or namespace in namespaces
        planner.add(instance, rendered.text if wanted else None)
    planner.store()
    planner.warn(values, rendered, namespaces)
    return planner.plan, planner.judge(namespaces, prefix)


def plan_absence(observed: Observed) -> Plan:
    """Return the plan that takes all drop-ins of ours away; the journal stays on the disk, under the limits that then hold."""
    planner = _Planner(observed)
    for instance in observed.instances.values():
        planner.add(instance, None)
    planner.plan.forget = observed.remembers
    planner.tell_losses()
    return planner.plan


def describe(plan: Plan) -> dict[str, Any]:
    """Return the plan for a module's result."""
    return {
        "changed": plan.changed,
        "actions": plan.actions(),
        "restarted": [restart.unit for restart in plan.restarts],
    }


def diff(plan: Plan) -> list[dict[str, str]]:
    """Return what a run of ``plan`` changes, for Ansible's diff mode: each drop-in, then the other actions."""
    parts = []
    for change in plan.changes:
        absent = " (not there)" if change.before is None else ""
        removed = " (removed)" if change.after is None else ""
        parts.append(
            {
                "before_header": f"{change.path}{absent}",
                "after_header": f"{change.path}{removed}",
                "before": change.before or "",
                "after": change.after or "",
            }
        )
    others = plan.actions()[len(plan.changes) :]
    return parts + ([{"prepared": "".join(f"! {line}\n" for line in others)}] if others else [])
