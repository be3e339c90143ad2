# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One interleaved run: every contestant in turn, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from case import Contestant


@dataclass(frozen=True)
class Sample:
    """One timed run."""

    case: str
    contestant: str
    size: int
    run: str
    seconds: float
    module_calls: int | None


@dataclass(frozen=True)
class Plan:
    """What is measured: ``repetitions`` of each contestant at each size; less of a run, or none, where ``fewer`` says so."""

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
                if self.due(repetition, contestant, size):
                    yield size, contestant

    def due(self, repetition: int, contestant: Contestant, size: int) -> list[str]:
        """Return the runs of a contestant at a size that are due in a repetition."""
        limits = {run: self.fewer.get((contestant.name, size, run), self.repetitions) for run in self.runs}
        return [run for run, limit in limits.items() if run in contestant.runs and repetition < limit]


#: Times one contestant at one size in some runs.
Block = Callable[[Contestant, int, Sequence[str]], list[Sample]]


def measure(
    block: Block,
    plan: Plan,
    say: Callable[[str], None],
    enough: Callable[[list[Sample], int], bool],
) -> list[Sample]:
    """Carry a plan out, and stop after a repetition for which ``enough`` (of all samples, repetitions done) is true."""
    samples: list[Sample] = []
    for repetition in range(plan.repetitions):
        for size, contestant in plan.blocks(repetition):
            timed = block(contestant, size, plan.due(repetition, contestant, size))
            samples += timed
            times = "  ".join(f"{sample.run} {sample.seconds:.2f} s" for sample in timed)
            say(f"{repetition + 1}/{plan.repetitions}  {timed[0].case} {size:3}  {contestant.name:14} {times}")
        if enough(samples, repetition + 1):
            break
    return samples
