# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of files, remembered between runs: a file that stat(2) shows to be the same is not read again.

The same means: device, inode, size, time of the last change of its content and of its inode. The last of them nobody can
set, so a file cannot be changed behind it, but within one tick of the clock; what changed a moment ago is not remembered.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from .commands import current_user
from .files import write_file

#: Where root's digests are; everybody else's are in the user's own folder for state.
ROOT_FOLDER = "/var/lib/stability/hashes"
_USER_FOLDER = ".local/state/stability-baseline/hashes"
_HEAD = b"stability-hashes 1 "
_BLOCK = 1 << 20
#: Nanoseconds after which a file's times tell a change from the one before it; some file systems count whole seconds.
_SETTLED = 2_000_000_000


def cache_path(name: str) -> str:
    """Return where the digests called ``name`` are kept, for the user as whom this process acts."""
    folder = ROOT_FOLDER if os.geteuid() == 0 else os.path.join(current_user().home, _USER_FOLDER)
    return os.path.join(folder, f"{name}.json")


def _is_ours(status: os.stat_result) -> bool:
    """Whether nobody but us could have written it."""
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _content(path: str) -> bytes:
    """Return the content of a cache that only we can have written; else raise ``ValueError`` or ``OSError``."""
    folder = os.lstat(os.path.dirname(path))
    if not stat.S_ISDIR(folder.st_mode) or not _is_ours(folder):
        raise ValueError("a folder that others may write to")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_ours(status):
            raise ValueError("a file that others may write to")
        return stream.read()


def _read(path: str) -> dict[str, str]:
    """Return what is remembered; what is damaged, or could be somebody else's, is nothing."""
    try:
        head, _newline, body = _content(path).partition(b"\n")
        known = json.loads(body) if head == _HEAD + hashlib.sha256(body).hexdigest().encode() else {}
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(path: str, known: Mapping[str, str]) -> None:
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if _is_ours(os.lstat(folder)):
        body = json.dumps(known, separators=(",", ":")).encode()
        write_file(path, _HEAD + hashlib.sha256(body).hexdigest().encode() + b"\n" + body, 0o600)


def _key(status: os.stat_result, algorithm: str) -> str:
    return f"{algorithm}:{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


class FileHashes:
    """The digests of one environment's files; without a ``path`` nothing is remembered after this run.

    ``clock`` tells the time in nanoseconds.
    """

    def __init__(self, path: str = "", clock: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._clock = clock
        self._known = _read(path) if path else {}
        self._asked: dict[str, str] = {}

    def digest(self, path: str, status: os.stat_result, algorithm: str) -> str:
        """Return the digest of the file at ``path``, whose ``status`` was just read, the way ``RECORD`` spells it.

        That is urlsafe base64 without padding.
        """
        key = _key(status, algorithm)
        found = self._asked.get(key) or self._known.get(key)
        if found is None:
            found, same = self._hashed(path, key, algorithm)
            if not same or self._clock() - max(status.st_mtime_ns, status.st_ctime_ns) < _SETTLED:
                return found
        self._asked[key] = found
        return found

    def _hashed(self, path: str, key: str, algorithm: str) -> tuple[str, bool]:
        """Return the digest of the content, and whether the file is still the one with that key."""
        digest = hashlib.new(algorithm)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            size = min(os.fstat(descriptor).st_size + 1, _BLOCK)
            for block in iter(lambda: os.read(descriptor, size), b""):
                digest.update(block)
            same = _key(os.fstat(descriptor), algorithm) == key
        finally:
            os.close(descriptor)
        return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode(), same

    def save(self) -> None:
        """Remember what was asked for, and forget the rest; where that cannot be written, the next run reads again."""
        if self._path and self._asked != self._known:
            with suppress(OSError):
                _write(self._path, self._asked)
