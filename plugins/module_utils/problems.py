# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the input: one shape for every message, all of them at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

HIDDEN = "a value that is not shown"
_LONGEST_SHOWN = 120


def show(value: object) -> str:
    """Return ``value`` the way a message quotes it: as JSON where that works, cut at 120 characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    if len(text) > _LONGEST_SHOWN:
        return text[: _LONGEST_SHOWN - 1] + "…"
    return text


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    ``option`` names the place (``services[3].user``), ``found`` is the value as quoted by :func:`show`,
    ``expected`` and ``remedy`` are phrases without a full stop at the end.
    """

    option: str
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.option}: found {self.found}; expected {self.expected}. {self.remedy}."


class InvalidInput(ValueError):
    """The input cannot be used; ``problems`` holds every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
