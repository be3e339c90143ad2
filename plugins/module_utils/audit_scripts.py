# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shell of a service would start that does not run: no process shows it, but its command or its script says so."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from .adopt_shell import SHELLS, NeedsShell, is_script, parse_command, parse_script
from .commands import SYSTEM_PATH

_ONE_COMMAND = ("-c", "-ec", "-lc")
#: A script is short; of a longer file the end is not needed.
_MOST = 65536
#: The program with which a script ends, whatever it does before.
_AT_END = re.compile(
    r"^[ \t]*(?:exec[ \t]+)?(?:\w+=\S*[ \t]+)*(?P<argv>/\S+(?:[ \t][^\n;&|]*)?)[ \t]*\s*\Z", re.MULTILINE
)


def _script(path: str, folder: str) -> list[str]:
    """Return the command of a script; raises :class:`NeedsShell` when it cannot be told, :class:`OSError` when it cannot be read."""
    with open(os.path.join(folder, path), encoding="utf-8", errors="surrogateescape") as stream:
        text = stream.read(_MOST)
    try:
        return parse_script(text, folder, SYSTEM_PATH).argv
    except NeedsShell:
        last = _AT_END.search(text)
        if last is None:
            raise
        return last["argv"].split()


def behind_shells(commands: Iterable[tuple[str, str]], folder: str) -> Iterator[tuple[str, str]]:
    """Yield the program, and the command as it is shown, that each shell among some commands ends in, where that can be told.

    Args:
        commands: of a unit, each with the path of its program.
        folder: where the unit starts.
    """
    for program, shown in commands:
        words = shown.split(" ", 2)
        name = os.path.basename(program)
        with suppress(NeedsShell, OSError, ValueError):
            if name in SHELLS and len(words) > 2 and words[1] in _ONE_COMMAND:
                argv = parse_command(words[2], folder, SYSTEM_PATH).argv
            elif name in SHELLS and len(words) > 1 and not words[1].startswith("-"):
                argv = _script(words[1], folder)
            elif is_script(program):
                argv = _script(program, folder)
            else:
                continue
            yield argv[0], " ".join(argv)
