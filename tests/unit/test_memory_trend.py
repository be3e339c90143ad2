# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that only grows is told from memory that does not."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.memory_trend import Sample, theil_sen, trend_of
from memory_traces import Trace, traces

#: Fixed before the first run.
SEED, NUMBER = 20261128, {"sample": 60, "full": 240}
PRECISION, RECALL = 0.98, 0.95
#: So often somebody looks, in samples.
LOOK = 60


def is_raised(trace: Trace) -> bool:
    """Whether a leak is told at any of the moments at which somebody looks; what is over the cap has been killed."""
    for run in trace.runs:
        samples = [Sample(*one) for one in run]
        over = next((index for index, one in enumerate(samples) if trace.cap and one.used > trace.cap), len(samples))
        for end in range(LOOK, over + 1, LOOK):
            if trend_of(samples[:end], trace.cap):
                return True
    return False


def test_leaks_are_found_and_nothing_else() -> None:
    found: Counter[tuple[str, bool, bool]] = Counter()
    size = "full" if os.environ.get("STABILITY_PROOF") == "full" else "sample"
    for trace in traces(NUMBER[size], SEED):
        found[trace.kind, trace.leaks, is_raised(trace)] += 1
    hits, missed, false, right = (
        sum(count for (_kind, leaks, raised), count in found.items() if (leaks, raised) == wanted)
        for wanted in ((True, True), (True, False), (False, True), (False, False))
    )
    print(f"leaks: {hits} found, {missed} missed; others: {false} taken for one, {right} not")
    for (kind, leaks, raised), count in sorted(found.items()):
        print(f"  {kind:20} {'leaks' if leaks else 'does not':9} {'raised' if raised else 'not raised':11} {count}")
    # Of a few, one mistake of each kind is more than those shares.
    least = 1 if size == "sample" else 0
    assert hits / (hits + max(0, false - least)) >= PRECISION and hits / (hits + max(0, missed - least)) >= RECALL


def test_the_slope_is_the_median_of_all_slopes() -> None:
    points = [Sample(float(number), 3.0 * number) for number in range(20)]
    slope, low, high = theil_sen([*points, Sample(20.0, 1000.0)])
    assert slope == 3.0 and low == 3.0 and high >= 3.0
    assert theil_sen(points[:2]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("cap", [0.0, 4e9])
def test_a_trend_says_how_far_the_cap_is(cap: float) -> None:
    samples = [Sample(minute * 60.0, 1e9 + minute * 6e5) for minute in range(26 * 60 + 1)]
    trend = trend_of(samples, cap)
    assert trend is not None and (trend.hours, trend.low <= trend.slope <= trend.high) == (24, True)
    assert abs(trend.slope - 1e4) < 1
    assert trend.seconds_to_cap == (pytest.approx((4e9 - samples[-1].used) / 1e4, rel=1e-3) if cap else None)


def test_no_samples_and_too_few_of_them_say_nothing() -> None:
    assert trend_of([]) is None
    assert trend_of([Sample(minute * 60.0, 1e9 * (1 + minute)) for minute in range(60)]) is None
    # Half of them are missing.
    samples = [Sample(minute * 60.0, 1e9 + minute * 6e5) for minute in range(26 * 60 + 1) if minute % 600 < 300]
    assert trend_of(samples) is None
