# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time for each virtual environment."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from .commands import EnvironmentFailure, User, acting_as, user_with
from .foreign_installers import installers_at_work

#: Seconds to wait for another run to end.
WAIT = 60.0
_PAUSE = 0.2


def environment_key(virtualenv: str) -> str:
    """Return a short name for an environment: the same for each path that leads to it."""
    return hashlib.sha256(os.path.realpath(virtualenv).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _lock_folder() -> str:
    """Return a folder that only the one as whom we act may write to, so that nobody else can hold or redirect a lock.

    It is the same for every run: neither ``TMPDIR``, nor whether the user has a session just now, may decide.
    """
    uid = os.geteuid()
    folder = "/run/stability-baseline" if uid == 0 else f"/tmp/stability-baseline-{uid}"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o022:
        raise EnvironmentFailure(
            f"{folder} is not a folder of our own that nobody else may write to. Remove it, then run again."
        )
    return folder


def check_no_installer(virtualenv: str) -> None:
    """Raise :class:`EnvironmentFailure` when a pip or uv of somebody else is at work in the environment."""
    found = installers_at_work(virtualenv)
    if found:
        listed = ", ".join(str(process) for process in found)
        raise EnvironmentFailure(
            f"Another installer is changing {virtualenv} (process {listed}). Wait until it has ended, then run again."
        )


def _wait_for_installers(virtualenv: str, deadline: float) -> None:
    while time.monotonic() < deadline and installers_at_work(virtualenv):
        time.sleep(_PAUSE)
    check_no_installer(virtualenv)


def _owner(virtualenv: str) -> Optional[User]:
    """Return the owner of an environment where that is somebody else and we can act as that."""
    if os.geteuid() != 0 or not os.path.isdir(virtualenv):
        return None
    status = os.stat(virtualenv)
    return user_with(status.st_uid, status.st_gid) if status.st_uid else None


def _lock_file(virtualenv: str) -> tuple[int, str]:
    path = os.path.join(_lock_folder(), f"{environment_key(virtualenv)}.lock")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), path


def _wait_for_lock(descriptor: int, path: str, virtualenv: str, deadline: float) -> None:
    begun = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waited = time.monotonic() - begun
            if time.monotonic() > deadline:
                raise EnvironmentFailure(
                    f"Another run has been changing {virtualenv} for {waited:.0f} seconds ({path} is locked; fuser(1) "
                    "names its process). Wait until it has ended, then run again."
                ) from None
            time.sleep(_PAUSE)


@contextmanager
def _closing(descriptors: list[int]) -> Iterator[list[int]]:
    """Close descriptors at the end, those as well that were added in the meantime."""
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@contextmanager
def locked(virtualenv: str, wait: float = WAIT) -> Iterator[int]:
    """Hold the environment for one run (flock(2)) and yield the lock's file descriptor.

    A program that inherits the descriptor goes on holding the lock: a pip that outlives a killed run is waited for, and so
    is a pip or uv of somebody else. After ``wait`` seconds :class:`EnvironmentFailure` is raised.
    """
    deadline = time.monotonic() + wait
    descriptor, path = _lock_file(virtualenv)
    with _closing([descriptor]) as open_descriptors:
        _wait_for_lock(descriptor, path, virtualenv, deadline)
        owner = _owner(virtualenv)
        if owner is not None:
            # A run as the owner holds a lock of the owner's own.
            with acting_as(owner):
                second, path = _lock_file(virtualenv)
            open_descriptors.append(second)
            _wait_for_lock(second, path, virtualenv, deadline)
        _wait_for_installers(virtualenv, deadline)
        yield descriptor
