# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the host can judge about services: directives, calendars, paths, and the unit files as a whole."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from . import systemd_host as systemd
from .calendar_period import ITERATIONS, by_expression, elapses, retry_window, shortest_period
from .problems import Problem, show
from .services import Service
from .unit_files import RetryWindow
from .unit_state import Observed
from .values import LONGEST_LINE

#: Directives younger than the oldest systemd that is supported, with the version that brought them (NEWS of systemd).
SINCE = {
    "ExtensionImages": 248,
    "LoadCredentialEncrypted": 250,
    "SetCredentialEncrypted": 250,
    "RestrictFileSystems": 250,
    "RestrictNetworkInterfaces": 250,
    "ExitType": 250,
    "ExtensionDirectories": 251,
    "MemoryZSwapMax": 253,
    "OpenFile": 253,
    "ImportCredential": 254,
    "RestartMode": 254,
    "RestartSteps": 254,
    "RestartMaxDelaySec": 254,
    "SurviveFinalKillSignal": 255,
    "NFTSet": 255,
    "MemoryZSwapWriteback": 256,
}


def _problem(service: Service, key: str, found: str, expected: str, remedy: str) -> Problem:
    return Problem(f"{service.place}{key} ({service.name})", found, expected, remedy)


def without_too_new(services: Iterable[Service], version: int) -> tuple[list[Service], list[str]]:
    """Return the services without directives that a host with this systemd does not have, and a warning for each."""
    kept, warnings = [], []
    for service in services:
        sections = {name: dict(entries) for name, entries in service.values["directives"].items()}
        for section, entries in sections.items():
            for directive in [name for name in entries if SINCE.get(name, 0) > version]:
                del entries[directive]
                warnings.append(too_new(service, section, directive, SINCE[directive], version))
        kept.append(replace(service, values={**service.values, "directives": sections}))
    return kept, warnings


def too_new(service: Service, section: str, directive: str, needed: int, version: int) -> str:
    """Return the warning about a directive that was left out."""
    return (
        f"{service.name}: [{section}] {directive}= needs systemd {needed}, this host has {version}; it was left out. "
        "Take it out of stability_services or upgrade the host."
    )


def check_directives(services: Iterable[Service]) -> list[Problem]:
    """Return a problem for each directive of the key ``directives`` that the host's systemd would ignore."""
    asked = [service for service in services if service.values["directives"]]
    known = systemd.known_directives() if asked else {}
    problems = []
    for service in asked if known else ():
        for section, entries in service.values["directives"].items():
            for directive in entries:
                if directive in known.get(section, ()):
                    continue
                homes = [name for name in ("Unit", "Service", "Timer", "Install") if directive in known.get(name, ())]
                near = difflib.get_close_matches(directive, known.get(section, ()), n=1)
                remedy = "See systemd.directives(7)"
                if homes:
                    remedy = f"It belongs into [{homes[0]}]"
                elif near:
                    remedy = f"Did you mean {near[0]}="
                place = f".directives.{section}.{directive}"
                expected = f"a directive that systemd knows in [{section}]"
                problems.append(_problem(service, place, "a directive that systemd ignores there", expected, remedy))
    return problems


def _calendars(jobs: Iterable[Service]) -> dict[str, str]:
    """Return what systemd prints about each calendar expression, from one call; nothing when it refuses one of them."""
    expressions = list(dict.fromkeys(name for job in jobs for name in job.values["on_calendar"]))
    printed = systemd.calendar(expressions, ITERATIONS) if expressions else None
    parts = by_expression(printed.stdout) if printed and not printed.status else []
    return dict(zip(expressions, parts)) if len(parts) == len(expressions) else {}


def retry_windows(services: Iterable[Service]) -> tuple[dict[str, RetryWindow], list[Problem]]:
    """Return the retry window of each job, by service name, and what is wrong with the jobs' calendars."""
    windows, problems = {}, []
    jobs = [service for service in services if service.is_job]
    known = _calendars(jobs)
    for service in jobs:
        expressions: Sequence[str] = service.values["on_calendar"]
        if known:
            text = "\n".join(known[name] for name in expressions)
        else:
            printed = systemd.calendar(expressions, ITERATIONS)
            if printed.status:
                complaint = (printed.stderr.strip().splitlines() or ["refused by systemd-analyze calendar"])[-1]
                problems.append(_problem_with_calendar(service, complaint))
                continue
            text = printed.stdout
        try:
            windows[service.name] = retry_window(service, shortest_period(elapses(text)))
        except ValueError as error:
            asked = show(service.values["retries"])
            remedy = "Lower retries or restart_sec, so that the last try is over before the next calendar time"
            problems.append(_problem(service, ".retries", asked, str(error), remedy))
    return windows, problems


def _problem_with_calendar(service: Service, complaint: str) -> Problem:
    found, expected = show(list(service.values["on_calendar"])), "a calendar expression of systemd.time(7)"
    return _problem(service, ".on_calendar", found, expected, complaint.rstrip("."))


def _made_by_systemd(service: Service, path: str) -> bool:
    values = service.values
    folders = [f"/var/lib/{name}" for name in values["state_directory"] or ()]
    folders += [f"/run/{name}" for name in values["runtime_directory"] or ()]
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _wanted_paths(service: Service) -> Iterable[tuple[str, str, str]]:
    """Yield (key, path, what it must be) for each path without which the service cannot start."""
    values = service.values
    start = values["exec_start"]
    if isinstance(start, list):
        yield ".exec_start[0]", start[0], "an executable file"
    if values["virtualenv"]:
        yield ".virtualenv", values["virtualenv"], "a folder"
    if values["working_directory"]:
        yield ".working_directory", values["working_directory"], "a folder"
    for index, path in enumerate(values["environment_files"] or ()):
        if not path.startswith("-"):
            yield f".environment_files[{index}]", path, "a file"
    for name, path in (values["credentials"] or {}).items():
        yield f".credentials.{name}", path, "a file"


def _is(path: str, wanted: str) -> bool:
    if wanted == "a folder":
        return os.path.isdir(path)
    if wanted == "an executable file":
        return os.path.isfile(path) and os.access(path, os.X_OK)
    return os.path.exists(path)


def missing_paths(services: Iterable[Service], pending: Sequence[str]) -> dict[Problem, str]:
    """Return each path that a service needs and the host does not have, by the problem that it makes.

    What lies below one of the ``pending`` paths, which an earlier step of a real run would have made, is not looked at;
    neither are services with a root folder of their own.
    """
    missing = {}
    for service in services:
        own_root = {"RootDirectory", "RootImage"} & set(service.values["directives"].get("Service", ()))
        for key, path, wanted in () if own_root else _wanted_paths(service):
            if any(f"{path}/".startswith(f"{folder}/") for folder in pending) or _made_by_systemd(service, path):
                continue
            if not _is(path, wanted):
                remedy = "Put it there before this run, or correct the path"
                missing[_problem(service, key, f"{show(path)}, which is not there", wanted, remedy)] = path
    return missing


def check_lengths(texts: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each line of unit files that systemd would refuse for its length, and the whole file with it."""
    expected = f"lines of at most {LONGEST_LINE} bytes"
    problems = []
    for unit, text in texts.items():
        for line in text.splitlines():
            if len(line.encode("utf-8")) > LONGEST_LINE:
                found = f"{line.split('=', 1)[0]}= with {len(line.encode('utf-8'))} bytes"
                problems.append(Problem(unit, found, expected, "Put what is so long into a file"))
    return problems


def check_texts(texts: Mapping[str, str], version: int, pending: Sequence[str]) -> list[Problem]:
    """Return a problem for each diagnostic of ``systemd-analyze verify`` about unit files that are to be written.

    Missing programs at or below one of the ``pending`` paths are not counted.
    """
    problems = []
    for line in systemd.verify(texts, version):
        if "is not executable" in line and any(folder in line for folder in pending):
            continue
        unit = line.split(":", 1)[0]
        remedy = "Correct the key or directive that the line names"
        problems.append(Problem(unit, f"a diagnostic of systemd-analyze verify: {line}", "a unit without any", remedy))
    return problems


def check_absent(services: Iterable[Service], observed: Observed) -> list[Problem]:
    """Return a problem for each service that is to be removed and is somebody else's."""
    ours = {entry.service for entry in observed.manifest.entries.values()}
    problems = []
    for service in services:
        given_back = service.unit in observed.manifest.given_back
        if service.name not in ours and not given_back and observed.units[service.unit]["LoadState"] != "not-found":
            found = f'"absent" for {service.unit}, which is not of this collection'
            remedy = "Take the service out of the list, and remove the unit by hand if it is to go"
            problems.append(_problem(service, ".state", found, "absent for a unit of ours", remedy))
    return problems
