# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a test host: executes one module of the collection with the arguments that arrive on standard input.

Usage: ``python3 run_module.py NAME [CRASH_AT] < arguments.json``. It does what Ansible's own wrapper does after unpacking. With a
number, the process ends before that change of the host, as if it had been killed there.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ansible.module_utils import basic

#: What changes a file system, and where a change of it is a change of the host.
CHANGES = ("rename", "replace", "unlink", "rmdir", "symlink", "utime", "mkdir")
PLACES = ("/etc", "/var/lib", "/opt", "/usr/local")
#: Verbs of systemctl that only look.
LOOKS = {"show", "list-units", "--version"}
CRASHED = 99


class Crash:
    """Counts the changes of the host, and ends the process before a given one."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os._exit(CRASHED)

    def watch_files(self, name: str) -> None:
        real = getattr(os, name)

        def changed(path: Any, *args: Any, **options: Any) -> Any:
            if str(path).startswith(PLACES):
                self.step()
            return real(path, *args, **options)

        setattr(os, name, changed)

    def watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def run(argv: Sequence[str], *options: Any) -> Any:
            if argv[0] == "systemctl" and not LOOKS & set(argv):
                self.step()
            return real(argv, *options)

        return run


def crash_at(number: int) -> None:
    """Let this process end before change ``number``, counted from 1."""
    from ansible_collections.stability.baseline.plugins.module_utils import systemd_host

    crash = Crash(number)
    for name in CHANGES:
        crash.watch_files(name)
    systemd_host.run = crash.watched(systemd_host.run)


def main() -> None:
    basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
    basic._ANSIBLE_PROFILE = "legacy"
    if len(sys.argv) > 2:
        crash_at(int(sys.argv[2]))
    runpy.run_module(f"ansible_collections.stability.baseline.plugins.modules.{sys.argv[1]}", run_name="__main__")


if __name__ == "__main__":
    main()
