# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has to report, and what is left to do after a switch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from .commands import User
from .environment_generations import tidy
from .environment_place import Place
from .environments import Environment

_TWO_RENAMES = (
    "The file system of {0} cannot exchange two folders at once: for a moment there was nothing at the path. A run killed in "
    "that moment is repaired by the next one."
)


@dataclass
class Outcome:
    """What a run did. ``failure`` is a message for the user, ``None`` when all went well.

    ``conflicts_before`` and ``conflicts_after`` are ``None`` where ``pip check`` was not run; ``unlocked`` are the names that
    the pins do not explain; ``restored`` is the id of the
    generation that was put back instead of installing; ``repaired`` says that the environment was put back from the middle
    of a switch. ``stopped`` are the units that were stopped for the switch, ``started`` maps them to the invocations that were
    started after it, and ``downtime`` is the seconds in between.
    """

    changed: bool = False
    failure: Optional[str] = None
    conflicts_before: Optional[list[str]] = None
    conflicts_after: Optional[list[str]] = None
    commands: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unlocked: list[str] = field(default_factory=list)
    failed_imports: list[dict[str, str]] = field(default_factory=list)
    missing_references: list[dict[str, Any]] = field(default_factory=list)
    smoke_tested: bool = False
    restored: Optional[str] = None
    repaired: bool = False
    generations: list[dict[str, object]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    started: dict[str, str] = field(default_factory=dict)
    downtime: Optional[float] = None


def warn_unless(at_once: bool, place: Place, outcome: Outcome) -> None:
    """Warn of two renames where the folders could not be exchanged at once."""
    if not at_once:
        outcome.warnings.append(_TWO_RENAMES.format(place.final))


def tidy_up(place: Place, user: User, environment: Environment, outcome: Outcome) -> None:
    """Prune what is kept; the environment is changed by now, so what goes wrong here is no failure of the change."""
    try:
        outcome.generations = tidy(place, user, environment.keep_generations)
    except OSError as error:
        outcome.warnings.append(f"{error.filename}: {error.strerror}. The next run removes what is left there.")
