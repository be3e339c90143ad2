# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that make records in the place of services which cannot be asked: under the same settings of their units."""

from __future__ import annotations

import inspect
import os
import re
import selectors
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from . import runtime_canary
from . import systemd_host as systemd
from .audit_environments import environment_of
from .audit_model import Unit
from .audit_processes import is_python
from .audit_programs import programs_of
from .canary_unit import PATIENCE, text_of
from .environment_layout import python_of
from .process_probe import Answer, peer_of, received, understood

#: So many run at a time: each of them may import an application.
_AT_A_TIME = 4
_UNITS = "/run/systemd/system"
_PREFIX = "stability-canary-"
#: Seconds after which nobody works with such a folder any more.
_OLD = 3600.0
#: ``package.module:name`` as servers take it, and the options that name an application to celery and flask.
_TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_][\w.]*(?:\(.*\))?\Z")
_OPTION = re.compile(r"(?:-A|--app)(?:=(.*))?\Z")
_PROGRAM = """

def _run(path, token, folder, module):
    import importlib
    import json
    import socket

    sys.path[0] = folder
    trouble = ""
    if module:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            trouble = f"{module} cannot be imported: {type(error).__name__}: {error}"
    else:
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
    answer = {"error": trouble} if trouble else canary(token)
    with socket.socket(socket.AF_UNIX) as told:
        told.connect(path)
        told.sendall(json.dumps(answer).encode() + b"\\n")
        # Who has ended has no control group any more.
        told.settimeout(10)
        told.recv(1)


_run(*sys.argv[1:])
"""


@dataclass
class _Try:
    """One process: the unit that it stands for, its own unit, the socket that it answers at, and the application it imports."""

    unit: Unit
    name: str
    module: str
    listening: socket.socket
    answer: Answer | None = None


def application_in(argv: Sequence[str]) -> str:
    """Return the module that a server or a worker of celery is told to run; empty when the command names none."""
    for word, following in zip(argv, (*argv[1:], "")):
        option = _OPTION.match(word)
        if option:
            return (option[1] or following).partition(":")[0]
        target = _TARGET.match(word)
        if target:
            return target[1]
    return ""


def application_of(unit: Unit) -> str:
    """Return the module that a unit runs in a server; what is a program of its own cannot be imported without running it."""
    commands = [unit.process.argv if unit.process else (), *(tuple(command.split()) for command in unit.commands)]
    return next(filter(None, map(application_in, commands)), "")


def interpreter_of(unit: Unit) -> str:
    """Return the Python of a unit: that of its virtual environment, or the one that it runs; empty when none is found."""
    programs = [program for program in programs_of(unit) if program]
    environment = next(filter(None, map(environment_of, programs)), "")
    if environment:
        return python_of(environment)
    if unit.process:
        with suppress(OSError):
            return os.readlink(f"/proc/{unit.process.pid}/exe")
    return next((program for program in programs if is_python(program) and not _is_script(program)), "")


def _is_script(program: str) -> bool:
    with suppress(OSError), open(program, "rb") as stream:
        return stream.read(2) == b"#!"
    return False


def try_all(units: Sequence[Unit], token: str) -> Iterator[tuple[Unit, str, str, str, Answer]]:
    """Let a process for each unit make records.

    Yield the unit, the application that was imported, the unit that the process was of, its token, and the answer. Root alone can do
    so. What is left of it on the host are the records.
    """
    for unit in units:
        if not interpreter_of(unit):
            yield unit, "", unit.name, "", Answer(0, None, "its Python is not found")
    with _folder() as folder:
        waiting = [(number, unit) for number, unit in enumerate(units) if interpreter_of(unit)]
        while waiting:
            some, waiting = waiting[:_AT_A_TIME], waiting[_AT_A_TIME:]
            tries = []
            try:
                for number, unit in some:
                    tries.append(_prepared(unit, number, token, folder))
                _run_all(tries)
            finally:
                _removed(tries, folder)
            for one in tries:
                answer = one.answer or Answer(0, None, "a process with its settings does not answer")
                yield one.unit, one.module, one.name, _token(one, token), answer


def _token(one: _Try, token: str) -> str:
    return f"{token}-{one.name.split('-')[-1].partition('.')[0]}"


def _remove_left_over() -> None:
    """Remove what somebody has left who was killed."""
    for name in os.listdir("/run"):
        if name.startswith(_PREFIX) and os.stat(f"/run/{name}").st_mtime < time.time() - _OLD:
            _remove_units(name)
            shutil.rmtree(f"/run/{name}")


def _remove_units(folder: str) -> None:
    for name in os.listdir(_UNITS):
        if name.startswith(f"{folder}-"):
            os.unlink(f"{_UNITS}/{name}")


@contextmanager
def _folder() -> Iterator[str]:
    """Yield a folder of root in which anybody may read the program; every service must."""
    _remove_left_over()
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir="/run")
    try:
        os.chmod(folder, 0o711)
        with open(f"{folder}/canary.py", "w", encoding="utf-8") as stream:
            stream.write(inspect.getsource(runtime_canary) + _PROGRAM)
        os.chmod(f"{folder}/canary.py", 0o644)
        yield folder
    finally:
        shutil.rmtree(folder)


def _prepared(unit: Unit, number: int, token: str, folder: str) -> _Try:
    """Write the unit for a process, which only root can read: it has the environment of the service."""
    path, module = f"{folder}/{number}", application_of(unit)
    one = _Try(unit, f"{os.path.basename(folder)}-{number}.service", module, socket.socket(socket.AF_UNIX))
    one.listening.bind(path)
    os.chmod(path, 0o666)
    one.listening.listen(1)
    working = unit.properties.get("WorkingDirectory", "").lstrip("!") or "/"
    argv = [interpreter_of(unit), f"{folder}/canary.py", path, _token(one, token), working, module]
    descriptor = os.open(f"{_UNITS}/{one.name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text_of(unit.name, [file.text for file in unit.files], argv))
    return one


def _run_all(tries: Sequence[_Try]) -> None:
    """Start the processes, and wait until each has answered or ended."""
    systemd.run(["systemctl", "start", "--no-block", "--", *(one.name for one in tries)])
    deadline = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        for one in tries:
            selector.register(one.listening, selectors.EVENT_READ, one)
        while selector.get_map() and time.monotonic() < deadline:
            for key, _events in selector.select(0.5):
                key.data.answer = _answer(key.data, deadline)
                if key.data.answer is not None:
                    selector.unregister(key.fileobj)
            states = systemd.show([key.data.name for key in selector.get_map().values()], ("ActiveState",))
            for key in list(selector.get_map().values()):
                if states[key.data.name]["ActiveState"] not in ("activating", "active") and not _is_ready(key.data):
                    selector.unregister(key.fileobj)


def _is_ready(one: _Try) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(one.listening, selectors.EVENT_READ)
        return bool(selector.select(0))


def _answer(one: _Try, deadline: float) -> Answer | None:
    """Take the answer of a process; ``None`` when somebody else has connected."""
    asked, _address = one.listening.accept()
    with asked:
        pid = peer_of(asked)
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8") as stream:
                if f"/{one.name}" not in stream.read():
                    return None
            return understood(pid, received(asked, deadline))
        except OSError as error:
            return Answer(pid, None, str(error))


def _removed(tries: Sequence[_Try], folder: str) -> None:
    """Stop what still runs, and remove its units."""
    names = [one.name for one in tries]
    if names:
        systemd.run(["systemctl", "stop", "--", *names])
    _remove_units(os.path.basename(folder))
    for one in tries:
        one.listening.close()
