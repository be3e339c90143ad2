# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes every unit and drop-in of ours away; what was somebody else's goes on as it was found."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from . import manifest as m
from . import systemd_host as systemd
from .commands import user_with
from .environment_lock import locked
from .environment_marks import GENERATION_FILE, JOURNAL_FILE
from .environment_place import Place
from .environment_switch import repair
from .files import remove_file
from .placed_files import Placed, remove
from .unit_apply import Run
from .unit_names import is_drop_in, is_template, template_of, unit_of
from .unit_plan import NOTHING, UP, Plan, drop_in_remains, has_own_file, is_ours, is_own, not_removed, removal_of
from .unit_question import Known
from .unit_state import Observed, ask, links_to, observe, put_links_back, unit_path

_DOWN = ("inactive", "failed")


@dataclass
class RemovalPlan:
    """What a removal does to a host, in this order.

    ``plan`` ends what is ours; ``back`` holds, by unit, how what was there before goes on; ``placed`` is what processes of units
    that are gone have read; ``marks`` are, by virtual environment,
    files of ours in it and the folder beside it; ``halves`` are the environments that a killed run left in that folder;
    ``remains`` is what this run cannot remove; ``state`` is whether anything is remembered that is then forgotten.
    """

    plan: Plan
    back: dict[str, m.Found] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    marks: dict[str, list[str]] = field(default_factory=dict)
    halves: list[str] = field(default_factory=list)
    remains: list[str] = field(default_factory=list)
    state: bool = False

    @property
    def changed(self) -> bool:
        """Whether a run of this plan changes anything."""
        ours = self.plan.staged or self.plan.removals or self.placed or self.marks
        return bool(ours or (self.state and not self.remains))

    def actions(self) -> list[str]:
        """Return what the run does, one line each, in order."""
        lines = self.plan.actions()
        lines += [f"enable {unit}, as it was" for unit, found in self.back.items() if found.links]
        lines += [f"restart {unit} under its own unit file" for unit, found in self.back.items() if found.active]
        lines += map(str, self.placed)
        lines += [f"put {path} back, which a killed run left beside it" for path in self.halves]
        lines += [f"remove {path}" for paths in self.marks.values() for path in paths]
        return lines + ([f"remove {m.FOLDER}"] if self.state and not self.remains else [])


def _goes_on(name: str, observed: Observed) -> bool:
    """Return whether there is a unit file of somebody else under which a unit goes on once ours is gone."""
    file = template_of(name)
    theirs = observed.files.get(file) is not None and not is_ours(file, observed)
    return theirs or file in observed.kept or name in observed.packaged


def _plan_unit(removal: RemovalPlan, name: str, observed: Observed) -> None:
    entry = observed.manifest.entries.get(name, m.Entry(""))
    up = observed.units[name]["ActiveState"] not in _DOWN
    if is_own(name, observed):
        removal.remains.append(name)
        removal.plan.warnings.append(not_removed(name))
        return
    if has_own_file(name, observed):
        removal.plan.removals.append(removal_of(name, observed))
        return
    goes_on = entry.found is not None and _goes_on(name, observed)
    if entry.found and not goes_on:
        removal.plan.warnings.append(
            f"{name} was there before, but its unit file is gone from the host: it ends. Install what brings it."
        )
    if entry.found and goes_on and not is_template(name):
        removal.back[name] = entry.found
        if up and not entry.found.active:
            removal.plan.retire[name] = "it did not run before"
    elif up:
        removal.plan.retire[name] = "it is removed"
    if observed.links[name] and (not goes_on or is_ours(template_of(name), observed)):
        removal.plan.disable.append(name)
    removal.plan.removals.append(removal_of(name, observed))


def _plan_back(removal: RemovalPlan, unit: str, found: m.Found | None, observed: Observed) -> None:
    """Plan that a unit under a drop-in runs and is enabled as it was found, where the list has changed that."""
    if found is None:
        return
    up = observed.units[unit]["ActiveState"] not in _DOWN
    if is_own(unit, observed) or (up == found.active and links_to(unit) == found.links):
        return
    removal.back[unit] = m.Found(found.active and not up, found.links)
    if up and not found.active:
        removal.plan.retire[unit] = "it did not run before"


def _is_in_place(name: str) -> bool:
    """Return whether a kept file of somebody else is still where it was: the run that kept it was killed right after that."""
    kept, there = f"{m.REPLACED}/{name}", unit_path(name)
    with suppress(OSError):
        if os.path.islink(kept) or os.path.islink(there):
            return os.readlink(kept) == os.readlink(there)
        with open(kept, "rb") as one, open(there, "rb") as other:
            return one.read() == other.read()
    return False


def plan_removal(observed: Observed, virtualenvs: Iterable[str], state: bool = False) -> RemovalPlan:
    """Return the plan that takes everything in the manifest away, and the marks in ``virtualenvs``.

    ``state`` is whether anything is remembered.
    """
    entries = observed.manifest.entries
    removal = RemovalPlan(Plan(staged=observed.staged), state=state)
    for name in (*entries, *observed.strays):
        if is_drop_in(name):
            entry = entries[name]
            removal.plan.removals.append(removal_of(name, observed))
            _plan_back(removal, unit_of(name), entry.found, observed)
            if entry.started and entry.started.unit != m.digest_text(NOTHING):
                removal.plan.warnings.append(drop_in_remains(name))
        else:
            _plan_unit(removal, name, observed)
    known = {one.name for one in removal.plan.removals if one.restores}
    lost = sorted(name for name in observed.kept - known if not _is_in_place(name))
    if lost:
        removal.remains += [f"{m.REPLACED}/{name}" for name in lost]
        removal.plan.warnings.append(
            f"{m.REPLACED} holds {', '.join(lost)}, which belongs to no unit that is known. Put it back or remove it by hand."
        )
    removal.plan.reload = bool(removal.plan.removals)
    if not removal.remains:
        removal.placed = [Placed(path, text, None) for path, text in observed.placed.items()]
    for path in dict.fromkeys(path.rstrip("/") for path in virtualenvs):
        place = Place.of(path)
        if place.standing == place.replaced:
            removal.halves.append(path)
        inside = {f"{path}/{name}": f"{place.standing}/{name}" for name in (GENERATION_FILE, JOURNAL_FILE)}
        marks = [mark for mark, now in {**inside, place.work: place.work}.items() if os.path.exists(now)]
        if marks:
            removal.marks[path] = marks
    return removal


def _remove_marks(virtualenv: str, marks: Iterable[str]) -> None:
    """Remove our files of a virtual environment, which itself stays: also one that a killed run left beside its place.

    Raises :class:`~.commands.EnvironmentFailure` when a change of it goes on.
    """
    with locked(virtualenv):
        place = Place.of(virtualenv)
        if os.path.isdir(place.standing):
            status = os.stat(place.standing)
            repair(place, user_with(status.st_uid, status.st_gid))
        for path in marks:
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                remove_file(path)


def virtualenvs_of(environments: Iterable[object]) -> list[str]:
    """Return the virtual environments that a list names which need not be right any longer."""
    named = [member.get("virtualenv") for member in environments if isinstance(member, Mapping)]
    return [path for path in named if isinstance(path, str) and path.startswith("/")]


def prepare_removal(virtualenvs: Sequence[str]) -> tuple[RemovalPlan, Observed]:
    """Return the plan, and what it was made from; raises :class:`~.systemd_host.HostError`."""
    known = Known()
    observed = observe(ask([], known, list(known.manifest.entries)), [])
    return plan_removal(observed, virtualenvs, _is_remembered()), observed


def forget_all(removal: RemovalPlan) -> None:
    """Remove what is remembered, the manifest last: as long as it is there, the next run goes on.

    It stays for units that this run cannot remove.
    """
    if removal.remains or not os.path.isdir(m.FOLDER):
        return
    kept = os.path.basename(m.MANIFEST)
    for name in sorted(os.listdir(m.FOLDER), key=lambda name: name == kept):
        path = os.path.join(m.FOLDER, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            remove_file(path)
    os.rmdir(m.FOLDER)


def _is_remembered() -> bool:
    """Return whether there is anything in the folder but the lock that this very run may have made."""
    with suppress(FileNotFoundError):
        return any(name != os.path.basename(m.LOCK) for name in os.listdir(m.FOLDER))
    return False


def apply_removal(removal: RemovalPlan, observed: Observed) -> list[str]:
    """Carry the plan out; return what systemd complained about when units went on as they were.

    Raises :class:`~.systemd_host.HostError` and :class:`OSError` when the host refuses a step; the next run goes on there.
    """
    run = Run(removal.plan, [], observed)
    for path in removal.plan.staged:
        remove_file(path)
    run.retire()
    run.disable()
    run.remove_files()
    active = [unit for unit, found in removal.back.items() if found.active]
    if removal.plan.reload:
        run.reload([unit for unit in run.ended if unit not in active])
    fragments = systemd.show(list(removal.back), ("FragmentPath", "ActiveState"))
    for unit, found in removal.back.items():
        put_links_back(unit, found.links, fragments[unit]["FragmentPath"])
    if removal.back:
        # Until then systemd shows the UnitFileState= that a unit had with its links from before.
        systemd.daemon_reload()
    complaint = systemd.act("restart", active) if active else ""
    run.forget()
    remove(removal.placed)
    for virtualenv, marks in removal.marks.items():
        _remove_marks(virtualenv, marks)
    after = systemd.show(active, ("ActiveState",))
    down = [unit for unit in active if after[unit]["ActiveState"] not in (*UP, "activating")]
    return (
        [complaint or f"{', '.join(down)} did not come up under the unit file from before"] if down or complaint else []
    )
