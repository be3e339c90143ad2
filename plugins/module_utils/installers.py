# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which installer works on an environment: pip or uv."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .commands import EnvironmentFailure, User, acting_as
from .environment_layout import python_of
from .environments import Environment
from .pip_runner import Pip
from .problems import InvalidInput, Problem, show
from .uv_runner import OLDEST, Uv, find_uv

#: The files of the system in which pip finds settings; there are further ones of the user and of the environment.
SETTINGS_OF_PIP = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf")
_OLDEST = ".".join(map(str, OLDEST))


def _pip_is_configured(virtualenv: str, user: User) -> bool:
    """Whether the host has settings of pip, such as its index, which uv would not follow."""
    places = (
        *(*SETTINGS_OF_PIP, os.path.join(virtualenv, "pip.conf")),
        *(os.path.join(user.home, *path) for path in ((".config", "pip", "pip.conf"), (".pip", "pip.conf"))),
    )
    with acting_as(user):
        return any(os.path.exists(place) for place in places)


def _chosen_uv(environment: Environment, user: User) -> tuple[str, list[str]]:
    """Return the path of the uv to be used, empty for none, and why others are not taken."""
    if environment.installer == "pip":
        return "", []
    if environment.installer == "auto" and _pip_is_configured(environment.virtualenv, user):
        return "", []
    return find_uv(environment.virtualenv, user)


def _missing_uv(environment: Environment, user: User, unfit: Sequence[str]) -> Problem:
    found = f"{show('uv')}, and {' '.join(unfit).rstrip('.')}" if unfit else show("uv")
    remedy = "Install it, for instance with the package manager of the host, or write installer: pip"
    return Problem(environment.option("installer"), found, f"uv {_OLDEST} or newer that {user.name} can run", remedy)


def check_installer(environment: Environment, user: User, has_pip: bool, check_mode: bool, pending: list[str]) -> None:
    """Refuse an environment on which no installer can work, before anything is touched.

    In check mode a uv that an earlier step of the play would install is noted as pending. Raises :class:`InvalidInput` and
    :class:`EnvironmentFailure`.
    """
    if has_pip and environment.installer != "uv":
        return
    program, unfit = _chosen_uv(environment, user)
    if program:
        return
    if environment.installer != "uv":
        raise EnvironmentFailure(
            f"virtualenv: {environment.virtualenv} was made without pip. "
            f"Run {python_of(environment.virtualenv)} -m ensurepip once, or install uv and write installer: uv; then run again."
        )
    if not check_mode:
        raise InvalidInput([_missing_uv(environment, user, unfit)])
    pending.append(f"There is no uv {_OLDEST} or newer for {user.name} yet.")


def installer_for(
    environment: Environment, user: User, temporary: str, held: Sequence[int] = (), virtualenv: str = ""
) -> Pip:
    """Return the installer that works in ``virtualenv``, by default that of the environment.

    ``auto`` is uv where one is found, unless the host has settings of pip, which uv would not follow. Both are looked for
    in the environment itself, since the copy may have yet to be made. Raises :class:`InvalidInput` when uv is asked for and
    not there.
    """
    program, unfit = _chosen_uv(environment, user)
    if program:
        return Uv(environment, user, temporary, held, virtualenv, program)
    if environment.installer == "uv":
        raise InvalidInput([_missing_uv(environment, user, unfit)])
    return Pip(environment, user, temporary, held, virtualenv)
