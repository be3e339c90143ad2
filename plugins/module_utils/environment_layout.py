# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts of a virtual environment lie (PEP 405)."""

from __future__ import annotations

import glob
import os
import re

_PYTHON_VERSION = re.compile(r"\d+\.\d+")


def python_of(virtualenv: str) -> str:
    """Return the path of the environment's interpreter."""
    return os.path.join(virtualenv, "bin", "python")


def configuration_of(virtualenv: str) -> dict[str, str]:
    """Return what ``pyvenv.cfg`` says; nothing where there is none."""
    try:
        with open(os.path.join(virtualenv, "pyvenv.cfg"), encoding="utf-8", errors="replace") as stream:
            pairs = [line.partition("=") for line in stream]
    except FileNotFoundError:
        return {}
    return {name.strip().lower(): value.strip() for name, _sign, value in pairs}


def sites_of(virtualenv: str) -> list[str]:
    """Return the ``site-packages`` folders that are there, whether its interpreter runs or not.

    Those of another Python, which ``venv --upgrade`` leaves behind, are none.
    """
    said = configuration_of(virtualenv)
    version = _PYTHON_VERSION.match(said.get("version", "") or said.get("version_info", ""))
    for name in (f"python{version[0]}", "python*") if version else ("python*",):
        found = glob.glob(os.path.join(glob.escape(virtualenv), "lib*", name, "site-packages"))
        if found:
            break
    return sorted({os.path.realpath(site) for site in found})
