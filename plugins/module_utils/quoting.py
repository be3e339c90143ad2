# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that reaches a process, or systemd, byte for byte.

The rules are those of systemd.syntax(7) (quoting, C escapes), systemd.service(5) "Command lines"
(the ``:`` prefix, which turns variable substitution off) and systemd.unit(5) "Specifiers" (``%%``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHORT_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./:,=@+\-]+\Z")
#: Characters that change the meaning of the first word of a command line: systemd.service(5), table 1.
EXECUTABLE_PREFIXES = "@-:+!|"


def _escaped(text: str) -> str:
    """Return ``text`` with C escapes for everything that a double-quoted systemd string cannot hold as it is."""
    pieces = []
    for character in text:
        if character in _SHORT_ESCAPES:
            pieces.append(_SHORT_ESCAPES[character])
        elif character < " " or character == "\x7f":
            pieces.append(f"\\x{ord(character):02x}")
        else:
            pieces.append(character)
    return "".join(pieces)


def without_specifiers(text: str, kept: str = "") -> str:
    """Return ``text`` so that no ``%`` in it is taken for a specifier, but for those of the letters ``kept``."""
    return re.sub(rf"%(?![{kept}])", "%%", text) if kept else text.replace("%", "%%")


def quote_word(text: str, kept: str = "") -> str:
    """Return one word for a directive that splits its value into words (specifiers are neutralised but those ``kept``)."""
    text = without_specifiers(text, kept)
    return text if _PLAIN_WORD.match(text) else f'"{_escaped(text)}"'


def quoted(word: str) -> str:
    """Return one word for a directive that splits its value into words; its specifiers stay what they are."""
    return word if _PLAIN_WORD.match(word.replace("%", "")) else f'"{_escaped(word)}"'


def command_line(argv: Iterable[str], kept: str = "") -> str:
    """Return the value of an ``Exec…=`` directive that starts exactly ``argv``, but for the specifiers ``kept``.

    With a ``$`` anywhere the command gets the prefix ``:``: doubling the sign would not work in the
    path of the executable, where systemd substitutes nothing.
    """
    words = list(argv)
    prefix = ":" if any("$" in word for word in words) else ""
    return prefix + " ".join(quote_word(word, kept) for word in words)


def assignment(name: str, value: str) -> str:
    """Return one word ``NAME=value`` for ``Environment=``; ``$`` has no meaning there (systemd.exec(5))."""
    return quote_word(f"{name}={value}")
