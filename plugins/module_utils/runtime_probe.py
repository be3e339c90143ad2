# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a service: a thread that sleeps until root, or the user of the service, asks something about this process.

It listens on a socket of its own for each process, in a folder that the unit has made, and is there again after a fork. An answer is
one line of JSON, as the question is. This runs on Python 3.8 and newer, with nothing but the standard library.
"""

from __future__ import annotations

# All three below the modules that gevent and eventlet replace: a thread of theirs would stop the whole program until somebody asks.
import _signal  # type: ignore[import-not-found]
import _socket
import _thread
import os
import struct
import sys
from time import sleep
from typing import TYPE_CHECKING

from . import runtime_canary

if TYPE_CHECKING:
    from collections.abc import Callable

#: A question is short; whoever sends more, or takes longer, in seconds, is not served.
_LONGEST, _PATIENCE = 65536, 5.0
#: The process, user and group at the other end (unix(7), ``SO_PEERCRED``).
_PEER = struct.Struct("iII")


def install(folder: str) -> None:
    """Listen in a folder from now on, in this process and all that it forks.

    Raises:
        OSError: the folder is missing, or this user may not write there.
    """
    if not _is_main_interpreter():
        return
    probe = Probe(folder, _thread.start_new_thread)
    probe.listen()
    os.register_at_fork(after_in_child=probe.listen_again)


def _is_main_interpreter() -> bool:
    """Whether this is no subinterpreter: one that ends with a thread in it takes the whole process along, up to Python 3.13.

    At the start of an interpreter nobody has asked to be woken by signals, and only the main one may say so.
    """
    try:
        _signal.set_wakeup_fd(-1)
    except ValueError:
        return False
    return True


class Probe:
    """The socket of this process, and the thread behind it.

    Args:
        folder: where the sockets of all processes of the service are, each with its process id for a name.
        start_thread: what starts a thread of the operating system.
    """

    def __init__(self, folder: str, start_thread: object) -> None:
        self._folder = folder
        self._start_thread = start_thread
        self._socket: _socket.socket | None = None
        self._inode = 0
        self._has_complained = False

    def listen(self) -> None:
        """Make the socket of this process, and wait for questions in a thread of its own."""
        self._remove_left_over()
        path = f"{self._folder}/{os.getpid()}"
        found = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            # The file gets the mode of the socket: to change that of a path could reach what somebody has put in its place.
            os.fchmod(found.fileno(), 0o600)
            found.bind(path)
            found.listen(2)
        except OSError:
            found.close()
            raise
        self._socket, self._inode = found, os.fstat(found.fileno()).st_ino
        # What a program waits for with sigwait(3) or signalfd(2) must not be delivered to this thread, which it does not know.
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        try:
            self._start_thread(self._serve, (found,))  # type: ignore[operator]
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)

    def listen_again(self) -> None:
        """Do so after a fork, where what is inherited is the parent's, and where the program has closed the socket."""
        inherited, self._socket = self._socket, None
        try:
            if inherited is not None and self._is_own(inherited):
                inherited.close()
            elif inherited is not None:
                inherited.detach()
            self.listen()
        except (OSError, RuntimeError) as error:
            if not self._has_complained and sys.stderr is not None:
                # Once: a server may fork again and again after it has given up its rights.
                self._has_complained = True
                sys.stderr.write(f"stability: this process cannot be asked: {type(error).__name__}: {error}\n")

    def _remove_left_over(self) -> None:
        """Remove sockets of processes that are gone: those that were killed, and those that ended by ``os._exit``."""
        own = str(os.getpid())
        for name in os.listdir(self._folder):
            if name == own or (name.isdigit() and not os.path.exists(f"/proc/{name}")):
                try:
                    os.unlink(f"{self._folder}/{name}")
                except FileNotFoundError:
                    continue

    def _is_own(self, found: _socket.socket) -> bool:
        """Whether a program that closes all descriptors has not got this one again for something else."""
        try:
            return os.fstat(found.fileno()).st_ino == self._inode
        except OSError:
            return False

    def _serve(self, found: _socket.socket) -> None:
        while self._is_own(found):
            try:
                descriptor, _address = found._accept()  # type: ignore[attr-defined]
            except OSError:
                # No descriptor is left, for one.
                sleep(1.0)
                continue
            asked = _socket.socket(fileno=descriptor)
            try:
                _reply(asked)
            except OSError:
                pass
            finally:
                asked.close()
        self.listen_again()


def _reply(asked: _socket.socket) -> None:
    """Answer who has connected, unless that is somebody else."""
    asked.settimeout(_PATIENCE)
    _pid, user, _group = _PEER.unpack(asked.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _PEER.size))
    if user not in (0, os.geteuid()):
        return
    question = b""
    while b"\n" not in question and len(question) < _LONGEST:
        part = asked.recv(4096)
        if not part:
            return
        question += part
    asked.sendall(_answer(question))


def _answer(question: bytes) -> bytes:
    # Nobody needs it before somebody asks.
    import json

    answer: dict[str, object] = {}
    with runtime_canary.Outcome() as outcome:
        asked = json.loads(question)
        answer = _question(asked["question"])(asked.get("token", ""))
    if outcome.failed:
        answer = {"error": outcome.failed}
    return json.dumps(answer).encode() + b"\n"


def _question(name: str) -> Callable[[str], dict[str, object]]:
    known = runtime_canary.QUESTIONS
    if name not in known:
        from . import runtime_census, runtime_chains

        known = {**runtime_census.QUESTIONS, **runtime_chains.QUESTIONS}
    return known[name]
