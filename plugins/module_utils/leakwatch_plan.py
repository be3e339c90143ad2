# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan for the sampler of a host: check mode, diff mode and the real run all use it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Optional

from . import systemd_host as systemd
from .leak_files import COMPILED, TIMER, UNITS, program
from .leak_settings import FILE, FOLDER, JOURNALS, METRICS, SERVICE, STORE, settings_in

_LINK = f"{UNITS}/timers.target.wants/{TIMER}"
_PROPERTIES = ("ActiveState", "UnitFileState", "NeedDaemonReload", "LoadState")
_DOWN = ("inactive", "failed")


@dataclass(frozen=True)
class Observed:
    """What is on a host: the text of each file (``None``: not there), all other paths of ours, and the state of the units."""

    files: Mapping[str, Optional[str]]
    others: tuple[str, ...]
    units: Mapping[str, systemd.UnitState]
    is_enabled: bool
    metrics: str
    samples: tuple[str, ...]

    def is_up(self, unit: str) -> bool:
        """Whether a unit runs."""
        return self.units[unit]["ActiveState"] not in _DOWN


@dataclass
class Plan:
    """What a run does to a host, in this order; nothing else changes.

    ``files`` has for each path its text before and after; ``stop`` are units, ``remove`` paths.
    """

    stop: list[str] = field(default_factory=list)
    disable: bool = False
    files: dict[str, tuple[Optional[str], str]] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    reload: bool = False
    enable: bool = False
    start: bool = False
    folder: bool = False
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether a run of this plan changes anything."""
        return bool(self.actions())

    def actions(self) -> list[str]:
        """Return what the run does, one line each, in order."""
        lines = [f"stop {unit}" for unit in self.stop]
        lines += [f"disable {TIMER}"] if self.disable else []
        lines += [
            f"{'create' if before is None else 'replace'} {path}" for path, (before, _after) in self.files.items()
        ]
        lines += [f"remove {path}" for path in self.remove]
        lines += ["daemon-reload"] if self.reload else []
        lines += [f"enable {TIMER}"] if self.enable else []
        lines += [f"start {TIMER}"] if self.start else []
        return lines + ([f"remove {FOLDER}"] if self.folder else [])


def _text(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _metrics_of(settings: Optional[str]) -> str:
    """Return where the metrics are that earlier settings name; empty for none."""
    with suppress(ValueError):
        folder = settings_in(settings or "{}").textfile_dir
        return f"{folder}/{METRICS}" if folder else ""
    return ""


def observe(paths: Iterable[str]) -> Observed:
    """Read the state of a host; ``paths`` are those of the files that are wanted."""
    own = [f"{UNITS}/{SERVICE}", f"{UNITS}/{TIMER}", FILE]
    files = {path: _text(path) for path in dict.fromkeys([*paths, *own])}
    found = [os.path.join(folder, name) for folder, _folders, names in os.walk(FOLDER) for name in names]
    others = sorted(path for path in found if path not in files and not path.startswith(f"{COMPILED}/"))
    return Observed(
        files,
        tuple(others),
        systemd.show([SERVICE, TIMER], _PROPERTIES),
        os.path.lexists(_LINK),
        _metrics_of(files[FILE]),
        tuple(path for path in (STORE, *JOURNALS) if os.path.lexists(path)),
    )


def plan_presence(wanted: Mapping[str, str], observed: Observed) -> Plan:
    """Return the plan that makes a host have the wanted files, and run them."""
    plan = Plan()
    plan.files = {path: (observed.files[path], text) for path, text in wanted.items() if observed.files[path] != text}
    plan.remove = list(observed.others)
    if observed.metrics and observed.metrics != _metrics_of(wanted[FILE]) and os.path.lexists(observed.metrics):
        plan.remove.append(observed.metrics)
    stale = any(state["NeedDaemonReload"] == "yes" for state in observed.units.values())
    plan.reload = stale or any(path.startswith(UNITS) for path in plan.files)
    plan.enable = not observed.is_enabled
    if observed.is_up(TIMER) and any(
        before is not None and path != FILE for path, (before, _after) in plan.files.items()
    ):
        # A round in between would have one half of it from before: the new settings, and the rights of the old unit.
        plan.stop = [TIMER, SERVICE]
    plan.start = not observed.is_up(TIMER) or bool(plan.stop)
    return plan


def plan_absence(observed: Observed) -> Plan:
    """Return the plan that takes everything away: the settings last, as they say where the metrics are."""
    plan = Plan()
    plan.stop = [unit for unit in (TIMER, SERVICE) if observed.is_up(unit)]
    plan.disable = observed.is_enabled
    units = [path for path in (f"{UNITS}/{TIMER}", f"{UNITS}/{SERVICE}") if observed.files[path] is not None]
    metrics = [observed.metrics] if observed.metrics and os.path.lexists(observed.metrics) else []
    plan.remove = [*units, *observed.samples, *metrics]
    plan.reload = bool(units) or any(state["LoadState"] == "loaded" for state in observed.units.values())
    plan.folder = os.path.isdir(FOLDER)
    plan.before = {path: text for path, text in observed.files.items() if text is not None and path in units}
    return plan


def link() -> str:
    """Return the path of the link that enables the timer."""
    return _LINK


def diff(plan: Plan) -> list[dict[str, str]]:
    """Return what a run of the plan changes, for Ansible's diff mode: settings and units as texts, all else by a line."""
    shown = set(program())
    parts: list[dict[str, str]] = [
        _part(path, before, after) for path, (before, after) in plan.files.items() if path not in shown
    ]
    parts += [_part(path, text, None) for path, text in plan.before.items()]
    told = {
        f"{verb} {path}"
        for path in [*plan.files, *plan.before]
        if path not in shown
        for verb in ("create", "replace", "remove")
    }
    others = [line for line in plan.actions() if line not in told]
    return [*parts, *([{"prepared": "".join(f"! {line}\n" for line in others)}] if others else [])]


def _part(path: str, before: Optional[str], after: Optional[str]) -> dict[str, str]:
    return {
        "before_header": path + ("" if before is not None else " (not there)"),
        "after_header": path + ("" if after is not None else " (removed)"),
        "before": before or "",
        "after": after or "",
    }


def describe(plan: Plan) -> dict[str, Any]:
    """Return the plan as a module's result."""
    return {"changed": plan.changed, "actions": plan.actions()}
