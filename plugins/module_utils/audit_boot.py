# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a boot starts: a unit can be enabled into a target that is misspelt, or that nothing starts."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from . import systemd_host as systemd
from .shown_lists import members_of
from .unit_state import OTHER_FOLDERS, UNIT_FOLDER

#: What a boot starts, with all that it pulls in (bootup(7)).
DEFAULT = "default.target"
#: Properties that name the units which pull in a unit; systemd before 249 has no ``UpheldBy``.
REVERSE = ("WantedBy", "RequiredBy", "BoundBy", "UpheldBy")
#: What devices start when they are there (systemd.special(7)), beside what their own units pull in.
_OF_DEVICES = ("bluetooth.target", "printer.target", "smartcard.target", "sound.target", "usb-gadget.target")
#: Where ``systemctl enable`` and packages put links (systemd.unit(5), "Unit File Load Path").
_FOLDERS = (UNIT_FOLDER, *OTHER_FOLDERS)
#: Where ``systemctl enable --runtime`` puts them: a reboot takes this folder away.
_FLEETING = "/run/systemd/system"
_KINDS = ("wants", "requires", "upholds")


@dataclass(frozen=True)
class Boot:
    """What the next boot makes of units.

    ``stranded`` are those that only such units would start which no boot reaches, with the names of these, ``pulled_in`` those
    that something starts, whether they are enabled or not.
    """

    stranded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pulled_in: frozenset[str] = frozenset()


def _pulled_in() -> set[str]:
    """Return all that the default target pulls in, over any number of steps; empty where systemd does not say."""
    argv = ["systemctl", "list-dependencies", "--all", "--plain", "--no-pager", "--", DEFAULT]
    done = systemd.run(argv)
    return set() if done.status else {words[-1] for words in map(str.split, done.stdout.split("\n")) if words}


def linked_into(folders: Iterable[str] = _FOLDERS) -> dict[str, set[str]]:
    """Return the units into which each unit is linked, as ``systemctl enable`` does it.

    Of a target that does not exist, systemd knows nothing: only the link is there.
    """
    found: dict[str, set[str]] = {}
    for folder in folders:
        with suppress(OSError):
            for entry in os.listdir(folder):
                target, _dot, kind = entry.rpartition(".")
                if kind in _KINDS:
                    for unit in os.listdir(f"{folder}/{entry}"):
                        found.setdefault(unit, set()).add(target)
    return found


def stranded_of(
    into: Mapping[str, Collection[str]], pulled_in: Collection[str], default: str
) -> dict[str, tuple[str, ...]]:
    """Return the units that only such units would start which no boot reaches, with the names of these.

    ``into`` are the units that would start each, ``pulled_in`` those that the default target pulls in, ``default`` its own name.
    """
    reached = {*pulled_in, default, *_OF_DEVICES}
    return {
        unit: tuple(sorted(units))
        for unit, units in into.items()
        if units and unit not in reached and not any(one in reached or one.endswith(".device") for one in units)
    }


def boot_of(
    into: Mapping[str, Collection[str]], fleeting: Collection[str], reached: Collection[str], default: str
) -> Boot:
    """Return what the next boot makes of units.

    ``into`` are the units that would start each at the next boot, ``fleeting`` those that only links into others would start which
    are there for this boot alone, ``reached`` those that the default target pulls in, ``default`` its own name. Where systemd
    does not say what that is, what would start a unit counts as there.
    """
    lasting = set(reached) - set(fleeting)
    stranded = stranded_of(into, lasting, default) if reached else {}
    return Boot(stranded, frozenset(one for one in into if (into[one] or one in lasting) and one not in stranded))


def read_boot(states: Mapping[str, systemd.UnitState]) -> Boot:
    """Return what :func:`boot_of` says of units; ``states`` has the properties of each, and those of :data:`DEFAULT`."""
    links, fleeting = linked_into(one for one in _FOLDERS if one != _FLEETING), linked_into([_FLEETING])
    into = {}
    for unit, state in states.items():
        lasting = links.get(unit, set())
        shown = {name for key in REVERSE for name in members_of(state.get(key, ""))}
        into[unit] = lasting | (shown - fleeting.get(unit, set()))
    alone = {unit for unit in fleeting if not (links.get(unit) or into.get(unit))}
    return boot_of(into, alone, _pulled_in(), states[DEFAULT].get("Id", DEFAULT))
