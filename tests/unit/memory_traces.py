# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory as services use it, made up: with leaks and without. It knows nothing of how a leak is looked for."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MIB = 1024**2
MINUTE = 60
#: A trace is two days long.
MINUTES = 2 * 24 * 60


@dataclass(frozen=True)
class Trace:
    """What a service has in use, minute by minute, in runs between restarts; ``leaks`` is the truth about it."""

    kind: str
    leaks: bool
    runs: tuple[tuple[tuple[float, float], ...], ...]
    cap: float


def _noise(chance: random.Random, base: float) -> Callable[[], float]:
    """Return what makes values that wander a little, as the load does, with peaks of single requests."""
    size, state = base * chance.uniform(0.002, 0.02), 0.0
    memory = chance.uniform(0.5, 0.98)

    def draw() -> float:
        nonlocal state
        state = memory * state + chance.gauss(0.0, size * math.sqrt(1 - memory**2))
        peak = base * chance.uniform(0.05, 0.3) if chance.random() < 0.003 else 0.0
        return state + peak

    return draw


def _daily(chance: random.Random, base: float) -> Callable[[float], float]:
    """Return the part that goes with the hour of the day."""
    height, begin = base * chance.uniform(0.0, 0.08), chance.uniform(0, 24 * 60)
    return lambda minute: height * (1 + math.sin((minute - begin) * 2 * math.pi / (24 * 60)))


def _flat(_chance: random.Random, _base: float) -> Callable[[float], float]:
    return lambda _minute: 0.0


def _linear_leak(chance: random.Random, base: float) -> Callable[[float], float]:
    # From half a percent an hour up to what doubles it in a few hours.
    an_hour = base * 0.005 * 10 ** chance.uniform(0.0, 1.5)
    return lambda minute: an_hour * minute / 60


def _leak_in_lumps(chance: random.Random, base: float) -> Callable[[float], float]:
    every, an_hour = chance.uniform(5, 90), base * chance.uniform(0.006, 0.08)
    return lambda minute: an_hour * every / 60 * (minute // every)


def _leak_by_load(chance: random.Random, base: float) -> Callable[[float], float]:
    an_hour, begin = base * chance.uniform(0.008, 0.06), chance.uniform(0, 24 * 60)
    day = 24 * 60 / (2 * math.pi)
    depth = chance.uniform(0.2, 0.6)
    return lambda minute: (
        an_hour / 60 * (minute - depth * day * (math.cos((minute - begin) / day) - math.cos(begin / day)))
    )


def _leak_under_teeth(chance: random.Random, base: float) -> Callable[[float], float]:
    leak, teeth = _linear_leak(chance, base), _teeth(chance, base)
    return lambda minute: leak(minute) + teeth(minute)


def _leak_after_filling(chance: random.Random, base: float) -> Callable[[float], float]:
    leak, filling = _linear_leak(chance, base), _filling(chance, base * 0.5)
    return lambda minute: leak(minute) + filling(minute)


def _filling(chance: random.Random, base: float) -> Callable[[float], float]:
    height, tau = base * chance.uniform(0.2, 2.0), chance.uniform(5, 5 * 60)
    if chance.random() < 0.5:
        return lambda minute: height * (1 - math.exp(-minute / tau))
    most = math.log(1 + MINUTES / tau)
    return lambda minute: height * math.log(1 + minute / tau) / most


def _teeth(chance: random.Random, base: float) -> Callable[[float], float]:
    height, period = base * chance.uniform(0.05, 0.6), chance.uniform(8, 6 * 60)
    begin = chance.uniform(0, period)
    return lambda minute: height * ((minute + begin) % period) / period


def _steps(chance: random.Random, base: float) -> Callable[[float], float]:
    moments = sorted(chance.uniform(0, MINUTES) for _one in range(chance.randint(1, 4)))
    heights = [base * chance.uniform(0.05, 0.5) for _one in moments]
    return lambda minute: sum(height for moment, height in zip(moments, heights, strict=True) if minute >= moment)


def _bursts(chance: random.Random, base: float) -> Callable[[float], float]:
    spans = [(begin, begin + chance.uniform(20, 180)) for begin in (chance.uniform(0, MINUTES) for _one in range(8))]
    height = base * chance.uniform(0.1, 0.8)
    return lambda minute: height if any(begin <= minute < end for begin, end in spans) else 0.0


LEAKS = (_linear_leak, _leak_in_lumps, _leak_by_load, _leak_under_teeth, _leak_after_filling)
OTHERS = (_flat, _filling, _teeth, _steps, _bursts)


def _trace(
    chance: random.Random, make: Callable[[random.Random, float], Callable[[float], float]], leaks: bool
) -> Trace:
    base = chance.uniform(20, 800) * MIB
    grown, daily, noise = make(chance, base), _daily(chance, base), _noise(chance, base)
    # Now and then somebody deploys, long before or after what is looked for.
    restarts = sorted(chance.uniform(0, MINUTES) for _one in range(chance.choice((0, 0, 0, 1)))) if not leaks else []
    if leaks and chance.random() < 0.25:
        restarts = [chance.uniform(0, 0.4 * MINUTES)]
    runs, begin = [], 0.0
    for end in (*restarts, MINUTES):
        minutes = range(math.ceil(begin), math.ceil(end))
        # Samples are missed, and come a little early or late.
        run = [
            (minute * MINUTE + chance.uniform(0, 2), base + grown(minute - begin) + daily(minute) + noise())
            for minute in minutes
            if chance.random() > 0.01
        ]
        runs.append(tuple(run))
        begin = end
    # The cap is enough for all but a leak.
    most = 2.0 * base if leaks else max(used for run in runs for _moment, used in run)
    cap = most * chance.uniform(1.3, 4.0) if chance.random() < 0.7 else 0.0
    return Trace(make.__name__.strip("_"), leaks, tuple(runs), cap)


def traces(number: int, seed: int) -> Iterator[Trace]:
    """Yield so many traces, half of them of leaks, always the same for a seed."""
    for index in range(number):
        chance = random.Random(f"{seed} {index}")
        kinds, leaks = (LEAKS, True) if index % 2 else (OTHERS, False)
        yield _trace(chance, kinds[index // 2 % len(kinds)], leaks)
