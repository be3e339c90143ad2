# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shell or env(1) would start for a service that does not run: no process shows it, but its command or its script says so."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from .adopt_shell import SHELLS, NeedsShell, is_script, parse_command, parse_script
from .audit_programs import behind_env
from .commands import SYSTEM_PATH

#: An option of a shell, such as ``-eu``; ``-o`` takes the next word.
_OPTION = re.compile(r"[-+][A-Za-z]+\Z")
#: Characters; a starter is shorter. What a part of a longer file ends with is not what the file ends with.
_MOST = 65536
#: The program with which a script ends, whatever it does before.
_AT_END = re.compile(
    r"^[ \t]*(?:exec[ \t]+)?(?:\w+=\S*[ \t]+)*(?P<argv>/\S+(?:[ \t][^\n;&|]*)?)[ \t]*\s*\Z", re.MULTILINE
)


def _script(path: str, folder: str) -> list[str]:
    """Return the command of a script; raises :class:`NeedsShell` when it cannot be told, :class:`OSError` when it cannot be read."""
    with open(os.path.join(folder, path), encoding="utf-8", errors="surrogateescape") as stream:
        text = stream.read(_MOST + 1)
    if len(text) > _MOST:
        raise NeedsShell(f"{path} is longer than {_MOST} characters")
    try:
        return parse_script(text, folder, SYSTEM_PATH).argv
    except NeedsShell:
        last = _AT_END.search(text)
        if last is None:
            raise
        return last["argv"].split()


def _argv(program: str, shown: str, folder: str) -> list[str]:
    """Return what a command ends in when its program is a shell or a script for one; nothing when it is neither."""
    if os.path.basename(program) not in SHELLS:
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
    """Yield the program, and the command as it is shown, that each shell or env(1) among some commands ends in, where that can be told.

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
