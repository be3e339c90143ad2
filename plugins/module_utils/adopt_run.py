# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One reading of a host: its Python services and environments as the two lists, and what somebody has to decide."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import systemd_host as systemd
from .adopt_checks import check_environments, check_services
from .adopt_cron import read_cron
from .adopt_environments import environments_of
from .adopt_lost import lost_pythons
from .adopt_model import Found, Item, Mark, free_name, in_order
from .adopt_privileges import judge_privileges
from .adopt_supervisor import read_supervisor
from .adopt_timers import read_timers
from .adopt_units import is_of_package, services_of
from .adopt_wrapped import running_services, wrapped_pythons
from .audit_model import Unit
from .audit_reading import read_units
from .hardening import PRESETS
from .masking import masked_value, plain


@dataclass
class Adopted:
    """The services and environments of a host, marks about what is none of them, and what could not be seen."""

    services: Sequence[Item] = ()
    environments: Sequence[Item] = ()
    marks: list[Mark] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def result(self) -> dict[str, Any]:
        """Return it as a module's result; ``marks`` has those of the items, too."""
        items = [*self.services, *self.environments]
        marks = [*(Mark(item.name, text) for item in items for text in item.marks), *self.marks]
        result = {
            "services": [item.values for item in self.services],
            "environments": [item.values for item in self.environments],
            "origins": {item.name: item.origin for item in self.services},
            "marks": [mark.result() for mark in marks],
            "root": os.geteuid() == 0,
            "unseen": self.unseen,
        }
        # What was overlooked until here is masked, never shown.
        return plain(masked_value(result))  # type: ignore[no-any-return]


def _read_units(found: Found, known: dict[str, str]) -> Sequence[Unit]:
    try:
        read = read_units((), systemd.version())
        running = running_services()
        lost = lost_pythons(running, known)
        found.marks += lost.values()
        wrapped = wrapped_pythons({unit: state for unit, state in running.items() if unit not in lost})
        further = [unit for unit in wrapped if unit not in {one.name for one in read.units}]
        if further:
            more = read_units(further, systemd.version())
            read.units += [unit for unit in more.units if not is_of_package(unit)]
            read.unseen += more.unseen
        found.unseen += list(dict.fromkeys(read.unseen))
        seen = [unit for unit in read.units if unit.name not in lost]
        found.add(services_of(seen, read_timers(read.units), known, wrapped))
    except systemd.HostError as error:
        found.unseen.append(str(error))
        return ()
    return read.units


def _units_of_host(names: Iterable[str]) -> set[str]:
    """Return those of ``names`` that a unit of the host has: an item of that name would take its place."""
    units = [f"{name}.{suffix}" for name in names for suffix in ("service", "timer")]
    try:
        states = systemd.show(units, ("LoadState",))
    except systemd.HostError:
        return set()
    return {unit.rpartition(".")[0] for unit, state in states.items() if state["LoadState"] != "not-found"}


def name_apart(items: Sequence[Item], taken: set[str]) -> None:
    """Give each of ``items`` a name that neither another one nor one of ``taken`` has, and say where that was needed."""
    for item in items:
        wanted = item.name
        name = free_name(wanted, taken)
        if name != wanted:
            item.values["name"] = name
            item.mark(f"another service or unit is called {wanted}; choose a name that says which one this is")
        taken.add(name)


def drop_hardening(item: Item) -> None:
    """Take out the directives that the preset of the item, unless it was taken out, writes just so."""
    if "hardening" in item.values or "directives" not in item.values:
        return
    sections = {name: dict(entries) for name, entries in item.values["directives"].items()}
    for directive, value in PRESETS["basic"].items():
        if sections.get("Service", {}).get(directive) == value:
            del sections["Service"][directive]
    item.values["directives"] = {name: entries for name, entries in sections.items() if entries}
    item.values = in_order(item.values)


def run_adoption() -> Adopted:
    """Read the host: units, supervisord's programs, crontabs, and the virtual environments of all of them."""
    units, others = Found(), Found()
    secrets: dict[str, str] = {}
    others.add(read_supervisor(secrets, _read_units(units, secrets)))
    others.add(read_cron(secrets))
    taken = {item.name for item in units.items}
    name_apart(others.items, taken | _units_of_host({item.name for item in others.items}))
    units.add(others)
    environments = environments_of(units.items, units)
    judge_privileges(units.items)
    check_services(units.items, units.unseen)
    check_environments(environments)
    for item in units.items:
        drop_hardening(item)
    return Adopted(units.items, environments, units.marks, units.unseen)
