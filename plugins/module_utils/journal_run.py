# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the settings of the journal to a plan for this host, and from a plan to what is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from . import systemd_host as systemd
from .journal_config import unit_of
from .journal_plan import Plan, describe, diff, plan_absence, plan_journal
from .journal_settings import check_namespaces, parse_settings, render
from .journal_state import observe
from .journal_storage import STORED
from .problems import InvalidInput

__all__ = ["NOTHING", "Prepared", "carry_out", "describe", "diff", "prepare", "prepare_absence", "require_root"]


@dataclass(frozen=True)
class Prepared:
    """A plan, and the units of which is remembered with what they were started."""

    plan: Plan
    kept: tuple[str, ...]


#: What is done where nothing is said of the journal.
NOTHING = Prepared(Plan(), ())


def require_root() -> None:
    """Raise :class:`~.systemd_host.HostError` when this process may not change the journal."""
    if os.geteuid() != 0:
        raise systemd.HostError(
            "The journal is set up as root, and this is not root. Use become: true, which the roles do unless "
            "stability_become is false."
        )


def prepare(settings: object, namespaces: Sequence[str], prefix: str = "settings.", version: int = 0) -> Prepared:
    """Return the plan for the settings and namespaces; nothing is changed.

    Messages name a setting by ``prefix`` and its name; ``version`` is that of systemd, asked for when it is 0.

    Raises :class:`InvalidInput` with every problem, :class:`~.systemd_host.HostError` when the host cannot be used.
    """
    problems = check_namespaces({f"namespaces[{index}]": name for index, name in enumerate(namespaces)})
    try:
        values = parse_settings(settings, prefix)
    except InvalidInput as invalid:
        problems += invalid.problems
    if problems:
        raise InvalidInput(problems)
    observed = observe(namespaces, version)
    plan, problems = plan_journal(values, render(values, observed.version), namespaces, observed, prefix)
    if problems:
        raise InvalidInput(problems)
    if plan.stored and observed.blocked:
        raise systemd.HostError(
            f"{observed.blocked} is no folder, and no link to one, so the journal cannot be kept in {STORED}. Remove it, make "
            "the folder that it leads to, or choose storage: volatile."
        )
    if plan.stored and not observed.disk.writable:
        raise systemd.HostError(
            f"The file system of {STORED} cannot be written, so the journal cannot be kept there. Mount it writable, or "
            "choose storage: volatile."
        )
    return Prepared(plan, tuple(unit_of(name) for name in ("", *namespaces)))


def prepare_absence() -> Prepared:
    """Return the plan that takes the drop-ins away; raises :class:`~.systemd_host.HostError`."""
    return Prepared(plan_absence(observe((), 0)), ())


def carry_out(prepared: Prepared) -> None:
    """Bring the host to what was prepared.

    Raises :class:`~.systemd_host.HostError` and :class:`OSError` when the host refuses a step; the next run goes on there.
    """
    if prepared.plan.changed:
        # Imported here: most runs change nothing, and compile all that they import.
        from .journal_apply import apply_plan

        apply_plan(prepared.plan, prepared.kept)
