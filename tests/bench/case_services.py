# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of services: ways to deploy the same unit files, each run with proof that it did its job."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from case import Bar, Case, Contestant, ContestantError, Medians, Timed
from contestants import HERE, PLAYS, Runner
from host import Unit
from measure import Plan, Sample
from workload import directives, services, unit_texts

#: On a clean host; again; again with another environment of one service.
RUNS = {"first": "first", "unchanged": "unchanged", "one_changed": "one changed"}
ALL = tuple(RUNS)
OURS = Contestant("ours", "`stability.baseline.apply`", "stability.baseline.apply", ALL)
IDIOMATIC = Contestant("idiomatic", "loops of `template` and `systemd_service`", str(PLAYS / "idiomatic.yml"), ALL)
EMPTY = Contestant("empty", "play with one empty module", str(PLAYS / "empty.yml"), ("unchanged",), deploys=False)
SCRIPT = Contestant("script", "shell script over SSH", None, ALL)
UNCHANGED_FACTOR = 1.4
FIRST_FACTOR = 3
#: The size at which the bars hold.
BAR_SIZE = 50
#: What takes long and is no part of a bar is repeated less, so that the whole stays below a quarter of an hour.
FEWER = {(IDIOMATIC.name, BAR_SIZE, "one_changed"): 2}


def bars(seconds: Medians) -> list[Bar]:
    """Return the limits."""
    floor = seconds["empty", BAR_SIZE, "unchanged"]
    return [
        Bar(
            f"{BAR_SIZE} services unchanged, at most {UNCHANGED_FACTOR} times the play with one empty module",
            seconds["ours", BAR_SIZE, "unchanged"],
            UNCHANGED_FACTOR * floor,
        ),
        Bar(
            f"{BAR_SIZE} services new, at most that play and {FIRST_FACTOR} times the shell script",
            seconds["ours", BAR_SIZE, "first"],
            floor + FIRST_FACTOR * seconds["script", BAR_SIZE, "first"],
        ),
    ]


CASE = Case("services", "services", RUNS, EMPTY.name, bars)


def plan(repetitions: int, *, quick: bool, full: bool) -> Plan:
    """Return what is measured; ``quick`` is what the bars need, ``full`` repeats everything equally often."""
    if quick:
        return Plan((OURS, EMPTY, SCRIPT), (1, BAR_SIZE), ("first", "unchanged"), repetitions, {})
    return Plan((OURS, EMPTY, SCRIPT, IDIOMATIC), (1, 10, BAR_SIZE), ALL, repetitions, {} if full else FEWER)


def check_run(
    contestant: Contestant, run: str, timed: Timed, before: Mapping[str, Unit], after: Mapping[str, Unit]
) -> None:
    """Raise :class:`ContestantError` when a run was not what its name says."""
    restarted = [name for name, unit in after.items() if name in before and before[name].pid != unit.pid]
    expected = {"first": 0, "unchanged": 0, "one_changed": 1}[run]
    if len(restarted) != expected:
        raise ContestantError(f"{contestant.name}, {run}: {len(restarted)} units were restarted, not {expected}")
    if timed.counts and bool(timed.counts["changed"]) != (run != "unchanged"):
        raise ContestantError(f"{contestant.name}, {run}: it reports {timed.counts['changed']} changed tasks")


def check_units(contestant: Contestant, texts: Mapping[str, str], units: Mapping[str, Unit]) -> None:
    """Raise :class:`ContestantError` unless exactly the wanted units are there, enabled and active."""
    for name in {*texts, *units}:
        unit = units.get(name)
        if unit is None or unit.directives != directives(texts.get(name, "")):
            raise ContestantError(f"{contestant.name}: the unit file of {name} is not the one that all shall write")
        if (unit.active, unit.enabled) != ("active", "enabled"):
            raise ContestantError(f"{contestant.name}: {name} is {unit.active} and {unit.enabled}")


class Deployment:
    """Times contestants at the deployment of services."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.version = runner.host.systemd_version()

    def _script(self, listed: list[dict[str, Any]]) -> str:
        calls = [shlex.join(["unit", name, text]) for name, text in unit_texts(listed, self.version).items()]
        return "\n".join([(HERE / "deploy.sh").read_text(encoding="utf-8"), *calls, "finish", ""])

    def __call__(self, contestant: Contestant, size: int, runs: Sequence[str]) -> list[Sample]:
        """Time one contestant at one size, in each of ``runs``, from a clean host on."""
        samples = []
        self.runner.host.clean()
        units: dict[str, Unit] = {}
        for run in runs:
            listed = services(size, one_changed=run == "one_changed")
            variables = {"stability_services": listed} if contestant.deploys else {}
            timed = self.runner.time(contestant, variables, self._script(listed))
            if contestant.deploys:
                before, units = units, self.runner.host.units()
                check_units(contestant, unit_texts(listed, self.version), units)
                check_run(contestant, run, timed, before, units)
            samples.append(
                Sample(CASE.name, contestant.name, size, run, timed.seconds, timed.counts.get("module_calls"))
            )
        return samples
