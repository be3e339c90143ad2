# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run, once the environment is read: nothing to do, a change, a kept environment put back, or a roll back."""

from __future__ import annotations

from typing import Optional

from .environment_generations import RollBack, exchange_with, fulfilling, show_generations, written_in_place
from .environment_outcome import Outcome, tidy_up, warn_unless
from .environment_preparation import Prepared
from .environment_reading import Examined
from .installers import installer_for
from .pip_runner import Pip, workspace


def carry_out(prepared: Prepared, examined: Examined, check_mode: bool, lock: Optional[int]) -> Outcome:
    """Do what the plan says; in check mode only what changes nothing.

    With nothing to do, ``pip_check: strict`` still looks for conflicts, in both modes.
    """
    outcome = _carried_out(prepared, examined, check_mode, lock)
    outcome.unlocked = list(examined.unlocked.names)
    return outcome


def _carried_out(prepared: Prepared, examined: Examined, check_mode: bool, lock: Optional[int]) -> Outcome:
    environment, planned, place, user = examined.environment, examined.plan, prepared.place, prepared.user
    if environment.locked and examined.unlocked.text:
        return _unchanged(prepared, examined.unlocked.text)
    generation = fulfilling(place, examined) if planned.changed else None
    restored = generation.id if generation else None
    if (not planned.changed and environment.pip_check != "strict") or (planned.changed and check_mode):
        outcome = _unchanged(prepared)
        outcome.changed, outcome.restored = planned.changed or prepared.repaired, restored
        if planned.changed:
            prepared.pause.predict(outcome)
        return outcome
    # Imported here: most runs change nothing, and on a host each file of the module is compiled anew.
    from .environment_change import Change, put_back

    held = () if lock is None else (lock,)
    with workspace(user, environment.virtualenv) as temporary:
        if generation is not None:
            pips = [installer_for(environment, user, temporary, held, folder) for folder in ("", generation.path)]
            return put_back(prepared, examined, generation, *pips)
        if planned.changed:
            pip = installer_for(environment, user, temporary, held, place.staged)
            outcome = Change(prepared, examined, pip, temporary).execute()
            outcome.changed = outcome.changed or prepared.repaired
            return outcome
        outcome = _unchanged(prepared)
        _strict_check(installer_for(environment, user, temporary, held), outcome)
        return outcome


def _unchanged(prepared: Prepared, failure: Optional[str] = None) -> Outcome:
    """Return the outcome of a run that changes nothing, unless the environment was put back."""
    shown = show_generations(prepared.place, prepared.user)
    return Outcome(prepared.repaired, failure, repaired=prepared.repaired, generations=shown)


def roll_back(prepared: Prepared, planned: RollBack, check_mode: bool) -> Outcome:
    """Exchange the environment with the one before the last change, without an installer and without gates."""
    place, user, environment = prepared.place, prepared.user, prepared.environment
    outcome = Outcome(changed=planned.changed or prepared.repaired, repaired=prepared.repaired)
    if planned.generation is not None:
        outcome.restored = planned.generation.id
        outcome.warnings += written_in_place(place, planned.generation, user)
        if check_mode:
            prepared.pause.predict(outcome)
        else:
            keeps = environment.keep_generations > 0
            with prepared.pause.held(outcome):
                warn_unless(exchange_with(place, user, planned.generation, keeps, rolled_back=True), place, outcome)
            tidy_up(place, user, environment, outcome)
            return outcome
    outcome.generations = show_generations(place, user)
    return outcome


def _strict_check(pip: Pip, outcome: Outcome) -> None:
    """Look for conflicts where nothing is changed; any of them is a failure."""
    conflicts = pip.check()
    outcome.conflicts_before = outcome.conflicts_after = conflicts
    outcome.commands = pip.commands
    if conflicts is None:
        outcome.failure = "pip check could not check the environment. Nothing was changed."
    elif conflicts:
        listed = "\n".join(f"- {line}" for line in conflicts)
        outcome.failure = f"pip check found conflicts:\n{listed}\nNothing was changed. Pin versions that fit together."
