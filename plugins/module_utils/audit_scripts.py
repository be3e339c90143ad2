# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shell or another starter would start for a service that does not run: its command or its script says so, as no process does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from .adopt_shell import SHELLS, WRAPPERS, NeedsShell, find_program, is_script, parse_command, parse_script
from .audit_processes import named_python
from .audit_programs import behind_env
from .commands import SYSTEM_PATH

#: An option of a shell, such as ``-eu``; ``-o`` takes the next word.
_OPTION = re.compile(r"[-+][A-Za-z]+\Z")
#: Bytes; of a longer script only this much of its end is looked at.
_MOST = 65536
_END = 1024
#: The program with which a script ends, whatever it does before.
_AT_END = re.compile(
    r"^[ \t]*(?:exec[ \t]+)?(?:\w+=\S*[ \t]+)*(?P<argv>/\S+(?:[ \t][^\n;&|]*)?)[ \t]*\s*\Z", re.MULTILINE
)


def _script(path: str, folder: str) -> list[str]:
    """Return the command of a script; raises :class:`NeedsShell` when it cannot be told, :class:`OSError` when it cannot be read."""
    text, is_whole = _text(os.path.join(folder, path))
    try:
        if is_whole:
            return parse_script(text, folder, SYSTEM_PATH).argv
        raise NeedsShell(f"{path} is longer than {_MOST} bytes")
    except NeedsShell:
        last = _AT_END.search(text)
        if last is None:
            raise
        return last["argv"].split()


def _text(path: str) -> tuple[str, bool]:
    """Return the text of a script, of a long one the lines at its end, and whether it is all of it."""
    with open(path, "rb") as stream:
        text = stream.read(_MOST + 1)
        is_whole = len(text) <= _MOST
        if not is_whole:
            stream.seek(-_END, os.SEEK_END)
            # The first of the lines may have begun before.
            text = stream.read().partition(b"\n")[2]
    return text.decode("utf-8", "surrogateescape"), is_whole


def _wrapped(words: Sequence[str], folder: str) -> list[str]:
    """Return what a program such as timeout(1) starts, of its ``words`` as they are shown; nothing where none is known."""
    for index, word in enumerate(words):
        name, rest = os.path.basename(word), list(words[index:])
        if named_python(word) or name == "env":
            return [find_program(word, folder, SYSTEM_PATH) or word, *rest[1:]]
        program = find_program(word, folder, SYSTEM_PATH) if name in SHELLS | WRAPPERS or "/" in word else None
        # The file of a lock is none.
        if program and os.path.isfile(program) and os.access(program, os.X_OK):
            return _argv(program, " ".join(rest), folder) or rest
    return []


def _argv(program: str, shown: str, folder: str) -> list[str]:
    """Return what a command ends in when its program is a shell or a script for one; nothing when it is neither."""
    name = os.path.basename(program)
    if name in WRAPPERS and name != "env":
        return _wrapped(shown.split(" ")[1:], folder)
    if name not in SHELLS:
        return _script(program, folder) if is_script(program) else []
    words = shown.split(" ")[1:]
    while words and _OPTION.match(words[0]):
        option = words.pop(0)
        if "c" in option:
            # systemd shows the command, which is one word, without its quotes.
            return parse_command(" ".join(words), folder, SYSTEM_PATH).argv
        if option.endswith("o"):
            words = words[1:]
    return _script(words[0], folder) if words else []


def behind_starters(commands: Iterable[tuple[str, str]], folder: str) -> Iterator[tuple[str, str]]:
    """Yield the program, and the command as it is shown, that each shell or other starter among some commands ends in, where that can be told.

    Args:
        commands: of a unit, each with the path of its program.
        folder: where the unit starts.
    """
    for program, shown in commands:
        with suppress(NeedsShell, OSError, ValueError):
            argv = _argv(program, shown, folder)
            shown = " ".join(argv) if argv else shown
            started = behind_env(shown, SYSTEM_PATH, folder)
            if started or argv:
                yield started or argv[0], shown
