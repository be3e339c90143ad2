# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environments that changed under services: how long those ran without them, and which are to go back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from .manifest import GENERATION
from .services import Service
from .unit_apply import Failure
from .unit_plan import Plan
from .unit_state import Observed


def _changed_under(service: Service, observed: Observed) -> str:
    """Return the environment of a service when it is another one than at its last good start; empty when it is not."""
    virtualenv: str = service.values["virtualenv"] or ""
    entry = observed.manifest.entries.get(service.record)
    before = entry.started.generation if entry and entry.started else ""
    return virtualenv if before and before != observed.generations.get(virtualenv, before) else ""


def _processes(services: Iterable[Service]) -> list[Service]:
    return [one for service in services if not service.is_absent for one in service.processes]


def to_go_back(failures: Sequence[Failure], services: Iterable[Service], observed: Observed) -> list[str]:
    """Return the environments that changed under units which then did not come up."""
    failed = {failure.unit for failure in failures}
    found = (_changed_under(one, observed) for one in _processes(services) if one.unit in failed)
    return list(dict.fromkeys(path for path in found if path))


def delays(plan: Plan, services: Iterable[Service], observed: Observed, ended: float) -> list[dict[str, object]]:
    """Return, for each environment that changed under a service, the seconds from its switch to the last restart.

    ``ended`` is when that was over, in seconds since the epoch; the switch is when the environment got its generation.
    """
    switched = {switch.unit for switch in plan.switches if switch.verb != "stop"}
    found = (_changed_under(one, observed) for one in _processes(services) if one.switched_unit in switched)
    paths = dict.fromkeys(path for path in found if path)
    moments = {path: os.stat(os.path.join(path, GENERATION)).st_mtime for path in paths}
    return [{"virtualenv": path, "seconds": round(ended - moment, 2)} for path, moment in moments.items()]
