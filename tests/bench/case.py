# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark consists of: contestants, the runs that are timed, and the limits of the collection's speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: Medians in wall seconds, by contestant, size and run.
Medians = Mapping[tuple[str, int, str], float]


class ContestantError(RuntimeError):
    """A contestant did not do what is measured; the message is meant for people."""


@dataclass(frozen=True)
class Contestant:
    """One way to do the job.

    Attributes:
        name: in the data. title: in the table.
        play: the play of ansible-playbook, a path or a name with the collection's; None for the shell script.
        runs: what it is measured in.
        deploys: whether it does anything at all.
        variables: variables of the play that only this contestant gets.
    """

    name: str
    title: str
    play: str | None
    runs: tuple[str, ...]
    deploys: bool = True
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Timed:
    """Wall seconds of one run, and what ansible-playbook counted in it (empty for the script)."""

    seconds: float
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Bar:
    """One limit: what it says, what was measured, what is allowed (both wall seconds)."""

    text: str
    measured_s: float
    allowed_s: float

    @property
    def passed(self) -> bool:
        """Whether it was kept."""
        return self.measured_s <= self.allowed_s

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        return f"{verdict}: {self.text}: {self.measured_s:.2f} s of {self.allowed_s:.2f} s allowed"


@dataclass(frozen=True)
class Case:
    """One benchmark.

    Attributes:
        name: in the data. unit: what its sizes count.
        runs: the titles of the columns, by run, in the order in which the runs are made.
        floor: the contestant whose run ``unchanged`` is the floor at each size.
        bars: makes the limits of the medians.
    """

    name: str
    unit: str
    runs: Mapping[str, str]
    floor: str
    bars: Callable[[Medians], Sequence[Bar]]
