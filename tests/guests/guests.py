# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test host with a kernel of its own: the system of a test host in memory, under qemu, with cgroup v2 and every controller.

A container has what this machine's kernel gives it, which may be cgroup v1. The processor is emulated: that works everywhere, and takes
about ten times as long.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from common import HostsError, cache, locked, podman, progress
from images import CONTAINED, ensure_image, image_tag
from releases import RELEASES
from testhosts import SSH_OPTIONS, ssh_key

#: Its systemd tells the peak of what has ended.
RELEASE = RELEASES["trixie"]
PROGRAMS = ("qemu-system-x86_64", "cpio", "mmdebstrap")
#: The cloud kernel has what a virtual machine needs, and little else.
KERNEL_PACKAGES = "kmod,linux-image-cloud-amd64"
#: What is taken out of them: the kernel, the modules of the network, and what loads these.
MEMBERS = (
    *("*/vmlinuz-*", "*bin/kmod", "*bin/depmod", "*bin/modprobe", "*/lib/modules/*/modules.*"),
    *("*/kernel/drivers/virtio/*", "*/virtio_net.ko*", "*/net_failover.ko*", "*/kernel/net/core/failover.ko*"),
)
#: The addresses are those of qemu's own network.
INIT = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
modprobe virtio_pci
modprobe virtio_net
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
umount /proc /sys
exec /sbin/init
"""
COMMAND_LINE = "console=ttyS0 rdinit=/init systemd.unified_cgroup_hierarchy=1 quiet"
MEMORY_MIB = 2048
#: Seconds until it must answer; 45 are usual.
BOOT_TIMEOUT = 300.0


def _run(command: Sequence[str], folder: Path, stdin: str | None = None) -> None:
    done = subprocess.run(
        command, cwd=folder, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise HostsError(f"`{' '.join(command)}` ended with {done.returncode}: {done.stdout[-2000:]}")


def ensure_guest() -> Path:
    """Return the folder with the kernel (``kernel``) and the system (``system``) of a guest; they are made when missing.

    Raises:
        HostsError: a program is missing, or a step failed.
    """
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        raise HostsError(f"{', '.join(missing)}: not installed; run `make guest`")
    inputs = repr((image_tag(RELEASE), KERNEL_PACKAGES, MEMBERS, INIT, ssh_key().with_suffix(".pub").read_text()))
    folder = cache() / "guests" / hashlib.sha256(inputs.encode()).hexdigest()[:12]
    with locked("guest"):
        if not (folder / "system").exists():
            with progress(f"build the guest of Debian {RELEASE.name}"):
                _build(folder)
    return folder


def _build(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "root"
    root.mkdir(parents=True)
    _export(ensure_image(RELEASE), root)
    _run(
        [*CONTAINED, "mmdebstrap", "--variant=extract", f"--include={KERNEL_PACKAGES}", RELEASE.name, "kernel.tar"],
        folder,
    )
    # Links to the folders of the system must stay what they are: /lib is one.
    extract = ["tar", "--extract", "--file=../kernel.tar", "--keep-directory-symlink", "--wildcards", *MEMBERS]
    _run(extract, root)
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    _run(["chroot", str(root), "depmod", kernel.name.partition("-")[2]], folder)
    kernel.rename(folder / "kernel")
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    shutil.copyfile(ssh_key().with_suffix(".pub"), root / "etc/ssh/authorized_keys")
    pack = "set -o pipefail; find . -print0 | cpio --null --create --format=newc --quiet | gzip -1 > ../packed"
    _run(["bash", "-c", pack], root)
    shutil.rmtree(root)
    (folder / "kernel.tar").unlink()
    # Its name is what says that all is there.
    (folder / "packed").rename(folder / "system")


def _export(image: str, root: Path) -> None:
    name = f"stability-export-{os.getpid()}"
    podman("create", f"--name={name}", image, "/sbin/init")
    try:
        _run(["bash", "-c", f"set -o pipefail; podman export {name} | tar --extract"], root)
    finally:
        podman("rm", name)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


class Guest:
    """A running guest; it ends with this process, however that ends.

    Args:
        log: the file for what it prints on its console.

    Raises:
        HostsError: it could not be made, or did not answer within ``BOOT_TIMEOUT``.
    """

    def __init__(self, log: Path) -> None:
        files = ensure_guest()
        self._log, self.port = log, _free_port()
        network = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        self._process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig=KILL", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-smp", "2"),
                *("-m", str(MEMORY_MIB), "-nodefaults", "-no-reboot", "-display", "none", "-serial", f"file:{log}"),
                *("-kernel", str(files / "kernel"), "-initrd", str(files / "system"), "-append", COMMAND_LINE),
                *("-netdev", network, "-device", "virtio-net-pci,netdev=net"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with ExitStack() as undone:
            undone.callback(self.down)
            self._wait()
            undone.pop_all()

    @property
    def inventory(self) -> str:
        """An Ansible inventory (INI) with the guest alone."""
        options = " ".join(f"-o {key}={value}" for key, value in SSH_OPTIONS.items())
        return (
            f"guest ansible_host=127.0.0.1 ansible_port={self.port} ansible_user=root ansible_pipelining=true "
            f"ansible_python_interpreter=/usr/bin/python3 ansible_ssh_private_key_file='{ssh_key()}' "
            f"ansible_ssh_common_args='{options}'\n"
        )

    def down(self) -> None:
        """End the guest."""
        self._process.kill()
        self._process.wait()

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a shell as root and return its code and output."""
        options = [
            word for key, value in {**SSH_OPTIONS, "ConnectTimeout": "20"}.items() for word in ("-o", f"{key}={value}")
        ]
        argv = ["ssh", "-i", str(ssh_key()), "-p", str(self.port), *options, "root@127.0.0.1", command]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def check(self, command: str) -> str:
        """Run a command that must succeed and return its standard output."""
        done = self.run(command)
        if done.returncode:
            raise HostsError(f"{command!r} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def _wait(self) -> None:
        deadline = time.monotonic() + BOOT_TIMEOUT
        while self.run("systemctl is-system-running --wait").stdout.strip() not in ("running", "degraded"):
            if time.monotonic() > deadline or self._process.poll() is not None:
                said = ""
                with suppress(OSError):
                    said = self._log.read_text(errors="replace")[-2000:]
                raise HostsError(f"the guest does not answer; its console says: {said}")
            time.sleep(1)
