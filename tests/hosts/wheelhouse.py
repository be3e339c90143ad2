# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheelhouses: the wheels of a lock file, downloaded once for the Python of a release."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

from common import HostsError, cache, locked, progress
from releases import Release

CHECKOUT = Path(__file__).resolve().parents[2]
OLDEST_GLIBC = 5
LEGACY_PLATFORMS = ("manylinux1", "manylinux2010", "manylinux2014", "linux")


def wheelhouse(lock: Path, release: Release) -> Path:
    """Return a folder with a wheel for each pin of ``lock`` that runs on ``release``; it is downloaded once.

    The lock must name everything it needs: dependencies are not looked for.

    Raises:
        HostsError: the lock cannot be read, or pip found no wheel for one of its pins.
    """
    try:
        content = lock.read_bytes()
    except OSError as error:
        raise HostsError(f"lock file: found {lock}; expected a file that can be read: {error.strerror}") from error
    inputs = repr((content, release.python, release.glibc, platform.machine()))
    key = hashlib.sha256(inputs.encode()).hexdigest()[:16]
    folder = cache() / "wheelhouses" / f"{release.name}-{key}"
    if folder.is_dir():
        return folder
    with locked(f"wheelhouse-{key}"):
        if not folder.is_dir():
            with progress(f"download the wheels of {lock.name} for Python {release.python}"):
                _download(lock, release, folder)
    return folder


def _download(lock: Path, release: Release, folder: Path) -> None:
    building = folder.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    python = CHECKOUT / ".cache" / "venv" / "bin" / "python"
    if not python.exists():
        raise HostsError("this checkout has no virtual environment yet; run `make setup`")
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", f"--python-version={release.python}", "--implementation=cp"]
    machine = platform.machine()
    platforms = [f"manylinux_2_{minor}" for minor in range(release.glibc, OLDEST_GLIBC - 1, -1)]
    command += [f"--platform={name}_{machine}" for name in (*platforms, *LEGACY_PLATFORMS)]
    command += [f"--dest={building}", f"--requirement={lock}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise HostsError(f"pip download of {lock} ended with {result.returncode}:\n{result.stderr.strip()}")
    for wheel in building.iterdir():
        wheel.chmod(0o644)
    building.chmod(0o755)
    os.replace(building, folder)
