# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a service: the way of a record to the journal, with its priority, and in one piece.

A record goes as a datagram of the native protocol (systemd.journal-fields(7)), or as lines with a priority (sd-daemon(3)) where
that is not safe. This runs on Python 3.8 and newer, with nothing but the standard library.
"""

from __future__ import annotations

# The module below socket: gevent and eventlet replace the one above, which also takes 3 ms to import.
import _socket
import errno
import fcntl
import os
import resource
import stat
import struct
import termios
from time import monotonic, sleep

_SOCKET = "/run/systemd/journal/socket"
_STREAM = ("/run/systemd/journal", "/stdout")
#: journald forgets what it knows of a process after five minutes without a record.
_KNOWN_FOR = 120.0
#: Seconds between two looks whether the socket is still ours.
_LOOK = 1.0
#: The number of its descriptor, where the process may have so many, and the room above it.
_HIGHEST, _HEADROOM = 1000, 24
#: How long a first record waits until journald has taken notice of the process, in seconds.
_PATIENCE = 1.0
#: fcntl.F_ADD_SEALS and all four seals of fcntl(2), which journald wants; Python has names for them from 3.9 on.
_ADD_SEALS, _ALL_SEALS = 1033, 0xF
_LENGTH = struct.Struct("<Q")


def priority_of(level: int) -> int:
    """Return the priority (syslog(3)) of a level of :mod:`logging`, whatever its name."""
    if level >= 40:
        return 2 if level >= 50 else 3
    if level >= 20:
        return 4 if level >= 30 else 5 if level >= 25 else 6
    return 7


class Journal:
    """The journal as this process reaches it.

    journald looks up the unit of a datagram's sender when it reads it: the last records of a process that has been killed
    would belong to no unit. What it knows of a process it keeps, so the first two datagrams are empty ones, of which it makes
    no record: when the second one has been read, the process has been looked up for the first one, and records follow.

    Args:
        identifier: ``SYSLOG_IDENTIFIER=`` of the records.
    """

    def __init__(self, identifier: str) -> None:
        self._identifier = _field("SYSLOG_IDENTIFIER", identifier)
        self._streams = {inode for inode in map(_stream_of, (1, 2)) if inode}
        # A number, since the object would be finalized after the modules that this needs: Python 3.9 ended by SIGSEGV.
        self._socket = -1
        self._inode = 0
        self._looked = 0.0
        self._known_until = 0.0
        self._greeted = 0.0
        os.register_at_fork(after_in_child=self._forget)

    def is_at(self, descriptor: int) -> bool:
        """Whether what is written to a descriptor, 1 or 2, becomes a record: it may have been redirected since."""
        try:
            return descriptor in (1, 2) and os.fstat(descriptor).st_ino in self._streams
        except OSError:
            return False

    def begin(self) -> None:
        """Make this process known to journald; where that fails, the first record tries again."""
        try:
            self.greet()
        except OSError:
            self._forget()

    def greet(self) -> int:
        """Make this process known to journald, and return the descriptor of the socket for its records."""
        made = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            # To look up the path for each record costs more than all the rest of sending it.
            made.connect(_SOCKET)
            made.send(b"\n", _socket.MSG_NOSIGNAL)
            made.send(b"\n", _socket.MSG_NOSIGNAL)
            found = _far_away(made)
        finally:
            made.close()
        self._inode = os.fstat(found).st_ino
        self._greeted = monotonic()
        self._socket = found
        return found

    def head(self, priority: int, fields: dict[str, object]) -> bytes:
        """Return the beginning of a record up to its message: all that records of one line of source have in common."""
        own = b"".join([_field(name, str(value)) for name, value in fields.items()])
        return b"PRIORITY=%d\n%s%sMESSAGE" % (priority, self._identifier, own)

    def send(self, message: str, head: bytes) -> bool:
        """Send one record by the native protocol; return whether that was safe, otherwise nothing was sent."""
        data = head + _value(message)
        found, now = self._socket, monotonic()
        try:
            if found >= 0 and now < self._looked + _LOOK and now < self._known_until:
                self._known_until = now + _KNOWN_FOR
                os.write(found, data)
                return True
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                self._forget()
                return False
        return self._send_with_care(data)

    def _send_with_care(self, data: bytes) -> bool:
        """Send a record that is the first one for a second, or too large for a datagram."""
        try:
            found = self._known(len(data))
            if found is None:
                return False
            try:
                os.write(found, data)
            except OSError as error:
                if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                    raise
                _send_file(found, data)
        except OSError:
            self._forget()
            return False
        return True

    def _forget(self) -> None:
        """Begin anew: this is another process now, or the socket is no good any more."""
        found, self._socket, self._known_until = self._socket, -1, 0.0
        if found >= 0 and self._is_own(found):
            os.close(found)

    def _is_own(self, found: int) -> bool:
        """Whether a program that closes all descriptors has not got this one again for something else."""
        try:
            return os.fstat(found).st_ino == self._inode
        except OSError:
            return False

    def _known(self, size: int) -> int | None:
        """Return a socket of which journald knows the process; ``None`` where a record of ``size`` must not use it yet."""
        found, now = self._socket, monotonic()
        if found < 0 or not self._is_own(found):
            self._forget()
            found = self.greet()
        self._looked = now
        if now < self._known_until:
            return found
        if self._greeted + _KNOWN_FOR < now:
            self._forget()
            found = self.greet()
        # A long line would be cut, which is worse than to be of no unit.
        if not self._is_read(found, self._greeted + _PATIENCE):
            return found if size > 40000 else None
        self._known_until = now + _KNOWN_FOR
        return found

    @staticmethod
    def _is_read(found: int, deadline: float) -> bool:
        """Wait until journald has read the empty datagrams."""
        while struct.unpack("i", fcntl.ioctl(found, termios.TIOCOUTQ, b"\0\0\0\0"))[0]:
            if monotonic() > deadline:
                return False
            sleep(0.0005)
        return True


def _stream_of(descriptor: int) -> int:
    """Return the inode of a descriptor that leads to journald; 0 when it leads elsewhere."""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISSOCK(status.st_mode):
            return 0
        duplicate = _socket.socket(fileno=os.dup(descriptor))
        try:
            peer = duplicate.getpeername()
        finally:
            duplicate.close()
    except OSError:
        return 0
    is_journal = isinstance(peer, str) and peer.startswith(_STREAM[0]) and peer.endswith(_STREAM[1])
    return status.st_ino if is_journal else 0


def _far_away(made: _socket.socket) -> int:
    """Return a descriptor of a socket with a high number: should the program close it, nothing else gets that number soon.

    It is looked at once in a second only whether it is still ours, which takes as long as a fourth of sending a record.
    """
    number = min(_HIGHEST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _HEADROOM)
    try:
        return fcntl.fcntl(made.fileno(), fcntl.F_DUPFD_CLOEXEC, max(number, 3))
    except OSError:
        return os.dup(made.fileno())


def _value(value: str) -> bytes:
    """Return what comes behind the name of a field."""
    content = value.encode("utf-8", "backslashreplace")
    if b"\n" in content:
        return b"\n%s%s\n" % (_LENGTH.pack(len(content)), content)
    return b"=%s\n" % content


def _field(name: str, value: str) -> bytes:
    return name.encode() + _value(value)


def _send_file(found: int, data: bytes) -> None:
    """Send what is too large for a datagram in a sealed file of the memory, as sd_journal_send(3) does."""
    descriptor = os.memfd_create("stability-record", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(descriptor, "wb", closefd=False) as stream:
            stream.write(data)
        fcntl.fcntl(descriptor, _ADD_SEALS, _ALL_SEALS)
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", descriptor))]
        sender = _socket.socket(fileno=os.dup(found))
        try:
            sender.sendmsg([b""], rights, _socket.MSG_NOSIGNAL)
        finally:
            sender.close()
    finally:
        os.close(descriptor)


def lines(message: str, priority: int) -> str:
    """Return a record for a stream: each of its lines has the priority."""
    prefix = f"<{priority}>"
    return prefix + message.replace("\n", f"\n{prefix}")
