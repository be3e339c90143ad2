# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks running processes of Python 3.14 and newer that have no runtime, through ``sys.remote_exec`` (PEP 768)."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from . import runtime_canary, runtime_census, runtime_chains
from .canary_leftovers import remove_left_over
from .commands import EnvironmentFailure, User, run, user_with
from .process_probe import Answer, peer_of, received, understood

#: Seconds that a process has to come to it: one that waits for something does not.
PATIENCE = 3.0
#: The first Python that can be asked so.
FIRST = (3, 14)
#: What is said of a process that does not come to it.
ASLEEP = "its main thread does not come to run Python code"
_PREFIX = "stability-ask-"
_VERSION = re.compile(r"python(\d+)\.(\d+)t?\Z")
_ATTACH = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])"
#: It runs in ``__main__`` of the process, so it may leave no name there, and in the middle of whatever the main thread does, which may
#: hold any lock: a thread of its own can wait for that.
_PROGRAM = """exec(
    "for source in sources: exec(compile(source, '<stability>', 'exec'))",
    {{"__name__": "stability_canary", "sources": {sources!r}}},
)
"""
#: It connects before it begins, so that whoever waits knows that it has come to it. Whatever goes wrong is an answer; at the end
#: nothing of all this is held any more.
_SEND = """
def _send(path, question, token):
    import json
    import socket

    with socket.socket(socket.AF_UNIX) as told:
        told.settimeout(5)
        told.connect(path)
        try:
            answer = QUESTIONS[question](token)
        except Exception as error:
            answer = {{"error": type(error).__name__}}
        told.sendall(json.dumps(answer).encode() + b"\\n")
    globals().clear()


import _thread

_thread.start_new_thread(_send, ({path!r}, {question!r}, {token!r}))
"""
#: What is sent for a question. One after the other they are run in the same place, where each finds what it imports of those before.
_OF_ANOTHER = re.compile(r"^from \.\w+ import (?:\([^)]*\)|[^(\n]+)\n", re.MULTILINE)
_SOURCES = {
    **dict.fromkeys(runtime_canary.QUESTIONS, (runtime_canary,)),
    **dict.fromkeys(runtime_census.QUESTIONS, (runtime_census,)),
    **dict.fromkeys(runtime_chains.QUESTIONS, (runtime_census, runtime_chains)),
}


def version_of(pid: int) -> tuple[int, int]:
    """Return the version of the Python that a process runs, by the name of its program; (0, 0) where that does not tell."""
    try:
        found = _VERSION.search(os.path.basename(_program_of(pid)))
    except OSError:
        return (0, 0)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _program_of(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")


@contextmanager
def _folder(group: int) -> Iterator[str]:
    """Yield a folder that the group of the process can look into, and nobody else."""
    remove_left_over(_PREFIX)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir="/run" if os.geteuid() == 0 else None)
    try:
        if os.geteuid() == 0:
            os.chown(folder, 0, group)
            os.chmod(folder, 0o710)
        yield folder
    finally:
        shutil.rmtree(folder)


def _attach(pid: int, script: str, owner: User) -> str:
    """Let a process run a script; return what kept it from that.

    Only a Python of the same version can do so. Where ours is not, that of the process does it as its user: nothing of somebody
    else's is run as root.
    """
    if sys.version_info[:2] == version_of(pid):
        try:
            sys.remote_exec(pid, script)  # type: ignore[attr-defined]
        except (OSError, RuntimeError) as error:
            return str(error)
        return ""
    try:
        done = run([_program_of(pid), "-I", "-S", "-c", _ATTACH, str(pid), script], owner, timeout=PATIENCE)
    except (EnvironmentFailure, OSError) as failure:
        return str(failure)
    return done.stderr.strip().rpartition("\n")[2] if done.status else ""


def ask(pid: int, question: str, token: str, begin: float = PATIENCE, patience: float = PATIENCE) -> Answer:
    """Ask a process; it answers as soon as its main thread runs Python code again.

    Args:
        pid: the process.
        question: one of those of the runtime.
        token: what belongs to the question.
        begin: the seconds that the main thread has to come to it.
        patience: the seconds that the answer may take then.
    """
    try:
        status = os.stat(f"/proc/{pid}")
    except OSError as error:
        return Answer(pid, None, str(error.strerror))
    owner = user_with(status.st_uid, status.st_gid)
    with _folder(status.st_gid) as folder, socket.socket(socket.AF_UNIX) as listening:
        path, script = f"{folder}/answer", f"{folder}/ask.py"
        listening.bind(path)
        os.chmod(path, 0o666)
        listening.listen(1)
        sources = [_OF_ANOTHER.sub("", inspect.getsource(module)) for module in _SOURCES[question]]
        sources.append(_SEND.format(path=path, question=question, token=token))
        with open(script, "w", encoding="utf-8") as stream:
            stream.write(_PROGRAM.format(sources=sources))
        os.chmod(script, 0o644)
        trouble = _attach(pid, script, owner)
        answer = Answer(pid, None, trouble) if trouble else _answer(pid, listening, begin, patience)
        if answer.content is None and not trouble:
            # What it has not come to would look for a script that is gone then, and complain.
            _attach(pid, os.devnull, owner)
        return answer


def _answer(pid: int, listening: socket.socket, begin: float, patience: float) -> Answer:
    deadline = time.monotonic() + begin
    try:
        while True:
            listening.settimeout(max(0.001, deadline - time.monotonic()))
            asked, _address = listening.accept()
            with asked:
                if peer_of(asked) == pid:
                    return _received(pid, asked, time.monotonic() + patience)
    except socket.timeout:
        return Answer(pid, None, ASLEEP)
    except OSError as error:
        return Answer(pid, None, str(error))


def _received(pid: int, asked: socket.socket, deadline: float) -> Answer:
    try:
        return understood(pid, received(asked, deadline))
    except socket.timeout:
        return Answer(pid, None, "it does not answer in time")
