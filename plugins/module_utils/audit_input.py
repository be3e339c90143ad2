# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit is told, checked together: the two lists, the waivers, and what becomes of its report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .audit_waivers import parse_waivers
from .environments import parse_environments
from .problems import InvalidInput, Problem
from .report_files import read_earlier
from .report_verdict import check_fail_on
from .services import parse_services


@dataclass(frozen=True)
class Input:
    """What an audit is told, each as it was given; ``compare_with`` is the path of a report, empty for none."""

    services: object = None
    environments: object = None
    waivers: object = None
    fail_on: object = None
    compare_with: str = ""


def check_input(given: Input, prefix: str = "") -> None:
    """Raise :class:`InvalidInput` with every problem of what is given; each option is named with ``prefix`` before it."""
    problems: list[Problem] = []
    checks: list[tuple[Callable[..., object], object, str]] = [
        (parse_services, given.services, "services"),
        (parse_environments, given.environments, "environments"),
        (parse_waivers, given.waivers, "waivers"),
        (check_fail_on, given.fail_on, "fail_on"),
    ]
    if given.compare_with:
        checks.append((read_earlier, given.compare_with, "compare_with"))
    for check, raw, name in checks:
        try:
            check(raw, f"{prefix}{name}")
        except InvalidInput as invalid:
            problems += invalid.problems
    if problems:
        raise InvalidInput(problems)
