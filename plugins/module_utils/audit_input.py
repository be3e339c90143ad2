# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit is told: the two lists and the waivers, checked together."""

from __future__ import annotations

from collections.abc import Callable

from .audit_waivers import parse_waivers
from .environments import parse_environments
from .problems import InvalidInput, Problem
from .services import parse_services


def check_input(services: object, environments: object, waivers: object, prefix: str = "") -> None:
    """Raise :class:`InvalidInput` with every problem of the lists, each of which is named with ``prefix`` before it."""
    problems: list[Problem] = []
    lists: tuple[tuple[Callable[[object, str], object], object, str], ...] = (
        (parse_services, services, "services"),
        (parse_environments, environments, "environments"),
        (parse_waivers, waivers, "waivers"),
    )
    for parse, raw, name in lists:
        try:
            parse(raw, f"{prefix}{name}")
        except InvalidInput as invalid:
            problems += invalid.problems
    if problems:
        raise InvalidInput(problems)
