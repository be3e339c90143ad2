# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate runs in, and how it runs the tools."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .findings import Finding, GateError, Tree

#: Where a collection must lie for ansible, below a folder of collections.
PLACE = Path("ansible_collections/stability/baseline")
#: Seconds after which a tool is taken for hung.
LONGEST = 900


@dataclass(frozen=True)
class Outcome:
    """How a gate ended: ``note`` goes behind its line, ``output`` is shown when it failed."""

    good: bool
    note: str = ""
    output: str = ""

    @classmethod
    def of_findings(cls, findings: Sequence[Finding]) -> Outcome:
        """Return a bad outcome when there is any finding."""
        return cls(not findings, f"{len(findings)} findings" if findings else "", "\n".join(map(str, findings)))


@dataclass(frozen=True)
class Done:
    """A tool that has ended; ``output`` is what it printed on both streams, in order."""

    code: int
    output: str


@dataclass(frozen=True)
class Context:
    """The files to check, a folder that is the gate's own and goes when the run ends, and the cache of the machine."""

    tree: Tree
    work: Path
    cache: Path

    @property
    def tools(self) -> Path:
        """Return the folder of the pinned tools."""
        return Path(sys.executable).parent

    def environment(self, **more: str) -> dict[str, str]:
        """Return an environment for tools: nothing of the caller's settings of ansible and Python, no colours."""
        dropped = ("ANSIBLE_", "GALAXY_IMPORTER_", "MYPY", "PYTHON", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        for name in ("FORCE_COLOR", "PY_COLORS"):
            kept.pop(name, None)
        own = {
            "ANSIBLE_HOME": str(self.work / "ansible-home"),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "PATH": f"{self.tools}:{kept.get('PATH', os.defpath)}",
        }
        return {**kept, **own, **more}

    def run(self, *command: str, folder: Path | None = None, variables: Mapping[str, str] | None = None) -> Done:
        """Run a tool, in the checkout when no ``folder`` is given.

        Raises:
            GateError: there is no such tool, or it did not end in time.
        """
        try:
            done = subprocess.run(
                command,
                cwd=folder or self.tree.root,
                env=self.environment(**(variables or {})),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=LONGEST,
                check=False,
            )
        except FileNotFoundError as error:
            raise GateError(f"{command[0]} is not installed; run tests/setup/bootstrap") from error
        except subprocess.TimeoutExpired as error:
            raise GateError(
                f"`{' '.join(command)}` did not end in {LONGEST} s; what it printed:\n{error.stdout}"
            ) from error
        return Done(done.returncode, done.stdout.decode(errors="replace"))

    def copy_collection(self) -> Path:
        """Make a copy of the collection's files at a place where ansible finds it, and return its folder."""
        folder = self.work / PLACE
        self.tree.copy_to(folder)
        return folder
