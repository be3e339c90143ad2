# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the Python processes of a service, or one process, for their censuses: once or twice, and what holds what has grown."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from . import process_probe, process_remote
from . import systemd_host as systemd
from .audit_processes import read_process, runs_python
from .census import Census, Growth, census_of, chains_of, fastest, growth_of, logging_of, unlisted
from .memory_usage import group_use, process_use
from .problems import InvalidInput, Problem, show
from .process_descriptors import kinds_of
from .process_probe import Answer
from .runtime_place import PROBE

#: Seconds that a process has to come to it, and then to answer: a census lets the program run for as long as it has stopped it.
_BEGIN, _PATIENCE = 10.0, 120.0
#: So many processes of a service are asked: workers are alike.
_MOST_PROCESSES = 16
_PROPERTIES = ("Id", "LoadState", "ActiveState", "ControlGroup", "Environment")
_VARIABLE = re.compile(rf"\b{PROBE}=(/[^\s\"']+)")
_UNIT = re.compile(r"/([^/\n]+\.service)$", re.MULTILINE)
_RUNNING = ("active", "activating", "reloading", "deactivating")
_PROBED, _ATTACHED = "probe", "remote_exec"
#: What a runtime answers that does not know a question yet.
_UNKNOWN = "it answers: KeyError"


@dataclass(frozen=True)
class Asked:
    """What somebody wants to know: of which ``unit`` or ``pid``; the ``seconds`` between two censuses (0: one is enough), an earlier
    result, whether to look for what holds the class that grows most, and more ``classes``, and the longest stop in milliseconds."""

    unit: str = ""
    pid: Optional[int] = None
    seconds: float = 0.0
    previous: Sequence[Any] = ()
    chains: bool = True
    classes: Sequence[str] = ()
    longest_stop: int = 250


class Process(NamedTuple):
    """A process that is asked: when it was started, and the folder with the socket of its runtime, if it has one."""

    pid: int
    started: int
    folder: str


@dataclass
class Found:
    """What was found: one mapping for each process, and what could not be found out."""

    unit: Optional[str] = None
    processes: list[dict[str, Any]] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def result(self) -> dict[str, Any]:
        """Return it as a module's result shows it."""
        return {"unit": self.unit, "processes": self.processes, "unseen": self.unseen}


class NoAnswer(RuntimeError):
    """No process has answered; the text says why, and what to do."""


def run_census(asked: Asked) -> Found:
    """Return the censuses of all Python processes.

    Raises:
        InvalidInput: there is no such service or process, or what was given of an earlier result is none.
        NoAnswer: no process has answered.
        systemd_host.HostError: the host's tools cannot be run.
    """
    found, earlier = Found(), _earlier(asked.previous)
    found.unit, processes = _of_unit(asked.unit, found.unseen) if asked.unit else _of_pid(asked.pid)
    first = _all(processes, asked, found.unseen)
    if asked.seconds and first:
        time.sleep(asked.seconds)
        earlier.update({(one.pid, one.started): one for one, _way in first.values()})
        first = _all([one for one in processes if one.pid in first], asked, found.unseen)
    if not first:
        raise NoAnswer("\n".join(found.unseen))
    for process in processes:
        if process.pid in first:
            taken, way = first[process.pid]
            before = earlier.get((taken.pid, taken.started))
            found.processes.append(_result(process, taken, way, before, asked, found.unseen))
    return found


def _earlier(previous: Sequence[Any]) -> dict[tuple[int, int], Census]:
    """Return the censuses of an earlier result; the process that has one is told by its number and its start."""
    found: dict[tuple[int, int], Census] = {}
    problems = []
    for index, one in enumerate(previous):
        try:
            rows = [(str(row["class"]), int(row["objects"]), int(row["bytes"])) for row in one["classes"]]
            pid, started, when = int(one["pid"]), int(one["started"]), float(one["time"])
            memory = {"anonymous": int(one["anonymous"]), "others": {"bytes": int(one["others"]["bytes"])}}
            frozen = int(one["collector"]["frozen"])
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            remedy = "Give it as it was returned"
            problems.append(
                Problem(f"previous[{index}]", show(one), "a member of processes of an earlier result", remedy)
            )
            continue
        classes = [{"class": name, "objects": objects, "bytes": size} for name, objects, size in rows]
        content = {"classes": classes, "time": when, "collector": {"frozen": frozen}, **memory}
        found[pid, started] = Census(pid, started, content)
    if problems:
        raise InvalidInput(problems)
    return found


def _of_unit(unit: str, unseen: list[str]) -> tuple[str, list[Process]]:
    """Return the Python processes of a service."""
    name = unit if "." in unit else f"{unit}.service"
    state = systemd.show([name], _PROPERTIES)[name]
    if state["ActiveState"] not in _RUNNING:
        seen = f"{show(unit)}, which is {state['ActiveState']} (LoadState={state['LoadState']})"
        raise InvalidInput([Problem("unit", seen, "a service that runs", "Correct the name, or start it")])
    use = group_use(state.get("ControlGroup", ""))
    own = [one for one in (use.processes if use else ()) if runs_python(one.pid)]
    if not own:
        raise InvalidInput([Problem("unit", show(unit), "a service with a Python process", "Name another one")])
    unseen += [
        f"process {one.pid} of {name}: more than {_MOST_PROCESSES} are not asked" for one in own[_MOST_PROCESSES:]
    ]
    return name, [Process(one.pid, one.started, _folder_of(one.pid, state)) for one in own[:_MOST_PROCESSES]]


def _of_pid(pid: Optional[int]) -> tuple[Optional[str], list[Process]]:
    use = process_use(pid) if pid is not None else None
    if pid is None or use is None or not runs_python(pid):
        raise InvalidInput([Problem("pid", show(pid), "the number of a process that is a Python", "Look it up again")])
    unit = None
    with suppress(OSError), open(f"/proc/{pid}/cgroup", encoding="utf-8") as stream:
        unit = next((match[1] for match in _UNIT.finditer(stream.read())), None)
    state = systemd.show([unit], _PROPERTIES)[unit] if unit else {}
    return unit, [Process(pid, use.started, _folder_of(pid, state))]


def _folder_of(pid: int, state: Mapping[str, str]) -> str:
    """Return the folder with the socket of a process; one that has written a title over its environment shows it by its unit only."""
    process = read_process(pid, ())
    if process is not None and process.variables is not None:
        return process.variables.get(PROBE, "")
    match = _VARIABLE.search(state.get("Environment", ""))
    return match[1] if match else ""


def _ask(process: Process, question: str, told: str) -> tuple[Answer, str]:
    """Ask a process through its runtime, or else attach to it; return the answer, and the way that it was asked."""
    pid, trouble = process.pid, ""
    if process.folder:
        answer = process_probe.ask(process.folder, pid, question, told, time.monotonic() + _PATIENCE)
        if answer is not None and answer.trouble != _UNKNOWN:
            return answer, _PROBED
        trouble = (
            "its runtime is older than this question: restart it" if answer else f"nobody listens in {process.folder}"
        )
    version = process_remote.version_of(pid)
    if version < process_remote.FIRST:
        python = ".".join(map(str, version)) if version > (0, 0) else "of unknown version"
        needed = f"a Python {python} can be asked through the runtime only: give its service `probe: true`, deploy and restart it"
        return Answer(pid, None, trouble or needed), _PROBED
    answer = process_remote.ask(pid, question, told, _BEGIN, _PATIENCE)
    if answer.trouble == process_remote.ASLEEP:
        wait = f"{answer.trouble}, it waits for something: ask again while it works, or give its service `probe: true`"
        answer = Answer(pid, None, wait)
    return answer, _ATTACHED


def _all(processes: Iterable[Process], asked: Asked, unseen: list[str]) -> dict[int, tuple[Census, str]]:
    """Return the census of each process that answers, with the way that it was asked."""
    found: dict[int, tuple[Census, str]] = {}
    told = json.dumps({"longest": asked.longest_stop / 1000})
    for process in processes:
        use = process_use(process.pid)
        answer, way = _ask(process, "census", told)
        taken = census_of(process.pid, process.started, answer.content) if answer.content is not None else None
        if taken is None:
            unseen.append(f"process {process.pid}: {answer.trouble or 'what it answers is no census'}.")
        else:
            content = {**taken.content, "anonymous": use.anonymous if use is not None else 0}
            found[process.pid] = Census(process.pid, process.started, content), way
    return found


def _result(
    process: Process, taken: Census, way: str, before: Optional[Census], asked: Asked, unseen: list[str]
) -> dict[str, Any]:
    growth = growth_of(before, taken) if before is not None else None
    hint = unlisted(before, taken) if before is not None else ""
    unseen += [f"process {process.pid}: {hint}."] if hint else []
    shown = _ask(process, "logging", "")[0].content
    return {
        "pid": process.pid,
        "started": process.started,
        "asked": way,
        **taken.content,
        "descriptors": kinds_of(process.pid),
        "logging": logging_of(shown) if shown is not None else None,
        "seconds": round(taken.content["time"] - before.content["time"], 1) if before is not None else None,
        "frozen_grown": (
            taken.content["collector"]["frozen"] - before.content["collector"]["frozen"] if before is not None else None
        ),
        "growth": [one.result() for one in growth] if growth is not None else None,
        "chains": _chains(process, taken, growth or [], asked, unseen),
    }


def _chains(
    process: Process, taken: Census, growth: Sequence[Growth], asked: Asked, unseen: list[str]
) -> list[dict[str, Any]]:
    """Return what holds the class that has grown most, and those that were asked for."""
    classes = [*asked.classes, *(fastest(growth) if asked.chains else ())]
    if not classes:
        return []
    options = {"classes": list(dict.fromkeys(classes))[:3], "longest": asked.longest_stop / 1000}
    answer, _way = _ask(process, "chains", json.dumps({**options, "references": taken.references}))
    found = chains_of(answer.content) if answer.content is not None else None
    if found is None:
        unseen.append(f"process {process.pid}: what holds {', '.join(classes)} ({answer.trouble or 'no answer'}).")
    return found or []
