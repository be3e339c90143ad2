# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to deploy the services that are compared, each as one command on the controller."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host import BenchHost
from workload import unit_texts

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
PLAYS = HERE / "plays"

#: What is measured, in this order: on a clean host; again; again with another environment of one service.
RUNS = ("first", "unchanged", "one_changed")


class ContestantError(RuntimeError):
    """A contestant did not do what is measured; the message is meant for people."""


@dataclass(frozen=True)
class Contestant:
    """One way to deploy.

    Attributes:
        name: in the data. title: in the table.
        play: the play of ansible-playbook, a path or a name with the collection's; None for the shell script.
        runs: what of ``RUNS`` it is measured in.
        deploys: whether it does anything at all.
    """

    name: str
    title: str
    play: str | None
    runs: tuple[str, ...] = RUNS
    deploys: bool = True


OURS = Contestant("ours", "`stability.baseline.apply`", "stability.baseline.apply")
IDIOMATIC = Contestant("idiomatic", "loops of `template` and `systemd_service`", str(PLAYS / "idiomatic.yml"))
EMPTY = Contestant("empty", "play with one empty module", str(PLAYS / "empty.yml"), ("unchanged",), deploys=False)
SCRIPT = Contestant("script", "shell script over SSH", None)


@dataclass(frozen=True)
class Timed:
    """Wall seconds of one run, and what ansible-playbook counted in it (empty for the script)."""

    seconds: float
    counts: Mapping[str, int]


class Runner:
    """Starts contestants, all with the same environment and over the same connection."""

    def __init__(self, host: BenchHost, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.systemd_version = host.systemd_version()
        self._counts = folder / "counts.json"
        config = folder / "ansible.cfg"
        config.write_text("[defaults]\n", encoding="utf-8")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "BENCH_"))}
        self._environment = {
            **plain,
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "count_module_calls",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder),
            "BENCH_COUNTS": str(self._counts),
        }

    def time(self, contestant: Contestant, listed: list[dict[str, Any]]) -> Timed:
        """Run a contestant once on the list of services.

        Raises:
            ContestantError: it failed.
        """
        argv, text = self._command(contestant, listed)
        self._counts.unlink(missing_ok=True)
        self.host.connect()
        begun = time.perf_counter()
        done = subprocess.run(argv, input=text, env=self._environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise ContestantError(f"{contestant.name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return Timed(seconds, json.loads(self._counts.read_text(encoding="utf-8")) if contestant.play else {})

    def _command(self, contestant: Contestant, listed: list[dict[str, Any]]) -> tuple[list[str], str]:
        if contestant.play is None:
            texts = unit_texts(listed, self.systemd_version)
            calls = [shlex.join(["unit", name, text]) for name, text in texts.items()]
            script = [(HERE / "deploy.sh").read_text(encoding="utf-8"), *calls, "finish", ""]
            return [*self.host.ssh, "bash", "-s"], "\n".join(script)
        program = Path(sys.executable).with_name("ansible-playbook")
        playbook = [str(program), "-i", str(self.host.inventory), contestant.play]
        if not contestant.deploys:
            return playbook, ""
        variables = self.folder / "services.json"
        variables.write_text(json.dumps({"stability_services": listed}), encoding="utf-8")
        return [*playbook, "-e", f"@{variables}"], ""
