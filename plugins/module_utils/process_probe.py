# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks running Python processes about themselves, through the sockets of the runtime (:mod:`.runtime_probe`)."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Optional

#: Seconds that the processes of a service have to answer: a program that computes lets its other threads run in between.
PATIENCE = 10.0
#: Bytes; nobody's logging has that many loggers.
_LONGEST = 8 * 2**20
#: The process, user and group at the other end (unix(7), ``SO_PEERCRED``).
_PEER = struct.Struct("iII")


@dataclass(frozen=True)
class Answer:
    """What a process has answered; ``content`` is ``None`` where it has not, and ``trouble`` says why."""

    pid: int
    content: Optional[dict[str, Any]]
    trouble: str = ""


def ask_all(folder: str, pids: Collection[int], question: str, token: str = "") -> list[Answer]:
    """Ask those of ``pids`` that listen in a folder, in their order; each gets ``token`` with its id behind it.

    The folder belongs to the user of the service: what stands there may lead to any socket of the host, so no link is followed, and
    nothing is sent to another process.
    """
    deadline = time.monotonic() + PATIENCE
    found = (ask(folder, pid, question, token_of(token, pid), deadline) for pid in dict.fromkeys(pids))
    return [answer for answer in found if answer is not None]


def ask(folder: str, pid: int, question: str, told: str, deadline: float) -> Optional[Answer]:
    """Ask a process at its socket, and tell it what belongs to the question; ``None`` when nobody listens there, or somebody else does."""
    try:
        place = os.open(os.path.join(folder, str(pid)), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISSOCK(os.fstat(place).st_mode):
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                asked.connect(f"/proc/self/fd/{place}")
                if peer_of(asked) != pid:
                    return None
                asked.sendall(json.dumps({"question": question, "token": told}).encode() + b"\n")
                return understood(pid, received(asked, deadline))
            except ConnectionRefusedError:
                return None
            except OSError as error:
                return Answer(pid, None, "it does not answer" if isinstance(error, socket.timeout) else str(error))
    finally:
        os.close(place)


def peer_of(asked: socket.socket) -> int:
    """Return the process at the other end."""
    pid, _user, _group = _PEER.unpack(asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return int(pid)


def token_of(token: str, pid: int) -> str:
    """Return the token of a process: what several processes of a service make can be told apart."""
    return f"{token}-{pid}"


def received(asked: socket.socket, deadline: float) -> bytes:
    """Return what comes until the end of the line. Raises :class:`OSError` when that takes too long."""
    data = bytearray()
    while not data.endswith(b"\n") and len(data) < _LONGEST:
        asked.settimeout(max(0.001, deadline - time.monotonic()))
        part = asked.recv(65536)
        if not part:
            break
        data += part
    return bytes(data)


def understood(pid: int, line: bytes) -> Answer:
    """Return the answer that a line is; it is somebody else's word, so it may be anything."""
    try:
        content = json.loads(line)
    except (RecursionError, ValueError):
        return Answer(pid, None, "it has gone away before it answered" if not line else "what it answers is no JSON")
    if not isinstance(content, dict) or "error" in content:
        told = content.get("error") if isinstance(content, dict) else content
        return Answer(pid, None, f"it answers: {str(told)[:200]}")
    return Answer(pid, content)
