# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the input: one shape for every message, all of them at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

HIDDEN = "a value that is not shown"
_LONGEST_SHOWN = 120
#: What ansible-core 2.18 and older make of a list in a variable when a value in it has no form in Python's own syntax.
_QUOTE_DATES = "Quote the dates in it; before ansible-core 2.19 one without quotes makes text of the whole list"


def show(value: object) -> str:
    """Return ``value`` the way a message quotes it: as JSON where that works, cut at 120 characters."""
    if isinstance(value, date):
        return value.isoformat()
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


@dataclass(frozen=True)
class ListOf:
    """How a list of mappings is spoken of: ``kind`` (``services``), ``needed`` (``name and user``), ``quote`` a value."""

    kind: str
    needed: str
    quote: Callable[[object], str] = show

    def members(self, raw: object, option: str, problems: list[Problem]) -> Iterator[tuple[int, Mapping[Any, Any]]]:
        """Yield the index and content of each mapping in ``raw``; what is none goes to ``problems``.

        ``None`` counts as empty. Raises :class:`InvalidInput` for what is no list.
        """
        if raw is None:
            return
        if not isinstance(raw, (list, tuple)):
            is_text = isinstance(raw, str) and raw.startswith("[")
            remedy = _QUOTE_DATES if is_text else "Write a list of mappings"
            raise InvalidInput([Problem(option, self.quote(raw), f"a list of {self.kind}", remedy)])
        for index, member in enumerate(raw):
            if isinstance(member, Mapping):
                yield index, member
            else:
                problems.append(Problem(f"{option}[{index}]", self.quote(member), "a mapping", f"Write {self.needed}"))
