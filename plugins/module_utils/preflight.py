# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two lists and the settings of the journal say together, and how extra variables may be given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .problems import InvalidInput, Problem, show
from .services import Service, parse_services

if TYPE_CHECKING:
    from .environments import Environment

#: What the variables of the journal's settings begin with.
JOURNAL_PREFIX = "stability_journald_"
#: Variables that decide which hosts a play takes: only extra variables reach ``hosts:`` and ``serial:``.
EXTRA_ONLY = ("stability_hosts", "stability_serial")


@dataclass(frozen=True)
class Checked:
    """What the roles need to know of the lists.

    The ``settings`` of the journal, with the baseline's defaults, and the ``namespaces`` that the services use are empty
    where the settings were not given. ``sources`` are the source folders of each environment, those of its services included,
    ``stop_units`` the units that stop before its switch,
    ``gates_as`` who checks what is staged in it where nobody but root would (empty: no service runs in it).
    ``uses_runtime`` is whether a service needs the runtime.
    """

    settings: dict[str, str]
    namespaces: list[str]
    sources: list[list[str]]
    stop_units: list[list[str]]
    gates_as: list[str]
    uses_runtime: bool


def check_lists(services: object, environments: object, journal: object = None, visible: Iterable[str] = ()) -> Checked:
    """Return what the lists say together.

    ``visible`` holds the names of variables: one that begins as a setting of the journal does and is none is misspelt.

    Raises :class:`InvalidInput` with every problem of ``stability_services``, ``stability_environments`` and, where they
    are given, the settings of the ``journal`` (a mapping of names without ``stability_journald_`` to values).
    """
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
    namespaces: dict[str, str] = {}
    settings: dict[str, str] = {}
    if journal is not None:
        # Imported here: only the role journald hands them over.
        from .journal_settings import check_namespaces, namespaces_of, parse_settings

        namespaces = namespaces_of(parsed_services)
        problems += check_namespaces(namespaces)
        if isinstance(journal, Mapping):
            spelt = {name[len(JOURNAL_PREFIX) :]: None for name in sorted(visible) if name.startswith(JOURNAL_PREFIX)}
            journal = {**spelt, **journal}
        try:
            settings = parse_settings(journal, JOURNAL_PREFIX)
        except InvalidInput as invalid:
            problems += invalid.problems
    if problems:
        raise InvalidInput(problems)
    sources = [sources_of(environment, parsed_services) for environment in parsed_environments]
    stop_units = [_stop_units(environment, parsed_services) for environment in parsed_environments]
    gates_as = [gates_as_of(environment, parsed_services) for environment in parsed_environments]
    uses_runtime = any(service.uses_runtime for service in parsed_services)
    return Checked(settings, sorted(set(namespaces.values())), sources, stop_units, gates_as, uses_runtime)


def sources_of(environment: Environment, services: Sequence[Service]) -> list[str]:
    """Return the source folders of an environment: its own, and those of the services that run in it.

    The root of the file system, the environment itself, and a folder that each instance of a template has for itself are none.
    """
    found = list(environment.sources)
    for service in services:
        if service.values.get("virtualenv") == environment.virtualenv:
            folder = service.values["working_directory"]
            own = [folder] if folder not in (None, "/", environment.virtualenv) and "%" not in folder else []
            found += own if service.values["sources"] is None else service.values["sources"]
    return list(dict.fromkeys(found))


def _stop_units(environment: Environment, services: Sequence[Service]) -> list[str]:
    """Return the units of the services that run in an environment, in the order of the list, where they stop for its switch."""
    processes = [one for service in services if not service.is_absent for one in service.processes]
    inside = [one for one in processes if one.values["virtualenv"] == environment.virtualenv]
    units = [unit for one in inside for unit in (one.switched_unit, one.unit)]
    return list(dict.fromkeys(units)) if environment.stop_before_switch else []


def gates_as_of(environment: Environment, services: Sequence[Service]) -> str:
    """Return the user, and the group where it is named, of the first service that runs in an environment."""
    for service in services:
        if not service.is_absent and service.values.get("virtualenv") == environment.virtualenv:
            return ":".join(filter(None, (service.values["user"], service.values["group"])))
    return ""


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
