# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service answers: what the key ``health`` may say, and one try of it."""

from __future__ import annotations

import re
import socket
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import values as v
from .commands import EnvironmentFailure, run, user_named

#: Seconds that a service has to answer for the first time when ``timeout`` is not given.
DEFAULT_TIMEOUT = 30.0
#: Seconds that one try may take.
_TRY = 3.0
#: Seconds that a command may take.
_COMMAND_TRY = 9.0


@dataclass(frozen=True)
class Health:
    """How a service is asked: exactly one of ``http``, ``tcp``, ``command``; ``timeout`` in seconds for all tries."""

    http: str = ""
    tcp: tuple[str, int] = ("", 0)
    command: tuple[str, ...] = ()
    timeout: float = DEFAULT_TIMEOUT

    @property
    def port(self) -> int:
        """The TCP port that is asked; 0 for a command."""
        if not self.http:
            return self.tcp[1]
        parts = urllib.parse.urlsplit(self.http)
        return parts.port or (443 if parts.scheme == "https" else 80)

    def __str__(self) -> str:
        if self.http:
            return self.http
        if self.command:
            return self.command[0]
        return f"tcp {self.tcp[0]}:{self.tcp[1]}"


def _http(value: object) -> str:
    url = v.filled_text(value)
    try:
        parts = urllib.parse.urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not _is_host(parts.hostname or ""):
        raise v.Refused("a URL with http or https and a host", "Write http://127.0.0.1:8000/path")
    if "@" in parts.netloc:
        remedy = "Let the service answer this path without them, or use command"
        raise v.Refused("a URL without user and password", remedy, part=v.HIDDEN_VALUE)
    if not re.match(r"[!-~]+\Z", url):
        raise v.Refused("a URL of ASCII characters without blanks", "Encode the others with %, as RFC 3986 says")
    return url


def _is_host(name: str) -> bool:
    """Whether ``name`` can be looked up (RFC 5891: labels of 1 to 63 characters)."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def _tcp(value: object) -> tuple[str, int]:
    host, colon, port = v.filled_text(value).rpartition(":")
    if not (colon and _is_host(host) and host and v.is_number(port) and 0 < int(port) < 65536):
        raise v.Refused("host:port", "Write 127.0.0.1:8000")
    return host.strip("[]"), int(port)


def _timeout(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf"):
        return float(value)
    span = v.seconds(v.time_span(value))
    if not 0 < span < float("inf"):
        raise v.Refused("seconds above 0", "Write the seconds that the service has to answer")
    return span


_WAYS: dict[str, v.Checker] = {"http": _http, "tcp": _tcp, "command": lambda value: tuple(v.argv(value))}


def parse_health(value: object) -> Health:
    """Return the checked value of the key ``health``; :class:`~.values.Refused` with every fault."""
    expected = "a mapping with one of http, tcp, command, and timeout"
    if not isinstance(value, Mapping):
        raise v.Refused(expected, "Write {http: URL}, {tcp: host:port} or {command: [...]}")
    unknown = [key for key in value if key not in (*_WAYS, "timeout")]
    ways = [key for key in value if key in _WAYS]
    if unknown or len(ways) != 1:
        raise v.Refused(expected, "Write exactly one of the three ways, and nothing else but timeout")
    faults = v.Faults()
    given: dict[str, Any] = {ways[0]: faults.check(_WAYS[ways[0]], value[ways[0]], f".{ways[0]}")}
    if "timeout" in value:
        given["timeout"] = faults.check(_timeout, value["timeout"], ".timeout")
    faults.raise_any()
    return Health(**given)


def _ask_command(argv: tuple[str, ...], user: str) -> str:
    runner = user_named(user)
    if runner is None:
        return f"there is no user {user}"
    try:
        status = run(argv, runner, timeout=_COMMAND_TRY).status
    except EnvironmentFailure as failure:
        return str(failure).rstrip(".")
    return "" if status == 0 else f"{argv[0]} ended with status {status}"


def _asks_http() -> Callable[[str, float], str]:
    # Imported here: with ssl and all, it would slow down every run, and few lists have such a check.
    from .health_http import ask_http

    return ask_http


def make_ready(healths: Iterable[Health]) -> None:
    """Import what :func:`ask` needs for these, before several threads ask.

    Out of Ansible's archive, Python 3.9 shows a second thread that imports at the same time half a module.
    """
    if any(health.http for health in healths):
        _asks_http()


def ask(health: Health, user: str) -> str:
    """Ask once; return an empty string when the service is healthy, else what was wrong, as a phrase.

    A command runs as ``user``, like everything else of the service.
    """
    if health.http:
        return _asks_http()(health.http, _TRY)
    if health.command:
        return _ask_command(health.command, user)
    try:
        with socket.create_connection(health.tcp, timeout=_TRY):
            return ""
    except OSError as error:
        return error.strerror or str(error)
