# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units as the audit reads them: one under the baseline, and what is found in others."""

from __future__ import annotations

from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Process, Unit, UnitFile, Worker
from ansible_collections.stability.baseline.plugins.module_utils.audit_units import judge
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import HEADER

FILE = UnitFile("/etc/systemd/system/api.service", HEADER, age=7200)
#: A daemon under the baseline, as systemctl(1) shows it.
DAEMON = {
    "Type": "exec",
    "ActiveState": "active",
    "Restart": "always",
    "RestartUSec": "5s",
    "StartLimitIntervalUSec": "0",
    "StartLimitBurst": "5",
    "NeedDaemonReload": "no",
    "UnitFileState": "enabled",
    "StandardOutput": "journal",
    "StandardError": "journal",
    "MemoryMax": "536870912",
    "MemoryHigh": "infinity",
    "MemoryCurrent": "104857600",
}
JOB = {
    **DAEMON,
    "Type": "oneshot",
    "ActiveState": "inactive",
    "Restart": "on-failure",
    "RestartUSec": "1min",
    "StartLimitIntervalUSec": "22h 48min",
    "StartLimitBurst": "4",
    "UnitFileState": "static",
}
PROCESS = Process(11, 3600.0, ("python", "-m", "api"), {"PYTHONUNBUFFERED": "1"}, (Worker(12, 3590.0),), 0.0)


def daemon(**properties: str) -> Unit:
    return Unit("api.service", {**DAEMON, **properties}, (FILE,), process=PROCESS)


def job(**properties: str) -> Unit:
    return Unit("nightly.service", {**JOB, **properties}, (FILE,), triggers={"nightly.timer": "enabled"})


def found(unit: Unit) -> list[tuple[str, str]]:
    return [(finding.id, finding.seen) for finding in judge(unit)]


#: What systemd says of a unit that is up.
UP = {
    "Names": "",
    "ActiveState": "active",
    "SubState": "running",
    "Type": "exec",
    "NeedDaemonReload": "no",
    "DropInPaths": "",
    "FragmentPath": "/etc/systemd/system/x",
    "NRestarts": "0",
    "ActiveEnterTimestampMonotonic": "1000000",
}
