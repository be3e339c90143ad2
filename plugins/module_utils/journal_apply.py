# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan for the journal out: every step leaves a host from which the next run goes on, wherever this one is killed."""

from __future__ import annotations

import grp
import os
import time
from collections.abc import Sequence
from contextlib import suppress

from . import journal_state as state
from . import systemd_host as systemd
from .files import remove_file, write_files
from .journal_config import unit_of
from .journal_plan import Plan
from .journal_storage import STORED

_GROUP = "systemd-journal"
_MODE = 0o2755
#: Seconds that journald may take to open its file after a flush.
_PATIENCE = 10.0
#: While this is there, a journald that starts opens its file on the disk at once, and never moves what is in memory.
_FLUSHED = "/run/systemd/journal/flushed"


def _write(plan: Plan) -> None:
    """Write and remove the drop-ins; other users may read them, whatever the umask of this process is."""
    written = {change.path: change.after for change in plan.changes if change.after is not None}
    for folder in sorted({os.path.dirname(path) for path in written}):
        if not os.path.isdir(folder):
            os.mkdir(folder)
            os.chmod(folder, 0o755)
    write_files({path: text.encode("utf-8", "surrogateescape") for path, text in written.items()})
    for change in plan.changes:
        if change.after is None:
            remove_file(change.path)


def _make_folder() -> None:
    """Make ``/var/log/journal`` as systemd-tmpfiles(8) would have it; journald cannot give it the right group."""
    os.makedirs(STORED, exist_ok=True)
    with suppress(KeyError):
        os.chown(STORED, 0, grp.getgrnam(_GROUP).gr_gid)
    os.chmod(STORED, _MODE)


def _restart(plan: Plan, kept: Sequence[str]) -> None:
    """Restart what is owed a restart, and remember with what; units that are not ``kept`` are forgotten.

    systemd counts manual starts against the start limit, and a journald over its limit is down, with the standard output
    of every service gone: so its count is set back first.
    """
    units = [restart.unit for restart in plan.restarts]
    if plan.flush:
        with suppress(FileNotFoundError):
            os.unlink(_FLUSHED)
    systemd.act("reset-failed", units)
    complaint = systemd.act("restart", units)
    if complaint:
        raise systemd.HostError(f"systemctl restart failed: {complaint}. Look at: journalctl --unit {units[0]}")
    after = systemd.show(units, ("InvocationID", "StateChangeTimestampMonotonic"))
    taken = {unit: each for unit, each in state.read_taken().items() if unit in kept}
    for restart in plan.restarts:
        if restart.unit in kept:
            begun = after[restart.unit]
            taken[restart.unit] = state.Taken(
                begun["InvocationID"], restart.digest, begun["StateChangeTimestampMonotonic"]
            )
    if kept:
        state.write_taken(taken)


def _flush(plan: Plan) -> None:
    """Let journald move to the disk what it has in memory, and see that it writes there.

    Raises :class:`~.systemd_host.HostError` when it does not.
    """
    if plan.flush and unit_of("") not in {restart.unit for restart in plan.restarts}:
        # It flushes once in its life, unless it goes back to memory first (journalctl(1)); what is moved then is older than
        # the end of the file on the disk, so that gets a new one.
        for verb in ("--rotate", "--relinquish-var"):
            systemd.run(["journalctl", verb])
    # Gives the folder its access lists; a file system may have none, which is no fault.
    systemd.run(["systemd-tmpfiles", "--create", "--prefix", STORED])
    done = systemd.run(["journalctl", "--flush"])
    deadline = time.monotonic() + _PATIENCE
    while not (stored := _is_stored()) and time.monotonic() < deadline:
        time.sleep(0.05)
    if done.status or not stored:
        said = f" journalctl --flush said: {done.stderr.strip()}." if done.status else ""
        raise systemd.HostError(
            f"systemd-journald does not write its journal to {STORED}, although it is to be kept there.{said} "
            f"Look at the room and the permissions below {STORED}, mend them and run again."
        )


def _is_stored() -> bool:
    unit = unit_of("")
    return state.is_stored(int(systemd.show([unit], ("MainPID",))[unit]["MainPID"]))


def apply_plan(plan: Plan, kept: Sequence[str]) -> None:
    """Carry ``plan`` out; what we remember of units that are not ``kept`` is forgotten.

    Raises :class:`~.systemd_host.HostError` and :class:`OSError` when the host refuses a step; the next run goes on there.
    """
    _write(plan)
    if plan.make_folder:
        _make_folder()
    if plan.restarts:
        _restart(plan, kept)
    if plan.stored and (plan.restarts or plan.flush):
        _flush(plan)
    for folder in plan.folders:
        _remove_folder(folder)
    if plan.forget:
        remove_file(state.TAKEN)


def _remove_folder(folder: str) -> None:
    """Remove the folder of a drop-in with what a killed run left in it, unless somebody has put something there."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.endswith(".stability-staged"):
                os.unlink(f"{folder}/{name}")
        os.rmdir(folder)
