# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest and the newest pip and uv that the tests know, and environments prepared for one of them."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.commands import current_user
from ansible_collections.stability.baseline.plugins.module_utils.environments import Environment
from ansible_collections.stability.baseline.plugins.module_utils.installers import installer_for
from pip_pinned_environments import PYTHON, site_of

OLDEST_PIP, NEWEST_PIP = "20.3", "26.3"
OLDEST_UV, NEWEST_UV = "0.5.0", "0.13.9"
VARIANTS = [f"pip {OLDEST_PIP}", f"pip {NEWEST_PIP}", f"uv {OLDEST_UV}", f"uv {NEWEST_UV}"]
#: pip 20.3 needs what Python 3.12 does not have any more, and does not know how 3.10 and newer are called in names of wheels.
LAST_PYTHON_OF_OLDEST_PIP, LAST_PYTHON_OF_ITS_BINARIES = (3, 11), (3, 9)


class Archives:
    """The installers' own wheels, downloaded once."""

    def __init__(self, folder, python):
        self.folder = Path(folder)
        self.python = python

    def wheel(self, name, version):
        """Return the wheel of an installer."""
        found = list(self.folder.glob(f"{name}-{version}-*.whl"))
        if not found:
            argv = [self.python, "-m", "pip", "--disable-pip-version-check", "-q", "download", "--no-deps"]
            argv += ["--only-binary", ":all:", "-d", self.folder, f"{name}=={version}"]
            subprocess.run(argv, check=True)
            found = list(self.folder.glob(f"{name}-{version}-*.whl"))
        return found[0]

    def uv(self, version):
        """Return the program uv of a version."""
        program = self.folder / f"uv-{version}"
        if not program.exists():
            with zipfile.ZipFile(self.wheel("uv", version)) as archive:
                (inside,) = [name for name in archive.namelist() if name.endswith("/scripts/uv")]
                unpacked = program.with_suffix(".unpacked")
                unpacked.write_bytes(archive.read(inside))
            unpacked.chmod(0o755)
            unpacked.rename(program)
        return program


def prepared(variant, virtualenv, archives):
    """Put the installer of a variant into an environment; with uv, there is no pip in it any more."""
    kind, version = variant.split()
    site = site_of(virtualenv)
    if kind == "pip":
        python = virtualenv / "bin" / "python"
        argv = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-compile"]
        subprocess.run([*argv, "--force-reinstall", "--no-deps", archives.wheel("pip", version)], check=True)
        return
    for path in [*site.glob("pip*"), *site.glob("setuptools*"), *(virtualenv / "bin").glob("pip*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copy(archives.uv(version), virtualenv / "bin" / "uv")


def fits(variant, binaries=False):
    """Whether a variant runs with the Python of the environments, and installs wheels with extension modules if need be."""
    last = LAST_PYTHON_OF_ITS_BINARIES if binaries else LAST_PYTHON_OF_OLDEST_PIP
    return variant != f"pip {OLDEST_PIP}" or _python_version() <= last


@functools.cache
def _python_version():
    argv = [PYTHON, "-c", "import sys; print(*sys.version_info[:2])"]
    return tuple(map(int, subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()))


def parameters():
    """Return the variants as parameters of a test; one that does not run with this Python is left out and told of."""
    missing = pytest.mark.missing("pip 20.3 does not run with this Python")
    return [pytest.param(variant, marks=[] if fits(variant) else [missing]) for variant in VARIANTS]


def installer(variant, virtualenv, folder, staged=None, **options):
    """Return the installer of a variant for an environment, with a home of its own in ``folder``."""
    temporary, home = Path(folder) / "temporary", Path(folder) / "home"
    temporary.mkdir(exist_ok=True)
    home.mkdir(exist_ok=True)
    environment = Environment("", str(virtualenv), installer=variant.split()[0], **options)
    user = dataclasses.replace(current_user(), home=str(home))
    return installer_for(environment, user, str(temporary), (), str(staged or virtualenv))
