# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisords of a host, running or started by units: which file each has, and which variables its programs inherit."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .adopt_unit_text import sections_in, words_in
from .audit_model import Unit
from .audit_processes import PROC
from .commands import SYSTEM_PATH

_NAME = "supervisord"
#: What a login or a service manager gives, and what says where somebody was when it was started.
_USUAL = re.compile(
    r"(?:HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|SHLVL|_|TERM|MAIL|HISTFILE|LS_COLORS|LESS\w*|container\w*|HOSTNAME|LINES|COLUMNS)|"
    r"(?:SYSTEMD|SSH|SUDO|XDG|DBUS|LISTEN|MEMORY_PRESSURE|SUPERVISOR)_\w+|INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|"
    r"MANAGERPID\w*|MAINPID|\w+_DIRECTORY",
)
#: Values of variables of the language that are the same to Python.
_LANGUAGE, _UTF8 = re.compile(r"LANG|LANGUAGE|LC_\w+"), re.compile(r"(?:C|POSIX|[\w.]*utf-?8)?\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Inherited:
    """What programs get from supervisord besides what its file says: names of variables, files of a unit, where programs are."""

    names: tuple[str, ...] = ()
    environment_files: tuple[str, ...] = ()
    path: str = SYSTEM_PATH

    def told(self, own: Collection[str]) -> str:
        """Return what is to be decided about a program with variables of its ``own``; empty for nothing."""
        names = [name for name in self.names if name not in own]
        files = [f"what is in {path}" for path in self.environment_files]
        if not names and not files:
            return ""
        listed = ", ".join([*names, *files])
        return (
            f"it inherits from supervisord itself: {listed}; write what it needs of these into environment, "
            "environment_files or credentials"
        )


@dataclass(frozen=True)
class Supervisor:
    """A supervisord that runs, or that a unit starts: its command, its variables as far as they can be read, files with more."""

    argv: tuple[str, ...]
    variables: Mapping[str, str]
    environment_files: tuple[str, ...] = ()
    is_running: bool = True

    def given(self) -> list[str]:
        """Return the files that its command names."""
        paths = [value for option, value in zip(self.argv, self.argv[1:]) if option in ("-c", "--configuration")]
        paths += [word.partition("=")[2] for word in self.argv if word.startswith("--configuration=")]
        return [path for path in paths if path.startswith("/")]

    def files(self) -> list[str]:
        """Return the files that it may have, besides the usual ones."""
        above = os.path.dirname(os.path.dirname(_program(self.argv)))
        beside = [f"{above}/etc/supervisord.conf", f"{above}/supervisord.conf"] if above.startswith("/") else []
        return [*beside, *self.given()]

    def names(self) -> list[str]:
        """Return the names of its variables that no service has anyway."""
        return [name for name, value in self.variables.items() if not self._is_usual(name, value)]

    def _is_usual(self, name: str, value: str) -> bool:
        if name == "PATH":
            return set(value.split(":")) <= {*SYSTEM_PATH.split(":"), "/snap/bin"}
        if _LANGUAGE.fullmatch(name):
            return _UTF8.match(value) is not None
        # What a unit sets is meant for its programs.
        return self.is_running and _USUAL.fullmatch(name) is not None


def _program(argv: Sequence[str]) -> str:
    return next((word for word in argv[:3] if os.path.basename(word) == _NAME), "")


def _words(path: str) -> tuple[str, ...]:
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return tuple(stream.read().split("\0")[:-1])


def _running(proc: str) -> Iterator[Supervisor]:
    for name in filter(str.isdigit, os.listdir(proc)):
        try:
            argv = _words(f"{proc}/{name}/cmdline")
        except OSError:
            continue
        if not _program(argv):
            continue
        try:
            pairs = [word.partition("=") for word in _words(f"{proc}/{name}/environ")]
        except OSError:
            pairs = []
        yield Supervisor(argv, {variable: value for variable, sign, value in pairs if sign})


def _of_units(units: Iterable[Unit]) -> Iterator[Supervisor]:
    for unit in units:
        service = sections_in(file.text for file in unit.files).get("Service", {})
        argv = next((words for words in map(words_in, service.get("ExecStart", ())) if words and _program(words)), None)
        if argv is not None:
            files = tuple(path.lstrip("-") for path in service.get("EnvironmentFile", ()))
            yield Supervisor(tuple(argv), _set_by(service), files, is_running=False)


def _set_by(service: Mapping[str, list[str]]) -> dict[str, str]:
    words = [word for line in service.get("Environment", ()) for word in words_in(line) or ()]
    passed = [name for line in service.get("PassEnvironment", ()) for name in words_in(line) or ()]
    return {
        **dict.fromkeys(passed, ""),
        **{name: value for name, _sign, value in (word.partition("=") for word in words)},
    }


def supervisors(units: Iterable[Unit], proc: str = PROC) -> list[Supervisor]:
    """Return those that run, and those that ``units`` start."""
    return [*_running(proc), *_of_units(units)]


def inherited_from(found: Sequence[Supervisor], path: str) -> Inherited:
    """Return what the programs in the file at ``path`` inherit; a supervisord that names no file may have any."""
    real = os.path.realpath(path)
    own = [one for one in found if not one.given() or real in map(os.path.realpath, one.given())]
    names = dict.fromkeys(name for one in own for name in one.names())
    files = dict.fromkeys(file for one in own for file in one.environment_files)
    paths = [one.variables["PATH"] for one in own if one.variables.get("PATH")]
    return Inherited(tuple(sorted(names)), tuple(files), paths[0] if paths else SYSTEM_PATH)
