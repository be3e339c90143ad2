# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios use: the host's units and journal, deployments and what they reported."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOSTS = Path(__file__).resolve().parents[1] / "tests" / "hosts" / "hosts"
STARTED = "39f53479d3a045ac8e11786248231fbf"
"""``MESSAGE_ID`` of "a start job for a unit has finished" (systemd.journal-fields(7), ``journalctl --list-catalog``)."""


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Return what ``condition`` returns as soon as that is true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


class Node:
    """The test host: its units, its journal and the workers of the application on it."""

    def __init__(self, host: Any) -> None:
        self.host = host

    def run(self, command: str, *arguments: str) -> str:
        """Run a shell command that must succeed and return what it printed."""
        return str(self.host.check_output(command, *arguments))

    def show(self, unit: str, *properties: str) -> list[str]:
        """Return the values of ``properties`` of a unit, in their order."""
        printed = self.run("systemctl show --property=%s -- %s", ",".join(properties), unit)
        found = dict(line.split("=", 1) for line in printed.splitlines())
        return [found[name] for name in properties]

    def pid(self, unit: str) -> int:
        """Return the main process id of a unit; 0 when it has none."""
        return int(self.show(unit, "MainPID")[0])

    def state(self, unit: str) -> str:
        """Return its ``ActiveState``."""
        return self.show(unit, "ActiveState")[0]

    def kill(self, unit: str, signal: str) -> None:
        """Send a signal to the main process of a unit."""
        self.run("systemctl kill --kill-who=main --signal=%s -- %s", signal, unit)

    def tell(self, unit: str, order: str) -> int:
        """Tell the worker of a unit what to do; return the process id that it answers with, 0 when it does not."""
        return int(self.host.run("/usr/bin/python3 /opt/shop/src/order.py %s " + order, unit).stdout.strip() or 0)

    def comes_back(self, unit: str, before: int, seconds: float) -> int:
        """Return the id of the process that answers for the worker of a unit instead of ``before``."""
        answered = wait_for(f"{unit} answers again", lambda: self.tell(unit, "ping") not in (0, before), seconds)
        assert answered
        return self.pid(unit)

    def now(self) -> str:
        """Return an option of journalctl for all that comes from now on."""
        return "--since=@" + self.run("date +%s.%6N").strip()

    def records(self, *matches: str) -> list[str]:
        """Return the messages in the journal that match all fields, and options such as what :meth:`now` returned."""
        self.run("journalctl --sync")
        quoted = " ".join(f"'{match}'" for match in matches)
        return self.run(f"journalctl --quiet --no-pager --output=cat --all {quoted}").splitlines()

    def starts(self, units: list[str], since: str) -> dict[str, int]:
        """Return how often each of the units was started since :meth:`now` returned ``since``."""
        return {unit: len(self.records(since, f"MESSAGE_ID={STARTED}", f"UNIT={unit}")) for unit in units}

    def reboot(self) -> None:
        """Reboot the host and wait until it answers again."""
        subprocess.run([str(HOSTS), "reboot", os.environ["STABILITY_HOST"]], check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Run:
    """What one run of a playbook reported: ``results`` holds a dictionary for each task."""

    playbook: str
    check: bool
    results: list[dict[str, Any]]

    @property
    def failed(self) -> bool:
        """Whether a task failed."""
        return any(result["failed"] for result in self.results)

    @property
    def changed(self) -> bool:
        """Whether a task changed something, or would change."""
        return any(result.get("changed") for result in self.results)

    def all(self, key: str) -> list[Any]:
        """Return the members of the lists ``key`` of all tasks, such as ``actions``."""
        return [member for result in self.results for member in result.get(key) or []]

    @property
    def message(self) -> str:
        """What the failed task said."""
        return "".join(result["msg"] for result in self.results if result["failed"])

    def announced(self) -> list[dict[str, Any]]:
        """Return what check mode must have said before: everything but the messages for people."""
        return [{key: value for key, value in result.items() if key != "msg"} for result in self.results]


def runs() -> list[Run]:
    """Return what all runs on this host have reported, in their order."""
    recorded = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "runs.jsonl").read_text(encoding="utf-8")
    return [Run(**json.loads(line)) for line in recorded.splitlines()]


class Deployment:
    """Runs ``stability.baseline.apply`` as a user does; variables once kept hold for all later runs."""

    def __init__(self) -> None:
        self.folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
        self.kept = self.folder / "changed.json"

    def variables(self) -> dict[str, Any]:
        """Return the variables that the changes have set."""
        return json.loads(self.kept.read_text()) if self.kept.exists() else {}

    def keep(self, variables: Mapping[str, Any]) -> None:
        """Set variables for this run and all later ones."""
        self.kept.write_text(json.dumps({**self.variables(), **variables}))

    def run(self, check: bool = False, **variables: Any) -> Run:
        """Run the playbook; ``variables`` hold for this run only. It may fail."""
        command = ["ansible-playbook", "stability.baseline.apply", f"--inventory={self.folder}/inventory", "--diff"]
        command += ["--extra-vars", json.dumps({**self.variables(), **variables})] + (["--check"] if check else [])
        # The playbook itself must ask for root.
        environment = {name: value for name, value in os.environ.items() if name != "ANSIBLE_BECOME"}
        before = len(runs())
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        print(done.stdout + done.stderr)
        recorded = runs()[before:]
        assert len(recorded) == 1, "ansible-playbook did not come to its end"
        assert (done.returncode != 0) == recorded[0].failed
        return recorded[0]

    def predicted(self, **variables: Any) -> Run:
        """Let check mode predict, then run, and hold the two against each other; the run must succeed."""
        said = self.run(check=True, **variables)
        done = self.run(**variables)
        assert not done.failed, done.message
        assert said.announced() == done.announced()
        return done
