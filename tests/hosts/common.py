# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all parts of the test hosts use: the cache, locks, progress lines, podman."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class HostsError(Exception):
    """A test host could not be made or used; the message says why and is meant for people."""


def cache() -> Path:
    """Return the folder that all checkouts of this machine share; it is made when missing."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stability-baseline"
    folder = Path(os.environ.get("STABILITY_CACHE") or default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the machine-wide lock ``name``; the kernel lets go of it when the process dies."""
    folder = cache() / "locks"
    folder.mkdir(exist_ok=True)
    with open(folder / name, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def progress(title: str) -> Iterator[None]:
    """Print ``title`` on stderr, and the seconds it took when it is done."""
    print(f"hosts: {title} ...", file=sys.stderr, flush=True)
    begun = time.monotonic()
    yield
    print(f"hosts: {title}: {time.monotonic() - begun:.1f} s", file=sys.stderr, flush=True)


def podman(*arguments: str, prefix: Sequence[str] = ()) -> str:
    """Run podman, with ``prefix`` before it, and return what it printed.

    Raises:
        HostsError: podman ended with another code than 0, or is not installed.
    """
    try:
        result = subprocess.run([*prefix, "podman", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise HostsError("podman is not installed; run `make setup`") from error
    if result.returncode != 0:
        raise HostsError(f"`podman {' '.join(arguments)}` ended with {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def podman_succeeds(*arguments: str) -> bool:
    """Run podman and return whether it ended with 0."""
    try:
        return subprocess.run(["podman", *arguments], capture_output=True, check=False).returncode == 0
    except FileNotFoundError as error:
        raise HostsError("podman is not installed; run `make setup`") from error
