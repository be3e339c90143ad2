# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test hosts: Debian under a real systemd, each in a podman container of its own.

A host without SSH has a loopback network only; with SSH it is on podman's default bridge.
``/opt`` and ``/srv`` are volumes: hard links and ``RENAME_EXCHANGE`` work there as on a real disk.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import resource
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cgroups
import inside
from common import HostsError, cache, locked, podman, podman_succeeds
from images import ensure_image
from releases import DEFAULT_RELEASE, RELEASES, Release

PREFIX = "stability-"
WHEELHOUSE = "/opt/wheelhouse"
SSH_PORT = 22
BOOT_TIMEOUT = 60.0
"""Seconds from the start of a host until systemd and sshd must answer."""

NETWORK = "podman"
# Addresses in the lower half of the bridge's network are left to podman's own choice.
FIRST_ADDRESS_OFFSET = 0x8000

# What one host may have at most, where this machine allows as much; unlimited values are refused in some containers.
ULIMITS = {"nofile": (resource.RLIMIT_NOFILE, 20000), "nproc": (resource.RLIMIT_NPROC, 4096)}

SSH_OPTIONS = {
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    # A host that rebooted is noticed within seconds, not after the TCP timeout.
    "ServerAliveInterval": "2",
    "ServerAliveCountMax": "3",
}


@dataclass(frozen=True)
class HostSpec:
    """What a test host shall be like.

    Attributes:
        name: letters, digits, dots and dashes; the container is called ``stability-<name>``.
        release: code name of a Debian release in ``releases.RELEASES``.
        ssh: on the default bridge and reachable by SSH as root and as ``deploy`` (who may sudo).
        wheelhouse: folder on this machine, seen read-only as ``/opt/wheelhouse``.
        mounts: further bind mounts, each ``SRC:DST`` or ``SRC:DST:ro``.
    """

    name: str
    release: str = DEFAULT_RELEASE
    ssh: bool = False
    wheelhouse: str | None = None
    mounts: tuple[str, ...] = ()

    @property
    def container(self) -> str:
        """Name of the podman container."""
        return PREFIX + self.name


def up(spec: HostSpec) -> dict[str, Any]:
    """Start the host and wait until systemd, and sshd if asked for, answer.

    A host that runs already is left alone; one with other settings, or from an older image, is made anew.

    Returns:
        ``name``, ``container``, ``address``, ``ssh_port``, ``ssh_key``, ``user``; without SSH the address is None.

    Raises:
        HostsError: the host could not be made, or did not come up within ``BOOT_TIMEOUT``.
    """
    release = _checked(spec)
    image = ensure_image(release)
    with locked(f"host-{spec.name}"):
        flags = _flags(spec, release)
        settings = hashlib.sha256(repr((image, flags)).encode()).hexdigest()
        existing = inspect(spec.name)
        fresh = existing is None or existing["Config"]["Labels"].get("stability.settings") != settings
        fresh = fresh or (existing["State"]["Running"] and not cgroups.reachable(spec.container, release))
        if fresh:
            down(spec.name)
            _create(spec, release, image, [*flags, f"--label=stability.settings={settings}"])
        else:
            podman("start", spec.container, prefix=cgroups.prefix(spec.container, release))
        _wait_until_up(spec.name, fresh=fresh)
    return facts(spec.name)


def down(*names: str) -> None:
    """Remove hosts with their volumes; one that is not there is no error."""
    for name in names:
        remove = ["rm", "--force", "--ignore", "--volumes", "--time", "0", PREFIX + name]
        podman(*remove, prefix=cgroups.prefix(PREFIX + name))


def reboot(name: str) -> dict[str, Any]:
    """Reboot a host: systemd stops everything in order, ``/run`` and ``/tmp`` are emptied, the address stays.

    Returns:
        The same as :func:`up`.
    """
    release = RELEASES[facts(name)["release"]]
    podman("restart", "--time", "30", PREFIX + name, prefix=cgroups.prefix(PREFIX + name, release))
    _wait_until_up(name, fresh=False)
    return facts(name)


def execute(name: str, argv: Sequence[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command on a host as root and return its code and output."""
    return inside.run(PREFIX + name, argv, stdin)


def inspect(name: str) -> dict[str, Any] | None:
    """Return what podman knows about a host; None when there is none of that name."""
    if not podman_succeeds("container", "exists", PREFIX + name):
        return None
    found: list[dict[str, Any]] = json.loads(podman("container", "inspect", PREFIX + name))
    return found[0]


def facts(name: str) -> dict[str, Any]:
    """Return how a host is reached; the keys are those of :func:`up`.

    Raises:
        HostsError: there is no such host.
    """
    found = inspect(name)
    if found is None:
        raise HostsError(f"there is no test host {name}; `hosts list` shows those that are there")
    address = found["Config"]["Labels"].get("stability.address") or None
    return {
        "name": name,
        "container": PREFIX + name,
        "release": found["Config"]["Labels"]["stability.release"],
        "running": found["State"]["Running"],
        "address": address,
        "ssh_port": SSH_PORT if address else None,
        "ssh_key": str(ssh_key()) if address else None,
        "user": "root",
    }


def names() -> list[str]:
    """Return the names of all test hosts of this machine, also of those that do not run."""
    listed = podman("ps", "--all", "--filter", "label=stability.host", "--format", '{{index .Labels "stability.host"}}')
    return sorted(listed.split())


def all_facts() -> list[dict[str, Any]]:
    """Return how each test host of this machine is reached; one that its own run removes meanwhile is left out."""
    found = []
    for name in names():
        with suppress(HostsError):
            found.append(facts(name))
    return found


def inventory(hosts: Sequence[str], user: str = "root") -> str:
    """Return an Ansible inventory (YAML) of hosts that have SSH.

    Raises:
        HostsError: a host is not there or has no SSH.
    """
    lines = ["---", "all:", "  hosts:"]
    for name in hosts:
        host = facts(name)
        if not host["address"]:
            raise HostsError(f"host {name} has no SSH; start it with --ssh")
        container_id = (inspect(name) or {})["Id"][:12]
        variables = {
            "ansible_host": host["address"],
            "ansible_port": host["ssh_port"],
            "ansible_user": user,
            "ansible_ssh_private_key_file": host["ssh_key"],
            "ansible_ssh_common_args": " ".join(f"-o {key}={value}" for key, value in SSH_OPTIONS.items()),
            # A connection kept open to a removed host must not be taken for one to its successor at the same address.
            "ansible_control_path": f"%(directory)s/{container_id}-{user}",
            "ansible_pipelining": True,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        lines.append(f"    {name}:")
        lines += [f"      {key}: {json.dumps(value)}" for key, value in variables.items()]
    return "\n".join(lines) + "\n"


def ssh_key() -> Path:
    """Return the private key that every test host of this machine accepts; it is made once."""
    key = cache() / "ssh" / "id_ed25519"
    with locked("ssh-key"):
        if not key.with_suffix(".pub").exists():
            key.parent.mkdir(mode=0o700, exist_ok=True)
            key.unlink(missing_ok=True)
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "stability test hosts", "-f", str(key)],
                check=True,
            )
    return key


def _checked(spec: HostSpec) -> Release:
    if os.geteuid() != 0:
        raise HostsError("test hosts run a whole systemd each, which takes root; run this as root")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", spec.name):
        raise HostsError(f"name: found {spec.name!r}; expected letters, digits, dots and dashes")
    if spec.release not in RELEASES:
        raise HostsError(f"release: found {spec.release!r}; expected one of {', '.join(RELEASES)}")
    release = RELEASES[spec.release]
    obstacle = cgroups.obstacle(release)
    if obstacle:
        raise HostsError(obstacle)
    return release


def _mounts(spec: HostSpec) -> list[str]:
    mounts = []
    for mount in spec.mounts:
        source, _colon, target = mount.partition(":")
        if not target.startswith("/"):
            raise HostsError(f"mount: found {mount!r}; expected SRC:DST or SRC:DST:ro with a DST that begins with /")
        mounts.append(f"{Path(source).resolve()}:{target}")
    if spec.wheelhouse:
        mounts.append(f"{Path(spec.wheelhouse).resolve()}:{WHEELHOUSE}:ro")
    if spec.ssh:
        mounts.append(f"{ssh_key()}.pub:/etc/ssh/authorized_keys:ro")
    for mount in mounts:
        if not Path(mount.partition(":")[0]).exists():
            raise HostsError(f"mount: found {mount!r}; expected a source that exists")
    return mounts


def _on_unified(release: Release) -> bool:
    """Return whether a host of ``release`` sees cgroup v2 alone."""
    return cgroups.unified() or cgroups.apart(release)


def _flags(spec: HostSpec, release: Release) -> list[str]:
    flags = [
        f"--name={spec.container}",
        f"--hostname={spec.name}",
        f"--label=stability.host={spec.name}",
        f"--label=stability.release={spec.release}",
        "--privileged",
        "--cgroupns=private",
        "--stop-signal=SIGRTMIN+3",
        "--volume=/opt",
        "--volume=/srv",
    ]
    flags += [f"--volume={mount}" for mount in _mounts(spec)]
    for name, (number, wanted) in ULIMITS.items():
        hard = resource.getrlimit(number)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        flags.append(f"--ulimit={name}={value}:{value}")
    if _on_unified(release):
        # The host's own limits are enough, and the empty v2 beside v1 cannot count processes. Where no volume is, podman puts
        # a file system in memory over the journal.
        flags += ["--systemd=always", "--pids-limit=-1", "--volume=/var/log/journal"]
    else:
        # On v1 `--systemd=always` mounts the machine's whole name=systemd hierarchy: hosts would share it, and removing
        # one would break the others. crun refuses the hybrid of v1 and v2; runc does not.
        flags += ["--runtime=runc", "--systemd=false", "--env=container=podman"]
        flags += ["--tmpfs=/run:mode=755", "--tmpfs=/run/lock", "--tmpfs=/tmp"]
    return flags


def _create(spec: HostSpec, release: Release, image: str, flags: list[str]) -> None:
    prefix = cgroups.prefix(spec.container, release)
    # systemd 256 and newer boot on cgroup v1 only when they are told to.
    init = [] if _on_unified(release) else ["SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
    command = [image, "/usr/local/sbin/boot-host", *init]
    if not spec.ssh:
        podman("run", "--detach", "--network=none", *flags, *command, prefix=prefix)
        return
    # Chosen here, not by podman, which may choose another one at each reboot.
    with locked("addresses"):
        used = {host["address"] for host in all_facts()}
        for address in _free_addresses(spec.name, used):
            # A new hardware address at each reboot would leave the old one in this machine's ARP cache for half a minute.
            hardware = ":".join(f"{byte:02x}" for byte in b"\x02\x42" + ipaddress.ip_address(address).packed)
            network = [f"--network={NETWORK}", f"--ip={address}", f"--mac-address={hardware}"]
            network.append(f"--label=stability.address={address}")
            try:
                podman("run", "--detach", *network, *flags, *command, prefix=prefix)
                return
            except HostsError as error:
                # Podman keeps the address of a host whose removal was interrupted.
                if "is already allocated" not in str(error):
                    raise
                down(spec.name)
    raise HostsError(f"{spec.name}: no address is free in the network {NETWORK}")


def _free_addresses(name: str, used: set[str]) -> list[str]:
    """Return some addresses that no test host has; those of a name are the same each time."""
    found = json.loads(podman("network", "inspect", NETWORK))[0]
    subnet = ipaddress.ip_network(found["subnets"][0]["subnet"])
    size = subnet.num_addresses - FIRST_ADDRESS_OFFSET - 1
    wanted = int(hashlib.sha256(name.encode()).hexdigest(), 16)
    offsets = (FIRST_ADDRESS_OFFSET + (wanted + step) % size for step in range(size))
    return list(islice((address for address in (str(subnet[offset]) for offset in offsets) if address not in used), 20))


def _wait_until_up(name: str, *, fresh: bool) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT
    state = ""
    # With --wait it answers when the boot is over; before the manager listens it fails at once, with another word.
    while state not in ("running", "degraded"):
        if time.monotonic() > deadline:
            raise HostsError(f"{name}: systemd says {state!r} after {BOOT_TIMEOUT:.0f} s\n{_console(name)}")
        answer = execute(name, ["timeout", "10", "systemctl", "is-system-running", "--wait"])
        state = answer.stdout.strip() or answer.stderr.strip()
        if state not in ("running", "degraded"):
            time.sleep(0.05)
    if fresh and state != "running":
        failed = execute(name, ["systemctl", "--failed", "--no-legend", "--plain"]).stdout
        raise HostsError(f"{name}: systemd came up {state}; failed units:\n{failed}")
    address = facts(name)["address"]
    if address:
        _wait_for_sshd(name, address, deadline)


def _console(name: str) -> str:
    result = subprocess.run(
        ["podman", "logs", "--tail", "20", PREFIX + name], capture_output=True, text=True, check=False
    )
    return result.stdout + result.stderr


def _wait_for_sshd(name: str, address: str, deadline: float) -> None:
    while True:
        try:
            with socket.create_connection((address, SSH_PORT), timeout=2) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError as error:
            if time.monotonic() > deadline:
                raise HostsError(f"{name}: sshd does not answer at {address}: {error}") from error
        time.sleep(0.05)
