# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments as folders: what one holds, and making it."""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Iterable, Sequence

from .commands import EnvironmentFailure, Output, User, acting_as
from .environment_marks import CREATING, GENERATION_FILE, JOURNAL_FILE, Journal, write_journal
from .pip_runner import Pip, meaningful_lines

#: What ensurepip installs, in any version of Python.
SEED = ("pip", "setuptools", "wheel")
_PIP_FILES = re.compile(r"pip(?:-[^-]+\.dist-info)?\Z")
_SEED_FILES = re.compile(
    r"(?:pip|setuptools|wheel)(?:-[^-]+\.dist-info)?\Z|pkg_resources\Z|_distutils_hack\Z|distutils-precedence\.pth\Z"
)
_LINKS = re.compile(r"python[0-9.]*\Z")
_MARKS = {GENERATION_FILE, JOURNAL_FILE}
_SHOWN = 3


def python_of(virtualenv: str) -> str:
    """Return the path of the environment's interpreter."""
    return os.path.join(virtualenv, "bin", "python")


def sites_of(virtualenv: str) -> list[str]:
    """Return the ``site-packages`` folders that are there, whether its interpreter runs or not."""
    found = glob.glob(os.path.join(glob.escape(virtualenv), "lib*", "python*", "site-packages"))
    return sorted({os.path.realpath(site) for site in found})


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


def _make_folder(virtualenv: str, user: User) -> None:
    """Make the folder and those above it; only the last one belongs to the user."""
    os.makedirs(os.path.dirname(virtualenv), mode=0o755, exist_ok=True)
    try:
        os.mkdir(virtualenv, 0o755)
    except FileExistsError:
        return
    if os.geteuid() != user.uid:
        # Through a descriptor: whoever may write to the folder above could put a link in its place.
        descriptor = os.open(virtualenv, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchown(descriptor, user.uid, user.gid)
        finally:
            os.close(descriptor)


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


def _remove_half_made(virtualenv: str, user: User) -> None:
    """Remove what venv would take for whole: links to an interpreter, a pip that was installed half-way."""
    _remove_matching(sites_of(virtualenv), _SEED_FILES, user)
    programs = os.path.join(virtualenv, "bin")
    if os.path.isdir(programs):
        _remove_matching([programs], _LINKS, user)


def _system_site_packages(virtualenv: str) -> bool:
    try:
        with open(os.path.join(virtualenv, "pyvenv.cfg"), encoding="utf-8") as stream:
            return re.search(r"(?im)^include-system-site-packages\s*=\s*true\s*$", stream.read()) is not None
    except FileNotFoundError:
        return False


def _checked(pip: Pip, output: Output, what: str) -> None:
    if output.status:
        said = pip.masked(meaningful_lines(output)) or f"exit status {output.status}"
        raise EnvironmentFailure(f"{what}:\n{said}\nThe next run completes what is there.")


def make_environment(virtualenv: str, python: str, user: User, pip: Pip) -> None:
    """Make the environment with ``python -m venv``, or complete one that a killed run left half-made.

    The journal says so until the caller replaces it.
    """
    _make_folder(virtualenv, user)
    with acting_as(user):
        write_journal(virtualenv, Journal(CREATING))
    argv: Sequence[str] = [python, "-I", "-m", "venv", virtualenv]
    if _system_site_packages(virtualenv):
        argv = [*argv, "--system-site-packages"]
    _remove_half_made(virtualenv, user)
    _checked(pip, pip.run(argv, {}), f"{virtualenv} cannot be made with {python}")


def restore_pip(virtualenv: str, user: User, pip: Pip) -> None:
    """Install pip again where a killed run left none or half of it (ensurepip, without a network)."""
    _remove_matching(sites_of(virtualenv), _PIP_FILES, user)
    argv = [python_of(virtualenv), "-I", "-m", "ensurepip", "--default-pip"]
    _checked(pip, pip.run(argv, {}), f"pip cannot be restored in {virtualenv}")
