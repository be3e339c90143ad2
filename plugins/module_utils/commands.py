# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs and file operations as a user: nothing of an environment is ever executed or written as somebody else."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, Optional, Union

#: Where programs are looked for, whatever our own process has.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: The only variables of our own process that a program gets: the way to the network.
_INHERITED = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)


class EnvironmentFailure(RuntimeError):
    """What was asked cannot be done with a virtual environment; the text says what to do."""


class TimedOut(EnvironmentFailure):
    """A program took longer than it may."""


@dataclass(frozen=True)
class User:
    """Who executes and writes; ``groups`` are all groups, ``home`` is an absolute path."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def _user(entry: pwd.struct_passwd) -> User:
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir or "/")


def user_named(name: str) -> Optional[User]:
    """Return the user of that name, or with that number; ``None`` when the host has none."""
    try:
        return _user(pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name))
    except KeyError:
        return None


def user_in_group(name: str) -> Optional[User]:
    """Return the user of ``user`` or ``user:group``, with that group as the first; ``None`` when the host has none of the two."""
    account, _colon, group = name.partition(":")
    user = user_named(account)
    if user is None or not group:
        return user
    try:
        gid = (grp.getgrgid(int(group)) if group.isdigit() else grp.getgrnam(group)).gr_gid
    except KeyError:
        return None
    return replace(user, gid=gid, groups=tuple(dict.fromkeys((gid, *user.groups))))


def user_with(uid: int, gid: int) -> User:
    """Return the user with that number; one that the host does not know by name has ``gid`` and no home."""
    try:
        return _user(pwd.getpwuid(uid))
    except KeyError:
        return User(str(uid), uid, gid, (gid,), "/")


def current_user() -> User:
    """Return the user as whom this process acts."""
    return user_with(os.geteuid(), os.getegid())


def check_can_become(user: User) -> None:
    """Raise :class:`EnvironmentFailure` when this process may not act as ``user``."""
    if os.geteuid() not in (0, user.uid):
        raise EnvironmentFailure(
            f'run_as: found "{user.name}"; expected the user of the connection. Only root can act as others.'
        )


@contextmanager
def acting_as(user: User) -> Iterator[None]:
    """Let the file operations of this process be those of ``user`` (seteuid(2)); no programs are started inside.

    A path that the user controls can then lead only to what the user may touch.
    """
    if os.geteuid() == user.uid:
        yield
        return
    gid, groups = os.getegid(), os.getgroups()
    os.setgroups(user.groups)
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


@dataclass(frozen=True)
class Output:
    """What a program left: exit status (negative: the signal that ended it), standard output, standard error."""

    status: int
    stdout: str
    stderr: str


def program_environment(user: User, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a program: nothing of Python's or pip's variables is inherited."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = {"PATH": SYSTEM_PATH, "HOME": user.home, "USER": user.name, "LOGNAME": user.name, "LC_ALL": "C.UTF-8"}
    return {**inherited, **own, "PYTHONNOUSERSITE": "1", **extra}


def start(
    argv: Sequence[str],
    user: User,
    extra: Optional[Mapping[str, str]] = None,
    held: Sequence[int] = (),
    own_session: bool = False,
    streams: tuple[Union[int, BinaryIO], Union[int, BinaryIO]] = (subprocess.PIPE, subprocess.PIPE),
) -> subprocess.Popen[str]:
    """Start a program as ``user`` in ``/`` with nothing on its standard input.

    ``extra`` goes into its environment, ``held`` are file descriptors that stay open in it, ``streams`` are its standard output and
    standard error. :class:`EnvironmentFailure` is
    raised for a program that is not there.
    """
    if os.getuid() != os.geteuid():
        raise ValueError("a program started inside acting_as() could become root again")
    as_user = {} if os.geteuid() == user.uid else {"user": user.uid, "group": user.gid, "extra_groups": user.groups}
    try:
        # The core knows no AnsibleModule, whose run_command is wanted there.
        # pylint: disable-next=ansible-bad-function
        process: subprocess.Popen[str] = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=streams[0],
            stderr=streams[1],
            env=program_environment(user, extra or {}),
            cwd="/",
            umask=0o022,
            errors="replace",
            pass_fds=held,
            start_new_session=own_session,
            **as_user,  # type: ignore[call-overload]
        )
        return process
    except OSError as error:
        raise EnvironmentFailure(f"{argv[0]} cannot be run as {user.name}: {error.strerror}.") from None


def run(
    argv: Sequence[str],
    user: User,
    extra: Optional[Mapping[str, str]] = None,
    timeout: Optional[float] = None,
    held: Sequence[int] = (),
) -> Output:
    """Run a program as :func:`start` starts it.

    After ``timeout`` seconds it is killed with its whole session, and :class:`TimedOut` raised.
    """
    with _memory() as stdout, _memory() as stderr:
        process = start(argv, user, extra, held, own_session=timeout is not None, streams=(stdout, stderr))
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TimedOut(f"{argv[0]} did not end within {timeout:.0f} seconds and was killed.") from None
        return Output(process.returncode, _text(stdout), _text(stderr))


def _memory() -> BinaryIO:
    """Return a file in memory. The end of a pipe would only come when everything that the program has left behind has ended."""
    return os.fdopen(os.memfd_create("output"), "w+b")


def _text(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
