# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment markers (PEP 508): ``python_version < "3.11" and sys_platform == "linux"``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, Optional, Union

from .names import normalised
from .pep440 import InvalidClause, parse_clause

#: The variables of the specification "Dependency specifiers", with the old spellings that it still allows.
VARIABLES = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
)
_OLD_SPELLINGS = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.version": "platform_version",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}
#: Only these are compared as versions; the rest is text.
_VERSIONS = ("implementation_version", "platform_release", "python_full_version", "python_version")
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>'[^']*'|"[^"]*")
    |(?P<operator>===|==|~=|!=|<=|>=|<|>|not\s+in\b|in\b)
    |(?P<joint>and\b|or\b)
    |(?P<bracket>[()])
    |(?P<name>[A-Za-z_][A-Za-z0-9_.]*)
    )""",
    re.VERBOSE,
)


class InvalidMarker(ValueError):
    """Text that is not an environment marker, or one that cannot be compared."""


@dataclass(frozen=True)
class Comparison:
    """``variable operator text``, or with ``swapped`` ``text operator variable``."""

    variable: str
    operator: str
    text: str
    swapped: bool = False

    def holds(self, environment: Mapping[str, str]) -> bool:
        """Whether it is true where the variables have the values of ``environment``."""
        value, text = environment[self.variable], self.text
        if self.variable == "extra":
            value, text = normalised(value), normalised(text)
        left, right = (text, value) if self.swapped else (value, text)
        if self.variable in _VERSIONS and self.operator not in ("in", "not in"):
            try:
                clause = parse_clause(self.operator + right)
            except InvalidClause:
                pass
            else:
                return clause.matches(left)
        return _compare_text(left, self.operator, right)


@dataclass(frozen=True)
class Joined:
    """Two markers joined by ``and`` or ``or``."""

    joint: str
    left: Marker
    right: Marker

    def holds(self, environment: Mapping[str, str]) -> bool:
        """Whether it is true where the variables have the values of ``environment``."""
        if self.joint == "and":
            return self.left.holds(environment) and self.right.holds(environment)
        return self.left.holds(environment) or self.right.holds(environment)


@dataclass(frozen=True)
class Constant:
    """A comparison whose result is known already."""

    value: bool

    def holds(self, environment: Mapping[str, str]) -> bool:
        """Whether it is true, wherever that is."""
        return self.value


Marker = Union[Comparison, Joined, Constant]


def _compare_text(left: str, operator: str, right: str) -> bool:
    """Compare as text; for text, "before" and "after" have no meaning and are never true."""
    if operator in ("==", "<=", ">="):
        return left == right
    if operator == "!=":
        return left != right
    if operator == "in":
        return left in right
    if operator == "not in":
        return left not in right
    return False


class _Token(NamedTuple):
    kind: str
    text: str


class _Parser:
    """A recursive descent over the grammar of PEP 508; ``and`` binds closer than ``or``."""

    def __init__(self, source: str, sets: Mapping[str, Collection[str]]) -> None:
        self.source = source
        self.sets = sets
        self.tokens = self._tokens()
        self.position = 0

    def _tokens(self) -> list[_Token]:
        tokens, position = [], 0
        source = self.source.rstrip()
        while position < len(source):
            match = _TOKEN.match(source, position)
            if match is None:
                self.refuse(f"cannot be read from {source[position:].strip()!r} on")
            tokens.append(_Token(str(match.lastgroup), match.group().strip()))
            position = match.end()
        return tokens

    def refuse(self, why: str) -> NoReturn:
        raise InvalidMarker(f"the marker {self.source.strip()!r} {why}")

    def next(self) -> _Token:
        if self.position == len(self.tokens):
            self.refuse("ends too early")
        self.position += 1
        return self.tokens[self.position - 1]

    def take(self, kind: str, text: str) -> bool:
        if self.position < len(self.tokens) and self.tokens[self.position] == (kind, text):
            self.position += 1
            return True
        return False

    def any_of(self) -> Marker:
        marker = self.all_of()
        while self.take("joint", "or"):
            marker = Joined("or", marker, self.all_of())
        return marker

    def all_of(self) -> Marker:
        marker = self.one()
        while self.take("joint", "and"):
            marker = Joined("and", marker, self.one())
        return marker

    def one(self) -> Marker:
        if self.take("bracket", "("):
            marker = self.any_of()
            if not self.take("bracket", ")"):
                self.refuse("lacks a closing bracket")
            return marker
        return self.comparison()

    def comparison(self) -> Marker:
        left, middle, right = self.next(), self.next(), self.next()
        if middle.kind != "operator":
            self.refuse(f"has {middle.text} where a comparison is expected")
        operator = " ".join(middle.text.split())
        if right.text in self.sets and left.kind == "text" and operator in ("in", "not in"):
            return Constant((normalised(left.text[1:-1]) in self.sets[right.text]) == (operator == "in"))
        for variable, text, swapped in ((left, right, False), (right, left, True)):
            if variable.kind == "name" and text.kind == "text":
                comparison = Comparison(self.variable(variable.text), operator, text.text[1:-1], swapped)
                return self.defined(comparison)
        self.refuse("must compare a variable with text in quotes")

    def variable(self, name: str) -> str:
        name = _OLD_SPELLINGS.get(name, name)
        if name not in VARIABLES and name != "extra":
            self.refuse(f"uses {name}, which is no marker variable")
        return name

    def defined(self, comparison: Comparison) -> Comparison:
        """Refuse ``~=`` and ``===`` where there are no versions to compare."""
        if comparison.operator not in ("~=", "==="):
            return comparison
        if comparison.variable not in _VERSIONS:
            self.refuse(f"uses {comparison.operator} on {comparison.variable}, which is no version")
        if comparison.swapped:
            self.refuse(f"wants {comparison.variable} on the left of {comparison.operator}")
        try:
            parse_clause(comparison.operator + comparison.text)
        except InvalidClause as error:
            self.refuse(f"cannot be compared: {error}")
        return comparison


def parse_marker(text: str, sets: Optional[Mapping[str, Collection[str]]] = None) -> Marker:
    """Return the marker that ``text`` spells. Raises :class:`InvalidMarker`.

    ``sets`` are the variables of lock files that hold normalised names (``"dev" in dependency_groups``), with their value.
    """
    parser = _Parser(text, sets or {})
    marker = parser.any_of()
    if parser.position != len(parser.tokens):
        parser.refuse(f"goes on with {parser.tokens[parser.position].text}")
    return marker
