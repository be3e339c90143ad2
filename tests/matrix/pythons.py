# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine: looked for where they usually lie, never downloaded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_CHECK = "import ensurepip, ssl, sys, venv; sys.exit(sys.prefix != sys.base_prefix)"


def find(version: str) -> str:
    """Return the path of a Python of this version (``3.11``) that can make virtual environments; empty when there is none."""
    return next((path for path in _candidates(version) if _is_usable(path)), "")


def _candidates(version: str) -> Iterator[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    folders = [
        *sorted(pyenv.glob(f"{version}.*/bin")),
        *map(Path, os.environ.get("PATH", os.defpath).split(":")),
        Path("/usr/bin"),
    ]
    for folder in folders:
        if (folder / f"python{version}").is_file() and folder.name != "shims":
            yield str(folder / f"python{version}")


def _is_usable(path: str) -> bool:
    return subprocess.run([path, "-I", "-c", _CHECK], capture_output=True, check=False).returncode == 0
