# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups: which version a host gets, and what follows from it.

A machine mounts cgroup v2 alone, or v1 (often with an empty v2 beside it). Newer systemd boots on v2 only. On a machine with
v1 a host of that kind lives in a mount namespace of its own, in which ``/sys/fs/cgroup`` is a fresh mount of v2; the machine's
own mounts are not touched. The namespace lasts as long as podman's monitor of the host (conmon), which was started in it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from releases import Release

#: Runs its arguments in a new namespace with cgroup v2 at its usual place. Only what lies below /sys is kept apart: podman looks
#: at the mount of each network namespace, from wherever it is called.
NEW_NAMESPACE = (
    "unshare", "--mount", "--propagation=unchanged", "--", "sh", "-ec",
    'mount --make-rprivate /sys; umount --recursive /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec "$@"', "sh",
)  # fmt: skip

NETWORK_NAMESPACES = Path("/run/netns")
PROCESSES = Path("/proc")

MEMORY_LIMITS = "memory limits"
"""What a host on the machine's empty v2 has not: the controllers are in use by v1."""


def unified() -> bool:
    """Return whether this machine has cgroup v2 alone."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def apart(release: Release) -> bool:
    """Return whether a host of ``release`` needs a mount namespace of its own on this machine."""
    return release.needs_unified_cgroups and not unified()


def obstacle(release: Release) -> str:
    """Return why no host of ``release`` can run on this machine; empty when one can."""
    if apart(release) and "\tcgroup2\n" not in (PROCESSES / "filesystems").read_text(encoding="ascii"):
        return f"Debian {release.name} boots on cgroup v2 only, which this machine's kernel does not have"
    return ""


def lacks(release: Release) -> dict[str, str]:
    """Return what a host of ``release`` does not have on this machine, and why."""
    if apart(release):
        return {MEMORY_LIMITS: f"Debian {release.name} needs cgroup v2, and the memory controller is in use by v1"}
    return {}


def prefix(container: str, release: Release | None = None) -> list[str]:
    """Return what to put before a command of podman that concerns ``container``.

    ``release`` is given when the container is about to be started: one that does not run yet gets a new namespace.
    """
    monitor = monitor_of(container)
    if monitor and os.readlink(f"/proc/{monitor}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
        return ["nsenter", f"--mount=/proc/{monitor}/ns/mnt", "--"]
    if monitor or not release or not apart(release):
        return []
    _share_network_namespaces()
    return list(NEW_NAMESPACE)


def reachable(container: str, release: Release) -> bool:
    """Return whether a container that runs can be reached: without its monitor nobody knows its namespace."""
    return not apart(release) or monitor_of(container) != 0


def _share_network_namespaces() -> None:
    """Do what podman and iproute2 do with their first network: done in the new namespace, it would hold only there."""
    NETWORK_NAMESPACES.mkdir(exist_ok=True)
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    if str(NETWORK_NAMESPACES) not in mounts:
        for arguments in (["--bind", NETWORK_NAMESPACES, NETWORK_NAMESPACES], ["--make-rshared", NETWORK_NAMESPACES]):
            subprocess.run(["mount", *arguments], check=True)


def monitor_of(container: str) -> int:
    """Return the id of podman's monitor of a container; 0 when it does not run."""
    for entry in PROCESSES.glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        # A command that is run in the container has a monitor, too, which ends with it.
        if words[0].endswith("/conmon") and container in words and "--exec-attach" not in words:
            return int(entry.name)
    return 0
