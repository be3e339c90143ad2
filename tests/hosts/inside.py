# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on a host without podman: its namespaces are entered directly.

``podman exec`` takes a tenth of a second of CPU time for itself, and a run of the tests has thousands of commands.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cgroups

#: What ``podman exec`` gives a command.
_VARIABLES = {
    "container": "podman",
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "xterm",
}
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
#: The monitor of each container that has been asked for; another one after a reboot.
_monitors: dict[str, int] = {}


def _words(process: int) -> list[str]:
    with suppress(OSError):
        return (cgroups.PROCESSES / str(process) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def first_process(container: str) -> int:
    """Return the id of the process that is the first one on a host, as its monitor has it; 0 when the host does not run."""
    if container not in _words(_monitors.get(container, 0)):
        _monitors[container] = cgroups.monitor_of(container)
    words = _words(_monitors[container])
    with suppress(ValueError, IndexError, OSError):
        return int(Path(words[words.index("-p") + 1]).read_text(encoding="ascii"))
    return 0


def run(container: str, argv: Sequence[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command on a host as root, with the exit code that a shell would see, and return its code and output."""
    process = first_process(container)
    if not process:
        return subprocess.CompletedProcess(argv, 125, "", f"{container} does not run\n")
    enter = ["/usr/bin/nsenter", f"--target={process}", *_NAMESPACES, "--", *argv]
    done = subprocess.run(enter, input=stdin or "", capture_output=True, text=True, check=False, env=_VARIABLES)
    # A command that ended by a signal takes nsenter along.
    done.returncode = 128 - done.returncode if done.returncode < 0 else done.returncode
    return done
