# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of sh(1) that are nothing but one program: as a list, with the folder, variables and files beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Optional

#: What takes a shell: expansions, pipes and lists of commands, and so on.
_SPECIAL = re.compile(r"[$`*?\[]")
_OPERATOR = re.compile(r"\d*(?:>>|>&|>\||<&|<<|<>|>|<)|&&|\|\||;;|&>|[;&|()\n]")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)\Z", re.DOTALL)
# fmt: off
#: Words that are a shell's own, and no program, where a command begins.
_OF_SHELL = {
    "!", "{", "}", "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac",
    "function", "select", "[", "[[", "test", ":", ".", "source", "eval", "set", "unset", "export", "readonly",
    "ulimit", "umask", "trap", "wait", "read", "cd", "alias", "command", "builtin", "local", "return", "exit",
    "shift", "true", "false", "echo", "printf", "kill",
}
#: Programs that start another one.
WRAPPERS = {
    "env", "nice", "ionice", "timeout", "flock", "setsid", "nohup", "chronic", "stdbuf", "time", "sudo", "runuser",
    "su", "doas", "setpriv", "pkexec", "xargs", "taskset", "chpst", "setuidgid", "tini", "dumb-init",
}
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "busybox"}
# fmt: on
#: What a script for a shell begins with, and lines of it that change nothing for what it starts.
_SHEBANG = re.compile(rf"#!\s*(?:\S*/env\s+)?(?:\S*/)?(?:{'|'.join(sorted(SHELLS))})(?:\s+-[eux]+)?\s*(?:\n|\Z)")
_NO_EFFECT = re.compile(r"(?:#.*|set\s+[-+][eux]+(?:o\s+pipefail)?)?\Z")
_EXPORT = re.compile(r"export\s+(.*)\Z")
_OR_EXIT = re.compile(r"(cd\s+[^\s;|&]+)\s*\|\|\s*exit(?:\s+\d+)?\Z")
_PATH = re.compile(r"(?<![^\s;|&()<>\"'`=])/[^\s;|&()<>\"'`$]+")
#: Where a program's name stands in a line that is not looked at any closer.
_COMMAND_PLACE = re.compile(r"(?:^|[;&|(`]|\b(?:then|do|else|exec|time)\b)\s*(?:\w+=\S*\s+)*([^\s;|&()<>\"'`$]+)")

_BEFORE_COMMAND = re.compile(r"(?<!\S)(?:if|then|elif|else|while|until|do|time|exec|!|\{)(?=\s)")


class NeedsShell(ValueError):
    """A command line that only a shell can run."""


@dataclass
class Command:
    """One program: its arguments, the folder that it starts in, variables of its own, and where its output goes."""

    argv: list[str] = field(default_factory=list)
    directory: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Token:
    """A word, or an operator; ``plain`` is whether a word has no quotes."""

    text: str
    is_operator: bool = False
    plain: bool = True


def _quoted(text: str, index: int) -> tuple[str, int]:
    """Return what stands in the double quotes that open before ``index``, and where they end."""
    found = ""
    while index < len(text):
        character = text[index]
        index += 1
        if character == '"':
            return found, index
        if character in "$`":
            raise NeedsShell("an expansion")
        if character == "\\" and text[index : index + 1] in ("$", "`", '"', "\\"):
            character, index = text[index], index + 1
        found += character
    raise NeedsShell("quotes that do not end")


def _word(text: str, index: int) -> tuple[Token, int]:
    """Return the word that begins at ``index``, and where it ends."""
    found, plain = "", True
    if text[index] == "~":
        raise NeedsShell("a home folder")
    while index < len(text) and text[index] not in " \t\n;&|()<>":
        character = text[index]
        index += 1
        if character == "'":
            end = text.find("'", index)
            if end < 0:
                raise NeedsShell("quotes that do not end")
            found, index, plain = found + text[index:end], end + 1, False
        elif character == '"':
            part, index = _quoted(text, index)
            found, plain = found + part, False
        elif character == "\\":
            found, index, plain = found + text[index : index + 1], index + 1, False
        elif _SPECIAL.match(character):
            raise NeedsShell("an expansion")
        else:
            found += character
    return Token(found, plain=plain), index


def _tokens(text: str) -> Iterator[Token]:
    index = 0
    while index < len(text):
        if text[index] in " \t":
            index += 1
            continue
        if text[index] == "#":
            return
        operator = _OPERATOR.match(text, index)
        if operator is not None:
            yield Token(operator[0], is_operator=True)
            index = operator.end()
            continue
        token, index = _word(text, index)
        yield token


def _parts(text: str) -> Iterator[list[Token]]:
    """Yield the commands that ``&&`` joins."""
    part: list[Token] = []
    for token in _tokens(text):
        if token.is_operator and token.text == "&&":
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _without_outputs(part: list[Token], outputs: list[str]) -> list[Token]:
    """Return the words of a command; where its output goes is added to ``outputs``."""
    words: list[Token] = []
    tokens = iter(part)
    for token in tokens:
        if not token.is_operator:
            words.append(token)
            continue
        target = next(tokens, None)
        kind = token.text.lstrip("0123456789")
        if target is None or target.is_operator or kind not in (">", ">>", ">&", "<"):
            raise NeedsShell("an operator")
        if kind == "<" and target.text != "/dev/null":
            raise NeedsShell("an input")
        if kind in (">", ">>") and target.text != "/dev/null":
            outputs.append(target.text)
    return words


def _enter(command: Command, words: list[Token], path: str) -> str:
    """Take in what comes before the program: a change of the folder, or a virtual environment; return the new ``PATH``."""
    texts = [word.text for word in words]
    if len(texts) == 2 and texts[0] == "cd" and texts[1].startswith("/"):
        command.directory = os.path.normpath(texts[1])
        return path
    if len(texts) == 2 and texts[0] in (".", "source") and texts[1].endswith("/bin/activate"):
        folder = os.path.dirname(os.path.dirname(os.path.join(command.directory or "/", texts[1])))
        path = f"{folder}/bin:{path}"
        command.environment.update(VIRTUAL_ENV=folder, PATH=path)
        return path
    raise NeedsShell("another command before it")


def find_program(name: str, directory: str, path: str) -> Optional[str]:
    """Return the absolute path of a program, which a shell in ``directory`` would start; ``None`` when there is none."""
    if "/" in name:
        return os.path.normpath(os.path.join(directory or "/", name))
    folders = [os.path.join(folder, name) for folder in path.split(":") if folder.startswith("/")]
    return next((place for place in folders if os.path.isfile(place) and os.access(place, os.X_OK)), None)


def parse_command(text: str, home: str, path: str) -> Command:
    """Return a command line that starts in ``home`` as one program; raises :class:`NeedsShell` when it is more than that.

    The program is looked for in ``path``, and has an absolute path then.
    """
    command = Command(directory=home)
    parts = list(_parts(text))
    for part in parts[:-1]:
        path = _enter(command, _without_outputs(part, []) if part else [], path)
    words = _without_outputs(parts[-1], command.outputs)
    while words:
        match = _ASSIGNMENT.match(words[0].text)
        if match is None:
            break
        command.environment[match[1]] = match[2]
        path = match[2] if match[1] == "PATH" else path
        words.pop(0)
    if words and words[0].plain and words[0].text == "exec":
        words.pop(0)
    if not words or words[0].text in _OF_SHELL:
        raise NeedsShell("a word of the shell")
    program = find_program(words[0].text, command.directory, path)
    if program is None:
        raise NeedsShell("a program that is not found")
    command.argv = [program, *(word.text for word in words[1:])]
    return command


def parse_script(text: str, directory: str, path: str) -> Command:
    """Return a script for a shell that does no more than to start one program; raises :class:`NeedsShell` when it does."""
    if not _SHEBANG.match(text):
        raise NeedsShell("no script for a shell")
    exported: dict[str, str] = {}
    lines = []
    for line in map(str.strip, text.replace("\\\n", " ").split("\n")):
        if _NO_EFFECT.match(line):
            continue
        export = _EXPORT.match(line)
        if export is None:
            lines.append(_OR_EXIT.sub(r"\1", line))
            continue
        for token in _tokens(export[1]):
            assigned = None if token.is_operator else _ASSIGNMENT.match(token.text)
            # A folder does not depend on it, what comes later than that may.
            if assigned is None or not all(earlier.startswith("cd /") for earlier in lines):
                raise NeedsShell("an export")
            exported[assigned[1]] = assigned[2]
    command = parse_command(" && ".join(lines), directory, exported.get("PATH", path))
    command.environment = {**exported, **command.environment}
    return command


def command_places(line: str) -> list[str]:
    """Return what stands where a line for a shell has a program's name."""
    found = _COMMAND_PLACE.findall(_BEFORE_COMMAND.sub(";", line))
    words = re.split(r"[\s;|&()<>\"'`]+", line) if any(os.path.basename(word) in WRAPPERS for word in found) else []
    return [*found, *(word for word in words if os.path.basename(word) in WRAPPERS)]


def is_script(path: str) -> bool:
    """Whether a file is a script that a shell runs."""
    with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return _SHEBANG.match(stream.readline()) is not None
    return False


def program_names(argv: list[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the programs of a command in which its virtual environment can be seen."""
    folder = environment.get("VIRTUAL_ENV", "")
    words = [part for word in argv for part in (_PATH.findall(word) if re.search(r"\s", word) else [word])]
    behind = _behind_env(argv, environment.get("PATH", ""))
    named = [f"{folder}/bin/python"] if folder else []
    return (*named, *([behind] if behind else []), *(word for word in words if word.startswith("/")))


def _behind_env(argv: list[str], path: str) -> str:
    """Return the program that env(1) finds in ``path``; empty for none."""
    for word in argv[1:] if argv and os.path.basename(argv[0]) == "env" else ():
        assigned = _ASSIGNMENT.match(word)
        if assigned is not None:
            path = assigned[2] if assigned[1] == "PATH" else path
            continue
        found = "" if "/" in word or word.startswith("-") else find_program(word, "", path)
        if found:
            return found
    return ""
