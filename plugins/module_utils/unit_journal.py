# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal's part in a run for the units of a host: prepared after them, done before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .journal_run import NOTHING, Prepared, carry_out, describe, diff
from .journal_run import prepare as prepare_journal
from .journal_settings import namespaces_of
from .services import Service

__all__ = ["carry_out", "joined", "prepare"]


def prepare(settings: object, services: Sequence[Service], version: int) -> Prepared:
    """Return the plan for the ``settings`` and the namespaces of ``services``, empty where no settings are given.

    ``version`` is that of systemd. Raises what :func:`.journal_run.prepare` raises.
    """
    if settings is None:
        return NOTHING
    return prepare_journal(settings, sorted(set(namespaces_of(services).values())), "journald.", version)


def joined(journal: Prepared, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``result`` for the units with what is done to the journal before them, with its diff where they have one."""
    both = {key: [*value, *result[key]] for key, value in describe(journal.plan).items() if key != "changed"}
    if "diff" in result:
        both["diff"] = [*diff(journal.plan), *result["diff"]]
    return {**result, **both, "changed": journal.plan.changed or result["changed"]}
