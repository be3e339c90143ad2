# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the memory of a service only grows, from samples of one run of it.

Two things must say so. What the service never gives back, which is at each moment the least that it has from then on, must grow, evenly:
the teeth of a saw, bursts and steps let it rest. And of the curve of the whole run, taken apart into caches that are filled, the hours of
the day, and a straight line, the straight line must be a good part. The slope is the median of the slopes between all pairs of points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

from .least_squares import Fit, fitted

HOUR = 3600.0
_DAY = 24 * HOUR
#: Normal quantile of the bounds: 99.9 % on both sides, since samples that follow each other are alike.
_QUANTILE = 3.29
#: A window is looked at in so many parts, of which this share may have no sample, and the last ones are left out: what is least from
#: then on is still high there.
_PARTS, _MISSING, _EDGE = 60, 0.2, 6
#: Of each part the value below which this share of its samples lies: one low sample is no sign.
_LOW = 0.25
#: In so many spans of equal length it must grow, in this share of them, and in none of the parts by more than this share of all.
_SPANS, _GROWING, _JUMP, _OF_PARTS = 8, 0.5, 0.35, 3
#: Growth in the second half of a window, as a share of that in the first one, below which it is about to end.
_GOES_ON, _GOES_ON_SOON = 0.7, 0.8
#: The straight line in the whole curve, as a share of what is in use and a day, and of the slope in the window.
_LINE, _OF_SLOPE = 0.03, 0.4
#: Seconds before, when it must have been so as well; and of one point of the whole curve.
_BEFORE, _POINT = 2 * HOUR, 0.5 * HOUR
#: How caches are filled: with ever rarer keys, or up to a size; each by a time in seconds.
_FILLINGS: tuple[Callable[[float], float], ...] = (
    *(lambda age, scale=scale: math.log(1 + age / scale) for scale in (300.0, 1200.0, 3600.0, 10800.0, 18000.0)),
    *(lambda age, scale=scale: 1 - math.exp(-age / scale) for scale in (600.0, 3600.0, 9000.0, 18000.0)),
)


class Sample(NamedTuple):
    """A moment, in seconds, and what was in use then, in bytes."""

    moment: float
    used: float


class Window(NamedTuple):
    """So many hours at the end of a run, and what must grow in them: ``least`` is a share of what was in use at their beginning.

    ``soon`` are the hours within which the cap must be reached; 0 for whenever that is.
    """

    hours: float
    least: float
    goes_on: float
    soon: float = 0.0


_LONG = Window(24, 0.02, _GOES_ON)
#: It cannot tell a leak from the first tooth of a saw: it counts where there is no time left for a longer one.
_SHORT = Window(4, 0.05, _GOES_ON_SOON, soon=8)


class Trend(NamedTuple):
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


def _parts(samples: Sequence[Sample], begin: float, width: float) -> list[Sample]:
    """Return what is low in each part of that many seconds, from a moment on."""
    found: dict[int, list[float]] = {}
    for sample in samples:
        if sample.moment >= begin:
            found.setdefault(int((sample.moment - begin) / width), []).append(sample.used)
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


def _grows_evenly(kept: Sequence[Sample], goes_on: float) -> bool:
    """Whether it grows in both halves, in the second one not much less, in most spans of time, and nowhere by a leap."""
    half = len(kept) // 2
    first, second = theil_sen(kept[:half]), theil_sen(kept[half:])
    if min(first[1], second[1]) <= 0 or second[0] < goes_on * first[0]:
        return False
    growth, size = kept[-1].used - kept[0].used, len(kept) / _SPANS
    ends = [kept[min(len(kept) - 1, round(number * size))].used for number in range(_SPANS + 1)]
    growing = sum(later - earlier > 0.2 * growth / _SPANS for earlier, later in zip(ends, ends[1:]))
    highest = max(later.used - earlier.used for earlier, later in zip(kept, kept[_OF_PARTS:]))
    return growing >= _GROWING * _SPANS and highest <= _JUMP * growth


def _in(window: Window, samples: Sequence[Sample], cap: float) -> Optional[Trend]:
    """Return the trend over a window at the end of the samples; ``None`` where there is none."""
    end, width = samples[-1].moment, window.hours * HOUR / _PARTS
    if end - samples[0].moment < window.hours * HOUR - 2 * width:
        return None
    points = _parts(samples, end - window.hours * HOUR, width)
    if len(points) < (1 - _MISSING) * _PARTS:
        return None
    kept = _kept(points)
    if kept[-1].used - kept[0].used <= window.least * kept[0].used or not _grows_evenly(kept, window.goes_on):
        return None
    slope, low, high = theil_sen(kept)
    left = max(0.0, (cap - samples[-1].used) / slope) if cap else None
    if window.soon and (left is None or left > window.soon * HOUR):
        return None
    return Trend(window.hours, slope, low, high, left)


def _taken_apart(samples: Sequence[Sample]) -> Optional[Fit]:
    """Return the curve of a run as a level, a cache that is filled, a straight line by days, and the hours of the day."""
    begin = samples[0].moment
    points = _parts(samples, begin, _POINT)
    found: list[Fit] = []
    for filling in _FILLINGS:
        curves = [
            (1.0, filling(age), age / _DAY, math.sin(2 * math.pi * age / _DAY), math.cos(2 * math.pi * age / _DAY))
            for age in (point.moment - begin for point in points)
        ]
        fit = fitted(curves, [point.used for point in points])
        found += [fit] if fit is not None else []
    return min(found, key=lambda fit: fit.rest, default=None)


def _long(samples: Sequence[Sample], cap: float) -> Optional[Trend]:
    """Return the trend over a day, without what goes with the hours of the day."""
    if samples[-1].moment - samples[0].moment < _DAY - _POINT:
        return None
    fit = _taken_apart(samples)
    if fit is None or fit.factors[2] <= _LINE * samples[0].used:
        return None
    begin, (_level, _filling, line, sine, cosine) = samples[0].moment, fit.factors
    turn = 2 * math.pi / _DAY
    flat = [
        Sample(moment, used - sine * math.sin(turn * (moment - begin)) - cosine * math.cos(turn * (moment - begin)))
        for moment, used in samples
    ]
    trend = _in(_LONG, flat, cap)
    return trend if trend is not None and line > _OF_SLOPE * trend.slope * _DAY else None


def trend_of(samples: Sequence[Sample], cap: float = 0.0) -> Optional[Trend]:
    """Return how the memory of a service grows, ``None`` when it does not.

    Args:
        samples: of one run, since its start or the last deployment, in their order, one a minute.
        cap: ``MemoryMax=`` in bytes; 0 for none.
    """
    if not samples:
        return None
    trend = _long(samples, cap)
    before = [sample for sample in samples if sample.moment <= samples[-1].moment - _BEFORE]
    if trend is not None and before and _long(before, cap) is not None:
        return trend
    return _in(_SHORT, samples, cap) if cap else None
