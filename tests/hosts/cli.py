# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `tests/hosts/hosts`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import cgroups
import testhosts
from common import HostsError
from images import ensure_image
from releases import DEFAULT_RELEASE, RELEASES
from testhosts import HostSpec
from wheelhouse import wheelhouse


def _image(options: argparse.Namespace) -> int:
    print(ensure_image(RELEASES[options.release]))
    return 0


def _images(options: argparse.Namespace) -> int:
    for release in RELEASES.values():
        obstacle = cgroups.obstacle(release)
        if obstacle:
            print(f"hosts: no image of {release.name}: {obstacle}", file=sys.stderr)
        else:
            print(ensure_image(release))
    return 0


def _up(options: argparse.Namespace) -> int:
    spec = HostSpec(options.name, options.release, options.ssh, options.wheelhouse, tuple(options.mount))
    print(json.dumps(testhosts.up(spec), indent=2))
    return 0


def _down(options: argparse.Namespace) -> int:
    testhosts.down(*options.names)
    return 0


def _exec(options: argparse.Namespace) -> int:
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    container = testhosts.PREFIX + options.name
    command = ["podman", "exec", "--interactive", *terminal, container, *options.command]
    return subprocess.run([*cgroups.prefix(container), *command], check=False).returncode


def _reboot(options: argparse.Namespace) -> int:
    print(json.dumps(testhosts.reboot(options.name), indent=2))
    return 0


def _inventory(options: argparse.Namespace) -> int:
    print(testhosts.inventory(options.names, options.user), end="")
    return 0


def _list(options: argparse.Namespace) -> int:
    for host in testhosts.all_facts():
        state = "running" if host["running"] else "stopped"
        print(f"{host['name']:30} {host['release']:10} {state:8} {host['address'] or '-'}")
    return 0


def _wheelhouse(options: argparse.Namespace) -> int:
    print(wheelhouse(Path(options.lock), RELEASES[options.release]))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hosts", description="Make and run test hosts: Debian under a real systemd.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    image = commands.add_parser("image", help="build the image of a release, unless it is there, and print its name")
    image.add_argument("release", nargs="?", default=DEFAULT_RELEASE, choices=RELEASES)
    image.set_defaults(run=_image)

    commands.add_parser("images", help="do so for every release that runs on this machine").set_defaults(run=_images)

    up = commands.add_parser("up", help="start a host, wait until it answers, print how to reach it")
    up.add_argument("name")
    up.add_argument("--release", default=DEFAULT_RELEASE, choices=RELEASES)
    up.add_argument("--ssh", action="store_true", help="on the default bridge, with sshd (else: loopback only)")
    up.add_argument("--wheelhouse", metavar="DIR", help=f"seen on the host, read-only, as {testhosts.WHEELHOUSE}")
    up.add_argument("--mount", action="append", default=[], metavar="SRC:DST[:ro]")
    up.set_defaults(run=_up)

    down = commands.add_parser("down", help="remove hosts")
    down.add_argument("names", nargs="+", metavar="NAME")
    down.set_defaults(run=_down)

    execute = commands.add_parser("exec", help="run a command on a host as root: exec NAME -- COMMAND...")
    execute.add_argument("name")
    execute.add_argument("command", nargs="+")
    execute.set_defaults(run=_exec)

    reboot = commands.add_parser("reboot", help="reboot a host and wait until it answers")
    reboot.add_argument("name")
    reboot.set_defaults(run=_reboot)

    inventory = commands.add_parser("inventory", help="print an Ansible inventory of hosts with SSH")
    inventory.add_argument("names", nargs="+", metavar="NAME")
    inventory.add_argument("--user", default="root", choices=("root", "deploy"), help="deploy may use sudo")
    inventory.set_defaults(run=_inventory)

    commands.add_parser("list", help="print all hosts: name, release, state, address").set_defaults(run=_list)

    wheels = commands.add_parser("wheelhouse", help="download the wheels of a lock file and print their folder")
    wheels.add_argument("lock", metavar="LOCKFILE")
    wheels.add_argument("--release", default=DEFAULT_RELEASE, choices=RELEASES)
    wheels.set_defaults(run=_wheelhouse)
    return parser


def main() -> int:
    """Run one command and return its exit code: 1 for an error of the hosts, else the command's own."""
    options = _parser().parse_args()
    try:
        return int(options.run(options))
    except HostsError as error:
        print(f"hosts: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away; the interpreter must not try to flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
