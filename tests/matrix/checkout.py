# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What git knows of this checkout: which files a commit has, and which are not committed."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .matrix import covered


@dataclass(frozen=True)
class Checkout:
    """A working copy of git."""

    root: Path

    def commit(self) -> str:
        """Return the commit that is checked out."""
        return self._git("rev-parse", "HEAD").strip()

    def digest(self, patterns: Iterable[str], commit: str = "HEAD") -> str:
        """Return a digest of names, modes and content of the files of a commit that fit ``patterns``."""
        wanted = tuple(patterns)
        entries = self._git("ls-tree", "-r", "-z", commit).split("\0")
        kept = [entry for entry in entries if entry and covered(entry.split("\t", 1)[1], wanted)]
        return hashlib.sha256("\0".join(kept).encode()).hexdigest()[:16]

    def uncommitted(self, patterns: Iterable[str]) -> list[str]:
        """Return the files that fit ``patterns`` and are changed, new or gone since the commit."""
        wanted = tuple(patterns)
        listed = self._git("status", "--porcelain", "--no-renames", "--untracked-files=all", "-z").split("\0")
        return [entry[3:] for entry in listed if entry and covered(entry[3:], wanted)]

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.root), *arguments], capture_output=True, text=True, check=True)
        return done.stdout
