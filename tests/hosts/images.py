# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of test hosts, made of Debian's packages and named by a hash of what went into them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from common import HostsError, cache, locked, podman, podman_succeeds, progress
from releases import Release

PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "procps",
    "python3",
    "python3-venv",
    "sudo",
    "systemd",
    "systemd-sysv",
)

# Files that no test reads.
EXCLUDED_PATHS = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)

# Units that fail in a container, make no sense there, reach for the machine's kernel, or fetch things by themselves.
MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dev-hugepages.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "kmod-static-nodes.service",
    "modprobe@.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-modules-load.service",
    "systemd-networkd-wait-online.service",
    "systemd-remount-fs.service",
    "systemd-sysctl.service",
    "systemd-timesyncd.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
)

SSHD_CONFIG = """\
AuthorizedKeysFile /etc/ssh/authorized_keys
GSSAPIAuthentication no
MaxSessions 64
MaxStartups 64
PasswordAuthentication no
PermitRootLogin prohibit-password
UseDNS no
"""

# /dev/kmsg is the machine's own: its messages would appear in the host's journal.
JOURNALD_CONFIG = """\
[Journal]
ReadKMsg=no
"""

SUDOERS = "deploy ALL=(ALL) NOPASSWD: ALL\n"

# Runs as PID 1. Credentials of a service need shared mounts, which a container does not have.
BOOT_SCRIPT = """\
#!/bin/sh
mount --make-rshared / && exec /sbin/init "$@"
"""


class ImageFile(NamedTuple):
    """A file that the image gets beside its packages."""

    path: str
    text: str
    mode: int


FILES = (
    ImageFile("etc/default/locale", "LANG=C.UTF-8\n", 0o644),
    ImageFile("etc/ssh/sshd_config.d/stability-host.conf", SSHD_CONFIG, 0o644),
    ImageFile("etc/systemd/journald.conf.d/10-container.conf", JOURNALD_CONFIG, 0o644),
    ImageFile("etc/sudoers.d/deploy", SUDOERS, 0o440),
    ImageFile("usr/local/sbin/boot-host", BOOT_SCRIPT, 0o755),
)

# Its mounts and processes end with us, however we end: left behind, they would be the machine's own /dev and /sys
# inside of a folder that the next build removes.
CONTAINED = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

# Run by mmdebstrap with the new root folder as $1. The journal's folder makes the journal persistent.
CUSTOMIZE_HOOKS = (
    'chroot "$1" systemctl --quiet mask ' + " ".join(MASKED_UNITS),
    'chroot "$1" systemctl --quiet enable ssh.service',
    'chroot "$1" useradd --create-home --shell /bin/bash deploy',
    'install -d -m 2755 -o 0 -g "$(chroot "$1" getent group systemd-journal | cut -d: -f3)" "$1/var/log/journal"',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin',
)


# Their versions are labels of the image.
TOLD = ("python3", "systemd")
VERSIONS_HOOK = f"chroot \"$1\" dpkg-query --show --showformat '${{Package}} ${{Version}}\\n' {' '.join(TOLD)}"


def image_tag(release: Release) -> str:
    """Return the name of the image of ``release``: it changes with everything that goes into the image."""
    inputs = repr((release, PACKAGES, EXCLUDED_PATHS, FILES, CUSTOMIZE_HOOKS, VERSIONS_HOOK))
    return f"localhost/stability-host:{release.name}-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def ensure_image(release: Release) -> str:
    """Build the image of ``release`` unless it is there; return its tag.

    Two processes never build the same image at once: the second one waits and uses what the first made.

    Raises:
        HostsError: the build failed; its last lines are in the message.
    """
    tag = image_tag(release)
    if podman_succeeds("image", "exists", tag):
        return tag
    with locked(f"image-{release.name}"):
        if not podman_succeeds("image", "exists", tag):
            with progress(f"build the image of Debian {release.name} (systemd {release.systemd})"):
                _build(release, tag)
    return tag


def versions(release: Release) -> dict[str, str]:
    """Return the versions of ``python3`` and ``systemd`` in the image of ``release``, without Debian's own part.

    Raises:
        HostsError: the image cannot be made.
    """
    found = podman("image", "inspect", "--format", "{{json .Labels}}", ensure_image(release))
    return {name: json.loads(found)[f"stability.{name}"].partition("-")[0] for name in TOLD}


def _build(release: Release, tag: str) -> None:
    building = cache() / "images" / release.name
    # We hold the lock of this release, so what lies here was left by a build that was interrupted.
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    os.chmod(building, 0o755)
    try:
        overlay = building / "files"
        _write_files(overlay)
        archive = building / "root.tar"
        _bootstrap(release, overlay, archive, building)
        told = [line.split() for line in (building / "versions").read_text().splitlines()]
        changes = ["STOPSIGNAL=SIGRTMIN+3", *(f"LABEL stability.{name}={version}" for name, version in told)]
        podman("import", "--quiet", *(f"--change={change}" for change in changes), str(archive), tag)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _write_files(overlay: Path) -> None:
    for file in FILES:
        path = overlay / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
        path.chmod(file.mode)


def _bootstrap(release: Release, overlay: Path, archive: Path, building: Path) -> None:
    command = [*CONTAINED, "mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += [f"--aptopt={option}" for option in release.apt_options]
    command += [f"--dpkgopt=path-exclude={path}" for path in EXCLUDED_PATHS]
    command += [f"--customize-hook={hook}" for hook in CUSTOMIZE_HOOKS]
    # Copied file by file: the folders keep the modes that the packages gave them.
    command += [
        f'--customize-hook=install -D -m {file.mode:o} "{overlay / file.path}" "$1/{file.path}"' for file in FILES
    ]
    command += [f"--customize-hook={VERSIONS_HOOK} > '{building / 'versions'}'"]
    command += [release.name, str(archive)]
    mirror = os.environ.get("STABILITY_DEBIAN_MIRROR")
    if mirror:
        command.append(mirror)
    with tempfile.TemporaryFile("w+") as log:
        result = subprocess.run(
            command, env={**os.environ, "TMPDIR": str(building)}, stdout=log, stderr=subprocess.STDOUT, check=False
        )
        if result.returncode != 0:
            log.seek(0)
            last = "".join(log.readlines()[-30:])
            raise HostsError(f"mmdebstrap ended with {result.returncode} for {release.name}; its last lines:\n{last}")
