# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a plan for a host's units needs to know, read without changing anything."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import manifest as m
from . import systemd_host as systemd
from .accounts import Account, missing_accounts
from .services import Service

UNIT_FOLDER = "/etc/systemd/system"


@dataclass(frozen=True)
class Observed:
    """The state of a host.

    ``version`` is that of systemd, ``files`` holds the text of each unit file in ``/etc/systemd/system`` (``None``: missing), ``links`` the folders
    (``multi-user.target.wants``) that enable a unit, ``digests`` and ``generations`` what :mod:`.manifest` makes of
    watched paths and virtual environments, ``now`` the monotonic clock in seconds.
    """

    version: int
    units: Mapping[str, systemd.UnitState]
    files: Mapping[str, str | None]
    links: Mapping[str, frozenset[str]]
    manifest: m.Manifest
    digests: Mapping[str, str]
    generations: Mapping[str, str]
    own_units: frozenset[str]
    accounts: tuple[Account, ...]
    now: float


def unit_path(unit: str) -> str:
    """Return where the unit file of ``unit`` is written."""
    return f"{UNIT_FOLDER}/{unit}"


def read_unit_file(unit: str) -> str | None:
    """Return the text of a unit file in ``/etc/systemd/system``; ``None`` when there is none.

    A link that leads nowhere is there, without a text.
    """
    path = unit_path(unit)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return "" if os.path.islink(path) else None


def kept_foreign(unit: str) -> str:
    """Return the text of somebody else's unit file that is kept; empty when there is none."""
    try:
        with open(f"{m.REPLACED}/{unit}", encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def enabling_links(units: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return, for each unit, the folders below ``/etc/systemd/system`` with a link that pulls it in."""
    found: dict[str, set[str]] = {unit: set() for unit in units}
    for folder in os.listdir(UNIT_FOLDER):
        if folder.endswith((".wants", ".requires")):
            for name in os.listdir(f"{UNIT_FOLDER}/{folder}"):
                if name in found:
                    found[name].add(folder)
    return {unit: frozenset(folders) for unit, folders in found.items()}


def units_of(services: Iterable[Service]) -> list[str]:
    """Return the units that the services' entries make, in the order of the list."""
    units = []
    for service in services:
        if service.is_absent:
            continue
        units.append(service.unit)
        if service.is_job:
            units.append(service.switched_unit)
    return units


def obsolete_units(services: Iterable[Service], manifest: m.Manifest) -> list[str]:
    """Return the units of ours that belong to a listed service which no longer makes them.

    They are those of absent services, and the timer of what is no longer a scheduled job.
    """
    listed = list(services)
    names = {service.name for service in listed}
    wanted = set(units_of(listed))
    return [unit for unit, entry in manifest.entries.items() if entry.service in names and unit not in wanted]


def observe(services: list[Service], version: int) -> Observed:
    """Read the host's state for ``services``; ``version`` is that of its systemd."""
    manifest = m.read_manifest()
    present = [service for service in services if not service.is_absent]
    absent = [service.unit for service in services if service.is_absent]
    units = [*dict.fromkeys([*units_of(services), *obsolete_units(services, manifest), *absent])]
    paths = {path for service in present for path in service.watched_paths}
    environments = {service.values["virtualenv"] for service in present if service.values["virtualenv"]}
    return Observed(
        version=version,
        units=systemd.show(units),
        files={unit: read_unit_file(unit) for unit in units},
        links=enabling_links(units),
        manifest=manifest,
        digests={path: m.digest_path(path) for path in paths},
        generations={path: m.generation(path) for path in environments},
        own_units=frozenset(systemd.own_units()),
        accounts=tuple(missing_accounts(present)),
        now=time.monotonic(),
    )
