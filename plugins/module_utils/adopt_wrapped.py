# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services whose main process is a shell, or a program that starts another one, and waits for a Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Optional

from . import systemd_host as systemd
from .adopt_shell import SHELLS as PARSED
from .adopt_shell import Command, NeedsShell, parse_command, parse_script
from .audit_processes import PROC, SHELLS, members, program_of, pythons_below
from .commands import SYSTEM_PATH

_PROPERTIES = ("LoadState", "FragmentPath", "MainPID", "ControlGroup")
#: Words of a Python, or of what a script names as its interpreter, before those of the command.
_AHEAD = 2


@dataclass(frozen=True)
class Wrapped:
    """The Python that a main process waits for: the name of that one's program, the arguments and folder of the Python.

    ``count`` is how many the main process has started.
    """

    wrapper: str
    argv: tuple[str, ...]
    directory: str = "/"
    count: int = 1

    @property
    def is_in_shell(self) -> bool:
        """Whether a shell waits for it."""
        return self.wrapper in SHELLS


def python_below(main: int, pids: Iterable[int], proc: str = PROC) -> Optional[Wrapped]:
    """Return the Python that the main process of a unit waits for, ``pids`` are the processes of the unit; ``None`` for none."""
    found = pythons_below(main, pids, proc)
    for pid in found:
        with suppress(OSError), open(f"{proc}/{pid}/cmdline", encoding="utf-8", errors="surrogateescape") as stream:
            argv = tuple(stream.read().split("\0")[:-1])
            return Wrapped(program_of(main, proc) or "", argv, os.readlink(f"{proc}/{pid}/cwd"), len(found))
    return None


def running_services() -> dict[str, systemd.UnitState]:
    """Return the services of the host that run, with their main process.

    Raises :class:`~.systemd_host.HostError` when systemd does not answer.
    """
    argv = [
        "systemctl",
        "list-units",
        "--type=service",
        "--state=running",
        "--plain",
        "--no-legend",
        "--no-pager",
        "--full",
    ]
    names = [line.split()[0] for line in systemd.run(argv).stdout.split("\n") if line.strip()]
    return systemd.show(names, _PROPERTIES)


def wrapped_pythons(states: Mapping[str, systemd.UnitState]) -> dict[str, Wrapped]:
    """Return those of the services that run a Python below another program."""
    found = {}
    for unit, state in states.items():
        pid = int(state.get("MainPID") or 0)
        below = python_below(pid, members(state.get("ControlGroup", ""))) if pid else None
        if below is not None:
            found[unit] = below
    return found


def _parsed(argv: Sequence[str], directory: str, path: str) -> Command:
    name = os.path.basename(argv[0])
    if name in PARSED and len(argv) == 3 and argv[1] in ("-c", "-ec"):
        return parse_command(argv[2], directory, path)
    script = argv[1] if name in PARSED and len(argv) > 1 else argv[0]
    with open(os.path.join(directory, script), encoding="utf-8", errors="surrogateescape") as stream:
        return parse_script(stream.read(), directory, path)


def direct_command(values: Mapping[str, Any], wrapped: Wrapped) -> Optional[Command]:
    """Return what a service with ``values`` starts by a shell, if that is the same without one, as its process shows."""
    argv, directory = values.get("exec_start"), values.get("working_directory", "/")
    if not isinstance(argv, list) or wrapped.count > 1:
        return None
    try:
        command = _parsed(argv, directory, values.get("environment", {}).get("PATH", SYSTEM_PATH))
    except (NeedsShell, OSError):
        return None
    ahead = len(wrapped.argv) - len(command.argv)
    if not 0 <= ahead <= _AHEAD or wrapped.argv[ahead + 1 :] != tuple(command.argv[1:]) or command.outputs:
        return None
    program = wrapped.argv[ahead]
    is_named = "/" in program
    # systemd.exec(5): what these files say counts more than variables of the unit, an export more than both.
    if "environment_files" in values and (command.environment or not is_named):
        return None
    if command.argv[0] != os.path.join(command.directory, program) and (
        is_named or not _ends(command.argv[0], program)
    ):
        return None
    return command if os.path.realpath(command.directory) == os.path.realpath(wrapped.directory) else None


def _ends(path: str, program: str) -> bool:
    return path.endswith(f"/{program}")
