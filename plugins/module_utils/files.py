# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either the old one or the new one, whatever happens in between."""

from __future__ import annotations

import os
from contextlib import suppress


def sync_folder(folder: str) -> None:
    """Make a rename in ``folder`` survive a loss of power (fsync(2) of the folder)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: str, content: bytes, mode: int = 0o644) -> None:
    """Replace the file at ``path`` by ``content`` atomically and durably.

    The new file is staged beside the old one under a name that systemd and Python ignore. An
    ``OSError`` leaves the old file untouched.
    """
    folder, name = os.path.split(path)
    staged = os.path.join(folder, f".{name}.stability-staged")
    with suppress(FileNotFoundError):
        os.unlink(staged)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.rename(staged, path)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(staged)
        raise
    sync_folder(folder)


def remove_file(path: str) -> None:
    """Remove the file at ``path`` durably; a file that is not there is fine."""
    with suppress(FileNotFoundError):
        os.unlink(path)
        sync_folder(os.path.dirname(path))
