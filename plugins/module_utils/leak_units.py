# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which units are watched, and what systemd says of them.

To be asked about fifty units costs systemd more than all else in a round. So it is asked about those alone that were started or
stopped since the last round, which a folder of systemd tells, and about each of the others once in a while.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from .leak_commands import output
from .unit_names import is_template, unit_of

#: What the collection remembers of its units (:mod:`.manifest`, which takes longer to import than a round should).
MANIFEST = "/var/lib/stability/units.json"
#: Where systemd keeps the invocation of each unit that runs, as the target of a link.
_RUNS, _RUN = "/run/systemd/units", "invocation:"
_SERVICE = ".service"
_PROPERTIES = (
    *("ActiveState", "Type", "ControlGroup", "NRestarts", "InvocationID", "MemoryMax", "MainPID", "Result", "Job"),
)
#: How systemd shows that there is none.
_NONE = ("", "0", "infinity", "[not set]", "18446744073709551615")


class Facts(NamedTuple):
    """What systemd says of a unit: ``run`` is its invocation, ``cap`` its ``MemoryMax=`` in bytes (0: none)."""

    state: str = ""
    kind: str = ""
    control_group: str = ""
    restarts: int = 0
    run: str = ""
    cap: int = 0
    main: int = 0
    result: str = ""
    has_job: bool = False

    @property
    def is_up(self) -> bool:
        """Whether it runs, or is about to."""
        return self.state in ("active", "activating", "reloading", "deactivating")

    @property
    def is_changing(self) -> bool:
        """Whether it is on its way from one state to another."""
        return self.has_job or self.state in ("activating", "reloading", "deactivating")

    @property
    def is_job(self) -> bool:
        """Whether it is expected to end."""
        return self.kind == "oneshot"


def runs_now(folder: str = _RUNS) -> dict[str, str]:
    """Return the invocation of each service that systemd has started and not seen end."""
    found: dict[str, str] = {}
    for name in os.listdir(folder):
        if name.startswith(_RUN) and name.endswith(_SERVICE):
            with suppress(OSError):
                found[name[len(_RUN) :]] = os.readlink(f"{folder}/{name}")
    return found


def watched_units(runs: Mapping[str, str], manifest: str = MANIFEST) -> list[str]:
    """Return the services of the baseline; of a template all instances that run, whoever has started them.

    Raises :class:`ValueError` where the list of units cannot be understood.
    """
    try:
        with open(manifest, encoding="utf-8") as stream:
            files = json.load(stream)["units"]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{manifest} cannot be understood") from None
    units = {unit_of(name) for name in files}
    templates = tuple(unit.partition("@")[0] + "@" for unit in units if is_template(unit))
    found = {unit for unit in units if unit.endswith(_SERVICE) and not is_template(unit)}
    return sorted(found | ({unit for unit in runs if unit.startswith(templates)} if templates else set()))


def _number(text: str) -> int:
    return 0 if text in _NONE or not text.isdigit() else int(text)


def facts_in(printed: str, units: Sequence[str]) -> dict[str, Facts]:
    """Return what ``systemctl show`` has printed of units, in their order."""
    found: dict[str, Facts] = {}
    for unit, block in zip(units, printed.strip("\n").split("\n\n")):
        shown = dict(line.partition("=")[::2] for line in block.split("\n"))
        found[unit] = Facts(
            shown.get("ActiveState", ""),
            shown.get("Type", ""),
            shown.get("ControlGroup", ""),
            _number(shown.get("NRestarts", "")),
            shown.get("InvocationID", ""),
            _number(shown.get("MemoryMax", "")),
            _number(shown.get("MainPID", "")),
            shown.get("Result", ""),
            _number(shown.get("Job", "")) > 0,
        )
    return found


def ask(units: Iterable[str]) -> dict[str, Facts]:
    """Return what systemd says of units, in one call; raises :class:`~.leak_commands.CommandFailed`."""
    asked = list(units)
    if not asked:
        return {}
    return facts_in(output(["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", *asked]), asked)
