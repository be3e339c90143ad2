# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as proc(5) shows them: which are Python, how old they are, what has died below them."""

from __future__ import annotations

import os
import re
import shutil
import stat as status
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Optional

from .adopt_shell import WRAPPERS
from .audit_model import Process, Worker
from .runtime_place import FOLDER, PROBE

#: Seconds for which workers are watched that may be in a crash loop, and between two looks at them.
WATCHED = 10.0
_LOOK = 0.1
#: So many deaths are enough to know.
ENOUGH_DEATHS = 2

PROC = "/proc"
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*[td]?(?:-dbg)?\Z")
_SHEBANG = re.compile(rb"#!\s*(?:\S*/env\s+(?:-\S+\s+)*)?(?:\S*/)?(?:python|pypy)[0-9.]*\s")
#: How scripts with a long path begin, that pip and uv write.
_LONG_SHEBANG = re.compile(rb"#!/bin/sh\n'''exec' ['\"]?\S*/(?:python|pypy)[0-9.]*['\"]? ")
_OWN_VARIABLES = ("PYTHON", PROBE)
_PATH = "PYTHONPATH"
_NAME = re.compile(r"[A-Za-z_]\w*\Z")
#: Programs that run a script, and do what it says as children of their own unless it says ``exec``.
SHELLS = ("sh", "dash", "bash", "rbash", "ash", "busybox", "ksh", "ksh93", "mksh", "zsh", "fish")
#: What runs a Python as a child of its own, and waits for that.
STARTERS = frozenset((*SHELLS, *WRAPPERS))
#: Where the output of a process goes, by the directive of systemd that says so.
_DESCRIPTORS = {"StandardOutput": 1, "StandardError": 2}
#: The kernel's log, which journald reads.
_KERNEL_LOG = os.makedev(1, 11)
#: Fields of ``/proc/PID/stat``, counted from the state of the process on, behind the name.
_PARENT, _USER_OF_DEAD, _SYSTEM_OF_DEAD, _STARTED = 1, 13, 14, 19


def named_python(path: str) -> bool:
    """Whether a program has the name of a Python."""
    return _PYTHON.match(os.path.basename(path)) is not None


def is_python(path: str) -> bool:
    """Whether a program is a Python, or a script that a Python runs. What cannot be read is none."""
    if named_python(os.path.realpath(path)):
        return True
    with suppress(OSError), open(path, "rb") as stream:
        head = stream.read(512)
        return bool(_SHEBANG.match(head) or _LONG_SHEBANG.match(head))
    return False


def program_of(pid: int, proc: str) -> Optional[str]:
    """Return the name of the program of a process; ``None`` where that may not be seen, or it is gone.

    Without the rights for it, what the process was started by tells, as long as that is a Python or a starter and no title.
    """
    try:
        program = os.readlink(f"{proc}/{pid}/exe")
    except PermissionError:
        return _started_by(pid, proc)
    except OSError:
        return None
    return os.path.basename(program.removesuffix(" (deleted)"))


def _started_by(pid: int, proc: str) -> Optional[str]:
    with suppress(OSError, IndexError):
        name = os.path.basename(_words(pid, "cmdline", proc)[0])
        return name if _PYTHON.match(name) or name in STARTERS else None
    return None


def runs_python(pid: int, proc: str = PROC) -> Optional[bool]:
    """Whether a process runs a Python; ``None`` where that may not be seen, or it is gone."""
    program = program_of(pid, proc)
    return None if program is None else bool(_PYTHON.match(program))


def pythons_below(main: int, pids: Iterable[int], proc: str = PROC) -> list[int]:
    """Return which of ``pids`` are the Pythons that a starter has started, also through others: the nearest, oldest first.

    There is none when the program of ``main`` is none of :data:`STARTERS`.
    """
    if program_of(main, proc) not in STARTERS:
        return []
    born: dict[int, tuple[int, int]] = {}
    for pid in pids:
        with suppress(OSError, IndexError):
            stat = _stat(pid, proc)
            born[pid] = int(stat[_STARTED]), int(stat[_PARENT])
    parents = {main}
    while parents:
        children = [pid for pid in sorted(born, key=lambda pid: (born[pid][0], pid)) if born[pid][1] in parents]
        found = [pid for pid in children if runs_python(pid, proc)]
        if found:
            return found
        parents = {pid for pid in children if program_of(pid, proc) in STARTERS}
    return []


def _stat(pid: int, proc: str) -> list[str]:
    with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        # The name is in parentheses, and may hold any of them and blanks.
        return stream.read().rpartition(")")[2].split()


def _age(stat: list[str], now: float) -> float:
    return max(0.0, now - int(stat[_STARTED]) / os.sysconf("SC_CLK_TCK"))


def _words(pid: int, name: str, proc: str) -> tuple[str, ...]:
    with open(f"{proc}/{pid}/{name}", encoding="utf-8", errors="surrogateescape") as stream:
        return tuple(stream.read().split("\0")[:-1])


def _variables(pid: int, proc: str) -> Optional[Mapping[str, str]]:
    """Return Python's own variables, and ours, in the environment of a process; all others stay there.

    The folder of the runtime holds nothing that a program imports.
    """
    try:
        pairs = [word.partition("=") for word in _words(pid, "environ", proc)]
    except OSError:
        return None
    if not any(_NAME.match(name) and sign for name, sign, _value in pairs):
        # setproctitle writes the title over the environment; systemd gives every process one.
        return None
    found = {name: value for name, _sign, value in pairs if name.startswith(_OWN_VARIABLES)}
    if _PATH in found:
        found[_PATH] = os.pathsep.join(one for one in found[_PATH].split(os.pathsep) if one != FOLDER)
    return found


def _astray(pid: int, proc: str) -> dict[str, str]:
    """Return where output goes that ends in a file, in nothing or on a terminal, whatever systemd has opened for it.

    A socket leads to the journal, and of a pipe somebody else has the other end.
    """
    found = {}
    for directive, number in _DESCRIPTORS.items():
        with suppress(OSError):
            path = os.readlink(f"{proc}/{pid}/fd/{number}")
            if path.startswith("/"):
                opened = os.stat(f"{proc}/{pid}/fd/{number}")
                is_device = status.S_ISCHR(opened.st_mode) and opened.st_rdev != _KERNEL_LOG
                if is_device or status.S_ISREG(opened.st_mode):
                    found[directive] = path
    return found


def shows_output(pid: int, proc: str = PROC) -> bool:
    """Whether it may be seen where the output of a process goes; what is gone has nothing to show."""
    try:
        os.listdir(f"{proc}/{pid}/fd")
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def _is_alike(argv: tuple[str, ...], main: tuple[str, ...]) -> bool:
    """Whether a child is a worker: a fork of the master, the same title but for its end, or started by multiprocessing.

    What the master runs besides, such as the resource tracker of multiprocessing or a command, is none.
    """
    if not argv or not main:
        return False
    titled = main[0].partition(":")
    return (
        argv == main
        or (bool(titled[1]) and argv[0].startswith(f"{titled[0]}:"))
        or any("multiprocessing.spawn import spawn_main" in word for word in argv)
    )


def _workers(pids: Iterable[int], main: int, argv: tuple[str, ...], now: float, proc: str) -> Iterator[Worker]:
    for pid in pids:
        with suppress(OSError, IndexError):
            stat = _stat(pid, proc)
            if int(stat[_PARENT]) == main and _is_alike(_words(pid, "cmdline", proc), argv):
                yield Worker(pid, _age(stat, now))


def read_process(main: int, pids: Iterable[int], proc: str = PROC) -> Optional[Process]:
    """Return the main process of a unit, with those of ``pids`` that it has started; ``None`` when it is gone."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        stat = _stat(main, proc)
        argv = _words(main, "cmdline", proc)
    except OSError:
        return None
    spent = (int(stat[_USER_OF_DEAD]) + int(stat[_SYSTEM_OF_DEAD])) / os.sysconf("SC_CLK_TCK")
    workers = tuple(_workers(pids, main, argv, now, proc))
    astray, is_no_python = _astray(main, proc), runs_python(main, proc) is False
    variables = _variables(main, proc)
    return Process(main, _age(stat, now), argv, variables, workers, spent, astray=astray, is_python=not is_no_python)


def _absolute(pid: int, program: str, folder: str, proc: str) -> str:
    """Return the path of what was told to start by its name: what is found in the ``PATH``, or from the working directory on."""
    if "/" in program:
        path = os.path.normpath(os.path.join(folder, program))
        # A title that somebody has given the process may hold anything.
        return path if os.path.exists(path) else program
    with suppress(OSError):
        path = dict(word.partition("=")[::2] for word in _words(pid, "environ", proc)).get("PATH", "")
        return program_in(path, program, folder) or program
    return program


def program_in(path: str, program: str, folder: str) -> str:
    """Return where a program is found in a ``PATH``, of which relative entries count from ``folder`` on; empty for nowhere."""
    places = [os.path.join(folder, place) for place in path.split(os.pathsep)] if path else []
    return (places and shutil.which(program, path=os.pathsep.join(places))) or ""


def read_main_process(main: int, pids: Iterable[int], proc: str = PROC) -> Optional[Process]:
    """Return the process of a unit that is to be judged: the main one, or the Python that it has started as a shell, or as a
    program such as timeout(1).

    Its program is named by its path, as far as that can be seen: env(1) and shells start it by its name.
    """
    own = list(pids)
    shell = read_process(main, own, proc)
    child = next(iter(pythons_below(main, own, proc)), None) if shell else None
    below = read_process(child, own, proc) if child is not None else None
    found = below or shell
    if shell is None or found is None:
        return None
    folder = ""
    with suppress(OSError):
        folder = os.readlink(f"{proc}/{found.pid}/cwd")
    if found.argv:
        found = replace(found, argv=(_absolute(found.pid, found.argv[0], folder, proc), *found.argv[1:]))
    return replace(found, shell=max(shell.age, found.age), folder=folder) if below else found


def members(control_group: str, root: str = "/sys/fs/cgroup") -> list[int]:
    """Return the processes in a control group; of cgroup v1, systemd's own hierarchy is asked (cgroups(7))."""
    for base in (root, f"{root}/unified", f"{root}/systemd"):
        with suppress(OSError), open(f"{base}{control_group}/cgroup.procs", encoding="ascii") as stream:
            return [int(line) for line in stream]
    return []


def watch_workers(watched: Mapping[int, str]) -> dict[int, int]:
    """Return how many workers of each master ended while they were watched; ``watched`` are its pid and its control group.

    It takes :data:`WATCHED` seconds, less where that many deaths of each are seen earlier that it is sure.
    """
    deaths = dict.fromkeys(watched, 0)
    alive: dict[int, set[int]] = {}
    deadline = time.monotonic() + WATCHED
    while min(deaths.values(), default=ENOUGH_DEATHS) < ENOUGH_DEATHS and time.monotonic() < deadline:
        for main, control_group in watched.items():
            process = read_process(main, members(control_group))
            now = {worker.pid for worker in process.workers} if process else set()
            deaths[main] += len(alive.get(main, set()) - now)
            alive[main] = now
        time.sleep(_LOOK)
    return deaths
