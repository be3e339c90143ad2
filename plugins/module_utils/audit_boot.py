# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a boot starts: a unit can be enabled into a target that is misspelt, or that nothing starts."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from . import systemd_host as systemd
from .unit_state import OTHER_FOLDERS, UNIT_FOLDER

#: What a boot starts, with all that it pulls in (bootup(7)).
DEFAULT = "default.target"
#: Properties that name the units which pull in a unit; systemd before 249 has no ``UpheldBy``.
REVERSE = ("WantedBy", "RequiredBy", "UpheldBy")
#: What devices start when they are there (systemd.special(7)), beside what their own units pull in.
_OF_DEVICES = ("bluetooth.target", "printer.target", "smartcard.target", "sound.target", "usb-gadget.target")
#: Where ``systemctl enable`` and packages put links (systemd.unit(5), "Unit File Load Path").
_FOLDERS = (UNIT_FOLDER, *OTHER_FOLDERS)
_KINDS = ("wants", "requires", "upholds")


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


def read_stranded(states: Mapping[str, systemd.UnitState]) -> dict[str, tuple[str, ...]]:
    """Return what :func:`stranded_of` says of units; ``states`` has the properties of each, and those of :data:`DEFAULT`."""
    pulled_in = _pulled_in()
    if not pulled_in:
        return {}
    links = linked_into()
    into = {
        unit: {*links.get(unit, ()), *(name for key in REVERSE for name in state.get(key, "").split())}
        for unit, state in states.items()
    }
    return stranded_of(into, pulled_in, states[DEFAULT].get("Id", DEFAULT))
