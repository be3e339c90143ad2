# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test host as the integration tests see it: commands, files, modules and playbooks of the collection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import ansible

import testhosts
from testhosts import HostSpec

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
COLLECTIONS = CHECKOUT / ".cache" / "collections"
ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")

#: Where a host sees this checkout's plugins and the controller's Ansible.
LIBRARY = "/usr/lib/stability-test"
MOUNTS = (
    f"{Path(ansible.__file__).parent}:{LIBRARY}/ansible:ro",
    f"{CHECKOUT / 'plugins'}:{LIBRARY}/ansible_collections/stability/baseline/plugins:ro",
    f"{HERE / 'run_module.py'}:{LIBRARY}/run_module.py:ro",
)
CRASHED = 99
"""Exit code of a module that was told to end before one of its changes."""
KILLED = 137
"""Exit code of a command that ended by SIGKILL."""


class CommandResult(NamedTuple):
    """What a command on a host ended with."""

    code: int
    output: str
    errors: str


class PlaybookResult(NamedTuple):
    """What a run of ``ansible-playbook`` ended with.

    Attributes:
        code: its exit code.
        output: what it printed, standard output and error together.
        tasks: one mapping for each result: ``host``, ``task``, ``action``, ``status`` (``ok``, ``failed``, ``skipped``,
            ``unreachable``), ``result`` (the task's return values).
    """

    code: int
    output: str
    tasks: list[dict[str, Any]]


class RemoteHost:
    """A running test host.

    Args:
        spec: what the host is like; the mounts that :meth:`module` needs are added. It is started at once.
    """

    def __init__(self, spec: HostSpec) -> None:
        self.spec = replace(spec, mounts=(*spec.mounts, *MOUNTS))
        self.name = spec.name
        self.facts = testhosts.up(self.spec)

    def down(self) -> None:
        """Remove the host."""
        testhosts.down(self.name)

    def reboot(self) -> None:
        """Reboot the host and wait until it answers."""
        self.facts = testhosts.reboot(self.name)

    def run(self, command: str | Sequence[str], stdin: str | None = None) -> CommandResult:
        """Run a command as root: a list as it is, a string by ``sh -c``."""
        argv = ["sh", "-c", command] if isinstance(command, str) else command
        done = testhosts.execute(self.name, argv, stdin)
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def check(self, command: str | Sequence[str], stdin: str | None = None) -> str:
        """Run a command that must succeed and return its standard output."""
        result = self.run(command, stdin)
        assert result.code == 0, f"{command!r} ended with {result.code}: {result.output}{result.errors}"
        return result.output

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of root's, with the folders that it needs; one that is there keeps its owner."""
        script = 'mkdir -p "$(dirname "$1")" && umask 077 && cat > "$1" && chmod "$2" "$1"'
        self.check(["sh", "-c", script, "put", path, f"{mode:o}"], text)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return self.check(["cat", path])

    def module(
        self,
        name: str,
        args: Mapping[str, Any],
        *,
        check: bool = False,
        diff: bool = False,
        kill_after: float | None = None,
        crash_at: int | None = None,
        prelude: str = "",
    ) -> dict[str, Any]:
        """Run a module of this collection on the host, without a playbook, and return its result.

        Args:
            name: the module's short name.
            args: its options.
            check: in check mode.
            diff: in diff mode.
            kill_after: seconds after which the module and what it started are killed with SIGKILL.
            crash_at: the number of the change of the host, from 1, before which the module ends.
            prelude: code that runs before the module, in the same process.

        Returns:
            The module's result, with `warnings` as a list of text; empty when it was killed.
        """
        internal = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}
        # Every controller sends this too; it takes the place of what the module itself says.
        internal["_ansible_no_log"] = False
        payload = json.dumps({"ANSIBLE_MODULE_ARGS": {**args, **internal}})
        command = ["env", f"PYTHONPATH={LIBRARY}", "PYTHONPYCACHEPREFIX=/var/cache/stability-test"]
        program = [
            "-c",
            f"{prelude}\nimport runpy; runpy.run_path('{LIBRARY}/run_module.py', run_name='__main__')",
            name,
        ]
        program += [] if crash_at is None else [str(crash_at)]
        if kill_after is not None:
            command += ["timeout", "--signal=KILL", str(kill_after)]
        done = self.run([*command, "/usr/bin/python3", *program], payload)
        if (prelude or crash_at is not None) and done.code == CRASHED:
            return {}
        if kill_after is not None and done.code == KILLED:
            return {}
        try:
            result: dict[str, Any] = json.loads(done.output)
        except ValueError:
            raise AssertionError(f"{name} ended with {done.code}:\n{done.output}\n{done.errors}") from None
        result["warnings"] = [_warning_text(warning) for warning in result.get("warnings", [])]
        return result

    def playbook(
        self,
        playbook: str | Path,
        *,
        check: bool = False,
        diff: bool = False,
        extra: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = (),
        user: str = "root",
        kill_before: str = "",
    ) -> PlaybookResult:
        """Run ``ansible-playbook`` over SSH against this host.

        Args:
            playbook: the path of a playbook, the name of one in a collection, or (with a newline in it) its text.
            check: in check mode.
            diff: in diff mode.
            extra: extra variables (``-e``).
            variables: variables of the host in the inventory.
            arguments: further arguments.
            user: who logs in: ``root`` or ``deploy``.
            kill_before: the end of a task's name; ``ansible-playbook`` is killed when that task begins.
        """
        with tempfile.TemporaryDirectory(prefix="stability-") as name:
            folder = Path(name)
            inventory = folder / "inventory.yml"
            inventory.write_text(testhosts.inventory([self.name], user))
            (folder / "host_vars").mkdir()
            (folder / "host_vars" / f"{self.name}.json").write_text(json.dumps(variables or {}))
            if isinstance(playbook, str) and "\n" in playbook:
                (folder / "playbook.yml").write_text(playbook)
                playbook = folder / "playbook.yml"
            command = [str(ANSIBLE_PLAYBOOK), "-i", str(inventory), str(playbook), *arguments]
            command += ["--check"] if check else []
            command += ["--diff"] if diff else []
            command += ["--extra-vars", json.dumps(extra)] if extra else []
            results = folder / "results.jsonl"
            done = subprocess.run(
                command,
                cwd=folder,
                env={**_environment(results), "STABILITY_KILL_BEFORE": kill_before},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            lines = results.read_text().splitlines() if results.exists() else []
        return PlaybookResult(done.returncode, done.stdout, [json.loads(line) for line in lines])


def _warning_text(warning: str | dict[str, Any]) -> str:
    """Return a module's warning as the controller shows it: newer modules send a structure around it."""
    return warning if isinstance(warning, str) else str(warning["event"]["msg"])


def _environment(results: Path) -> dict[str, str]:
    """Return the process environment for ``ansible-playbook``: nothing of the caller's own settings."""
    own = ("ANSIBLE_", "PIP_", "PYTHON")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    return {
        **kept,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "task_results,kill_before",
        "ANSIBLE_NOCOLOR": "1",
        "STABILITY_TASK_RESULTS": str(results),
    }
