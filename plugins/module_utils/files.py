# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either the old one or the new one, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

#: How the name of a file ends that waits beside the one whose place it takes.
STAGED = ".stability-staged"


def _sync(path: str, flag: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | flag)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: str) -> None:
    """Make a rename in ``folder`` survive a loss of power (fsync(2) of the folder)."""
    _sync(folder, os.O_DIRECTORY)


def _stage(path: str, content: bytes, mode: int) -> str:
    """Write ``content`` beside ``path``, under a name that systemd and Python ignore, and return that name."""
    folder, name = os.path.split(path)
    staged = os.path.join(folder, f".{name}{STAGED}")
    with suppress(FileNotFoundError):
        os.unlink(staged)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
    except OSError:
        os.unlink(staged)
        raise
    return staged


def write_files(contents: Mapping[str, bytes], mode: int = 0o644) -> None:
    """Replace each file of ``contents`` (by path) by its content, atomically and durably.

    All are staged before the first one is synchronised, and all are on the disk before the first one takes its place: an
    ``OSError`` on the way there (no space, most of all) leaves every old file untouched.
    """
    staged: dict[str, str] = {}
    try:
        for path, content in contents.items():
            staged[path] = _stage(path, content, mode)
        for name in staged.values():
            _sync(name, os.O_NOFOLLOW)
        for path in contents:
            os.rename(staged[path], path)
            del staged[path]
    finally:
        for name in staged.values():
            os.unlink(name)
    for folder in dict.fromkeys(os.path.dirname(path) for path in contents):
        sync_folder(folder)


def write_file(path: str, content: bytes, mode: int = 0o644) -> None:
    """Replace the file at ``path`` by ``content`` atomically and durably; an ``OSError`` leaves the old file untouched."""
    write_files({path: content}, mode)


def remove_file(path: str) -> None:
    """Remove the file at ``path`` durably; a file that is not there is fine."""
    with suppress(FileNotFoundError):
        os.unlink(path)
        sync_folder(os.path.dirname(path))
