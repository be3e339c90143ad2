# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of the application that a unit runs, found by the command that starts it; no more of it than is allowed."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .audit_model import Unit
from .import_packages import is_test
from .source_tree import UnreadableSource, read_source

_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*\Z")
#: Options of Python with a value, with a module, and with a program.
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
_MODULE = re.compile(r"-[bBdEOqsSuvVx]*m\Z")
_PROGRAM = re.compile(r"-[bBdEOqsSuvVx]*c")
#: With -I and -P (also as a part of -IBm) neither the working directory nor the folder of the script is looked into.
_ISOLATED = re.compile(r"-[A-Za-z]*[IP]")
#: ``package.module:name`` as gunicorn and uvicorn take it, or ``package.module``.
_TARGET = re.compile(r"([A-Za-z_]\w*)(?:(?:\.[A-Za-z_]\w*)*:[A-Za-z_][\w.]*(?:\(.*\))?|(?:\.[A-Za-z_]\w*)+)\Z")
_NAME = re.compile(r"([A-Za-z_]\w*)[\w.:]*\Z")
#: Options of celery and flask that name the application, and of these and the servers that name where it lies.
_NAMES = ("-A", "--app")
_FOLDERS = ("--chdir", "--app-dir", "--workdir", "--pythonpath")
_IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([^#\r\n;]+)", re.MULTILINE)
_SKIPPED = ("__pycache__", "node_modules", "site-packages", "dist-packages")
#: Entries of folders that are looked at in one application.
_MOST_ENTRIES = 5000


@dataclass
class Allowance:
    """How much source of applications one audit still looks at by itself."""

    files: int = 400
    size: int = 512 << 10


@dataclass
class Application:
    """The source ``files`` of applications, and the top-level modules that these have themselves (``own``).

    ``left`` are the folders of which not everything is looked at.
    """

    files: dict[str, None] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    left: dict[str, None] = field(default_factory=dict)


class _Start(NamedTuple):
    """How a program finds its source: the script (or ``""``), names of modules, and the folders that these are looked for in."""

    script: str = ""
    modules: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def _targets(words: Sequence[str], cwd: str) -> _Start:
    """Return what a server is told to run."""
    modules, folders = [], [cwd]
    for word, after in zip(words, (*words[1:], "")):
        option, equals, value = word.partition("=")
        value = value if equals else after
        if option in _FOLDERS:
            folders += [os.path.join(cwd, one) for one in value.split(",")]
        elif match := _NAME.match(value) if option in _NAMES else _TARGET.match(word):
            modules.append(match[1])
    return _Start("", tuple(modules), tuple(folders))


def start_of(argv: Sequence[str], cwd: str, environment: str) -> _Start:
    """Return how a command in the working directory ``cwd`` finds its source, when it runs in a virtual environment."""
    words, is_python = list(argv), bool(argv) and _PYTHON.match(os.path.basename(argv[0]))
    if is_python:
        del words[0]
        while words and words[0].startswith("-"):
            option = words.pop(0)
            if _ISOLATED.match(option) or _PROGRAM.match(option):
                return _Start()
            if _MODULE.match(option):
                name = _NAME.match(words[0]) if words else None
                told = _targets(words[1:], cwd)
                return told._replace(modules=((name[1],) if name else ()) + told.modules)
            if option in _WITH_VALUE:
                del words[:1]
    script = os.path.join(cwd, words[0]) if words else ""
    if script.startswith(f"{environment}/"):
        return _targets(words[1:], cwd)
    if not script or not is_python:
        return _Start()
    return _Start(script, (), (os.path.dirname(os.path.realpath(script)),))


def starts_of(unit: Unit, environment: str) -> Iterator[_Start]:
    """Yield how the commands of a unit, and its process, find their source."""
    process, cwd = unit.process, unit.properties.get("WorkingDirectory", "").lstrip("!~") or "/"
    more = process.variables.get("PYTHONPATH", "").split(":") if process and process.variables else ()
    commands = [tuple(command.split()) for command in unit.commands]
    for argv in dict.fromkeys([*([process.argv] if process else []), *commands]):
        start = start_of(argv, cwd, environment)
        yield start._replace(folders=(*start.folders, *(os.path.join(cwd, one) for one in more if one)))


def _is_outside(folder: str, environment: str) -> bool:
    """Whether a folder may be one of an application: not the root, nor one of an installation."""
    if not folder.startswith("/") or folder == "/" or f"{folder}/".startswith((f"{environment}/", "/usr/")):
        return False
    return not glob.glob(os.path.join(glob.escape(folder), "*.dist-info"))


def _below(folder: str, left: list[int]) -> Iterator[str]:
    """Yield the source files of a package; ``left`` is the number of entries that may be looked at."""
    for place, folders, names in os.walk(folder):
        left[0] -= len(folders) + len(names)
        if left[0] < 0:
            return
        if "pyvenv.cfg" in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name.isidentifier() and name not in _SKIPPED)
        for name in sorted(names):
            path = os.path.join(place, name)
            if name.endswith(".py") and not is_test(path, folder):
                yield path


def _imported(content: bytes) -> Iterator[str]:
    """Yield the first names of what a file seems to import."""
    for match in _IMPORT.finditer(content):
        for part in match[1].decode("utf-8", "replace").split(","):
            name = part.strip().partition(" ")[0].partition(".")[0]
            if name.isidentifier():
                yield name


def _modules_in(folder: str, name: str, left: list[int]) -> list[str]:
    path = os.path.join(folder, name)
    if os.path.isfile(f"{path}.py"):
        return [f"{path}.py"]
    return list(_below(path, left)) if os.path.isdir(path) else []


def _names_in(folder: str) -> Iterator[str]:
    """Yield what an import may find in a folder."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return
    for entry in entries:
        stem, _dot, suffix = entry.partition(".")
        if stem.isidentifier() and (suffix == "py" or os.path.isdir(os.path.join(folder, entry))):
            yield stem


def _files_of(start: _Start, folders: Sequence[str], left: list[int]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of what a command runs, with their content: its script or modules, and what these import from ``folders``."""
    waiting = [start.script] if start.script and os.path.isfile(start.script) else []
    names, named, seen = list(start.modules), set(), set()
    while waiting or names:
        if not waiting:
            name = names.pop(0)
            waiting = [] if name in named else [path for one in folders for path in _modules_in(one, name, left)]
            named.add(name)
            continue
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        try:
            content = read_source(path)
        except UnreadableSource:
            # Whoever parses it says why.
            content = b""
        yield path, content
        names += _imported(content)


def add_application(found: Application, start: _Start, environment: str, allowance: Allowance) -> None:
    """Add what a command runs, as far as it is allowed."""
    folders = [one for one in dict.fromkeys(map(os.path.normpath, start.folders)) if _is_outside(one, environment)]
    left = [_MOST_ENTRIES]
    for path, content in _files_of(start, folders, left):
        if path in found.files:
            continue
        if not allowance.files or allowance.size < len(content):
            left[0] = -1
            break
        allowance.files, allowance.size = allowance.files - 1, allowance.size - len(content)
        found.files[path] = None
    if left[0] < 0:
        found.left[next(iter(folders), os.path.dirname(start.script))] = None
    found.own.update(own for folder in folders for own in _names_in(folder))


def application_of(units: Iterable[Unit], environment: str, allowance: Allowance) -> Application:
    """Return the source of what units run in an environment, as far as it is found and allowed."""
    found = Application()
    for start in dict.fromkeys(start for unit in units for start in starts_of(unit, environment)):
        add_application(found, start, environment, allowance)
    return found
