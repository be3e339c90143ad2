# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timers of a host's services, as files and as systemd has them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from . import systemd_host as systemd
from .adopt_unit_text import Sections, sections_in
from .audit_model import Unit

_PROPERTIES = ("FragmentPath", "DropInPaths", "ActiveState", "UnitFileState")


@dataclass(frozen=True)
class Timer:
    """A timer: its name, what its files say, whether it waits, and whether it is enabled."""

    name: str
    sections: Sections
    is_active: bool
    is_enabled: bool

    @property
    def has_calendar(self) -> bool:
        """Whether it elapses at times of a calendar."""
        return bool(self.sections.get("Timer", {}).get("OnCalendar"))


def _texts(paths: Iterable[str]) -> list[str]:
    texts = []
    for path in paths:
        with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as stream:
            texts.append(stream.read())
    return texts


def read_timers(units: Iterable[Unit]) -> dict[str, Timer]:
    """Return the timers that start one of ``units``, by their names."""
    names = sorted({name for unit in units for name in unit.triggers if name.endswith(".timer")})
    timers = {}
    for name, state in systemd.show(names, _PROPERTIES).items():
        sections = sections_in(_texts(filter(None, [state["FragmentPath"], *state["DropInPaths"].split()])))
        is_enabled = state["UnitFileState"].startswith("enabled")
        timers[name] = Timer(name, sections, state["ActiveState"] == "active", is_enabled)
    return timers
