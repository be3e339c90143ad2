# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line for sh(1) starts: Pythons, what may be one, and what nobody waits for.

A line may do anything, so what cannot be decided is a doubt, which somebody is told of, and never nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Optional

from .adopt_shell import SHELLS, WRAPPERS
from .adopt_shell_words import CONTROL, GLOB, LINE, REDIRECTION, UNKNOWN, VARIABLE, WORD, Token, Unclosed, tokens_in
from .audit_processes import is_python
from .commands import SYSTEM_PATH

#: Folders of scripts that run-parts(8) starts, and that are looked at by themselves.
SCRIPTS = ("/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly")
_PYTHON = re.compile(r"(?:\S*/)?(?:python|pypy)[0-9.]*\Z")
_NAMED = re.compile(r"(?<![\w.-])(?:python|pypy)[0-9.]*(?![\w.-])")
_SHELL_SCRIPT = re.compile(rf"#!\s*(?:\S*/env\s+(?:-\S+\s+)*)?(?:\S*/)?(?:{'|'.join(sorted(SHELLS))})\b")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=")
# fmt: off
#: Words of a shell behind which a command may follow.
_LEADING = {"!", "{", "}", "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "esac", "time", "exec", "builtin"}
_WITH_VARIABLE = {"for", "select", "case", "read", "getopts"}
_DECLARE = {"export", "readonly", "local", "declare", "typeset"}
#: What the shell does itself, and starts nothing.
_BUILTINS = {
    "[", "[[", "test", ":", "true", "false", "echo", "printf", "kill", "umask", "ulimit", "unset", "set", "shift", "wait",
    "alias", "type", "hash", "function", "return", "exit", "break", "continue", "popd", "in",
}
#: Programs of packages that do not start what is named to them.
_HARMLESS = {
    "cat", "cp", "mv", "rm", "ln", "ls", "stat", "touch", "mkdir", "rmdir", "chmod", "chown", "chgrp", "tar", "gzip", "zip",
    "rsync", "scp", "grep", "egrep", "fgrep", "sed", "head", "tail", "wc", "sort", "cut", "tee", "logger", "mail", "date",
    "which", "whereis", "pgrep", "pkill", "killall", "pidof", "ps", "diff", "cmp", "md5sum", "sha256sum", "git", "curl",
    "wget", "systemctl", "service", "journalctl", "apt", "apt-get", "dpkg", "rpm", "dnf", "yum", "sleep", "install",
}
#: Programs that run a Python, or read what they start from elsewhere.
_RUNNERS = {"uv", "uvx", "conda", "mamba", "micromamba", "pixi", "at", "batch"}
_OTHER_USER = {"su", "sudo", "runuser", "doas", "pkexec", "setpriv", "chpst", "setuidgid"}
# fmt: on
#: Options of programs that take a line for a shell.
_BEFORE_LINE = ("-c", "--command")
_FIND_STARTS = ("-exec", "-execdir", "-ok", "-okdir")
#: Where packages put their programs; scripts among them are looked at only for a Python that is sure.
_OF_PACKAGES = re.compile(r"/(?:usr/(?!local/)|bin/|sbin/|lib)")
_DEEPEST = 5
_LARGEST_SCRIPT = 65536


@dataclass
class Started:
    """What a line starts: the Pythons, why something may be one, and whether it leaves something in the background."""

    pythons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    in_background: bool = False

    @property
    def is_python(self) -> Optional[bool]:
        """Whether it starts a Python; ``None`` where that cannot be told."""
        return True if self.pythons else None if self.doubts else False

    def doubt(self, why: str) -> None:
        """Say once why something may be a Python."""
        if why not in self.doubts:
            self.doubts.append(why)


@dataclass
class _Place:
    """Where a command starts: the folders that it may be in, those of ``PATH``, and variables.

    ``is_loose`` is whether programs may be somewhere else, too.
    """

    directories: list[str]
    path: list[str]
    variables: dict[str, str]
    is_loose: bool = False

    def copy(self) -> _Place:
        return replace(self, directories=list(self.directories), path=list(self.path), variables=dict(self.variables))

    def assign(self, name: str, value: str) -> None:
        """Set a variable; one that gets another value may have either, since what is set may depend on anything."""
        if value.startswith("~/"):
            value = self.variables.get("HOME", UNKNOWN) + value[1:]
        if name == "PATH":
            folders = value.split(":")
            self.path = list(dict.fromkeys([*(one for one in folders if UNKNOWN not in one), *self.path]))
            self.is_loose = self.is_loose or UNKNOWN in value
            self.variables[name] = ":".join(self.path)
        else:
            self.variables[name] = value if self.variables.get(name, value) == value else UNKNOWN

    def become_other(self) -> None:
        """Become another user, whose home folder and programs are others."""
        self.variables["HOME"] = UNKNOWN
        self.directories.append(UNKNOWN)
        self.path += [folder for folder in SYSTEM_PATH.split(":") if folder not in self.path]
        self.is_loose = True

    def enter(self, folder: str) -> None:
        """Change the directory; the ones before stay possible, since the change may fail or depend on something."""
        if UNKNOWN in folder:
            new = [UNKNOWN]
        else:
            new = [one if UNKNOWN in one else os.path.normpath(os.path.join(one, folder)) for one in self.directories]
        self.directories = list(dict.fromkeys([*new, *self.directories]))


class _Look:
    """Goes through a line as a shell does, without running anything."""

    def __init__(self, place: _Place, started: Started, seen: set[str], depth: int = 0) -> None:
        self.place = place
        self.started = started
        #: Scripts that were looked into.
        self._seen = seen
        self._depth = depth

    def line(self, text: str) -> None:
        """Look at a line, or at a script."""
        try:
            tokens = tokens_in(text)
        except Unclosed:
            self._undecided(text, "quotes that do not end")
            return
        if self._depth > _DEEPEST:
            self.started.doubt("too many lines within lines")
            return
        commands: list[list[Token]] = [[]]
        around: list[_Place] = []
        is_target, detaches, cases = False, False, 0
        for token in tokens:
            if token.kind == CONTROL:
                # What stands before it is a pattern of ``case``.
                is_pattern = token.written == ")" and cases > 0 and not around
                self._control(token.written, [] if is_pattern else commands[-1], around)
                detaches = detaches or token.written == "&"
                commands.append([])
            elif token.kind == WORD and not is_target:
                if all(one.written in _LEADING for one in commands[-1]):
                    cases += {"case": 1, "esac": -1}.get(token.written, 0)
                commands[-1].append(token)
            elif token.kind == WORD:
                self._lines_within(token)
            is_target = token.kind == REDIRECTION
        self._command(commands[-1])
        last = next((command[0].written for command in reversed(commands) if command), "")
        if detaches and last != "wait":
            self.started.in_background = True

    def _control(self, operator: str, command: list[Token], around: list[_Place]) -> None:
        if operator == "(":
            # Words before it are the name of a function, or of a list.
            around.append(self.place)
            self.place = self.place.copy()
            return
        self._command(command)
        if operator == ")" and around:
            self.place = around.pop()

    def within(self) -> _Look:
        """Return what looks at a line within this one."""
        return _Look(self.place.copy(), self.started, self._seen, self._depth + 1)

    def _lines_within(self, token: Token) -> None:
        for piece in token.pieces:
            if piece.kind == LINE:
                self.within().line(piece.text)

    def _fields(self, token: Token) -> list[str]:
        """Return the words that a word becomes."""
        if token.written in ("[", "[["):
            return [token.written]
        fields, is_quoted = [""], not token.pieces
        for piece in token.pieces:
            value = UNKNOWN if piece.kind in (LINE, GLOB) else piece.text
            if piece.kind == VARIABLE:
                value = self.place.variables.get(piece.text, UNKNOWN)
            is_quoted = is_quoted or piece.is_quoted or piece.kind != VARIABLE
            if piece.kind == VARIABLE and not piece.is_quoted and re.search(r"\s", value):
                first, *more = value.split() or [""]
                fields[-1] += first
                fields += more
            else:
                fields[-1] += value
        return fields if is_quoted or fields != [""] else []

    def _command(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            self._lines_within(token)
        tokens = list(tokens)
        while tokens:
            assigned = _ASSIGNMENT.match(tokens[0].written)
            if assigned is not None:
                self.place.assign(assigned[1], " ".join(self._fields(tokens[0]))[len(assigned[0]) :])
            elif tokens[0].written not in _LEADING:
                break
            tokens.pop(0)
        words = [word for token in tokens for word in self._fields(token)]
        if words and set(words[0]) != {UNKNOWN}:
            self._named(words)
        elif words:
            self._undecided(tokens[0].written, "an expansion")

    def _undecided(self, text: str, why: str) -> None:
        named = _NAMED.search(text)
        if named is not None:
            self.started.pythons.append(named[0])
        else:
            self.started.doubt(why)

    def _named(self, words: list[str]) -> None:
        """Look at a command: what the shell does itself, or a program."""
        name, arguments = words[0], words[1:]
        if name in ("cd", "pushd"):
            folder = next((word for word in arguments if not word.startswith("-") or word == "-"), "~")
            self.place.enter({"~": self.place.variables.get("HOME", UNKNOWN), "-": UNKNOWN}.get(folder, folder))
        elif name in (".", "source") and arguments:
            self._source(arguments[0])
        elif name == "eval":
            self.line(" ".join(arguments))
        elif name == "trap" and arguments:
            self.within().line(arguments[0])
        elif name in _WITH_VARIABLE:
            self.place.variables.update(
                dict.fromkeys(arguments if name in ("read", "getopts") else arguments[:1], UNKNOWN)
            )
        elif name in _DECLARE:
            for assigned in map(_ASSIGNMENT.match, arguments):
                if assigned is not None:
                    self.place.assign(assigned[1], assigned.string[assigned.end() :])
        elif name == "command":
            if arguments and not arguments[0].startswith(("-v", "-V")):
                self._named([word for word in arguments if word != "-p"])
        else:
            self.program(words)

    def _source(self, name: str) -> None:
        if name.endswith("/bin/activate"):
            folders = [os.path.join(one, os.path.dirname(name)) for one in self.place.directories]
            self.place.path = list(dict.fromkeys([*(one for one in folders if UNKNOWN not in one), *self.place.path]))
            self.place.is_loose = self.place.is_loose or UNKNOWN in folders[0]
            return
        self.place.is_loose = True
        path = self._find(name if "/" in name else f"./{name}")
        text = _text_of(path) if path else None
        if text is not None and _NAMED.search(text):
            self.started.doubt(f"{path} is read before, and names a Python")

    def _find(self, name: str) -> str:
        """Return the file that a command is; empty for none, which is a doubt where there may be one."""
        place = self.place
        is_path = "/" in name
        known = [folder for folder in (place.directories if is_path else place.path) if folder.startswith("/")]
        present = [
            path for path in (os.path.normpath(os.path.join(folder, name)) for folder in known) if self._is_there(path)
        ]
        if is_path:
            present.sort(key=lambda path: not is_python(path))
        else:
            present = [path for path in present if os.access(path, os.X_OK)]
        is_elsewhere = UNKNOWN in place.directories and not name.startswith("/") if is_path else place.is_loose
        if not present and (name.endswith(".py") or is_elsewhere):
            self.started.doubt(f"{name} is not there")
        return present[0] if present else ""

    def _is_there(self, path: str) -> bool:
        try:
            os.stat(path)
        except PermissionError:
            self.started.doubt(f"{path} may not be seen")
        except (OSError, ValueError):
            return False
        return os.path.isfile(path)

    def program(self, words: Sequence[str]) -> None:
        """Look at a program and its arguments."""
        name, arguments = words[0], words[1:]
        base = os.path.basename(name)
        if _PYTHON.match(name):
            found = "" if UNKNOWN in name else self._find(name)
            self.started.pythons.append(found or name)
        elif UNKNOWN in name:
            self.started.doubt("an expansion")
        elif "/" in name and (path := self._find(name)) and is_python(path):
            self.started.pythons.append(path)
        elif base in SHELLS:
            self._shell(arguments)
        elif base in WRAPPERS:
            self._wrapper(base, arguments)
        elif base in _RUNNERS:
            self.started.doubt(f"{base} starts what is named to it")
        elif base == "find":
            for index in (index for index, word in enumerate(arguments) if word in _FIND_STARTS):
                self._wrapper(base, arguments[index + 1 :])
        elif name not in _BUILTINS:
            self._found(self._find(name), arguments)

    def _found(self, path: str, arguments: Sequence[str]) -> None:
        base = os.path.basename(path)
        if not path or is_python(path):
            self.started.pythons += [path] if path else []
        elif base == "run-parts":
            self._folder(next((word for word in reversed(arguments) if not word.startswith("-")), ""))
        elif base not in _HARMLESS or not _OF_PACKAGES.match(path):
            self.script(path)
            self._arguments(base, arguments)

    def _folder(self, folder: str) -> None:
        for name in sorted(os.listdir(folder)) if folder not in SCRIPTS and os.path.isdir(folder) else ():
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                self.program([path])

    def script(self, path: str, is_named: bool = False) -> None:
        """Look into what may be a script for a shell; where it ``is_named`` to one, it is."""
        text = None if path in self._seen else _text_of(path)
        self._seen.add(path)
        if text is None:
            if not os.access(path, os.R_OK):
                self.started.doubt(f"{path} may not be read")
            return
        begin = text.partition("\n")[0]
        if not is_named and begin.startswith("#!") and not _SHELL_SCRIPT.match(begin):
            if _NAMED.search(begin):
                self.started.pythons.append(path)
            elif any(re.search(rf"\b{name}\b", begin) for name in ("uv", "pixi")):
                self.started.doubt(f"{path} begins with {begin}")
            return
        inside = Started()
        _Look(self.place.copy(), inside, self._seen, self._depth + 1).line(text)
        if inside.pythons:
            self.started.doubt(f"{path} is a script for a shell, which starts a Python")
        elif inside.doubts and not _OF_PACKAGES.match(path):
            self.started.doubt(f"{path} is a script for a shell; in it {inside.doubts[0]}")

    def _arguments(self, base: str, arguments: Sequence[str]) -> None:
        """Doubt a program to which a Python is named: it may start it."""
        for word in arguments:
            is_named = _PYTHON.match(word) or word.endswith(".py")
            if is_named or any(is_python(path) for path in self._executables(word)):
                self.started.doubt(f"{base} may start what is named to it")

    def _executables(self, word: str) -> list[str]:
        folders = self.place.directories if "/" in word else self.place.path
        paths = [os.path.join(folder, word) for folder in folders if UNKNOWN not in folder + word]
        return [path for path in paths if word and os.path.isfile(path) and os.access(path, os.X_OK)]

    def _shell(self, arguments: Sequence[str]) -> None:
        """Look at what a shell is given: a line, or a script."""
        has_line = False
        words = iter(arguments)
        for word in words:
            if word in SHELLS:
                # An applet of busybox.
                continue
            if word.startswith(("-", "+")):
                has_line = has_line or (not word.startswith("--") and "c" in word)
                if word in ("-o", "+o", "-O", "+O"):
                    next(words, None)
                continue
            if has_line:
                self.within().line(word)
            elif UNKNOWN in word:
                self.started.doubt("an expansion")
            else:
                path = self._find(word if "/" in word else f"./{word}")
                if path:
                    self.script(path, True)
            return
        self.started.doubt("a shell that reads what it does")

    def _wrapper(self, name: str, arguments: Sequence[str]) -> None:
        """Look at the command that stands among the arguments of a program which starts it."""
        look = self.within()
        if name in _OTHER_USER:
            look.place.become_other()
        if name == "setsid" and any(re.match(r"-[a-z]*f|--fork", word) for word in arguments[:2]):
            self.started.in_background = True
        before, starts_any = "", False
        for index, word in enumerate(arguments):
            assigned = _ASSIGNMENT.match(word)
            if word.startswith("-"):
                pass
            elif assigned is not None:
                look.place.assign(assigned[1], word[assigned.end() :])
            elif re.search(r"\s", word) or before in _BEFORE_LINE:
                look.line(word)
                starts_any = True
            elif UNKNOWN in word and not _PYTHON.match(word):
                self.started.doubt("an expansion")
            elif look.may_start(word):
                look.program(arguments[index:])
                starts_any = True
                # Behind an option it may be the value of that.
                if not before.startswith("-"):
                    return
            before = word
        if name in _OTHER_USER and not starts_any:
            self.started.doubt(f"what {name} starts is not there")

    def may_start(self, word: str) -> bool:
        """Whether an argument is a program, as far as can be seen; one that may be a Python is a doubt."""
        is_known = _PYTHON.match(word) or os.path.basename(word) in (SHELLS | WRAPPERS) or self._executables(word)
        if not is_known and word.endswith(".py"):
            self.started.doubt(f"{word} is not there, or is no program")
        return bool(is_known)


def _text_of(path: str) -> Optional[str]:
    """Return the text of a script; ``None`` for a program of another kind, or one that cannot be read."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(_LARGEST_SCRIPT)
    except OSError:
        return None
    return None if b"\0" in content else content.decode("utf-8", "surrogateescape")


def _look(home: str, path: str, variables: Mapping[str, str]) -> _Look:
    known = {"HOME": home or UNKNOWN, **variables, "PATH": path}
    return _Look(_Place([home or "/", *([] if home else [UNKNOWN])], path.split(":"), known), Started(), set())


def started_by(text: str, home: str, path: str, variables: Optional[Mapping[str, str]] = None) -> Started:
    """Return what a line starts that a shell runs in ``home``, with ``variables`` and programs of ``path``."""
    look = _look(home, path, variables or {})
    look.line(text)
    return look.started


def started_as(argv: Sequence[str], directory: str, path: str) -> Started:
    """Return what a command starts in ``directory``."""
    look = _look(directory, path, {})
    look.program(argv)
    return look.started


def started_in(script: str, directory: str, path: str) -> Started:
    """Return what a script for a shell starts."""
    look = _look(directory, path, {})
    text = _text_of(script)
    if text is not None and _SHELL_SCRIPT.match(text):
        look.line(text)
    return look.started
