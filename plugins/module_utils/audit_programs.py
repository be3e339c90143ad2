# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of a unit by their paths, also where only a name is given that somebody looks for in a ``PATH``."""

from __future__ import annotations

import os
from collections.abc import Iterator

from .adopt_unit_text import resolved, sections_in, words_in
from .audit_model import Unit
from .audit_processes import program_in
from .commands import SYSTEM_PATH, user_named

#: Options of env(1) that take the next word; the quotes around what follows ``-S`` are not shown.
_WITH_VALUE = ("-u", "--unset", "-C", "--chdir", "-a", "--argv0")


def folder_of(unit: Unit) -> str:
    """Return the working directory in which the process of a unit begins."""
    folder = unit.process.folder if unit.process else ""
    folder = folder or unit.properties.get("WorkingDirectory", "").lstrip("!")
    if folder == "~":
        user = user_named(unit.properties.get("User") or "root")
        return user.home if user else ""
    return folder or "/"


def path_of(unit: Unit) -> str:
    """Return the ``PATH`` that the files of a unit give its process, that of systemd where they give none."""
    found = SYSTEM_PATH
    for line in sections_in(file.text for file in unit.files).get("Service", {}).get("Environment", []):
        for word in words_in(line) or []:
            name, _equals, value = word.partition("=")
            if name == "PATH":
                found = resolved(value, unit.name) or found
    return found


def _found(program: str, path: str, folder: str) -> str:
    """Return the path of a program; empty where there is none."""
    if "/" in program:
        return os.path.normpath(os.path.join(folder, program))
    return program_in(path, program, folder)


def behind_env(command: str, path: str, folder: str) -> str:
    """Return the path of what env(1) starts; empty for any other command."""
    words = iter(command.split())
    if os.path.basename(next(words, "")) != "env":
        return ""
    for word in words:
        name, equals, value = word.partition("=")
        if word in _WITH_VALUE:
            next(words, "")
        elif name == "PATH" and equals:
            path = value
        elif not equals and not word.startswith("-"):
            return _found(word, path, folder)
    return ""


def programs_of(unit: Unit) -> Iterator[str]:
    """Yield the paths of what the process of a unit runs, of its command, and of what this would start."""
    argv = unit.process.argv if unit.process else ()
    is_known = bool(argv) and argv[0].startswith("/")
    yield from (word for word in argv[:2] if word.startswith("/"))
    # What a shell has made of its PATH is known by its process alone.
    if argv and not is_known and unit.process and unit.process.shell is None:
        yield _found(argv[0], path_of(unit), folder_of(unit))
    yield from unit.programs
    if not is_known:
        yield from (behind_env(command, path_of(unit), folder_of(unit)) for command in unit.commands)
