# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One requirement (PEP 508): ``requests[socks]==2.32.3; python_version >= "3.9"``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from .markers import InvalidMarker, Marker, parse_marker
from .names import normalised
from .pep440 import Clause, InvalidClause, parse_specifier

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_HEAD = re.compile(rf"\s*(?P<name>{_NAME})(?![A-Za-z0-9._-])\s*(?:\[(?P<extras>[^\]]*)\])?\s*", re.ASCII)
_EXTRA = re.compile(rf"{_NAME}\Z", re.ASCII)
_ADDRESS = re.compile(r"@\s*(?P<url>\S+)(?:\s+(?P<rest>.*))?\Z", re.DOTALL)


class InvalidRequirement(ValueError):
    """Text that is not a requirement of PEP 508."""


@dataclass(frozen=True)
class Requirement:
    """A requirement in its parts; ``name`` and ``extras`` are normalised, ``url`` is empty without a direct reference."""

    name: str
    extras: tuple[str, ...]
    specifier: tuple[Clause, ...]
    url: str
    marker: Optional[Marker]


def _extras(text: Optional[str]) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")] if text and text.strip() else []
    for name in names:
        if not _EXTRA.match(name):
            raise InvalidRequirement(f"{name!r} is no name of an extra")
    return tuple(sorted({normalised(name) for name in names}))


def _specifier(text: str) -> tuple[Clause, ...]:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    if text.startswith(",") or ",," in text.replace(" ", ""):
        raise InvalidRequirement(f"{text!r} has a comma too many")
    try:
        return parse_specifier(text)
    except InvalidClause as error:
        raise InvalidRequirement(str(error)) from None


def _marker(text: str) -> Marker:
    try:
        return parse_marker(text)
    except InvalidMarker as error:
        raise InvalidRequirement(str(error)) from None


def parse_requirement(text: str) -> Requirement:
    """Return the requirement that ``text`` spells. Raises :class:`InvalidRequirement`."""
    head = _HEAD.match(text)
    if head is None:
        raise InvalidRequirement(f"{text.strip()!r} does not begin with the name of a project")
    rest = text[head.end() :]
    specifier: tuple[Clause, ...] = ()
    address = _ADDRESS.match(rest)
    if address is not None:
        url, tail = address.group("url"), (address.group("rest") or "").strip()
        if tail and not tail.startswith(";"):
            raise InvalidRequirement(f"{tail!r} follows the address; a marker begins with ;")
        marked, marker = bool(tail), tail[1:]
    else:
        before, semicolon, marker = rest.partition(";")
        url, specifier, marked = "", _specifier(before), bool(semicolon)
    return Requirement(
        name=normalised(head.group("name")),
        extras=_extras(head.group("extras")),
        specifier=specifier,
        url=url,
        marker=_marker(marker) if marked else None,
    )
