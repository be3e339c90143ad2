# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts contestants, each as one command on the controller."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from case import Contestant, ContestantError, Timed
from host import BenchHost

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
PLAYS = HERE / "plays"


class Runner:
    """Starts contestants, all with the same environment and over the same connection."""

    def __init__(self, host: BenchHost, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self._counts = folder / "counts.json"
        config = folder / "ansible.cfg"
        config.write_text("[defaults]\n", encoding="utf-8")
        plain = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "BENCH_", "PYTHON"))
        }
        self._environment = {
            **plain,
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "count_module_calls",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder),
            "BENCH_COUNTS": str(self._counts),
        }

    def time(self, contestant: Contestant, variables: Mapping[str, Any], script: str = "") -> Timed:
        """Run a contestant once: its play with the variables, or the shell script over SSH.

        Raises:
            ContestantError: it failed.
        """
        argv = self._command(contestant, variables) if contestant.play else [*self.host.ssh, "bash", "-s"]
        self._counts.unlink(missing_ok=True)
        self.host.connect()
        begun = time.perf_counter()
        done = subprocess.run(argv, input=script, env=self._environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise ContestantError(f"{contestant.name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return Timed(seconds, json.loads(self._counts.read_text(encoding="utf-8")) if contestant.play else {})

    def _command(self, contestant: Contestant, variables: Mapping[str, Any]) -> list[str]:
        program = Path(sys.executable).with_name("ansible-playbook")
        playbook = [str(program), "-i", str(self.host.inventory), str(contestant.play)]
        if not variables:
            return playbook
        file = self.folder / "variables.json"
        file.write_text(json.dumps({**variables, **dict(contestant.variables)}), encoding="utf-8")
        return [*playbook, "-e", f"@{file}"]
