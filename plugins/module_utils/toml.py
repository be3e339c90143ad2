# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TOML 1.0 (https://toml.io/en/v1.0.0), with the standard library of Python 3.9, which has no ``tomllib``.

Dates and times are returned as text. The unit tests compare it with ``tomllib``.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

_DEEPEST = 50
_BLANKS = re.compile(r"[ \t]*")
_COMMENT = re.compile(r"#[^\x00-\x08\x0a-\x1f\x7f]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
_DATE = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[Tt ]{_TIME}(?:[Zz]|[+-][0-9]{{2}}:[0-9]{{2}})?)?|{_TIME}")
_WORD = re.compile(r"[A-Za-z0-9_+.-]+")
_DECIMAL = r"[+-]?(?:0|[1-9](?:_?[0-9])*)"
_DIGITS = r"[0-9](?:_?[0-9])*"
_INTEGER = re.compile(_DECIMAL)
_FLOAT = re.compile(rf"{_DECIMAL}(?:\.{_DIGITS}(?:[eE][+-]?{_DIGITS})?|[eE][+-]?{_DIGITS})|[+-]?(?:inf|nan)")
_BASES = {
    16: re.compile(r"0x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*"),
    8: re.compile(r"0o[0-7](?:_?[0-7])*"),
    2: re.compile(r"0b[01](?:_?[01])*"),
}
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
#: What may stand in a string as it is: of one line, and of several.
_PLAIN = {
    '"': re.compile(r'[^"\\\x00-\x08\x0a-\x1f\x7f]+'),
    "'": re.compile(r"[^'\x00-\x08\x0a-\x1f\x7f]+"),
    '"""': re.compile(r'[^"\\\x00-\x08\x0b-\x1f\x7f]+'),
    "'''": re.compile(r"[^'\x00-\x08\x0b-\x1f\x7f]+"),
}
#: How a table or an array came to be, which decides what may be added to it.
_HEADER, _ABOVE, _DOTTED, _CLOSED, _TABLES = "header", "above", "dotted", "closed", "tables"


class InvalidToml(ValueError):
    """Text that is not TOML; the message names the line."""


class _Reader:
    """A recursive descent over the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.position = 0
        self.root: dict[str, Any] = {}
        # By identity: the containers live as long as the root does.
        self.kinds: dict[int, str] = {id(self.root): _HEADER}

    def refuse(self, why: str) -> NoReturn:
        line = self.text.count("\n", 0, self.position) + 1
        raise InvalidToml(f"line {line}: {why}")

    def take(self, text: str) -> bool:
        if self.text.startswith(text, self.position):
            self.position += len(text)
            return True
        return False

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.position)
        if found is None:
            return ""
        self.position = found.end()
        return found.group()

    def blanks(self) -> None:
        self.match(_BLANKS)

    def lines(self) -> None:
        """Skip blanks, comments and ends of lines."""
        while True:
            self.blanks()
            self.match(_COMMENT)
            if not self.take("\n"):
                return

    def new(self, kind: str) -> dict[str, Any]:
        table: dict[str, Any] = {}
        self.kinds[id(table)] = kind
        return table

    def kind(self, container: object) -> str:
        return self.kinds.get(id(container), _CLOSED) if isinstance(container, (dict, list)) else _CLOSED

    def document(self) -> dict[str, Any]:
        table = self.root
        self.lines()
        while self.position < len(self.text):
            if self.take("[["):
                table = self.table_of_array()
            elif self.take("["):
                table = self.table()
            else:
                self.pair(table, 0)
            self.blanks()
            self.match(_COMMENT)
            if self.position < len(self.text) and not self.take("\n"):
                self.refuse("something follows where the line should end")
            self.lines()
        return self.root

    def header(self, end: str) -> list[str]:
        keys = self.keys()
        if not self.take(end):
            self.refuse(f"the name of a table lacks {end}")
        return keys

    def inside(self, keys: list[str]) -> dict[str, Any]:
        """Return the table that a header's keys lead to; tables on the way are made."""
        table = self.root
        for key in keys:
            found = table.setdefault(key, self.new(_ABOVE))
            if self.kind(found) == _TABLES:
                found = found[-1]
            if self.kind(found) == _CLOSED:
                self.refuse(f"{key} is no table that can be added to")
            table = found
        return table

    def table(self) -> dict[str, Any]:
        *above, last = self.header("]")
        parent = self.inside(above)
        found = parent.setdefault(last, self.new(_ABOVE))
        if self.kind(found) != _ABOVE:
            self.refuse(f"{last} is there already")
        self.kinds[id(found)] = _HEADER
        return self.as_table(found)

    def as_table(self, found: object) -> dict[str, Any]:
        if not isinstance(found, dict):
            self.refuse("this is no table")
        return found

    def table_of_array(self) -> dict[str, Any]:
        *above, last = self.header("]]")
        parent = self.inside(above)
        if last not in parent:
            parent[last] = []
            self.kinds[id(parent[last])] = _TABLES
        if self.kind(parent[last]) != _TABLES:
            self.refuse(f"{last} is there already, and no array of tables")
        parent[last].append(self.new(_HEADER))
        return self.as_table(parent[last][-1])

    def keys(self) -> list[str]:
        """Return a key, or several with dots between them."""
        keys = []
        while True:
            self.blanks()
            keys.append(self.key())
            self.blanks()
            if not self.take("."):
                return keys

    def key(self) -> str:
        bare = self.match(_BARE_KEY)
        if bare:
            return bare
        for quote in ('"', "'"):
            if self.take(quote):
                return self.string(quote)
        self.refuse("a key is expected")

    def pair(self, table: dict[str, Any], depth: int) -> None:
        *above, last = self.keys()
        for key in above:
            found = table.setdefault(key, self.new(_DOTTED))
            if self.kind(found) != _DOTTED:
                self.refuse(f"{key} is there already")
            table = found
        if last in table:
            self.refuse(f"{last} is there already")
        if not self.take("="):
            self.refuse("= is expected after a key")
        self.blanks()
        table[last] = self.value(depth + 1)

    def value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            self.refuse("values are nested too deeply")
        for quote in ('"""', "'''", '"', "'"):
            if self.take(quote):
                return self.string(quote)
        if self.take("["):
            return self.array(depth)
        if self.take("{"):
            return self.inline_table(depth)
        return self.match(_DATE) or self.plain(self.match(_WORD))

    def array(self, depth: int) -> list[Any]:
        values: list[Any] = []
        while True:
            self.lines()
            if self.take("]"):
                return values
            values.append(self.value(depth + 1))
            self.lines()
            if not self.take(","):
                if not self.take("]"):
                    self.refuse("an array lacks , or ]")
                return values

    def inline_table(self, depth: int) -> dict[str, Any]:
        table = self.new(_DOTTED)
        self.blanks()
        more = not self.take("}")
        while more:
            self.pair(table, depth)
            self.blanks()
            more = self.take(",")
            if not more and not self.take("}"):
                self.refuse("a table in braces lacks , or }")
        self.kinds[id(table)] = _CLOSED
        return table

    def plain(self, word: str) -> Any:
        """Return what a word without quotes stands for."""
        if word in ("true", "false"):
            return word == "true"
        if len(word) <= 1000:
            if _INTEGER.fullmatch(word):
                return int(word)
            if _FLOAT.fullmatch(word):
                return float(word)
            for base, pattern in _BASES.items():
                if pattern.fullmatch(word):
                    return int(word, base)
        self.refuse("a value is expected")

    def string(self, quote: str) -> str:
        """Return the rest of a string."""
        if len(quote) == 3:
            self.take("\n")
        parts = []
        while not self.take(quote):
            parts.append(self.match(_PLAIN[quote]) or self.special(quote))
        for _more in range(2):
            # Up to two quotes may stand right before the three that end it.
            if len(quote) == 3 and self.take(quote[0]):
                parts.append(quote[0])
        return "".join(parts)

    def special(self, quote: str) -> str:
        """Return what a quote inside a longer string, or an escape, stands for."""
        if len(quote) == 3 and self.take(quote[0]):
            return quote[0]
        if quote[0] == "'" or not self.take("\\"):
            self.refuse("a string is not closed, or has a character that needs an escape")
        if len(quote) == 3 and self.match(re.compile(r"[ \t]*\n[ \t\n]*")):
            return ""
        digits = self.match(re.compile(r"u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}"))[1:]
        if digits:
            number = int(digits, 16)
            if number > 0x10FFFF or 0xD800 <= number < 0xE000:
                self.refuse(f"there is no character {digits}")
            return chr(number)
        letter = self.text[self.position : self.position + 1]
        if letter not in _ESCAPES or not letter:
            self.refuse(f"there is no escape \\{letter}")
        self.position += 1
        return _ESCAPES[letter]


def parse_toml(text: str) -> dict[str, Any]:
    """Return the content of a TOML document. Raises :class:`InvalidToml`."""
    return _Reader(text).document()
