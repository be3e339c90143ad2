# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a unit would start that systemd refuses to load: it shows no command of such a unit, but its files have one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Optional

from .adopt_unit_text import sections_in, words_in
from .audit_processes import is_python, named_python

#: What ``LoadState=`` is where a file of the unit is there, and systemd does not take it.
_REFUSED = ("bad-setting", "error")
#: What may stand before a program (systemd.service(5), "Command lines").
_PREFIXES = "@-:+!|"


def is_refused(properties: Mapping[str, str]) -> bool:
    """Whether a unit with these properties has a file that systemd refuses to load."""
    return properties.get("LoadState") in _REFUSED


def commands_in(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Return the commands in the files of a unit, each with its program ahead."""
    lines = sections_in(texts).get("Service", {}).get("ExecStart", [])
    commands = [[word for word in words_in(line) or line.split() if word] for line in lines]
    return [(words[0].lstrip(_PREFIXES), " ".join(words).lstrip(_PREFIXES)) for words in commands if words]


def is_of_python(commands: Iterable[tuple[str, str]]) -> Optional[bool]:
    """Whether one of the commands is of a Python, also one that is not there; ``None`` where that cannot be told."""
    is_there = []
    for program, shown in commands:
        words = [program, *shown.split()]
        if is_python(program) or any(named_python(word) or word.endswith(".py") for word in words):
            return True
        is_there.append(program.startswith("/") and os.path.exists(program))
    return False if is_there and all(is_there) else None
