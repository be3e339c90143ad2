# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host of the benchmark: started, cleaned between runs, asked what a run left, removed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import testhosts
from workload import PREFIX, USER, directives

_CLEAN = f"""
cd /etc/systemd/system
units=$(ls | grep '^{PREFIX}')
if [ -n "$units" ]; then
    systemctl disable --now --quiet $units
    rm -f $units
    systemctl daemon-reload
fi
rm -rf /var/lib/stability
"""
_READ = f"""
cd /etc/systemd/system
for unit in $(ls | grep '^{PREFIX}'); do
    echo "file $unit"; sed 's/^/ /' "$unit"
    echo "state $(systemctl show --value --property=ActiveState --property=UnitFileState --property=MainPID "$unit" | xargs)"
done
"""


@dataclass(frozen=True)
class Unit:
    """What a run left of a unit: its directives, ``active``, ``enabled``, and its main process."""

    directives: list[str]
    active: str
    enabled: str
    pid: str


class BenchHost:
    """A test host with SSH, reached the same way by every contestant."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.inventory = folder / "inventory.yml"
        self.inventory.write_text(testhosts.inventory([name]), encoding="utf-8")
        variables = yaml.safe_load(self.inventory.read_text(encoding="utf-8"))["all"]["hosts"][name]
        control_path = variables["ansible_control_path"] % {"directory": str(folder)}
        # ControlMaster and ControlPersist as ansible-core sets them, and the very connection that Ansible uses.
        options = f"-C -o ControlMaster=auto -o ControlPersist=60s -o ControlPath={control_path}".split()
        options += ["-i", variables["ansible_ssh_private_key_file"], "-p", str(variables["ansible_port"])]
        options += variables["ansible_ssh_common_args"].split()
        self.ssh = ["ssh", *options, f"{variables['ansible_user']}@{variables['ansible_host']}"]
        self.run("useradd", "--system", USER)

    def run(self, *argv: str) -> str:
        """Run a command on the host, not by SSH, and return what it printed."""
        done = testhosts.execute(self.name, argv)
        if done.returncode:
            raise RuntimeError(f"{argv[0]} on the host ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file on the host."""
        self.run("bash", "-c", 'printf %s "$2" > "$1"', "write", path, text)

    def connect(self) -> None:
        """Open the connection that the next run uses, unless it is open."""
        subprocess.run([*self.ssh, "true"], check=True, stdin=subprocess.DEVNULL)

    def disconnect(self) -> None:
        """Close the connection."""
        subprocess.run([*self.ssh[:-1], "-O", "exit", self.ssh[-1]], check=False, stderr=subprocess.DEVNULL)

    def clean(self) -> None:
        """Take away everything that a contestant has deployed."""
        self.run("bash", "-c", _CLEAN)

    def units(self) -> dict[str, Unit]:
        """Return what is deployed, by unit."""
        units: dict[str, Unit] = {}
        lines: list[str] = []
        for line in self.run("bash", "-c", _READ).splitlines():
            kind, _space, rest = line.partition(" ")
            if kind == "file":
                name, lines = rest, []
            elif kind == "state":
                pid, active, enabled = rest.split()
                units[name] = Unit(directives("\n".join(lines)), active, enabled, pid)
            else:
                lines.append(rest)
        return units

    def systemd_version(self) -> int:
        """Return the version of the host's systemd."""
        return int(self.run("systemctl", "--version").split()[1])

    def facts(self) -> Mapping[str, str]:
        """Return what the host is, for the report."""
        release = dict(line.split("=", 1) for line in self.run("cat", "/etc/os-release").splitlines() if "=" in line)
        return {
            "host": release["PRETTY_NAME"].strip('"'),
            "host_systemd": str(self.systemd_version()),
            "host_python": self.run("/usr/bin/python3", "--version").split()[1],
        }


@contextmanager
def bench_host(name: str, folder: Path, **settings: Any) -> Iterator[BenchHost]:
    """Start a host called ``name`` with ``settings`` of HostSpec, and remove it at the end, whatever happens."""
    testhosts.up(testhosts.HostSpec(name, ssh=True, **settings))
    try:
        host = BenchHost(name, folder)
        yield host
        host.disconnect()
    finally:
        testhosts.down(name)
