# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gates look at, and the shape of what they report."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SHELL = re.compile(rb"#!\s*/\S*(?:/|env\s+)(?:ba|da)?sh\b")


class GateError(Exception):
    """A gate could not do its work; the message says why and is meant for people."""


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong: ``expected`` and ``remedy`` are phrases without a full stop at the end."""

    path: str
    line: int
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: found {self.found}; expected {self.expected}. {self.remedy}."


@dataclass(frozen=True)
class Tree:
    """The files of a project: the folder, and the sorted paths below it."""

    root: Path
    paths: tuple[str, ...]

    @classmethod
    def of_checkout(cls, root: Path) -> Tree:
        """Return what git knows or would add: ignored files are left out, new ones are not.

        Raises:
            GateError: git is missing, or ``root`` is no checkout.
        """
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        try:
            listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
        except FileNotFoundError as error:
            raise GateError("git is not installed; install it, the gates ask it for the project's files") from error
        except subprocess.CalledProcessError as error:
            raise GateError(f"git cannot list the files of {root}: {error.stderr.strip()}") from error
        return cls(root, tuple(sorted({path for path in listed if path and (root / path).is_file()})))

    @classmethod
    def of_folder(cls, root: Path) -> Tree:
        """Return every file below ``root``."""
        return cls(root, tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())))

    def matching(self, *patterns: str) -> list[str]:
        """Return the paths that fit a shell pattern; ``*`` stands for any characters, slashes as well."""
        return [path for path in self.paths if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)]

    def text(self, path: str) -> str:
        """Return the content of a file."""
        return (self.root / path).read_text(encoding="utf-8")

    def shell_scripts(self) -> list[str]:
        """Return the files that a shell runs: by their first line, or by their name."""
        return [path for path in self.paths if path.endswith(".sh") or _SHELL.match(self._first_line(path))]

    def copy_to(self, folder: Path) -> None:
        """Make ``folder`` a fresh copy of these files and of nothing else, with their modes."""
        shutil.rmtree(folder, ignore_errors=True)
        for path in self.paths:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.root / path, target, follow_symlinks=False)

    def _first_line(self, path: str) -> bytes:
        with (self.root / path).open("rb") as file:
            return file.readline(200)
