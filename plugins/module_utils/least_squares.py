# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fits a sum of a few known curves to points, so that some points far off count little (P. J. Huber, Robust Estimation, 1964)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

_ROUNDS = 4
#: From so many times the usual distance on a point counts less.
_FAR = 1.5
#: The standard deviation of a normal distribution, as a multiple of its median distance.
_NORMAL = 1.4826
_SINGULAR = 1e-12


class Fit(NamedTuple):
    """The factors of the curves, and what is left: the sum of the squared distances, each of which is cut at three usual ones."""

    factors: tuple[float, ...]
    rest: float


def _solved(matrix: list[list[float]]) -> Optional[list[float]]:
    """Return the solution of linear equations, the right side of which is the last column; ``None`` where there is not one."""
    size = len(matrix)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(matrix[row][column]))
        if abs(matrix[pivot][column]) < _SINGULAR:
            return None
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        for row in range(size):
            if row != column:
                factor = matrix[row][column] / matrix[column][column]
                matrix[row] = [own - factor * other for own, other in zip(matrix[row], matrix[column])]
    return [matrix[row][size] / matrix[row][row] for row in range(size)]


def fitted(curves: Sequence[Sequence[float]], values: Sequence[float]) -> Optional[Fit]:
    """Return how the curves sum up to the values; ``None`` where they do not differ enough to tell.

    Args:
        curves: for each point the value of each curve.
        values: for each point what is to be explained.
    """
    weights = [1.0] * len(values)
    found: Optional[Fit] = None
    for _round in range(_ROUNDS):
        rows = list(zip(weights, curves, values))
        count = range(len(curves[0]))
        matrix = [
            [
                *(sum(weight * point[one] * point[other] for weight, point, _value in rows) for other in count),
                sum(weight * point[one] * value for weight, point, value in rows),
            ]
            for one in count
        ]
        factors = _solved(matrix)
        if factors is None:
            return None
        left = [value - sum(a * b for a, b in zip(point, factors)) for point, value in zip(curves, values)]
        usual = _NORMAL * sorted(map(abs, left))[len(left) // 2] or _SINGULAR
        weights = [1.0 / max(1.0, abs(one) / (_FAR * usual)) for one in left]
        found = Fit(tuple(factors), sum(min(abs(one), 3 * usual) ** 2 for one in left))
    return found
