# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that change the user: what the hardening takes from them, and where the key ``user`` says the same."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Optional, Union

from . import values as v
from .adopt_model import Item, in_order
from .adopt_shell import SHELLS, WRAPPERS, command_places, find_program, is_script
from .adopt_unit_text import words_in
from .commands import SYSTEM_PATH

#: Programs that gain rights by their mode, wherever they are.
_GAINING = ("sudo", "su", "doas", "pkexec", "sg", "newgrp")
_COMMANDS = ("exec_start", "exec_start_pre", "exec_reload")
#: systemd.exec(5): each of these files and folders would be of the other user.
_OF_USER = ("group", "state_directory", "runtime_directory", "credentials", "exec_start_pre", "exec_reload")
_LARGEST_SCRIPT = 65536
_CAPABILITIES = "security.capability"
_IS_ROOT = "it runs as root"


def _lists(values: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the commands of a service as words."""
    for command in (values[key] for key in _COMMANDS if key in values):
        yield from command if isinstance(command[0], list) else [_words(command)]
    for lines in _exec_directives(values).values():
        yield from map(_words, [lines] if isinstance(lines, str) else lines)


def _exec_directives(values: Mapping[str, Any]) -> dict[str, Any]:
    entries = values.get("directives", {}).get("Service", {})
    return {name: lines for name, lines in entries.items() if name.startswith("Exec") and lines}


def _words(command: Union[str, list[str]]) -> list[str]:
    if isinstance(command, list):
        return command
    program, *arguments = words_in(command) or command.split()
    return [program.lstrip("@-:+!|"), *arguments]


def _in_script(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if not line.lstrip().startswith("#"):
            yield from command_places(line)


def _programs(argv: list[str], directory: str) -> Iterator[str]:
    """Yield what may be the programs of a command, those that a shell or another program starts as well."""
    yield argv[0]
    name = os.path.basename(argv[0])
    if name in WRAPPERS:
        yield from (word for word in argv[1:] if not word.startswith("-") and "=" not in word)
    scripts = [word for word in argv[1:] if not word.startswith("-")] if name in SHELLS else argv[:1]
    for script in scripts:
        path = os.path.join(directory, script)
        if is_script(path) or (name in SHELLS and os.path.isfile(path)):
            with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as stream:
                yield from _in_script(stream.read(_LARGEST_SCRIPT))
        elif name in SHELLS:
            yield from _in_script(script)


def _gains(program: str, directory: str) -> bool:
    """Whether a program gets rights from its mode that the one who starts it has not."""
    if os.path.basename(program) in _GAINING:
        return True
    path = find_program(program, directory, SYSTEM_PATH)
    with suppress(OSError, ValueError):
        mode = os.stat(path or "").st_mode
        return stat.S_ISREG(mode) and bool(mode & (stat.S_ISUID | stat.S_ISGID))
    return False


def _has_capabilities(path: str) -> bool:
    with suppress(OSError):
        return _CAPABILITIES in os.listxattr(os.path.realpath(path))
    return False


def gaining(values: Mapping[str, Any]) -> str:
    """Return the first program of a service that ``NoNewPrivileges=`` would keep from what it does; empty for none."""
    directory = values.get("working_directory", "/")
    for argv in _lists(values):
        first = next((program for program in _programs(argv, directory) if _gains(program, directory)), "")
        if first:
            return first
        python = [f"{values['virtualenv']}/bin/python"] if "virtualenv" in values else []
        able = next(filter(_has_capabilities, (argv[0], *python)), "")
        if able:
            return able
    return ""


def _other_user(argv: list[str]) -> Optional[tuple[str, list[str]]]:
    """Return the user and the command of ``sudo -u NAME COMMAND`` and its kind; ``None`` where more is said."""
    if os.path.basename(argv[0]) not in ("sudo", "runuser"):
        return None
    user, words = "", argv[1:]
    while words and words[0].startswith("-") and words[0] != "--":
        option = words.pop(0)
        name, equals, value = option.partition("=")
        if option in ("-u", "--user") and words:
            user = words.pop(0)
        elif name == "--user" and equals:
            user = value
        elif re.match(r"-u[^-]", option):
            user = option[2:]
        elif option not in ("-n", "-H", "--non-interactive", "--set-home"):
            return None
    words = words[1:] if words[:1] == ["--"] else words
    return (user, words) if user and words and words[0].startswith("/") else None


def _become(item: Item) -> None:
    """Write the user that root changes to, where the rest of the service is the same then."""
    values = item.values
    argv = values.get("exec_start")
    found = _other_user(argv) if isinstance(argv, list) else None
    if found is None or values["user"] != "root":
        return
    user, command = found
    program = os.path.basename(values["exec_start"][0])
    in_the_way = [*(key for key in _OF_USER if key in values), *_exec_directives(values)]
    if program == "sudo":
        # It gives an environment of its own, without the variables of the unit.
        in_the_way += [key for key in ("environment", "environment_files") if key in values]
    try:
        v.service_user(user)
    except v.Refused:
        return
    if in_the_way:
        item.mark(
            f"{program} changes from root to {user}: user: {user} says that, if it may for {', '.join(in_the_way)}, too"
        )
        return
    item.values = in_order({**values, "user": user, "exec_start": command})
    item.marks[:] = [mark for mark in item.marks if not mark.startswith(_IS_ROOT)]
    item.mark(f"user: {user} stands for {program}, by which root changed to that user")


def judge_privileges(items: Iterable[Item]) -> None:
    """Take the hardening out where a program would be kept from changing the user, and say so."""
    for item in items:
        values = item.values
        if values.get("drop_in"):
            continue
        _become(item)
        values = item.values
        written = values.get("directives", {}).get("Service", {}).get("NoNewPrivileges", "no")
        # What root starts has all rights already, and sudo, su and their kind work there under NoNewPrivileges=, too.
        if values.get("user") == "root" or "hardening" in values or str(written).lower() in v.TRUE:
            continue
        program = gaining(values)
        if program:
            item.values = in_order({**values, "hardening": "none"})
            item.mark(
                f"hardening: none, since NoNewPrivileges=yes of basic would keep {program} from getting more rights; "
                "name the user that has them in user, or give AmbientCapabilities in directives, and take hardening out"
            )
