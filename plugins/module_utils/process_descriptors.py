# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The open files and sockets of a process by their kind, as proc(5) shows them: nothing of it is done in the process."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Optional

PROC = "/proc"
_DELETED = " (deleted)"
_SOCKET = re.compile(r"socket:\[(\d+)\]\Z")
_ANONYMOUS = re.compile(r"anon_inode:\[?([a-zA-Z_-]+)\]?")
#: Tables below ``/proc/PID/net``, and the column of the inode in each.
_TABLES = {
    **{"tcp": 9, "tcp6": 9, "udp": 9, "udp6": 9, "raw": 9, "raw6": 9},
    **{"unix": 6, "netlink": 9, "packet": 8},
}
#: The states of TCP that tell something; a connection in CLOSE_WAIT is one that the other side has closed and the process has not.
_STATES = {"01": "established", "08": "close-wait", "0A": "listening"}
_STATE = 3


def kinds_of(pid: int, proc: str = PROC) -> Optional[dict[str, int]]:
    """Return how many descriptors a process has of each kind, the most first; ``None`` where that may not be seen, or it is gone."""
    try:
        numbers = os.listdir(f"{proc}/{pid}/fd")
    except OSError:
        return None
    found: Counter[str] = Counter()
    sockets: set[str] = set()
    for number in numbers:
        with suppress(OSError):
            path = f"{proc}/{pid}/fd/{number}"
            target = os.readlink(path)
            socket = _SOCKET.match(target)
            if socket:
                sockets.add(socket[1])
            else:
                found[_kind(path, target)] += 1
    found.update(_kinds_of_sockets(sockets, f"{proc}/{pid}/net") if sockets else ())
    return dict(found.most_common())


def _kind(path: str, target: str) -> str:
    anonymous = _ANONYMOUS.match(target)
    if anonymous:
        return anonymous[1]
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode):
        return "deleted file" if target.endswith(_DELETED) else "file"
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFCHR: "device", stat.S_IFBLK: "device", stat.S_IFDIR: "folder"}
    return kinds.get(stat.S_IFMT(mode), "other")


def _kinds_of_sockets(sockets: set[str], folder: str) -> Iterator[str]:
    """Yield the kind of each socket; one that was never bound or connected is in no table."""
    left = set(sockets)
    for table, column in _TABLES.items():
        with suppress(OSError), open(f"{folder}/{table}", encoding="ascii", errors="replace") as stream:
            for line in stream:
                words = line.split()
                if len(words) > column and words[column] in left:
                    left.remove(words[column])
                    kind = table.rstrip("6")
                    yield f"{kind} {_STATES.get(words[_STATE], 'other')}" if kind == "tcp" else kind
    yield from ("socket" for _socket in left)
