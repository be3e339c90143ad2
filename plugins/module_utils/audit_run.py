# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One audit of a host: everything is read once, then judged."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Optional

from . import audit_canary, audit_journal, audit_leakwatch, audit_packages, audit_units
from . import systemd_host as systemd
from .audit_applications import Allowance
from .audit_environments import Known, Looking, environments_of, read_environment
from .audit_model import Finding, Unit
from .audit_packages import Held
from .audit_reading import read_units
from .audit_rules import SEVERITIES
from .audit_waivers import parse_waivers, waive
from .canary import Canary
from .commands import user_named
from .environments import Environment, parse_environments
from .masking import masked_value, plain
from .preflight import gates_as_of, sources_of
from .services import Service, parse_services
from .virtual_environments import sees_system

#: The version of what is returned; it grows when a key changes its meaning or goes.
VERSION = 1


@dataclass
class Audit:
    """What was read of a host, and what was found."""

    systemd: Optional[int] = None
    units: list[Unit] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    used: Mapping[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    canaries: Optional[Mapping[str, Sequence[Canary]]] = None
    watched: audit_leakwatch.Watched = field(default_factory=lambda: audit_leakwatch.Watched({}, ()))

    def result(self) -> dict[str, Any]:
        """Return it as a module's result; the worst findings come first."""
        order = {severity: index for index, severity in enumerate(SEVERITIES)}
        findings = [finding.result() for finding in self.findings]
        findings.sort(key=lambda one: (order[one["severity"]], one["id"], one["subject"], one["seen"]))
        result: dict[str, Any] = {
            "version": VERSION,
            "systemd": self.systemd,
            "root": os.geteuid() == 0,
            "services": [self._service(unit) for unit in self.units],
            "environments": [_environment(held) for held in self.held],
            "findings": findings,
            "counts": {
                severity: sum(one["severity"] == severity and not one["waived"] for one in findings)
                for severity in SEVERITIES
            },
            "unseen": self.unseen,
        }
        # An address may stand anywhere: in a requirement, in a path, in what a program says.
        return plain(masked_value(result))  # type: ignore[no-any-return]

    def _service(self, unit: Unit) -> dict[str, Any]:
        numbers = {key: audit_units.bytes_of(unit.properties, name) for key, name in _MEMORY.items()}
        return {
            "unit": unit.name,
            "ours": unit.is_ours,
            "state": unit.properties.get("ActiveState", ""),
            "load_state": unit.properties.get("LoadState", ""),
            "restarts": int(unit.properties.get("NRestarts") or 0),
            "virtualenv": self.used.get(unit.name),
            "age": round(unit.process.age_of_main) if unit.process else None,
            "canary": audit_canary.result_of(self.canaries.get(unit.name, ())) if self.canaries is not None else None,
            "samples": [list(point) for point in self.watched.points.get(unit.name, ())],
            **numbers,
        }


_MEMORY = {"memory": "MemoryCurrent", "memory_high": "MemoryHigh", "memory_max": "MemoryMax"}


def _environment(held: Held) -> dict[str, Any]:
    return {"virtualenv": held.path, "python": held.python, "distributions": dict(sorted(held.versions.items()))}


def _read_host(audit: Audit, services: Sequence[Service]) -> None:
    """Read the units and the journal; a host that systemd does not manage has neither."""
    try:
        audit.systemd = systemd.version()
        names = [one.unit for service in services if not service.is_absent for one in service.processes]
        read = read_units(names, audit.systemd)
    except systemd.HostError as error:
        audit.unseen.append(str(error))
        return
    audit.units, audit.unseen = read.units, [*audit.unseen, *read.unseen]
    audit.watched = audit_leakwatch.read_watched(audit.unseen)
    for unit in audit.units:
        audit.findings += [*audit_units.judge(unit), *audit_leakwatch.judge(unit, audit.watched)]
    audit.findings += audit_journal.judge(audit_journal.read_journal_state(audit.systemd))


def _try_canaries(audit: Audit) -> None:
    """Let the services make records, and look for them."""
    try:
        tried = audit_canary.try_all(audit.units)
    except systemd.HostError as error:
        audit.unseen.append(f"whether records reach the journal ({error})")
        return
    audit.canaries, audit.unseen = tried.canaries, [*audit.unseen, *tried.unseen]
    audit.findings += [
        finding for unit in audit.units for finding in audit_canary.judge(unit, tried.canaries.get(unit.name, ()))
    ]


def _known(path: str, listed: Optional[Environment], services: Sequence[Service], audit: Audit) -> Known:
    environment = listed or Environment("", path)
    sources = sources_of(environment, services)
    # Who lists a service says with it where its source lies, or that it has none.
    named = {one.unit for service in services if not service.is_absent for one in service.processes}
    inside = [unit for unit in audit.units if audit.used.get(unit.name) == path and unit.name not in named]
    return Known(listed, sources, gates_as_of(environment, services), () if sources else inside)


def _user_site(unit: Unit, held: Held) -> str:
    """Return the folder of the user's own site-packages where Python looks into it: in an environment that sees the system."""
    user = user_named(unit.properties.get("User") or "root")
    if user is None or not sees_system(held.path):
        return ""
    return f"{user.home}/.local/lib/python{'.'.join(held.python.split('.')[:2])}/site-packages"


def _read_environments(
    audit: Audit, services: Sequence[Service], environments: Iterable[Environment], remember: bool
) -> None:
    listed = {environment.virtualenv: environment for environment in environments}
    audit.used = environments_of(audit.units)
    looking = Looking(Allowance(), remember)
    for path in dict.fromkeys([*listed, *audit.used.values()]):
        known = _known(path, listed.get(path), services, audit)
        held = read_environment(path, known, looking, audit.unseen)
        if held is None:
            continue
        audit.held.append(held)
        audit.findings += audit_packages.judge(held)
        for unit in audit.units:
            if audit.used.get(unit.name) == path:
                audit.findings += audit_packages.runs_what_is_installed(unit, held)
                audit.findings += audit_packages.imports_from_its_environment(unit, held, _user_site(unit, held))


def run_audit(services: object, environments: object, waivers: object, remember: bool, live: bool = False) -> Audit:
    """Audit the host: the listed services, or when none are listed every Python service, and the environments of both.

    ``waivers`` say which findings may stay. ``remember`` is whether digests of files, and what was found in source, may be kept
    for the next time; nothing else is ever written. ``live`` is whether services are asked to make records.
    Raises :class:`~.problems.InvalidInput` with every problem of the lists.
    """
    audit = Audit()
    parsed = parse_services(services, "services")
    listed = parse_environments(environments, "environments")
    silenced = parse_waivers(waivers, "waivers")
    _read_host(audit, parsed)
    if live:
        _try_canaries(audit)
    _read_environments(audit, parsed, listed, remember)
    audit.findings = waive(audit.findings, silenced, date.today())
    return audit
