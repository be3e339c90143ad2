# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of a service that its own hardening hides from it, or makes read-only.

A problem is what keeps the service from starting or from finding what it was told, and a working directory of which nobody
said whether the service writes there. A warning is what may be meant so.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from .problems import Problem, show
from .quoting import quote_word
from .sandbox import Hiding, Sandbox, Section, covers, has_own_mounts, sandbox_of, steps
from .services import Service
from .unit_files import sections_of
from .values import is_number

#: What a path is to the service: its unit cannot start without it, it is written out that it writes there, an argument or
#: a variable names it.
_START, _WRITE, _ARGUMENT, _VARIABLE = "start", "write", "argument", "variable"
#: At the end of an argument (``--bind=unix:/run/x``, ``sqlite:////srv/x``); two slashes begin the host of a URL.
_NAMED_PATH = re.compile(r"(?:^|[=:])((?:/|///+)(?!/).*)", re.DOTALL)
#: Variables that name places where things may be, or could be put; a process gets along without.
_PLACES = re.compile(r"(?:HOME|PATH|PWD|OLDPWD|XDG_\w+)\Z")
#: Variables that hold folders to be read, separated by colons.
_SEARCHED = ("LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
#: Bytes that are read of a script's first line (the kernel's own limit, execve(2)) and of pyvenv.cfg.
_LONGEST_FIRST_LINE, _LONGEST_SETTINGS = 256, 8192
_MOST_INTERPRETERS = 4
#: Seen: 247 needs the folder of credentials for the file systems of ``ExecStartPre=`` before it has made it, 252 does not.
_CREDENTIALS_EARLY = 248


@dataclass(frozen=True)
class _Use:
    """A path of a service: the ``key`` that names it, its ``role``, and further paths that the service ``needs`` with it."""

    key: str
    path: str
    role: str
    needs: tuple[str, ...] = ()

    @property
    def found(self) -> str:
        """The path as a message shows it; values of variables are not shown."""
        return "a path that is not shown" if self.role == _VARIABLE else show(self.path)

    @property
    def name(self) -> str:
        """The name of the variable; nothing for what is none."""
        return self.key.rpartition(".")[2] if self.role == _VARIABLE else ""


@dataclass(frozen=True)
class _Identity:
    """Who a process runs as."""

    name: str
    uid: int
    groups: frozenset[int]

    def may(self, path: str, bit: int) -> bool:
        """Whether the permission bits of ``path`` allow ``bit`` (4, 2, 1) of the rest of the world; of nothing, not."""
        try:
            there = os.stat(path)
        except OSError:
            return False
        shift = 6 if there.st_uid == self.uid else 3 if there.st_gid in self.groups else 0
        return bool(there.st_mode & (bit << shift))


def _gid(group: str) -> int:
    try:
        return int(group) if is_number(group) else grp.getgrnam(group).gr_gid
    except KeyError:
        return -1


def _identity(service: Service, supplementary: Iterable[str]) -> Optional[_Identity]:
    """Return who the service runs as; ``None`` for root, who may do everything, and where somebody else's unit says.

    Nothing belongs to a user or group that is yet to be made.
    """
    user = service.values["user"]
    try:
        entry = pwd.getpwuid(int(user)) if user and user.isdigit() else pwd.getpwnam(user or "root")
        uid, gid, name = entry.pw_uid, entry.pw_gid, entry.pw_name
    except KeyError:
        uid, gid, name = int(user) if user.isdigit() else -1, -1, ""
    if uid == 0:
        return None
    gid = _gid(service.values["group"]) if service.values["group"] else gid
    groups = set(os.getgrouplist(name, gid)) if name and gid >= 0 else {gid}
    return _Identity(user, uid, frozenset(groups | {_gid(group) for line in supplementary for group in line.split()}))


def _beginning(path: str, size: int) -> str:
    """Return the first ``size`` bytes of a file as text; nothing of what is no file."""
    try:
        if not os.path.isfile(path):
            return ""
        with open(path, "rb") as stream:
            return stream.read(size).decode("utf-8", "replace")
    except OSError:
        return ""


def _interpreters(program: str, depth: int = _MOST_INTERPRETERS) -> Iterator[str]:
    """Yield what else must be seen so that ``program`` runs: the interpreter of a script, the home of an environment."""
    settings = os.path.join(os.path.dirname(os.path.dirname(program)), "pyvenv.cfg")
    yield from re.findall(r"(?im)^home\s*=\s*(/.*?)\s*$", _beginning(settings, _LONGEST_SETTINGS))
    first = _beginning(program, _LONGEST_FIRST_LINE).split("\n", 1)[0]
    words = first[2:].split() if first.startswith("#!") else []
    if words and words[0].startswith("/") and depth:
        yield words[0]
        yield from _interpreters(words[0], depth - 1)


def _named(words: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield (index, path) of each word that is or ends with the absolute path of something on this host."""
    for index, word in enumerate(words):
        match = _NAMED_PATH.search(word)
        path = os.path.normpath(match[1]) if match else "/"
        if path != "/" and os.path.exists(path):
            yield index, path


def _written(use: _Use, who: _Identity) -> str:
    """Return the path that the service may write to by what it is told with ``use``; nothing for what is there to be read."""
    if use.role == _WRITE or use.name in _SEARCHED or (use.role == _START and use.key != ".working_directory"):
        return ""
    try:
        there = os.stat(use.path)
    except OSError:
        return ""
    path = use.path
    if stat.S_ISSOCK(there.st_mode) and there.st_uid == who.uid:
        # Its own, which it makes anew.
        path = os.path.dirname(path)
    elif stat.S_ISREG(there.st_mode):
        # hier(7): what lies below /etc is configuration.
        path = "" if path.endswith(".py") or covers("/etc", path) else path
    elif not stat.S_ISDIR(there.st_mode):
        return ""
    return path if path and who.may(path, 2) else ""


def _commands(service: Service) -> Iterator[tuple[str, list[str]]]:
    """Yield (key, argv) of each command that is a list."""
    for index, command in enumerate(service.values["exec_start_pre"] or ()):
        if isinstance(command, list):
            yield f".exec_start_pre[{index}]", command
    if isinstance(service.values["exec_start"], list):
        yield ".exec_start", service.values["exec_start"]
    for index, command in enumerate(service.values["exec_reload"] or ()):
        if isinstance(command, list):
            yield f".exec_reload[{index}]", command


def _uses(service: Service) -> Iterator[_Use]:
    """Yield every path of the service that its process looks for itself.

    ``environment_files`` and ``credentials`` are read by systemd, outside of the sandbox.
    """
    values = service.values
    if values["virtualenv"]:
        python = f"{values['virtualenv']}/bin/python"
        yield _Use(".virtualenv", values["virtualenv"], _START, (python, *_interpreters(python)))
    if values["working_directory"]:
        yield _Use(".working_directory", values["working_directory"], _START)
    for index, path in enumerate(values["read_write_paths"] or ()):
        yield _Use(f".read_write_paths[{index}]", path.lstrip("-"), _WRITE)
    for key, argv in _commands(service):
        yield _Use(f"{key}[0]", argv[0], _START, tuple(_interpreters(argv[0])))
        for index, path in _named(argv[1:]):
            yield _Use(f"{key}[{index + 1}]", path, _ARGUMENT)
    for name, value in (values["environment"] or {}).items():
        for _index, path in _named(value.split(":") if name in _SEARCHED else [value]):
            yield _Use(f".environment.{name}", path, _VARIABLE)


class _Judge:
    """Holds the paths of one service against its sandbox."""

    def __init__(self, service: Service, sandbox: Sandbox, who: Optional[_Identity]) -> None:
        self.service, self.sandbox, self.who = service, sandbox, who
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.told: list[str] = []

    def judge(self) -> None:
        for use in _uses(self.service):
            hidden = next(filter(None, map(self.sandbox.hidden, (use.path, *use.needs))), None)
            if hidden:
                self._tell_hidden(use, *hidden)
            elif self.who:
                self._judge_written(use, self.who)

    def _tell(self, use: _Use, path: str, doubtful: bool, found: str, expected: str, remedy: str) -> None:
        """Keep what is wrong with ``path``; what lies below it is not told again."""
        self.told.append(path)
        option = f"{self.service.place}{use.key} ({self.service.name})"
        problem = Problem(option, f"{use.found}, {found}", expected, remedy)
        if doubtful:
            self.warnings.append(str(problem))
        else:
            self.problems.append(problem)

    def _is_told(self, path: str) -> bool:
        return any(covers(folder, path) for folder in self.told)

    def _source(self, directive: str) -> str:
        """Return ``directive`` with where it comes from."""
        own = directive.split("=")[0] in self.service.values["directives"].get("Service", {})
        return directive if own else f"{directive} (hardening: {self.service.values['hardening']})"

    def _tell_hidden(self, use: _Use, hiding: Hiding, path: str) -> None:
        if self._is_told(path):
            return
        leads = f"which leads to {show(path)}, " if use.role != _VARIABLE and path != use.path else ""
        found = f"{leads}which {self._source(hiding.directive)} hides"
        # What is not found in a private /tmp can be made there; nothing can be made in the other places.
        makeable = "/tmp" in hiding.folders and use.role in (_ARGUMENT, _VARIABLE)
        doubtful = makeable or (use.role == _VARIABLE and _PLACES.match(use.name) is not None)
        remedy = self._made_there(hiding, path) if makeable else self._shown(use, hiding, path)
        self._tell(use, path, doubtful, found, "a path that the service can see", remedy)

    def _made_there(self, hiding: Hiding, path: str) -> str:
        folder = hiding.folder_of(path)
        off = 'directives: {Service: {PrivateTmp: "no"}}'
        if self.sandbox.freezing == "ProtectSystem=strict":
            off += f" and read_write_paths: [{folder}]"
        return f"It gets a {folder} of its own; if it is to meet others there, or what was there before, write {off}"

    def _shown(self, use: _Use, hiding: Hiding, path: str) -> str:
        folder = hiding.folder_of(path)
        if folder == "/dev":
            return 'Write directives: {Service: {PrivateDevices: "no"}}'
        if "/tmp" in hiding.folders:
            shown = f"directives: {{Service: {{BindPaths: {show(quote_word(path))}}}}}"
            return f"Move it out of {folder}, which does not last, or show it with {shown}"
        closed = self._closed(path)
        if closed:
            return f"Move it out of {closed}, which {self.service.values['user']} may not enter"
        shown = "directives: {Service: {ProtectHome: read-only}}"
        written = _written(use, self.who) if self.who else ""
        if written:
            it = "it to read_write_paths" if use.role == _VARIABLE else f"read_write_paths: [{show(written)}]"
            shown += f", and add {it} if it writes there"
        return f"Move it out of {folder}, or show it with {shown}"

    def _closed(self, path: str) -> str:
        """Return the first folder on the way to ``path`` that the service's user may not enter, hidden or not."""
        if not self.who:
            return ""
        above = (step for step in steps(os.path.dirname(path)) if os.path.isdir(step))
        return next((step for step in above if not self.who.may(step, 1)), "")

    def _judge_written(self, use: _Use, who: _Identity) -> None:
        values = self.service.values
        to_read = [values["virtualenv"], *(values["sources"] or ()), *self.told]
        path = _written(use, who)
        if not (path and self.sandbox.freezes(path)) or any(covers(folder, path) for folder in to_read if folder):
            return
        found = f"where {who.name} may write, and which {self._source(self.sandbox.freezing)} makes read-only"
        if use.role == _VARIABLE:
            remedy = "Add it to read_write_paths if it writes there, or as ReadOnlyPaths to directives if it only reads"
        else:
            reads = f"directives: {{Service: {{ReadOnlyPaths: {show(quote_word(path))}}}}}"
            remedy = f"Add read_write_paths: [{show(path)}] if it writes there, or {reads} if it only reads"
        shown = replace(use, path=path)
        self._tell(shown, path, use.role != _START, found, "a decision whether the service writes there", remedy)


def _early_commands(service: Service, section: Section, version: int) -> list[Problem]:
    """Return a problem where systemd looks for a folder of credentials that it makes only later (226/NAMESPACE)."""
    values = service.values
    if version >= _CREDENTIALS_EARLY or not (
        values["credentials"] and values["exec_start_pre"] and has_own_mounts(section)
    ):
        return []
    expected = f"systemd {_CREDENTIALS_EARLY} for that in a sandbox; this host has {version}"
    remedy = "Let exec_start do what exec_start_pre does, or write hardening: none"
    option = f"{service.place}.credentials ({service.name})"
    return [Problem(option, "credentials of a service with exec_start_pre", expected, remedy)]


def check_hardening_paths(services: Sequence[Service], version: int) -> tuple[list[Problem], list[str]]:
    """Return a problem for each path that a service needs and its sandbox denies, and warnings for those that may be meant so.

    ``version`` is that of the host's systemd.
    """
    problems, warnings = [], []
    for service in [one for entry in services for one in entry.processes]:
        section = sections_of(service)["Service"]
        problems += _early_commands(service, section, version)
        sandbox = sandbox_of(section)
        if sandbox is None:
            continue
        judge = _Judge(service, sandbox, _identity(service, section.get("SupplementaryGroups", ())))
        judge.judge()
        problems += judge.problems
        warnings += judge.warnings
    return problems, warnings
