# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal on the disk: its files, how much they hold of which time, and the file system below them."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

STORED = "/var/log/journal"
VOLATILE = "/run/log/journal"
MACHINE_ID = "/etc/machine-id"
_SUFFIXES = (".journal", ".journal~")
#: Journal File Format: the header begins with this; from byte 136 on, little-endian, where the last object begins, and
#: from byte 184 on the times of the first and the last record, in microseconds since the epoch.
_SIGNATURE = b"LPKSHHRH"
_LAST_OBJECT, _TIMES = 136, 184
_HEADER = 208
#: What systemd-journald takes for SystemMaxUse=: 10 % of the file system, at most 4 GiB.
_DEFAULT_SHARE, _DEFAULT_MOST = 0.1, 4 * 1024.0**3
#: And for SystemKeepFree=: 5 %, whatever journald.conf(5) says, and also at most 4 GiB.
_DEFAULT_FREE = 0.05


@dataclass(frozen=True)
class Disk:
    """The file system that a journal is on: its size and what is free of it, in bytes, and whether it can be written."""

    size: float
    writable: bool
    free: float

    @property
    def default_max_use(self) -> float:
        """Bytes that the journal may take when nothing is said."""
        return min(self.size * _DEFAULT_SHARE, _DEFAULT_MOST)

    @property
    def default_keep_free(self) -> float:
        """Bytes that the journal leaves free when nothing is said."""
        return min(self.size * _DEFAULT_FREE, _DEFAULT_MOST)


@dataclass(frozen=True)
class Usage:
    """What a journal takes: ``allocated`` bytes on the disk, of which ``written`` hold records of ``seconds`` of time.

    ``files`` is how many files it has, ``age`` how many seconds ago its oldest record was written.
    """

    allocated: float = 0.0
    written: float = 0.0
    seconds: float = 0.0
    files: int = 0
    age: float = 0.0

    def with_more(self, other: Usage) -> Usage:
        """Return what both take when ``other``, of the same time, is moved here."""
        return replace(
            self,
            allocated=self.allocated + other.allocated,
            files=self.files + other.files,
            age=max(self.age, other.age),
        )


def machine_id() -> str:
    """Return the host's machine-id(5), the name of its folder of journal files; empty when it has none."""
    try:
        with open(MACHINE_ID, encoding="ascii", errors="replace") as stream:
            return stream.read().strip()
    except FileNotFoundError:
        return ""


def journal_files(folder: str) -> Iterator[str]:
    """Yield the paths of the journal files in a folder."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from (f"{folder}/{name}" for name in names if name.endswith(_SUFFIXES))


def usage(folder: str) -> Usage:
    """Return what the journal files in a folder take; what cannot be read, as it was rotated away just now, is left out."""
    allocated = written = last = 0.0
    first = now = time.time()
    files = 0
    for path in journal_files(folder):
        try:
            with open(path, "rb") as stream:
                allocated += os.fstat(stream.fileno()).st_blocks * 512
                header = stream.read(_HEADER)
        except OSError:
            continue
        files += 1
        if len(header) < _HEADER or not header.startswith(_SIGNATURE):
            continue
        written += struct.unpack_from("<Q", header, _LAST_OBJECT)[0]
        begin, end = struct.unpack_from("<QQ", header, _TIMES)
        if begin:
            first, last = min(first, begin / 1e6), max(last, end / 1e6)
    return Usage(allocated, written, max(0.0, last - first), files, now - first)


def disk(path: str) -> Disk:
    """Return the file system that the folder ``path`` is on, or will be on when it is made."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    size, free = (float(blocks) * found.f_frsize for blocks in (found.f_blocks, found.f_bavail))
    return Disk(size, os.access(path, os.W_OK), free)


def blocked_by(path: str) -> str:
    """Return what is in the way of the folder ``path``, a file or a link that leads nowhere; empty when nothing is."""
    while not os.path.isdir(path):
        if os.path.lexists(path):
            return path
        path = os.path.dirname(path)
    return ""


def _open_as(pid: int, name: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield path and status of each file with this name that the process ``pid`` has open."""
    folder = f"/proc/{pid}/fd"
    with suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in os.listdir(folder):
            with suppress(FileNotFoundError, ProcessLookupError):
                link = f"{folder}/{descriptor}"
                path = os.readlink(link)
                if os.path.basename(path) == name:
                    yield path, os.stat(link)


def is_open(pid: int, path: str) -> bool:
    """Whether the process ``pid`` has the file ``path`` open, by whatever name: ``/var/log`` may be a link."""
    try:
        wanted = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return any(os.path.samestat(status, wanted) for _path, status in _open_as(pid, os.path.basename(path)))


def is_open_below(pid: int, folder: str, name: str) -> bool:
    """Whether the process ``pid`` has a file with this name in a folder of ``folder`` open."""
    wanted = os.path.realpath(folder)
    return any(os.path.dirname(os.path.dirname(path)) == wanted for path, _status in _open_as(pid, name))


def process_start(pid: int) -> float:
    """Return when a process was started, in seconds since the epoch; 0 when there is none.

    Counted back from now by the clock that also runs while the machine is suspended: neither a suspension nor a step of
    the real-time clock since then moves it (proc(5), ``starttime``).
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            ticks = int(stream.read().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def amount(size: float) -> str:
    """Return a number of bytes for people: ``512.0M``."""
    for unit in ("", "K", "M", "G"):
        if size < 1024:
            return f"{size:.1f}{unit}" if unit else f"{size:.0f}"
        size /= 1024
    return f"{size:.1f}T"
