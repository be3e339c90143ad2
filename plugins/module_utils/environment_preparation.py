# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes before an environment is read: its place must be safe, and what a killed run left there in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .commands import User
from .environment_pause import Pause
from .environment_place import Place, check_place
from .environment_reading import resolve_user
from .environment_switch import repair
from .environments import Environment


@dataclass(frozen=True)
class Prepared:
    """An environment whose place is safe: ``environment`` is the one to read, ``repaired`` whether it was put back.

    ``pause`` is what stops its units for the switch.
    """

    place: Place
    user: User
    environment: Environment
    repaired: bool
    pause: Pause


def prepare(environment: Environment, units: Sequence[str], check_mode: bool) -> Prepared:
    """Check where the environment lies, and bring what a killed run left there into order.

    ``units`` are those that stop for the switch. In check mode nothing is touched; an environment that is to be put back is
    then read where it is. Raises :class:`InvalidInput` and :class:`EnvironmentFailure`.
    """
    place, pending = Place.of(environment.virtualenv), list[str]()
    pause = Pause(place.target, units)
    repaired = place.standing == place.replaced
    standing = replace(environment, virtualenv=place.standing) if repaired else environment
    user = resolve_user(standing, check_mode, pending)
    if not pending:
        check_place(environment, place, user)
    if not check_mode:
        standing, repaired = environment, repair(place, user)
    pause.resume(check_mode)
    return Prepared(place, user, standing, repaired, pause)
