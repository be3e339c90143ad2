# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of the module ``leakwatch`` to a plan for this host, and from a plan to what is done."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from . import systemd_host as systemd
from .files import remove_file, write_files
from .leak_files import COMPILED, TIMER, program, python_of_host, wanted_files
from .leak_settings import FOLDER, Settings
from .leak_told import alert_unit_for
from .leakwatch_caps import Proposal, proposals
from .leakwatch_options import settings_of
from .leakwatch_plan import Plan, describe, diff, link, observe, plan_absence, plan_presence
from .manifest import FOLDER as STATE
from .manifest import LOCK
from .problems import InvalidInput, Problem, show

__all__ = ["Prepared", "carry_out", "describe", "diff", "forget", "prepare", "prepare_absence", "require_root"]


@dataclass(frozen=True)
class Prepared:
    """A plan, what the user should know, and the memory caps that are proposed."""

    plan: Plan
    warnings: tuple[str, ...] = ()
    proposed: tuple[Proposal, ...] = ()


def require_root() -> None:
    """Raise :class:`~.systemd_host.HostError` when this process may not install anything."""
    if os.geteuid() != 0:
        raise systemd.HostError(
            "The sampler is installed as root, and this is not root. Use become: true, which the role does unless "
            "stability_become is false."
        )


def prepare(options: Mapping[str, object], check_mode: bool) -> Prepared:
    """Return the plan for the options; nothing is changed.

    Raises :class:`InvalidInput` with every problem, :class:`~.systemd_host.HostError` when the host cannot be used.
    """
    settings = settings_of(options)
    systemd.version()
    python = python_of_host(sys.executable)
    wanted = wanted_files(settings, python)
    plan = plan_presence(wanted, observe(wanted))
    if plan.changed:
        _require_sqlite(python)
    missing = _missing_folder(settings.textfile_dir)
    if missing and not check_mode:
        raise InvalidInput([missing])
    warnings = [f"{missing} A run fails there unless an earlier step of it makes that."] if missing else []
    return Prepared(plan, (*warnings, *_alert_warnings(settings)), tuple(proposals()))


def prepare_absence() -> Prepared:
    """Return the plan that takes everything away; raises :class:`~.systemd_host.HostError`."""
    systemd.version()
    return Prepared(plan_absence(observe(())))


def _require_sqlite(python: str) -> None:
    if systemd.run([python, "-I", "-S", "-c", "import sqlite3"]).status:
        raise systemd.HostError(
            f"{python} has no module sqlite3, which keeps the samples. Install Python's standard library as a whole."
        )


def _missing_folder(path: str) -> Problem | None:
    with suppress(OSError):
        if stat.S_ISDIR(os.stat(path or "/").st_mode):
            return None
    return Problem("textfile_dir", show(path), "a folder on the host", "Make it, or correct the path")


def _alert_warnings(settings: Settings) -> list[str]:
    name = settings.alert_unit
    if (
        not name
        or systemd.show([alert_unit_for(name, "x.service")], ("LoadState",)).popitem()[1]["LoadState"] == "loaded"
    ):
        return []
    return [f"alert_unit: there is no {name} on the host. Deploy it, or nobody is called."]


def carry_out(prepared: Prepared) -> None:
    """Bring the host to what was prepared.

    Raises :class:`~.systemd_host.HostError` and :class:`OSError` when the host refuses a step; the next run goes on there.
    """
    plan = prepared.plan
    complaint = systemd.act("stop", plan.stop) if plan.stop else ""
    if complaint:
        raise systemd.HostError(f"systemctl stop failed: {complaint}. Look at: systemctl status {plan.stop[0]}")
    if plan.disable:
        remove_file(link())
    if plan.files:
        _write(plan)
    for path in plan.remove:
        remove_file(path)
    if plan.reload:
        systemd.daemon_reload()
    _run_timer(plan)
    if plan.folder:
        shutil.rmtree(FOLDER)
        with suppress(OSError):
            os.rmdir(os.path.dirname(FOLDER))


def _write(plan: Plan) -> None:
    """Write the files, which others may read, whatever the umask of this process is."""
    for folder in (os.path.dirname(FOLDER), FOLDER, os.path.dirname(COMPILED), COMPILED):
        if not os.path.isdir(folder):
            os.makedirs(folder)
            os.chmod(folder, 0o755)
    if program().keys() & plan.files.keys():
        # A source of the same second and size would be taken for the one that was compiled.
        for name in os.listdir(COMPILED):
            os.unlink(f"{COMPILED}/{name}")
    write_files({path: after.encode("utf-8", "surrogateescape") for path, (_before, after) in plan.files.items()})


def _run_timer(plan: Plan) -> None:
    for verb, wanted in (("enable", plan.enable), ("start", plan.start)):
        complaint = systemd.act(verb, [TIMER]) if wanted else ""
        if complaint and verb == "start":
            raise systemd.HostError(f"systemctl start failed: {complaint}. Look at: systemctl status {TIMER}")


def forget() -> None:
    """Remove the folder of the collection's state when nothing but the lock of this very run is in it."""
    with suppress(OSError):
        if os.listdir(STATE) == [os.path.basename(LOCK)]:
            remove_file(LOCK)
            os.rmdir(STATE)
