# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists as ``systemctl show`` prints them: paths, and names of units."""

from __future__ import annotations

import re

#: A member as it is, or in quotes where a shell would take it for something else: a blank, a backslash, a bracket.
_MEMBER = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[0-7]{3}|.)", re.DOTALL)
_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _meant(escape: re.Match[str]) -> str:
    code = escape[1]
    if len(code) == 3:
        return chr(int(code[1:], 16) if code[0] == "x" else int(code, 8) & 0xFF)
    return _CONTROLS.get(code, code)


def _unescaped(text: str) -> str:
    """Return a member without its escapes. Those of numbers stand for bytes, which are no text by themselves."""
    pieces, last = bytearray(), 0
    for escape in _ESCAPE.finditer(text):
        pieces += text[last : escape.start()].encode("utf-8", "surrogateescape")
        encoding = "latin-1" if len(escape[1]) == 3 else "utf-8"
        pieces += _meant(escape).encode(encoding, "surrogateescape")
        last = escape.end()
    pieces += text[last:].encode("utf-8", "surrogateescape")
    return pieces.decode("utf-8", "surrogateescape")


def members_of(shown: str) -> list[str]:
    """Return the members of a list such as ``DropInPaths=`` or ``TriggeredBy=``."""
    return [word or _unescaped(quoted) for quoted, word in _MEMBER.findall(shown)]
