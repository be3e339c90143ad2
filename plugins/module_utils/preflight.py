# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two lists say together, and how extra variables may be given."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from .problems import InvalidInput, Problem, show
from .services import Service, parse_services

if TYPE_CHECKING:
    from .environments import Environment

#: Variables that decide which hosts a play takes: only extra variables reach ``hosts:`` and ``serial:``.
EXTRA_ONLY = ("stability_hosts", "stability_serial")


def check_lists(services: object, environments: object) -> None:
    """Raise :class:`InvalidInput` with every problem of ``stability_services`` and ``stability_environments``."""
    problems: list[Problem] = []
    parsed_services: Sequence[Service] = ()
    parsed_environments: Sequence[Environment] = ()
    try:
        parsed_services = parse_services(services)
    except InvalidInput as invalid:
        problems += invalid.problems
    if environments not in (None, []):
        # Imported here: all that reads requirements would slow down every run on a host without environments.
        from .environments import parse_environments

        try:
            parsed_environments = parse_environments(environments)
        except InvalidInput as invalid:
            problems += invalid.problems
    if not problems:
        problems += _unprepared(parsed_services, parsed_environments)
    if problems:
        raise InvalidInput(problems)


def _unprepared(services: Sequence[Service], environments: Sequence[Environment]) -> list[Problem]:
    """Return a problem for each service whose virtual environment is almost one of the list: a typing mistake."""
    listed = {environment.virtualenv for environment in environments}
    folded = {path.casefold().rstrip("/"): path for path in listed}
    problems = []
    for service in services:
        path = service.values.get("virtualenv")
        if path and path not in listed and path.casefold() in folded:
            place = f"{service.place}.virtualenv ({service.name})"
            expected = f"a virtual environment of the list, such as {folded[path.casefold()]}"
            problems.append(Problem(place, show(path), expected, "Write both the same way"))
    return problems


def check_extra_only(visible: Collection[str], extra: Collection[str]) -> None:
    """Raise :class:`InvalidInput` for a variable that has no effect where it was set.

    ``visible`` holds the names that the play sees, ``extra`` those given as extra variables.
    """
    misplaced = [name for name in EXTRA_ONLY if name in visible and name not in extra]
    if misplaced:
        raise InvalidInput(
            Problem(name, "a value in the inventory or in a play", "an extra variable", f"Give it with -e {name}=…")
            for name in misplaced
        )
