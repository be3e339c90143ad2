# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found of a host that the two lists can say, and what somebody has to decide about it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from .service_keys import KEYS

#: Keys that people look for first; all others follow in the order of the unit file.
_FIRST = ("name", "drop_in", "description", "user", "group", "virtualenv", "exec_start", "on_calendar")
_NO_NAME = re.compile(r"[^A-Za-z0-9:_.-]+")
#: What an instance, a unit's suffix or a unit of the system itself would be.
_REFUSED = re.compile(r"\.(?=(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope)\Z)")
_SYSTEM = re.compile(r"(?:systemd-.*|dbus|dbus-broker|emergency|getty|init|rescue|sshd?|user)\Z")


@dataclass(frozen=True)
class Mark:
    """What somebody has to decide: the service, environment, file or line that it is about, and a text."""

    subject: str
    text: str

    def result(self) -> dict[str, str]:
        """Return it as a module's result shows it."""
        return {"subject": self.subject, "text": self.text}


@dataclass
class Item:
    """One member of ``stability_services`` or ``stability_environments`` to be, with what is to be decided about it.

    ``programs`` are the first words of what it starts, ``origin`` is where it was found.
    """

    values: dict[str, Any]
    origin: str
    marks: list[str] = field(default_factory=list)
    programs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in its list."""
        return str(self.values.get("name") or self.values.get("virtualenv", ""))

    def mark(self, text: str) -> None:
        """Say once what is to be decided."""
        if text not in self.marks:
            self.marks.append(text)


@dataclass
class Found:
    """The services that one kind of source has, marks about what is none of them, and what could not be seen."""

    items: list[Item] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take in what another source has."""
        self.items += other.items
        self.marks += other.marks
        self.unseen += other.unseen


def in_order(values: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a service in the order in which people read them, without empty ones."""
    order = [*_FIRST, *(name for name in KEYS if name not in _FIRST)]
    empty: tuple[Any, ...] = (None, "", [], {})
    return {name: values[name] for name in order if values.get(name) not in empty}


def service_name(text: str) -> str:
    """Return the name of a service that comes closest to ``text``."""
    name = _REFUSED.sub("-", _NO_NAME.sub("-", text).strip("-.")) or "service"
    return f"{name}-app" if _SYSTEM.match(name) else name


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return ``wanted``, or with a number behind it a name that nobody has yet."""
    names: Iterable[str] = (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
