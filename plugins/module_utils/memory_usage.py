# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service has in use at the moment: the memory of its control group and of its processes, their threads and open files.

It is read once a minute for every service of a host, so it reads few files, and starts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, Optional

PROC, CGROUP = "/proc", "/sys/fs/cgroup"
_PAGE_FIELDS = {"RssAnon": "anonymous", "RssFile": "backed", "RssShmem": "shared"}


class ProcessUse(NamedTuple):
    """A process: when it started (in ticks since the boot), its memory in bytes, and numbers of threads and of open files.

    ``anonymous`` memory is backed by no file. ``files`` is ``None`` where that may not be seen.
    """

    pid: int
    started: int
    resident: int
    anonymous: int
    threads: int
    files: Optional[int]


class GroupUse(NamedTuple):
    """A control group: its ``used`` memory in bytes, the ``anonymous`` part of it, and its processes.

    Where the kernel does not account for it (memory controller off), both are sums over the processes.
    """

    used: int
    anonymous: int
    processes: tuple[ProcessUse, ...]


def process_use(pid: int, proc: str = PROC) -> Optional[ProcessUse]:
    """Return what a process has in use; ``None`` when it is gone. See proc(5)."""
    found: dict[str, int] = {}
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            # The name is in parentheses, and may hold any of them and blanks; it is followed by the field 3.
            started = int(stream.read().rpartition(")")[2].split()[19])
        with open(f"{proc}/{pid}/status", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                name, _colon, value = line.partition(":")
                if name in _PAGE_FIELDS or name == "Threads":
                    found[name] = int(value.split()[0])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None
    files: Optional[int] = None
    with suppress(OSError):
        files = len(os.listdir(f"{proc}/{pid}/fd"))
    resident = 1024 * sum(found.get(name, 0) for name in _PAGE_FIELDS)
    return ProcessUse(pid, started, resident, 1024 * found.get("RssAnon", 0), found.get("Threads", 0), files)


def _folders(control_group: str, root: str) -> Iterator[str]:
    """Yield where the memory of a control group may be accounted for: cgroup v2, and the controller of v1."""
    yield f"{root}{control_group}"
    yield f"{root}/memory{control_group}"


def _pids(control_group: str, root: str) -> list[int]:
    for base in (root, f"{root}/unified", f"{root}/systemd"):
        found: list[int] = []
        with suppress(OSError):
            for folder, _folders, names in os.walk(f"{base}{control_group}"):
                if "cgroup.procs" in names:
                    with open(f"{folder}/cgroup.procs", encoding="ascii") as stream:
                        found += map(int, stream)
        if found:
            return found
    return []


def accounted_memory(control_group: str, root: str = CGROUP) -> Optional[tuple[int, int]]:
    """Return the memory of a control group, and the part without files; ``None`` where the kernel keeps no account of it."""
    for folder in _folders(control_group, root):
        for current, part in (("memory.current", "anon"), ("memory.usage_in_bytes", "total_rss")):
            with suppress(OSError, ValueError):
                with open(f"{folder}/{current}", encoding="ascii") as stream:
                    used = int(stream.read())
                with open(f"{folder}/memory.stat", encoding="ascii") as stream:
                    parts = dict(line.split() for line in stream)
                return used, int(parts.get(part, 0))
    return None


def group_use(control_group: str, root: str = CGROUP, proc: str = PROC) -> Optional[GroupUse]:
    """Return what a control group has in use; ``None`` when nothing runs in it.

    Args:
        control_group: as systemd names it (``ControlGroup=``), such as ``/system.slice/api.service``.
        root: where the control groups are mounted.
        proc: where proc(5) is.
    """
    pids = _pids(control_group, root) if control_group else []
    processes = tuple(found for found in (process_use(pid, proc) for pid in pids) if found is not None)
    if not processes:
        return None
    used, anonymous = accounted_memory(control_group, root) or (
        sum(one.resident for one in processes),
        sum(one.anonymous for one in processes),
    )
    return GroupUse(used, anonymous, processes)
