# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the memory of a service only grows, from samples of one run of it.

What is looked at is what the service never gives back: at each moment the least that it has from then on. Caches that are filled, teeth
of a saw, steps and days with more and less to do all let it rest; a leak does not. Its slope is the median of the slopes between all pairs
of points (Theil and Sen), with the bounds that follow from Kendall's rank statistic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional

HOUR = 3600.0
#: Normal quantile of the bounds: 99.9 % on both sides, since samples that follow each other are alike.
_QUANTILE = 3.29
#: A window is looked at in so many parts, of which this share may have no sample, and the last ones are left out: what is least from then
#: on is still high there.
_PARTS, _MISSING, _EDGE = 60, 0.2, 6
#: Of each part the value below which this share of its samples lies: one low sample is no sign.
_LOW = 0.25
#: Growth in the second half of a window, as a share of that in the first one, below which it is about to end.
_GOES_ON = 0.5
#: In so many parts of equal length it must grow, in this share of them: a few steps are no leak.
_SPANS, _GROWING = 12, 0.5


class Sample(NamedTuple):
    """A moment, in seconds, and what was in use then, in bytes."""

    moment: float
    used: float


@dataclass(frozen=True)
class Window:
    """So many hours of samples, of a run that is at least ``age`` hours old, and what must grow in them.

    ``least`` is the growth as a share of what was in use at the beginning. ``soon`` are the hours within which the cap must be reached;
    without a cap, what is in use must double; 0 for whenever that is.
    """

    hours: float
    age: float
    least: float
    soon: float = 0.0


#: A short window cannot tell a leak from the first tooth of a saw: it counts where there is no time left for a longer one.
WINDOWS = (Window(24, 24, 0.03), Window(12, 24, 0.04), Window(2, 2, 0.05, soon=6))


@dataclass(frozen=True)
class Trend:
    """A memory that only grows: over which window, its slope with its bounds in bytes a second, and how far the cap is.

    ``seconds_to_cap`` is ``None`` without a cap.
    """

    hours: float
    slope: float
    low: float
    high: float
    seconds_to_cap: Optional[float] = None


def theil_sen(points: Sequence[Sample]) -> tuple[float, float, float]:
    """Return the median of the slopes between all pairs of points, and its bounds; all 0 for less than three points.

    P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, 1968.
    """
    count = len(points)
    if count < 3:
        return 0.0, 0.0, 0.0
    slopes = sorted(
        (later.used - earlier.used) / (later.moment - earlier.moment)
        for index, earlier in enumerate(points)
        for later in points[index + 1 :]
    )
    spread = _QUANTILE * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    below = max(0, math.floor((len(slopes) - spread) / 2))
    above = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return slopes[len(slopes) // 2], slopes[below], slopes[above]


def _parts(samples: Sequence[Sample], begin: float, end: float) -> list[Sample]:
    """Return what is low in each part of a window."""
    found: dict[int, list[float]] = {}
    for sample in samples:
        if begin <= sample.moment <= end:
            part = min(_PARTS - 1, int((sample.moment - begin) / (end - begin) * _PARTS))
            found.setdefault(part, []).append(sample.used)
    width = (end - begin) / _PARTS
    return [
        Sample(begin + (part + 0.5) * width, sorted(values)[int(_LOW * len(values))])
        for part, values in sorted(found.items())
    ]


def _kept(points: Sequence[Sample]) -> list[Sample]:
    """Return at each moment the least of all that comes from then on, without the end, where little comes."""
    kept: list[Sample] = []
    least = math.inf
    for point in reversed(points):
        least = min(least, point.used)
        kept.append(Sample(point.moment, least))
    return kept[::-1][:-_EDGE]


def _grows_evenly(kept: Sequence[Sample]) -> bool:
    """Whether it grows in both halves, in the second one not much less, and in most spans of time."""
    half = len(kept) // 2
    first, second = theil_sen(kept[:half]), theil_sen(kept[half:])
    if min(first[1], second[1]) <= 0 or second[0] < _GOES_ON * first[0]:
        return False
    size = len(kept) / _SPANS
    ends = [kept[min(len(kept) - 1, round(number * size))].used for number in range(_SPANS + 1)]
    least = 0.2 * (ends[-1] - ends[0]) / _SPANS
    return sum(later - earlier > least for earlier, later in zip(ends, ends[1:])) >= _GROWING * _SPANS


def _in(window: Window, samples: Sequence[Sample], cap: float) -> Optional[Trend]:
    """Return the trend over a window at the end of the samples; ``None`` where there is none."""
    end = samples[-1].moment
    begin = end - window.hours * HOUR
    if end - samples[0].moment < window.age * HOUR - 2 * (window.hours * HOUR / _PARTS):
        return None
    points = _parts(samples, begin, end)
    if len(points) < (1 - _MISSING) * _PARTS:
        return None
    kept = _kept(points)
    growth = kept[-1].used - kept[0].used
    earlier = [sample.used for sample in samples if sample.moment < begin]
    # A leak has never had as much before.
    is_new = not earlier or kept[-1].used > sorted(earlier)[int(0.95 * len(earlier))]
    if growth <= window.least * kept[0].used or not is_new or not _grows_evenly(kept):
        return None
    slope, low, high = theil_sen(kept)
    left = (cap - samples[-1].used) / slope if cap else None
    if window.soon and (samples[-1].used / slope if left is None else left) > window.soon * HOUR:
        return None
    return Trend(window.hours, slope, low, high, None if left is None else max(0.0, left))


def trend_of(samples: Sequence[Sample], cap: float = 0.0) -> Optional[Trend]:
    """Return how the memory of a service grows, ``None`` when it does not.

    Args:
        samples: of one run, since its start or the last deployment, in their order, one a minute.
        cap: ``MemoryMax=`` in bytes; 0 for none.
    """
    if not samples:
        return None
    return next(filter(None, (_in(window, samples, cap) for window in WINDOWS)), None)
