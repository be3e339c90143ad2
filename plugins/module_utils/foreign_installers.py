# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installers that somebody else runs in an environment: what they do would be lost in a switch, or be done to both sides of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

_PIP = re.compile(r"pip(?:[0-9.]*|-sync)\Z")
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*\Z")
_PIP_VERBS = {"install", "uninstall"}
_UV_VERBS = {"add", "pip", "remove", "sync", "venv"}
_UV_PIP_VERBS = {"install", "sync", "uninstall"}
#: Where uv puts the environment of the project in the current folder.
_UV_FOLDER = ".venv"


def _program(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the program that an argument list runs, and what follows it; looked for behind an interpreter."""
    name, rest = os.path.basename(argv[0]), list(argv[1:])
    if not _PYTHON.match(name):
        return name, rest
    while rest and rest[0].startswith("-") and rest[0] != "-m":
        rest = rest[2:] if rest[0] in ("-W", "-X") else rest[1:]
    if rest[:1] == ["-m"]:
        return "".join(rest[1:2]), rest[2:]
    return os.path.basename("".join(rest[:1])), rest[1:]


def installer_of(argv: Sequence[str]) -> str:
    """Return ``pip`` or ``uv`` when an argument list is one of theirs that changes an environment, else an empty text."""
    if not argv or not argv[0]:
        return ""
    name, rest = _program(argv)
    words = [word for word in rest if not word.startswith("-")]
    if _PIP.match(name) and (name == "pip-sync" or _PIP_VERBS & set(words)):
        return "pip"
    if name == "uv" and words and words[0] in _UV_VERBS and (words[0] != "pip" or _UV_PIP_VERBS & set(words)):
        return "uv"
    return ""


def _is_inside(path: str, folders: Iterable[str]) -> bool:
    """Whether a path leads into one of the folders; its last part is not followed, since interpreters are links."""
    known = {os.path.normpath(path), os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))}
    return any(f"{one}/".startswith(f"{folder}/") for one in known for folder in folders)


def _named_paths(argv: Sequence[str], variables: Sequence[str], cwd: str, installer: str) -> Iterator[str]:
    """Yield every path by which a process says where it works."""
    yield cwd
    for name, _sign, value in (variable.partition("=") for variable in variables):
        if name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PIP_TARGET", "PIP_PREFIX", "PIP_PYTHON") and value:
            yield os.path.join(cwd, value)
    if installer == "uv":
        yield os.path.join(cwd, _UV_FOLDER)
    for word in argv:
        value = word.partition("=")[2] if word.startswith("-") else word
        if "/" in value:
            yield os.path.join(cwd, value)


def works_in(folders: Iterable[str], argv: Sequence[str], variables: Sequence[str], cwd: str) -> bool:
    """Whether a process with these arguments, variables and current folder is an installer at work in one of the folders."""
    installer = installer_of(argv)
    if not installer:
        return False
    roots = list(folders)
    return any(_is_inside(path, roots) for path in _named_paths(argv, variables, cwd, installer))


def _strings(path: str) -> list[str]:
    with open(path, "rb") as stream:
        return [os.fsdecode(part) for part in stream.read().split(b"\0")][:-1]


def _of_process(folder: str) -> tuple[list[str], list[str], str]:
    """Return arguments, variables and current folder of a process; what we may not read is left out."""
    argv = _strings(os.path.join(folder, "cmdline"))
    variables: list[str] = []
    cwd = "/"
    if installer_of(argv):
        with suppress(PermissionError):
            variables = _strings(os.path.join(folder, "environ"))
            cwd = os.readlink(os.path.join(folder, "cwd"))
    return argv, variables, cwd


def installers_at_work(virtualenv: str, processes: str = "/proc") -> list[int]:
    """Return the ids of the processes that are pip or uv and change the environment, without our own."""
    folders = {virtualenv, os.path.realpath(virtualenv)}
    found = []
    for name in os.listdir(processes):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            argv, variables, cwd = _of_process(os.path.join(processes, name))
            if works_in(folders, argv, variables, cwd):
                found.append(int(name))
    return sorted(found)
