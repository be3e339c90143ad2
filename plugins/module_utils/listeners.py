# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose processes listen on a TCP port of this host: an answer there need not come from the service that is asked."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress

#: proc(5), ``/proc/net/tcp``: the state of a socket that listens.
_LISTEN = "0A"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def listening_sockets(rows: Iterable[str], ports: Collection[int]) -> dict[str, int]:
    """Return the port of each listening socket, by its inode, among ``rows`` of ``/proc/net/tcp`` (proc(5))."""
    found = {}
    for row in rows:
        fields = row.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            port = int(fields[1].rpartition(":")[2], 16)
            if port in ports:
                found[fields[9]] = port
    return found


def _rows() -> list[str]:
    rows: list[str] = []
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as stream:
                rows += stream.readlines()[1:]
        except FileNotFoundError:
            continue
    return rows


def _sockets_of(process: str) -> set[str]:
    """Return the inodes of the sockets that a process holds; none when it has ended or hides them."""
    found: set[str] = set()
    folder = f"/proc/{process}/fd"
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for name in os.listdir(folder):
            # One of its files may be closed by now.
            with suppress(FileNotFoundError):
                target = os.readlink(f"{folder}/{name}")
                if target.startswith("socket:["):
                    found.add(target[len("socket:[") : -1])
    return found


def _group_of(process: str) -> str:
    """Return the control group in which the service manager keeps a process (cgroups(7)); empty when it has ended."""
    try:
        with open(f"/proc/{process}/cgroup", encoding="utf-8", errors="replace") as stream:
            lines = [line.rstrip("\n").split(":", 2) for line in stream]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    groups = {fields[1]: fields[2] for fields in lines}
    return groups.get("name=systemd") or groups.get("", "")


def listening_groups(ports: Collection[int]) -> dict[int, set[str]]:
    """Return, for each port, the control groups of the processes that listen there, as far as this process may see."""
    groups: dict[int, set[str]] = {port: set() for port in ports}
    sockets = listening_sockets(_rows(), ports)
    for process in os.listdir("/proc") if sockets else ():
        held = _sockets_of(process) & sockets.keys() if process.isdigit() else set()
        for inode in held:
            groups[sockets[inode]].add(_group_of(process))
    return groups


def is_inside(group: str, control_group: str) -> bool:
    """Return whether ``group``, as ``/proc`` shows it, is the ``ControlGroup=`` of a unit or lies below it."""
    return bool(control_group) and f"{control_group}/" in f"{group}/"
