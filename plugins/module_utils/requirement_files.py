# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirement files on the host, with the files that they name: ``-r`` adds its pins, ``-c`` its constraints.

A constraint installs nothing; it says the version of what is required without one. A file leads only to what its owner may
read, since a line that pins nothing is quoted in a message.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from .commands import acting_as, user_with
from .direct_references import Unpinned
from .problems import Problem, show
from .pylock import Condition, is_lock_file, read_lock_file
from .requirements import (
    OpenRequirement,
    Pin,
    holds,
    logical_lines,
    merge,
    option_of,
    parse_line,
    pins_for,
    problem_of,
)

_INCLUDES = {"-r": False, "--requirement": False, "-c": True, "--constraint": True}


@dataclass(frozen=True)
class _Open:
    """A requirement that a constraint must pin: its line, where it stands, why it does not pin."""

    line: str
    place: str
    refused: OpenRequirement


@dataclass(frozen=True)
class _Line:
    """A line that names a file: what to quote, where it stands, who may read for it."""

    text: str
    place: str
    uid: int
    gid: int


@dataclass
class Requested:
    """Everything that the files say, markers not evaluated yet; ``absent`` are files that are not there."""

    pins: list[Pin] = field(default_factory=list)
    constraints: list[Pin] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    opened: list[_Open] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The names of everything that may be required."""
        return {pin.name for pin in self.pins} | {opened.refused.requirement.name for opened in self.opened}

    def pins_for(self, given: list[Pin], environment: Mapping[str, str], problems: list[Problem]) -> list[Pin]:
        """Return ``given`` and the pins of the files whose marker holds in ``environment``, as the constraints want them.

        What stays without a version goes to ``problems``, unless a file that is absent may say it, and so does what contradicts
        a constraint.
        """
        for condition in self.conditions:
            if not any(holds(marker, environment) for marker in condition.markers):
                problems.append(condition.problem)
        limits: dict[str, Pin] = {}
        for limit in pins_for(self.constraints, environment):
            limits[limit.name] = merge(limits[limit.name], limit, problems) if limit.name in limits else limit
        pins = pins_for([*given, *self.pins], environment)
        open_problems = [] if self.absent else problems
        pins += [pin for opened in self.opened for pin in _closed(opened, limits, environment, open_problems)]
        return [
            replace(merge(limits[pin.name], pin, problems), version=pin.version, place=pin.place)
            if pin.name in limits
            else pin
            for pin in pins
        ]


def _closed(
    opened: _Open, limits: Mapping[str, Pin], environment: Mapping[str, str], problems: list[Problem]
) -> list[Pin]:
    """Return the pin that a constraint makes of a requirement; none where its marker does not hold, or it stays open."""
    requirement = opened.refused.requirement
    if not holds(requirement.marker, environment):
        return []
    limit = limits.get(requirement.name)
    if limit is None:
        problems.append(problem_of(opened.line, opened.place, opened.refused))
        return []
    if not all(clause.matches(limit.version) for clause in requirement.specifier):
        expected = f"a requirement that {limit.requirement} of {limit.place} satisfies"
        problems.append(Problem(opened.place, show(opened.line), expected, "Make the two agree"))
        return []
    wanted = replace(limit, extras=requirement.extras, hashes=opened.refused.hashes, place=opened.place)
    return [merge(wanted, limit, problems)]


@contextmanager
def _reading_for(line: _Line) -> Iterator[None]:
    """Read only what the owner of the file with the line may read; without root's rights, what we may."""
    if os.geteuid() != 0:
        yield
        return
    with acting_as(user_with(line.uid, line.gid)):
        yield


def _read(path: str) -> tuple[os.stat_result, str]:
    """Return the status and the text of a plain file; another one, which may have no end, raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "It is no plain file", path)
    with os.fdopen(descriptor, encoding="utf-8") as stream:
        return status, stream.read()


class _Files:
    """Reads files, each once as requirements and once as constraints."""

    def __init__(self, option: str, may_be_absent: bool, problems: list[Problem]) -> None:
        self.option = option
        self.may_be_absent = may_be_absent
        self.problems = problems
        self.requested = Requested()
        self.read: set[tuple[str, bool]] = set()

    def refuse(self, line: _Line, expected: str, remedy: str) -> None:
        self.problems.append(Problem(line.place, show(line.text), expected, remedy))

    def file(self, path: str, as_constraint: bool, source: _Line, around: tuple[str, ...]) -> None:
        """Read the file that a line names; ``around`` are the real paths of the files that it is named in."""
        real = os.path.realpath(path)
        if real in around:
            self.refuse(source, f"a file that does not lead back to itself ({path})", "Take the line out")
            return
        if (real, as_constraint) in self.read:
            return
        self.read.add((real, as_constraint))
        named = "" if source.place == self.option else f" ({path})"
        try:
            with _reading_for(source):
                status, text = _read(path)
        except FileNotFoundError:
            self.requested.absent.append(path)
            if not self.may_be_absent:
                otherwise = "take the line out" if named else "give requirements_content"
                self.refuse(source, f"a file on the managed node{named}", f"Copy it there first, or {otherwise}")
        except UnicodeDecodeError:
            self.refuse(source, f"a text file in UTF-8{named}", "Convert it")
        except OSError as error:
            self.refuse(source, f"a file that can be read{named}", str(error.strerror))
        else:
            self.text(path, text, as_constraint, _Line("", "", status.st_uid, status.st_gid), (*around, real))

    def text(self, path: str, text: str, as_constraint: bool, owner: _Line, around: tuple[str, ...]) -> None:
        """Take in what a file says."""
        place = f"{self.option} ({path})"
        if is_lock_file(path):
            lock = read_lock_file(path, text, place, self.problems)
            (self.requested.constraints if as_constraint else self.requested.pins).extend(lock.pins)
            self.requested.conditions.extend(lock.conditions)
            return
        for number, content in logical_lines(text):
            line = replace(owner, text=content, place=f"{place}, line {number}")
            if option_of(content) in _INCLUDES:
                self.include(line, os.path.dirname(path), as_constraint, around)
            else:
                self.requirement(line, as_constraint)

    def include(self, line: _Line, folder: str, as_constraint: bool, around: tuple[str, ...]) -> None:
        """Take in the file that a line names, relative to the folder of the file with the line."""
        option = option_of(line.text)
        try:
            words = shlex.split(re.sub(r"^\s*=", "", line.text[len(option) :]))
        except ValueError:
            words = []
        if len(words) != 1 or "://" in words[0]:
            self.refuse(line, f"{option} with the path of a file on the managed node", "Copy the file there")
            return
        path = os.path.normpath(os.path.join(folder, words[0]))
        self.file(path, as_constraint or _INCLUDES[option], line, around)

    def requirement(self, line: _Line, as_constraint: bool) -> None:
        """Take in a requirement or a constraint."""
        try:
            pin = parse_line(line.text, line.place)
        except OpenRequirement as refused:
            if as_constraint:
                self.problems.append(problem_of(line.text, line.place, refused))
            else:
                self.requested.opened.append(_Open(line.text, line.place, refused))
        except Unpinned as refused:
            self.problems.append(problem_of(line.text, line.place, refused))
        else:
            if as_constraint and pin.extras:
                self.refuse(line, "a constraint without extras", f"Take [{','.join(pin.extras)}] out")
            else:
                (self.requested.constraints if as_constraint else self.requested.pins).append(pin)


def read_requirement_files(path: str, option: str, may_be_absent: bool, problems: list[Problem]) -> Requested:
    """Return what the file at ``path``, and the files that it names, say; what is wrong goes to ``problems``.

    ``option`` is the key that names the file. A file that is not there is wrong, unless it ``may_be_absent``.
    """
    files = _Files(option, may_be_absent, problems)
    files.file(path, False, _Line(path, option, os.geteuid(), os.getegid()), ())
    return files.requested
