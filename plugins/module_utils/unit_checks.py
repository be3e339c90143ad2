# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the host can judge about services: directives, calendars, paths, and the unit files as a whole."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from . import systemd_host as systemd
from .accounts import unknown_number
from .calendar_period import (
    ITERATIONS,
    SHORT_TRY,
    by_expression,
    elapses,
    other_triggers,
    retry_window,
    shortest_period_of,
)
from .drop_ins import DAEMON, policy_for, type_under
from .problems import HIDDEN, Problem, show
from .runtime_lines import sets_path
from .sandbox import covers, made_folders
from .services import Service
from .unit_files import RetryWindow, sections_of
from .unit_names import instance_of, is_drop_in, unit_of
from .unit_state import Observed, type_of, under, unit_path
from .values import LONGEST_LINE, MAY_HOLD_SECRET, SECTIONS, TRUE, seconds

#: Times of an expression around one of another, where they are held against each other.
_NEXT = 4
#: What a pattern must have: systemd.exec(5), ``EnvironmentFile=``.
_MATCH = "a file that matches"


def _problem(service: Service, key: str, found: str, expected: str, remedy: str) -> Problem:
    return Problem(f"{service.place}{key} ({service.name})", found, expected, remedy)


def checked_directives(services: Iterable[Service], version: int) -> tuple[list[Service], list[str], list[Problem]]:
    """Return the services without what this systemd is too old for in ``directives``, a warning for each, and problems.

    A problem is a directive that the host's systemd would ignore.
    """
    kept, warnings, problems = [], [], []
    listed = list(services)
    known = systemd.known_directives() if any(service.values["directives"] for service in listed) else {}
    for service in listed:
        sections = {name: dict(entries) for name, entries in service.values["directives"].items()}
        for section, entries in sections.items():
            for directive in [name for name in entries if name not in known.get(section, ())]:
                needed = _needed(section, directive, version, bool(known))
                if needed:
                    del entries[directive]
                    warnings.append(too_new(service, section, directive, needed, version))
                elif known:
                    problems.append(_ignored(service, section, directive, known))
        kept.append(replace(service, values={**service.values, "directives": sections}))
    return kept, warnings, problems


def _origins(directive: str) -> list[tuple[str, int, bool]]:
    # Imported here: few lists have such a directive.
    from .directive_history import origins

    return list(origins(directive))


def _needed(section: str, directive: str, version: int, is_missing: bool) -> str:
    """Return which systemd a directive needs, as a phrase; empty when it is not too new for ``version``.

    Of some it is not known which systemd brought them; what the host told, that it ``is_missing``, still holds.
    """
    for home, needed, is_first in _origins(directive):
        if home == section and needed > version and (is_first or is_missing):
            return f"systemd {needed}" if is_first else f"a systemd newer than {version}"
    return ""


def too_new(service: Service, section: str, directive: str, needed: str, version: int) -> str:
    """Return the warning about a directive that was left out; ``needed`` says which systemd it needs."""
    return (
        f"{service.name}: [{section}] {directive}= needs {needed}, this host has {version}; it was left out. "
        "Take it out of stability_services or upgrade the host."
    )


def _ignored(service: Service, section: str, directive: str, known: Mapping[str, set[str]]) -> Problem:
    """Return the problem of a directive that the host's systemd, which knows the ``known`` ones, would ignore."""
    homes = [name for name in SECTIONS if directive in known.get(name, ())]
    homes += [name for name, _version, _is_first in _origins(directive) if name != section]
    near = difflib.get_close_matches(directive, known.get(section, ()), n=1)
    remedy = "See systemd.directives(7)"
    if homes:
        remedy = f"It belongs into [{homes[0]}]"
    elif near:
        remedy = f"Did you mean {near[0]}="
    place = f".directives.{section}.{directive}"
    expected = f"a directive that systemd knows in [{section}]"
    return _problem(service, place, "a directive that systemd ignores there", expected, remedy)


def _calendars(jobs: Iterable[Service]) -> dict[str, str]:
    """Return what systemd prints about each calendar expression, from one call; nothing when it refuses one of them."""
    expressions = list(dict.fromkeys(name for job in jobs for name in job.values["on_calendar"]))
    printed = systemd.calendar(expressions, ITERATIONS) if expressions else None
    parts = by_expression(printed.stdout) if printed and not printed.status else []
    return dict(zip(expressions, parts)) if len(parts) == len(expressions) else {}


def _elapses_from(expression: str, moment: float) -> list[float]:
    """Return the next times of an expression after ``moment``, in seconds since the epoch."""
    return elapses(systemd.calendar([expression], _NEXT, moment).stdout)


def retry_windows(services: Iterable[Service]) -> tuple[dict[str, RetryWindow], list[Problem]]:
    """Return the retry window of each job, by service name, and what is wrong with the jobs' calendars."""
    windows, problems = {}, []
    jobs = [service for service in services if service.is_job]
    known = _calendars(jobs)
    for service in jobs:
        expressions: Sequence[str] = service.values["on_calendar"]
        texts = known
        if not known:
            printed = systemd.calendar(expressions, ITERATIONS)
            if printed.status:
                complaint = printed.stderr.strip().split("\n")[-1] or "refused by systemd-analyze calendar"
                problems.append(_problem_with_calendar(service, complaint))
                continue
            texts = dict(zip(expressions, by_expression(printed.stdout)))
        if other_triggers(service.values["directives"]) and not service.values["start_limit_burst"]:
            problems += _without_retries(service)
            continue
        period = shortest_period_of({name: elapses(texts[name]) for name in expressions}, _elapses_from)
        try:
            windows[service.name] = retry_window(service, period)
        except ValueError as error:
            key = next(name for name in ("retries", "restart", "restart_sec") if name in service.given)
            remedy = "Lower retries, restart_sec or timeout_start_sec, so that the last try is over before the next calendar time"
            problems.append(_problem(service, f".{key}", show(service.values[key]), str(error), remedy))
    return windows, problems


def _without_retries(service: Service) -> list[Problem]:
    """Return a problem for each key about retries of a job that has none: a start limit would count its other starts, too."""
    values, triggers = service.values, _triggers(service)
    interval = values["start_limit_interval_sec"]
    effectless = {
        "retries": bool(values["retries"]),
        "restart": values["restart"] != "no",
        "restart_sec": True,
        "restart_steps": True,
        "start_limit_interval_sec": bool(interval) and seconds(interval) > 0,
    }
    expected = f"no {{}} beside {triggers} in directives.Timer: each of those starts, good or bad, would count as a try"
    remedy = "Write all times in on_calendar, or take it out"
    return [
        _problem(service, f".{key}", show(values[key]), expected.format(key), remedy)
        for key, is_effectless in effectless.items()
        if key in service.given and is_effectless
    ]


def _triggers(service: Service) -> str:
    return ", ".join(f"{name}=" for name in other_triggers(service.values["directives"]))


def counted_starts(services: Iterable[Service]) -> list[str]:
    """Return a warning for each job that its timer starts beside its calendar, too: a start limit counts all of its starts."""
    warnings = []
    for service in [one for one in services if one.is_job and _triggers(one)]:
        starts = f"{service.name}: {_triggers(service)} in directives.Timer starts it beside its calendar"
        if service.values["start_limit_burst"]:
            warnings.append(
                f"{starts}; good runs, too, count towards start_limit_burst, and the next one is refused. Write all times in "
                "on_calendar, or take start_limit_burst out."
            )
        elif service.values["retries"] is None and service.values["restart"] != "no":
            warnings.append(
                f"{starts}; so it is not retried, since each of those starts, good or bad, would count as a try. Write all "
                "times in on_calendar, or retries: 0."
            )
    return warnings


def short_tries(services: Iterable[Service], windows: Mapping[str, RetryWindow]) -> list[str]:
    """Return a warning for each job whose retries are bounded only while its tries are short."""
    return [
        f"{service.name}: only while no try takes longer than {int(window.longest_try)} s do its retries end after "
        f"{window.retries}; slower ones go on without end, and it is never failed. Write timeout_start_sec, "
        "fewer retries or a shorter restart_sec."
        for service in services
        for window in (windows.get(service.name),)
        if window and window.retries and window.longest_try < SHORT_TRY
    ]


def _problem_with_calendar(service: Service, complaint: str) -> Problem:
    found, expected = show(list(service.values["on_calendar"])), "a calendar expression of systemd.time(7)"
    return _problem(service, ".on_calendar", found, expected, complaint.rstrip("."))


def _made_by_systemd(service: Service, path: str) -> bool:
    return any(covers(folder, path) for folder in made_folders(sections_of(service)["Service"]))


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
            yield f".environment_files[{index}]", path, _MATCH if glob.has_magic(path) else "a file"
    for name, path in (values["credentials"] or {}).items():
        yield f".credentials.{name}", path, "a file"
    for index, path in enumerate(values["read_write_paths"] or ()):
        if not path.startswith("-"):
            yield f".read_write_paths[{index}]", path, "a file or folder"


def _is(path: str, wanted: str) -> bool:
    if wanted == "a folder":
        return os.path.isdir(path)
    if wanted == "an executable file":
        return os.path.isfile(path) and os.access(path, os.X_OK)
    return os.path.exists(path) or (wanted == _MATCH and any(map(os.path.exists, glob.iglob(path))))


def missing_paths(services: Iterable[Service], pending: Sequence[str]) -> dict[Problem, str]:
    """Return each path that a service needs and the host does not have, by the problem that it makes.

    What lies below one of the ``pending`` paths, which an earlier step of a real run would have made, is not looked at;
    neither are services with a root folder of their own.
    """
    missing = {}
    for service in [one for entry in services for one in entry.processes]:
        own_root = {"RootDirectory", "RootImage"} & set(service.values["directives"].get("Service", ()))
        for key, path, wanted in () if own_root else _wanted_paths(service):
            if any(covers(folder, path) for folder in pending):
                continue
            if not (_is(path, wanted) or _made_by_systemd(service, path)):
                remedy = "Put it there before this run, or correct the path"
                missing[_problem(service, key, f"{show(path)}, which is not there", wanted, remedy)] = path
    return missing


def missing_numbers(services: Iterable[Service]) -> list[Problem]:
    """Return a problem for each user or group that is a number of nobody's; those with a name are made."""
    problems = []
    for service in services:
        for kind in ("user", "group"):
            number = service.values[kind]
            if number and number.isdigit() and unknown_number(kind, number):
                found, expected = f"{show(number)}, which is not there", f"a {kind} of the host"
                problems.append(
                    _problem(service, f".{kind}", found, expected, "Make it before this run, or write a name")
                )
    return problems


def check_lengths(texts: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each line of unit files that systemd would refuse for its length, and the whole file with it."""
    expected = f"lines of at most {LONGEST_LINE} bytes"
    problems = []
    for unit, text in texts.items():
        for line in text.split("\n"):
            if len(line.encode("utf-8")) > LONGEST_LINE:
                found = f"{line.split('=', 1)[0]}= with {len(line.encode('utf-8'))} bytes"
                problems.append(Problem(unit, found, expected, "Put what is so long into a file"))
    return problems


def check_texts(texts: Mapping[str, str], observed: Observed, pending: Sequence[str]) -> list[Problem]:
    """Return a problem for each diagnostic of ``systemd-analyze verify`` about files that are to be written.

    Missing programs at or below one of the ``pending`` paths are not counted, nor those of templates: each instance may
    have its own (see :func:`missing_paths`).
    """
    fragments = {name: observed.units[unit_of(name)]["FragmentPath"] for name in texts if is_drop_in(name)}
    there = {name: path for name, path in fragments.items() if os.path.exists(path)}
    known = {name: text for name, text in texts.items() if name in there or name not in fragments}
    names = {instance_of(unit_of(name), one) for name in texts for one in ("", "i")} | set(texts)
    problems = []
    for line in systemd.verify(known, observed.version, there):
        unit = max((name for name in names if line.startswith(f"{name}:")), key=len, default=line.split(":", 1)[0])
        if "is not executable" in line and ("@i." in unit or any(folder in line for folder in pending)):
            continue
        remedy = "Correct the key or directive that the line names"
        shown = _without_secret(line, unit, texts)
        problems.append(Problem(unit, f"a diagnostic of systemd-analyze verify: {shown}", "a unit without any", remedy))
    return problems


def _without_secret(line: str, unit: str, texts: Mapping[str, str]) -> str:
    """Return a diagnostic without what it quotes (``api.service:12: Invalid syntax, ignoring: ...``) of a value that may be secret."""
    number = line[len(unit) + 1 :].partition(":")[0]
    lines = texts.get(unit, "").split("\n")
    at_fault = lines[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(lines) else ""
    if not MAY_HOLD_SECRET.match(at_fault):
        return line
    return f"{unit}:{number}: {at_fault.partition('=')[0]}= with {HIDDEN}"


def check_drop_ins(services: Iterable[Service], observed: Observed) -> tuple[list[Problem], list[Problem]]:
    """Return what is wrong with drop-ins over the host's units, and apart from it which units are not there."""
    problems, missing = [], []
    for service in [one for one in services if one.is_drop_in]:
        state, unit = observed.units[service.unit], service.unit
        if unit in observed.manifest.entries:
            remedy = "Take drop_in out, or remove the unit first with state: absent"
            problems.append(_problem(service, ".drop_in", f"{unit}, which is ours", "a unit of somebody else", remedy))
        elif state["LoadState"] == "masked":
            found, remedy = (
                f"{unit}, which is masked",
                f"Unmask it with systemctl unmask {unit}, or take it out of the list",
            )
            problems.append(_problem(service, ".drop_in", found, "a unit that may start", remedy))
        elif not os.path.exists(state["FragmentPath"] or state["SourcePath"]):
            found = f"{unit}, whose LoadState is {state['LoadState']} and whose unit file is not there"
            missing.append(_problem(service, ".drop_in", found, "a unit that is there", "Install what brings it"))
        elif state["LoadState"] != "loaded" and not _is_outdated(service, observed):
            found, remedy = f"{unit}, whose LoadState is {state['LoadState']}", f"See systemctl status {unit}"
            problems.append(_problem(service, ".drop_in", found, "a unit that systemd can load", remedy))
        else:
            problems += _drop_in_faults(service, observed)
    return problems, missing


def _is_outdated(service: Service, observed: Observed) -> bool:
    """Whether it may be our own drop-in, for the ``Type=`` that the unit had, that keeps it from being loaded now."""
    return observed.units[service.unit]["LoadState"] == "bad-setting" and service.files[0] in observed.manifest.entries


def _drop_in_faults(service: Service, observed: Observed) -> Iterable[Problem]:
    """Yield what does not go together with the unit that is there."""
    state, given, enabled = observed.units[service.unit], service.values["restart"], service.values["enabled"]
    below = under(service.unit, observed, service.uses_runtime)
    is_oneshot = type_under(service, below.type) == "oneshot"
    if is_oneshot and given in ("always", "on-success") and not service.values["type"]:
        expected = "a restart policy for Type=oneshot (systemd.service(5))"
        yield _problem(service, ".restart", show(given), expected, "Take it out, or write on-failure")
    if service.values["state"] == "started" and _ends_at_once(service, observed):
        expected = f"no state for {service.unit}, which is a oneshot and down again as soon as it is done"
        remedy = "Take state out, or write directives: {Service: {RemainAfterExit: 'yes'}}"
        yield _problem(service, ".state", show("started"), expected, remedy)
    if service.uses_runtime and sets_path(below.lines) and "PYTHONPATH" not in (service.values["environment"] or {}):
        found, key = f"{service.unit}, which sets PYTHONPATH", "probe" if service.values["probe"] else "logging"
        remedy = "The runtime's takes its place: write what it says into environment, too"
        yield _problem(service, f".{key}", found, "environment: {PYTHONPATH: ...} beside it", remedy)
    burst, own = service.values["start_limit_burst"], service.values["directives"].get("Unit", {})
    if (
        policy_for(service, below) == DAEMON
        and burst is not None
        and not service.values["start_limit_interval_sec"]
        and "StartLimitIntervalSec" not in own
    ):
        expected = "a window in which it counts"
        yield _problem(service, ".start_limit_burst", show(burst), expected, "Add start_limit_interval_sec")
    if enabled is True and state["UnitFileState"] in ("static", "generated", "transient"):
        found = f"true for {service.unit}, which is {state['UnitFileState']}"
        yield _problem(service, ".enabled", found, "a unit with an [Install] section", "Take enabled out")
    if enabled is False and os.path.islink(unit_path(service.unit)):
        found = f"false for {service.unit}, whose unit file is a link"
        remedy = "systemctl disable would remove the link; take enabled out, and remove its links by hand"
        yield _problem(service, ".enabled", found, "a unit whose file stays", remedy)


def _ends_at_once(service: Service, observed: Observed) -> bool:
    """Whether no run could see the unit up under the drop-in (systemd.service(5), ``RemainAfterExit=``)."""
    state = observed.units[service.unit]
    written = service.values["directives"].get("Service", {}).get("RemainAfterExit")
    remains = written[-1] if written else state.get("RemainAfterExit", "no")
    return type_under(service, type_of(service.unit, observed)) == "oneshot" and remains.lower() not in TRUE


def check_instances(services: Iterable[Service], observed: Observed) -> list[Problem]:
    """Return a problem for each instance that has a unit file of its own: the one of the template has no effect on it."""
    problems = []
    for service in services:
        for one in service.members:
            for unit in dict.fromkeys((one.unit, one.switched_unit)):
                path = observed.units[unit]["FragmentPath"]
                if os.path.basename(path) == unit:
                    found = f"{unit}, which has a unit file of its own ({path})"
                    remedy = "Remove that file, or take the instance out and list it as a service of its own"
                    problems.append(_problem(service, ".instances", found, "an instance of the template", remedy))
    return problems


def check_absent(services: Iterable[Service], observed: Observed) -> list[Problem]:
    """Return a problem for each service that is to be removed and is somebody else's."""
    ours = {entry.service for entry in observed.manifest.entries.values()}
    problems = []
    for service in services:
        given_back = service.unit in observed.manifest.given_back
        if "drop_in" in service.given and service.unit in observed.manifest.entries:
            remedy = "Take drop_in out to remove the unit"
            problems.append(
                _problem(service, ".drop_in", f"{service.unit}, which is ours", "a drop-in of ours", remedy)
            )
        there = observed.units[service.unit]["LoadState"] != "not-found"
        if service.name not in ours and not given_back and there:
            found = f'"absent" for {service.unit}, which is not of this collection'
            remedy = "Take the service out of the list, and remove the unit by hand if it is to go"
            problems.append(_problem(service, ".state", found, "absent for a unit of ours", remedy))
    return problems
