# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One interleaved run: every contestant in turn, again and again, each time with proof that it did its job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from contestants import RUNS, Contestant, ContestantError, Runner, Timed
from host import Unit
from workload import directives, services, unit_texts

CASE = "services"


@dataclass(frozen=True)
class Sample:
    """One timed run."""

    contestant: str
    size: int
    run: str
    seconds: float
    module_calls: int | None


@dataclass(frozen=True)
class Plan:
    """What is measured: ``repetitions`` of each contestant at each size; less of a run where ``fewer`` says so."""

    contestants: Sequence[Contestant]
    sizes: Sequence[int]
    runs: Sequence[str]
    repetitions: int
    fewer: Mapping[tuple[str, int, str], int]

    def blocks(self, repetition: int) -> Iterator[tuple[int, Contestant]]:
        """Yield what is due in a repetition (from 0 on); who begins changes from one to the next."""
        first = repetition % len(self.contestants)
        for size in self.sizes:
            for contestant in [*self.contestants[first:], *self.contestants[:first]]:
                yield size, contestant

    def due(self, repetition: int, contestant: Contestant, size: int) -> list[str]:
        """Return the runs of a contestant at a size that are due in a repetition."""
        limits = {run: self.fewer.get((contestant.name, size, run), self.repetitions) for run in self.runs}
        return [run for run, limit in limits.items() if repetition < limit]


def _check_run(
    contestant: Contestant, run: str, timed: Timed, before: Mapping[str, Unit], after: Mapping[str, Unit]
) -> None:
    """Raise :class:`ContestantError` when a run was not what its name says."""
    restarted = [name for name, unit in after.items() if name in before and before[name].pid != unit.pid]
    expected = {"first": 0, "unchanged": 0, "one_changed": 1}[run]
    if len(restarted) != expected:
        raise ContestantError(f"{contestant.name}, {run}: {len(restarted)} units were restarted, not {expected}")
    if timed.counts and bool(timed.counts["changed"]) != (run != "unchanged"):
        raise ContestantError(f"{contestant.name}, {run}: it reports {timed.counts['changed']} changed tasks")


def _check_units(contestant: Contestant, texts: Mapping[str, str], units: Mapping[str, Unit]) -> None:
    """Raise :class:`ContestantError` unless exactly the wanted units are there, enabled and active."""
    for name in {*texts, *units}:
        unit = units.get(name)
        if unit is None or unit.directives != directives(texts.get(name, "")):
            raise ContestantError(f"{contestant.name}: the unit file of {name} is not the one that all shall write")
        if (unit.active, unit.enabled) != ("active", "enabled"):
            raise ContestantError(f"{contestant.name}: {name} is {unit.active} and {unit.enabled}")


def measure_block(runner: Runner, contestant: Contestant, size: int, runs: Sequence[str]) -> list[Sample]:
    """Time one contestant at one size, in each of ``runs`` that it takes part in, from a clean host on."""
    samples = []
    runner.host.clean()
    units: dict[str, Unit] = {}
    for run in [run for run in RUNS if run in runs and run in contestant.runs]:
        listed = services(size, one_changed=run == "one_changed")
        timed = runner.time(contestant, listed)
        if contestant.deploys:
            before, units = units, runner.host.units()
            _check_units(contestant, unit_texts(listed, runner.systemd_version), units)
            _check_run(contestant, run, timed, before, units)
        samples.append(Sample(contestant.name, size, run, timed.seconds, timed.counts.get("module_calls")))
    return samples


def measure(
    runner: Runner, plan: Plan, say: Callable[[str], None], enough: Callable[[list[Sample], int], bool]
) -> list[Sample]:
    """Carry a plan out, and stop after a repetition for which ``enough`` (of all samples, repetitions done) is true."""
    samples: list[Sample] = []
    for repetition in range(plan.repetitions):
        for size, contestant in plan.blocks(repetition):
            block = measure_block(runner, contestant, size, plan.due(repetition, contestant, size))
            samples += block
            times = "  ".join(f"{sample.run} {sample.seconds:.2f} s" for sample in block)
            say(f"{repetition + 1}/{plan.repetitions}  {size:3} services  {contestant.name:10} {times}")
        if enough(samples, repetition + 1):
            break
    return samples
