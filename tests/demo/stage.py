# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's host: made, filled with the application, deployed to, drilled."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import testhosts
from images import ensure_image
from releases import DEFAULT_RELEASE, RELEASES
from screen import Screen
from verdicts import Event
from wheelhouse import wheelhouse

DEMO = Path(__file__).resolve().parent
CHECKOUT = DEMO.parents[1]
HOST = "demo"
HOSTS = CHECKOUT / "tests" / "hosts" / "hosts"
INVENTORY = DEMO / "inventory"
SETTINGS = DEMO / "ansible.cfg"
REACHED_BY = CHECKOUT / ".cache" / "demo" / "hosts.yml"
"""How Ansible reaches the test host; its address and key are this machine's own."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and is meant for people."""


def make_host(screen: Screen) -> None:
    """Make the test host anew, so that nothing of an earlier demo is on it."""
    release = RELEASES[DEFAULT_RELEASE]
    with screen.step(f"A test host: Debian {release.name} with systemd {release.systemd}, reached by SSH"):
        testhosts.down(HOST)
        ensure_image(release)
        wheels = wheelhouse(DEMO / "app" / "lock.txt", release)
        testhosts.up(testhosts.HostSpec(HOST, release.name, ssh=True, wheelhouse=str(wheels)))
        REACHED_BY.parent.mkdir(parents=True, exist_ok=True)
        REACHED_BY.write_text(testhosts.inventory([HOST]))


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in member.name:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def copy_application(screen: Screen) -> None:
    """Put the application into ``/srv/shop`` and the units of the controls where systemd finds them.

    Raises:
        DemoError: the host does not take the files.
    """
    with screen.step("The application's files and the units of the two controls, onto the host"):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(DEMO / "app", "srv/shop", filter=_owned_by_root)
            for unit in (DEMO / "controls").iterdir():
                tar.add(unit, f"etc/systemd/system/{unit.name}", filter=_owned_by_root)
        command = [str(HOSTS), "exec", HOST, "--", "tar", "--extract", "--directory=/", "--no-overwrite-dir"]
        result = subprocess.run(command, input=archive.getvalue(), capture_output=True, check=False)
        if result.returncode != 0:
            raise DemoError(f"the host did not take the application: {result.stderr.decode().strip()}")


def _ansible_environment(coloured: bool) -> dict[str, str]:
    # Settings of the user's own must not change what is shown; PYTHONPATH holds the modules of the test hosts.
    inherited = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("ANSIBLE_")
    }
    return {**inherited, "LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(SETTINGS), "ANSIBLE_FORCE_COLOR": str(coloured)}


def _lines(command: list[str], stdin: str, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Yield what a command prints, line by line; its error output is part of it.

    Raises:
        DemoError: it ended with another status than 0.
    """
    # Whatever ends this process, what it started ends with it and does not work on the host of the next demo.
    with subprocess.Popen(
        ["setpriv", "--pdeathsig=TERM", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=CHECKOUT,
        env=environment,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stdin)
        process.stdin.close()
        for line in process.stdout:
            yield line.rstrip("\n")
    if process.returncode != 0:
        raise DemoError(f"{Path(command[0]).name} ended with status {process.returncode}; what it said is above")


def deploy(screen: Screen, title: str) -> int:
    """Run ``stability.baseline.apply`` and return how many tasks changed something.

    Raises:
        DemoError: the playbook failed.
    """
    arguments = ["stability.baseline.apply", "-i", str(REACHED_BY), "-i", str(INVENTORY)]
    words = [f"ANSIBLE_CONFIG={SETTINGS}", "ansible-playbook", *arguments]
    shown = " ".join(words).replace(f"{CHECKOUT}/", "")
    changed = -1
    with screen.step(title):
        screen.say(f"$ {shown}")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), *arguments]
        for line in _lines(command, "", _ansible_environment(screen.coloured)):
            if line.strip():
                screen.say(f"| {line}")
            recap = re.search(rf"{HOST}\b.*\bchanged=(\d+)", line)
            changed = int(recap[1]) if recap else changed
    return changed


def drill(screen: Screen, tell: Callable[[Event], None]) -> list[Event]:
    """Run ``drill.py`` on the host; ``tell`` each event when it happens; return all of them.

    Raises:
        DemoError: the drill itself failed.
    """
    events: list[Event] = []
    command = [str(HOSTS), "exec", HOST, "--", "python3", "-"]
    for line in _lines(command, (DEMO / "drill.py").read_text()):
        if not line.startswith("{"):
            screen.say(f"| {line}")
            continue
        events.append(json.loads(line))
        tell(events[-1])
    return events
