# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments as folders: what one holds, and making it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable

from .commands import EnvironmentFailure, Output, User, acting_as
from .environment_layout import configuration_of, python_of, sites_of
from .environment_marks import GENERATION_FILE, JOURNAL_FILE
from .environments import DEFAULT_PYTHON, Environment
from .pip_runner import Pip, meaningful_lines

#: What ensurepip installs, in any version of Python.
#: ``pkg_resources`` 0.0.0 is of the venv of Debian 11, which takes setuptools apart.
SEED = ("pip", "setuptools", "wheel", "pkg-resources")
_PIP_FILES = re.compile(r"pip(?:-[^-]+\.dist-info)?\Z")
_MARKS = {GENERATION_FILE, JOURNAL_FILE}
_SHOWN = 3


def holds_environment(virtualenv: str) -> bool:
    """Whether a virtual environment is at the path, even a half-made one.

    ``False`` for nothing, or an empty folder. Raises :class:`EnvironmentFailure` for anything else.
    """
    if os.path.isfile(os.path.join(virtualenv, "pyvenv.cfg")):
        return True
    if not os.path.lexists(virtualenv):
        return False
    if os.path.isdir(virtualenv):
        names = set(os.listdir(virtualenv))
        if JOURNAL_FILE in names or not names - _MARKS:
            return False
        held = ", ".join(sorted(names)[:_SHOWN])
        raise EnvironmentFailure(
            f'virtualenv: found "{virtualenv}", a folder with {held}; expected a virtual environment, an empty folder or nothing. '
            "Name another folder, or empty this one."
        )
    raise EnvironmentFailure(
        f'virtualenv: found "{virtualenv}", which is no folder; expected a virtual environment. Name another.'
    )


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def remove_all(paths: Iterable[str], user: User) -> None:
    """Remove files and folders as ``user``."""
    with acting_as(user):
        for path in paths:
            _remove(path)


def _remove_matching(folders: Iterable[str], names: re.Pattern[str], user: User) -> None:
    found = [os.path.join(folder, name) for folder in folders for name in os.listdir(folder) if names.match(name)]
    remove_all(found, user)


def maker_of(environment: Environment) -> str:
    """Return the interpreter that makes an environment: the one that is named, else the one that made it before."""
    if environment.python:
        return environment.python
    home = configuration_of(environment.virtualenv).get("home", "")
    known = os.path.join(home, "python3") if home.startswith("/") else ""
    return known if known and os.access(known, os.X_OK) else DEFAULT_PYTHON


def sees_system(virtualenv: str) -> bool:
    """Whether an environment sees the distributions of the system (``--system-site-packages``)."""
    return configuration_of(virtualenv).get("include-system-site-packages", "").lower() == "true"


def _checked(pip: Pip, output: Output, what: str) -> None:
    if output.status:
        said = pip.masked(meaningful_lines(output)) or f"exit status {output.status}"
        raise EnvironmentFailure(f"{what}:\n{said}")


def make_environment(folder: str, final: str, python: str, user: User, pip: Pip) -> None:
    """Make an environment in ``folder`` with ``python -m venv``, to be moved to ``final``.

    What is half-made at ``final`` decides only whether it sees the distributions of the system. The scripts still name
    ``folder`` afterwards.
    """
    with acting_as(user):
        shared = sees_system(final)
    options = ["--system-site-packages"] if shared else []
    if pip.name != "pip" and pip.run([python, "-I", "-c", "import ensurepip"], {}).status:
        options.append("--without-pip")
    # Else the prompt would be the name of the folder.
    argv = [python, "-I", "-m", "venv", *options, "--prompt", os.path.basename(final), folder]
    _checked(pip, pip.run(argv, {}), f"{final} cannot be made with {python}")
    command = shlex.join([python, "-m", "venv", *options, final])
    configuration = os.path.join(folder, "pyvenv.cfg")
    with acting_as(user):
        with open(configuration, encoding="utf-8") as stream:
            lines = [line for line in stream if not line.startswith("prompt = ")]
        told = [f"command = {command}\n" if line.startswith("command = ") else line for line in lines]
        with open(configuration, "w", encoding="utf-8") as stream:
            stream.writelines(told)


def restore_pip(virtualenv: str, user: User, pip: Pip) -> None:
    """Install pip again where a killed run left none or half of it (ensurepip, without a network)."""
    _remove_matching(sites_of(virtualenv), _PIP_FILES, user)
    argv = [python_of(virtualenv), "-I", "-m", "ensurepip", "--default-pip"]
    _checked(pip, pip.run(argv, {}), f"pip cannot be restored in {virtualenv}")
