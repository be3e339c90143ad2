# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes data as YAML for an inventory; what reads it, by YAML 1.1 or 1.2, gets exactly the same data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

#: Text that no reader takes for anything but text, and that stands in a block without quotes.
_PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./@+=,~()\[\]-]| (?! |$|-))*")
#: Amounts with a unit, which begin with a digit and are text all the same.
_AMOUNT = re.compile(r"[0-9]+(?:us|ms|s|min|h|K|M|G|T|%)")
#: What some reader takes for a boolean or for nothing.
_WORDS = frozenset(("y", "n", "yes", "no", "true", "false", "on", "off", "null"))
#: What Ansible would fill in, quoted or not.
_TEMPLATE = re.compile(r"\{[{%#]")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
#: A reader finds no key that is longer than 1024 characters, unless it is marked as one.
_LONGEST_KEY = 1000


def yaml_lines(data: Any) -> list[str]:
    """Return the lines of mappings, lists, texts, numbers, booleans and ``None``.

    Text that Ansible would take for a template has the tag ``!unsafe``.
    """
    return list(_lines(data))


def _lines(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from _entry(_scalar(key), value)
    elif isinstance(data, (list, tuple)) and data:
        for value in data:
            yield from _within("- ", value)
    else:
        yield _flow(data)


def _entry(key: str, value: Any) -> Iterator[str]:
    if len(key) > _LONGEST_KEY:
        yield f"? {key}"
        yield from _within(": ", value)
    elif _is_block(value):
        yield f"{key}:"
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{key}: {_flow(value)}"


def _within(mark: str, value: Any) -> Iterator[str]:
    """Yield the lines of a value, the first of them behind ``mark`` and the others below it."""
    for index, line in enumerate(_lines(value)):
        yield f"  {line}" if index else f"{mark}{line}"


def _is_block(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple)) and bool(value)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{}"
    return "[]" if isinstance(value, (list, tuple)) else _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _decimal(value)
    return _text(str(value))


def _decimal(value: float) -> str:
    """Return a number with the point that YAML 1.1 wants to see in one."""
    text = repr(value)
    if text.lstrip("-") in ("inf", "nan"):
        return text.replace("inf", ".inf").replace("nan", ".nan")
    return text if "." in text else text.replace("e", ".0e")


def _text(text: str) -> str:
    plain = _PLAIN.fullmatch(text) or _AMOUNT.fullmatch(text)
    if plain and text.lower() not in _WORDS:
        return text
    quoted = "".join(_ESCAPES.get(letter) or (letter if letter.isprintable() else _escaped(letter)) for letter in text)
    return f'!unsafe "{quoted}"' if _TEMPLATE.search(text) else f'"{quoted}"'


def _escaped(letter: str) -> str:
    code = ord(letter)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
