# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that make records in the place of services which cannot be asked: under the same settings of their units."""

from __future__ import annotations

import inspect
import os
import selectors
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

from . import runtime_canary
from . import systemd_host as systemd
from .audit_environments import environment_of
from .audit_model import Unit
from .audit_processes import is_python
from .audit_programs import folder_of, programs_of
from .canary_applications import Served, served_by
from .canary_leftovers import UNITS, remove_left_over, remove_units
from .canary_unit import PATIENCE, obstacle, text_of
from .environment_layout import python_of
from .process_probe import Answer, peer_of, received, understood

#: Seconds between two looks whether a process has ended without an answer.
_LOOK = 0.5
#: So many run at a time: each of them may import an application.
_AT_A_TIME = 4
_PREFIX = "stability-canary-"
_PROGRAM = """

def _run(path, token, folders, module):
    import importlib
    import json
    import socket

    sys.path[:1] = folders.split(os.pathsep)
    outcome = Outcome()
    if module:
        with outcome:
            try:
                importlib.import_module(module)
            except SystemExit as error:
                raise RuntimeError("it ends") from error
    else:
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
    answer = {"error": f"{module} cannot be imported: {outcome.failed}"} if outcome.failed else canary(token)
    with socket.socket(socket.AF_UNIX) as told:
        told.connect(path)
        told.sendall(json.dumps(answer).encode() + b"\\n")
        # Who has ended has no control group any more.
        told.settimeout(10)
        told.recv(1)


_run(*sys.argv[1:])
"""


@dataclass
class Stand:
    """One process: the unit that it stands in for, its own unit, its token, and what it serves.

    ``trouble`` is why there is none, or none that answers.
    """

    unit: Unit
    name: str = ""
    token: str = ""
    served: Served = field(default_factory=Served)
    answer: Answer | None = None
    trouble: str = ""
    listening: socket.socket | None = None


def served_by_unit(unit: Unit) -> Served:
    """Return what a unit serves; what is a program of its own cannot be imported without running it."""
    commands = [unit.process.argv if unit.process else (), *(tuple(command.split()) for command in unit.commands)]
    found = (served_by(argv, folder_of(unit)) for argv in commands)
    return next((one for one in found if one.module), Served(folders=(folder_of(unit),)))


def interpreter_of(unit: Unit) -> str:
    """Return the Python of a unit: that of its virtual environment, or the one that it runs; empty when none is found."""
    programs = [program for program in programs_of(unit) if program]
    environment = next(filter(None, map(environment_of, programs)), "")
    if environment:
        return python_of(environment)
    if unit.process:
        with suppress(OSError):
            return os.readlink(f"/proc/{unit.process.pid}/exe").removesuffix(" (deleted)")
    return next((program for program in programs if is_python(program) and not _is_script(program)), "")


def _is_script(program: str) -> bool:
    with suppress(OSError), open(program, "rb") as stream:
        return stream.read(2) == b"#!"
    return False


def _lacks_rights(unit: Unit, python: str) -> str:
    """Return why root must not run something of a unit, although systemd starts that as root; empty when it may.

    What the service runs after it has given up its rights belongs to somebody else.
    """
    if unit.properties.get("User", "") not in ("", "root", "0"):
        return ""
    pids = [unit.process.pid, *(worker.pid for worker in unit.process.workers)] if unit.process else []
    for path in [f"/proc/{pid}" for pid in pids]:
        with suppress(OSError):
            if os.stat(path).st_uid:
                return "it is started as root and gives its rights up by itself"
    folder = os.path.dirname(os.path.dirname(python))
    with suppress(OSError):
        if os.stat(python).st_uid or os.stat(folder).st_uid:
            return f"it runs as root, and {folder} belongs to somebody else"
    return ""


def _stand_for(unit: Unit) -> tuple[Stand, str]:
    """Return the process for a unit, before it is there, and its Python."""
    python = interpreter_of(unit)
    trouble = "its Python is not found" if not python else obstacle(unit) or _lacks_rights(unit, python)
    return Stand(unit, served=served_by_unit(unit), trouble=trouble), python


def try_all(units: Sequence[Unit], token: str) -> Iterator[Stand]:
    """Let a process for each unit make records. Root alone can do so. What is left of it on the host are the records."""
    stands = [_stand_for(unit) for unit in units]
    yield from (stand for stand, _python in stands if stand.trouble)
    waiting = [pair for pair in stands if not pair[0].trouble]
    numbers = count()
    with _folder() as folder:
        while waiting:
            some, waiting = waiting[:_AT_A_TIME], waiting[_AT_A_TIME:]
            try:
                for stand, python in some:
                    _prepare(stand, python, f"{token}-s{next(numbers)}", folder)
                _run_all([stand for stand, _python in some])
            finally:
                _remove([stand for stand, _python in some], folder)
            for stand, _python in some:
                stand.trouble = "" if stand.answer else "a process with its settings does not answer"
                yield stand


@contextmanager
def _folder() -> Iterator[str]:
    """Yield a folder of root in which anybody may read the program; every service must."""
    remove_left_over(_PREFIX)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir="/run")
    try:
        os.chmod(folder, 0o711)
        with open(f"{folder}/canary.py", "w", encoding="utf-8") as stream:
            stream.write(inspect.getsource(runtime_canary) + _PROGRAM)
        os.chmod(f"{folder}/canary.py", 0o644)
        yield folder
    finally:
        shutil.rmtree(folder)


def _prepare(stand: Stand, python: str, token: str, folder: str) -> None:
    """Write the unit for a process, which only root can read: it has the environment of the service."""
    stand.token, stand.name = token, f"{os.path.basename(folder)}-{token}.service"
    path, served = f"{folder}/{token}", stand.served
    stand.listening = socket.socket(socket.AF_UNIX)
    stand.listening.bind(path)
    os.chmod(path, 0o666)
    stand.listening.listen(1)
    argv = [python, f"{folder}/canary.py", path, token, os.pathsep.join(served.folders), served.module]
    descriptor = os.open(f"{UNITS}/{stand.name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text_of(stand.unit, argv))


def _run_all(stands: Sequence[Stand]) -> None:
    """Start the processes, and wait until each has answered or ended."""
    systemd.run(["systemctl", "start", "--no-block", "--", *(stand.name for stand in stands)])
    deadline = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        for stand in stands:
            if stand.listening is not None:
                selector.register(stand.listening, selectors.EVENT_READ, (stand, stand.listening))
        while selector.get_map() and time.monotonic() < deadline:
            for key, _events in selector.select(_LOOK):
                stand, listening = key.data
                stand.answer = _answer(stand, listening, deadline)
                if stand.answer is not None:
                    selector.unregister(listening)
            left = {key.data[0].name: key.fileobj for key in selector.get_map().values()}
            ended = _ended(list(left))
            ready = {key.fileobj for key, _events in selector.select(0)}
            for name in ended:
                if left[name] not in ready:
                    selector.unregister(left[name])


def _ended(names: Sequence[str]) -> list[str]:
    """Return the units of ``names`` that do not run, and are not about to."""
    states = systemd.show(names, ("ActiveState", "Job"))
    return [
        name
        for name, state in states.items()
        if state["ActiveState"] not in ("activating", "active") and state.get("Job", "") in ("", "0")
    ]


def _answer(stand: Stand, listening: socket.socket, deadline: float) -> Answer | None:
    """Take the answer of a process; ``None`` when somebody else has connected."""
    asked, _address = listening.accept()
    with asked:
        pid = peer_of(asked)
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8") as stream:
                if f"/{stand.name}" not in stream.read():
                    return None
            return understood(pid, received(asked, deadline))
        except OSError as error:
            return Answer(pid, None, str(error))


def _remove(stands: Sequence[Stand], folder: str) -> None:
    """Stop what still runs, and remove its units."""
    names = [stand.name for stand in stands if stand.name]
    if names:
        systemd.run(["systemctl", "stop", "--", *names])
    remove_units(os.path.basename(folder))
    for stand in stands:
        if stand.listening is not None:
            stand.listening.close()
