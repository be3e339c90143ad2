# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for sh(1) taken apart, whatever they do: operators, and words of which some parts only the shell can know."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Stands in a text for what only a shell can work out. No word can hold it.
UNKNOWN = "\0"
#: Kinds of pieces, and of tokens.
TEXT, VARIABLE, LINE, GLOB = "text", "variable", "line", "glob"
WORD, CONTROL, REDIRECTION = "word", "control", "redirection"
_OPERATOR = re.compile(
    r"(?P<redirection>\d*(?:<<<|<<-?|<>|<&|<|>>|>&|>\||>)|&>>?)|(?P<control>&&|\|\||;;&?|;&|\|&|[;&|()\n])"
)
_PLAIN = re.compile(r"[^ \t\n;&|()<>'\"\\$`*?\[]+")
_ENDS = " \t\n;&|()<>"
_NAME = re.compile(r"[A-Za-z_]\w*")
_SPECIAL = re.compile(r"[@*#?$!0-9-]")
_USER = re.compile(r"[\w.-]*")
_TO_QUOTE, _TO_BACKTICK = re.compile(r"((?:\\.|[^'\\])*)'", re.DOTALL), re.compile(r"((?:\\.|[^`\\])*)`", re.DOTALL)
_ESCAPED_IN_BACKTICKS = re.compile(r"\\([$`\\])")


class Unclosed(ValueError):
    """Quotes or parentheses that do not end."""


@dataclass(frozen=True)
class Piece:
    """A part of a word: text, the name of a variable, a line whose output stands there, or a pattern of names of files."""

    text: str
    kind: str = TEXT
    is_quoted: bool = False


@dataclass(frozen=True)
class Token:
    """A word, or an operator of control or redirection: as it is written, and from which character on."""

    written: str
    start: int
    kind: str = WORD
    pieces: tuple[Piece, ...] = ()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        #: The ends of here-documents that begin with the next line.
        self._documents: list[str] = []

    def tokens(self) -> Iterator[Token]:
        ends_document = False
        while self._at < len(self._text):
            if self._is_between():
                continue
            start = self._at
            is_line = self._text.startswith(("<(", ">("), start)
            operator = None if is_line else _OPERATOR.match(self._text, start)
            if operator is None:
                pieces = tuple(self._pieces())
                if ends_document:
                    self._documents.append("".join(piece.text for piece in pieces))
                ends_document = False
                yield Token(self._text[start : self._at], start, WORD, pieces)
                continue
            self._at = operator.end()
            yield Token(operator[0], start, REDIRECTION if operator["redirection"] else CONTROL)
            ends_document = operator[0].lstrip("0123456789") in ("<<", "<<-")
            if operator[0] == "\n":
                self._skip_documents()

    def _is_between(self) -> bool:
        """Whether a blank or a comment stands here, which is left behind then."""
        if self._text[self._at] == "#":
            end = self._text.find("\n", self._at)
            self._at = end if end >= 0 else len(self._text)
        elif self._text.startswith("\\\n", self._at):
            self._at += 2
        elif self._text[self._at] in " \t\r":
            self._at += 1
        else:
            return False
        return True

    def _skip_documents(self) -> None:
        for end in self._documents:
            line = ""
            while self._at < len(self._text) and line != end:
                whole, _newline, _rest = self._text[self._at :].partition("\n")
                self._at += len(whole) + 1
                line = whole.lstrip("\t")
        self._documents.clear()

    def _pieces(self) -> Iterator[Piece]:
        begin = self._at
        if self._text[begin] in "<>":
            self._at += 2
            yield Piece(self._until_parenthesis(), LINE)
        while self._at < len(self._text) and self._text[self._at] not in _ENDS:
            yield from self._piece(self._at == begin)

    def _piece(self, is_first: bool) -> Iterator[Piece]:
        character = self._text[self._at]
        plain = _PLAIN.match(self._text, self._at)
        self._at += 1
        if character == "~" and is_first:
            yield self._home()
        elif plain is not None:
            self._at = plain.end()
            yield Piece(plain[0])
        elif character == "'":
            end = self._text.find("'", self._at)
            if end < 0:
                raise Unclosed
            yield Piece(self._text[self._at : end], is_quoted=True)
            self._at = end + 1
        elif character == '"':
            yield from self._quoted()
        elif character == "\\":
            yield Piece(self._text[self._at : self._at + 1].strip("\n"), is_quoted=True)
            self._at += 1
        elif character in "$`":
            yield self._expansion(character, False)
        else:
            yield Piece(character, GLOB)

    def _home(self) -> Piece:
        user = _USER.match(self._text, self._at)
        name = user[0] if user else ""
        self._at += len(name)
        if not name:
            return Piece("HOME", VARIABLE, True)
        folder = os.path.expanduser(f"~{name}")
        return Piece(UNKNOWN if folder.startswith("~") else folder)

    def _quoted(self) -> Iterator[Piece]:
        """Yield what stands in the double quotes that have just opened."""
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return
            if character in "$`":
                yield self._expansion(character, True)
                continue
            if character == "\\":
                following = self._text[self._at : self._at + 1]
                self._at += 1
                character = "" if following == "\n" else following if following in '$`"\\' else f"\\{following}"
            yield Piece(character, is_quoted=True)
        raise Unclosed

    def _expansion(self, character: str, is_quoted: bool) -> Piece:
        if character == "`":
            return Piece(_ESCAPED_IN_BACKTICKS.sub(r"\1", self._take(_TO_BACKTICK)), LINE, is_quoted)
        name = _NAME.match(self._text, self._at)
        if name is not None:
            self._at = name.end()
            return Piece(name[0], VARIABLE, is_quoted)
        begin = self._text[self._at : self._at + 1]
        self._at += 1
        if begin == "(":
            line = self._until_parenthesis()
            is_arithmetic = line.startswith("(") and line.endswith(")")
            return Piece(UNKNOWN) if is_arithmetic else Piece(line, LINE, is_quoted)
        if begin == "{":
            return self._in_braces(is_quoted)
        if begin == "'" and not is_quoted:
            return Piece(self._take(_TO_QUOTE), is_quoted=True)
        if _SPECIAL.match(begin):
            return Piece(UNKNOWN)
        self._at -= 1
        # $"..." is text that may be translated.
        return Piece("" if begin == '"' and not is_quoted else "$", is_quoted=True)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise Unclosed
        self._at = match.end()
        return match[1]

    def _in_braces(self, is_quoted: bool) -> Piece:
        begin, depth = self._at, 1
        while depth:
            if self._at >= len(self._text):
                raise Unclosed
            depth += {"{": 1, "}": -1}.get(self._text[self._at], 0)
            self._at += 1
        inside = self._text[begin : self._at - 1]
        return Piece(inside, VARIABLE, is_quoted) if _NAME.fullmatch(inside) else Piece(UNKNOWN)

    def _until_parenthesis(self) -> str:
        """Return what stands in the parenthesis that has just opened."""
        begin, depth = self._at, 1
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == "\\":
                self._at += 1
            elif character == "'":
                end = self._text.find("'", self._at)
                self._at = end + 1 if end >= 0 else len(self._text)
            elif character == '"':
                # What is in the quotes ends where they end.
                for _piece in self._quoted():
                    pass
            depth += {"(": 1, ")": -1}.get(character, 0)
            if not depth:
                return self._text[begin : self._at - 1]
        raise Unclosed


def tokens_in(text: str) -> list[Token]:
    """Return the tokens of a line, or of a script; raises :class:`Unclosed`."""
    return list(_Lexer(text).tokens())


def without_background(text: str) -> str:
    """Return a line without the ``&`` that it ends with, if it does."""
    try:
        tokens = [token for token in tokens_in(text) if token.written != "\n"]
    except Unclosed:
        return text
    is_behind = bool(tokens) and tokens[-1].kind == CONTROL and tokens[-1].written == "&"
    return text[: tokens[-1].start].rstrip() if is_behind else text
