# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that run a Python, and whose unit file systemd has no more: what their process shows is all that there is."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Mapping
from typing import Optional

from .adopt_model import Mark, service_name
from .adopt_secrets import Secrets
from .audit_processes import PROC, members, pythons_below, runs_python
from .systemd_host import UnitState

#: ``LoadState=`` of systemd's interface, and what it means for a unit that runs.
_WHY = {
    "not-found": "its unit file is gone",
    "masked": "it is masked",
    "bad-setting": "its unit file has what systemd refuses",
    "error": "its unit file cannot be read",
}


def _why(state: UnitState) -> str:
    """Return why it cannot be read what starts a unit; empty where it can."""
    fragment = state.get("FragmentPath", "")
    if state.get("LoadState") == "loaded" and fragment and not os.path.exists(fragment):
        return _WHY["not-found"]
    return _WHY.get(state.get("LoadState", ""), "")


def _user(pid: int, proc: str) -> str:
    with open(f"{proc}/{pid}/status", encoding="utf-8", errors="replace") as stream:
        uid = next(int(line.split()[2]) for line in stream if line.startswith("Uid:"))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _shown(pid: int, secrets: Secrets, proc: str) -> str:
    """Return who runs a process, what, and in which folder."""
    try:
        with open(f"{proc}/{pid}/cmdline", encoding="utf-8", errors="surrogateescape") as stream:
            command = shlex.join(secrets.argv(stream.read().split("\0")[:-1]))
        return f"as {_user(pid, proc)}, in {os.readlink(f'{proc}/{pid}/cwd')}: {command}"
    except OSError as error:
        return f"as process {pid} ({error.strerror})"


def _python_of(state: UnitState, proc: str) -> Optional[int]:
    """Return the Python that is the main process of a unit, or that one waits for."""
    main = int(state.get("MainPID") or 0)
    if not main or runs_python(main, proc):
        return main or None
    return next(iter(pythons_below(main, members(state.get("ControlGroup", "")), proc)), None)


def lost_pythons(states: Mapping[str, UnitState], known: dict[str, str], proc: str = PROC) -> dict[str, Mark]:
    """Return marks about those of the units that run whose files are gone, masked or refused, by unit.

    ``known`` has the secrets that were found so far, by their variables.
    """
    found = {}
    for unit, state in states.items():
        why = _why(state)
        pid = _python_of(state, proc) if why else None
        if pid is not None:
            shown = _shown(pid, Secrets(service_name(unit.rpartition(".")[0]), known), proc)
            text = (
                f"{why}, so what starts it cannot be read. It runs {shown}. Write an item from that, if it is to stay"
            )
            found[unit] = Mark(unit, text)
    return found
