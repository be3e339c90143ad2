# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sampler consists of on a host: its program, its settings, and the units that run it."""

from __future__ import annotations

import inspect
import os

from . import (
    files,
    leak_alerts,
    leak_commands,
    leak_journal,
    leak_kills,
    leak_main,
    leak_restart,
    leak_round,
    leak_settings,
    leak_state,
    leak_textfile,
    leak_told,
    leak_units,
    leak_workers,
    least_squares,
    memory_store,
    memory_trend,
    memory_usage,
    unit_names,
)
from .leak_settings import FILE, FOLDER, SERVICE, Settings

PACKAGE = "stability_leakwatch"
TIMER = "stability-leakwatch.timer"
UNITS = "/etc/systemd/system"
#: Python writes there what it has compiled, so that no round compiles anything.
COMPILED = f"{FOLDER}/{PACKAGE}/__pycache__"
#: The system's own Python, which needs nothing of any environment.
PYTHON = "/usr/bin/python3"
_MODULES = (
    *(files, leak_alerts, leak_commands, leak_journal, leak_kills, leak_main, leak_restart, leak_round, leak_settings),
    *(leak_state, leak_textfile, leak_told, leak_units, leak_workers, least_squares, memory_store, memory_trend),
    *(memory_usage, unit_names),
)
_HEADER = "# Managed by stability.baseline (role leakwatch): changes are overwritten.\n"
_PROGRAM = f'''\
{_HEADER}"""One round of the sampler: python3 -I -S sees neither this folder nor any package that is installed."""
import gc
import os
import sys

# A fifth of what a round costs: it is over before a cycle matters, and Python need not take itself apart.
gc.disable()
sys.path.insert(0, "{FOLDER}")
from {PACKAGE}.leak_main import main

status = main()
sys.stderr.flush()
os._exit(status)
'''
_SERVICE = """\
{header}[Unit]
Description=Sample the memory of the services of the stability baseline
# Each round is a start.
StartLimitIntervalSec=0

[Service]
Type=oneshot
# The next round takes the place of one that has failed.
Restart=no
ExecStart={python} -I -S {folder}/sample.py
TimeoutStartSec=60
SyslogIdentifier=stability-leakwatch
# Not three lines of systemd about each round. What the program prints are errors.
LogLevelMax=notice
SyslogLevel=err
Nice=5
UMask=0077
MemoryMax=64M
TasksMax=16
# It reads what all processes have, and writes its samples and metrics.
CapabilityBoundingSet={capabilities}
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=-/var/lib/stability -{compiled}{textfile_dir}
ProtectHome=yes
# Each of the ProtectKernel*= costs a round more than half of the services do; without capabilities most of that is out of reach.
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
"""
_TIMER = """\
{header}[Unit]
Description=Sample the memory of the services of the stability baseline, again and again

[Timer]
# Counted from the last round: a host that slept, or was busy, makes up for nothing.
OnActiveSec={interval}
OnUnitActiveSec={interval}
AccuracySec={accuracy}

[Install]
WantedBy=timers.target
"""


def _quoted(path: str) -> str:
    return '"' + path.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"'


def program() -> dict[str, str]:
    """Return the text of each file of the program by its path."""
    sources = {f"{FOLDER}/{PACKAGE}/{one.__name__.rpartition('.')[2]}.py": inspect.getsource(one) for one in _MODULES}
    return {f"{FOLDER}/sample.py": _PROGRAM, f"{FOLDER}/{PACKAGE}/__init__.py": "", **sources}


def unit_files(settings: Settings, python: str) -> dict[str, str]:
    """Return the text of each unit file by its path."""
    folder = settings.textfile_dir
    service = _SERVICE.format(
        header=_HEADER,
        python=python,
        folder=FOLDER,
        # The folder of the metrics may be that of another user.
        capabilities=f"CAP_SYS_PTRACE {'CAP_DAC_OVERRIDE' if folder else 'CAP_DAC_READ_SEARCH'}",
        compiled=COMPILED,
        textfile_dir=f" {_quoted('-' + folder)}" if folder else "",
    )
    timer = _TIMER.format(
        header=_HEADER, interval=_span(settings.interval), accuracy=_span(min(1.0, settings.interval / 10))
    )
    return {f"{UNITS}/{SERVICE}": service, f"{UNITS}/{TIMER}": timer}


def _span(seconds: float) -> str:
    return f"{seconds:g}s" if seconds >= 1 else f"{1000 * seconds:.0f}ms"


def wanted_files(settings: Settings, python: str) -> dict[str, str]:
    """Return the text of everything that is written, by its path."""
    return {**program(), FILE: settings.text, **unit_files(settings, python)}


def python_of_host(own: str) -> str:
    """Return the Python that runs the sampler: that of the system, or ``own`` where there is none."""
    return PYTHON if os.path.exists(PYTHON) else own
