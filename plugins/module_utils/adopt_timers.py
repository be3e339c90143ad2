# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timers of a host's services, as files and as systemd has them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from . import systemd_host as systemd
from .adopt_unit_text import Sections, sections_in
from .audit_model import Unit
from .shown_lists import members_of
from .unit_names import template_of

_PROPERTIES = ("FragmentPath", "DropInPaths", "ActiveState", "UnitFileState")


@dataclass(frozen=True)
class Timer:
    """A timer: its name, what its files say, whether it waits, whether it is enabled, and the paths of its files."""

    name: str
    sections: Sections
    is_active: bool
    is_enabled: bool
    files: tuple[str, ...] = ()

    @property
    def template(self) -> str:
        """The name of the template that it is an instance of, else its own."""
        return template_of(self.name)

    def own_drop_ins(self) -> list[str]:
        """Return the paths of the drop-ins that are for it alone, or for all instances of its template."""
        return [path for path in self.files[1:] if f"/{self.template}.d/" in path]

    @property
    def has_calendar(self) -> bool:
        """Whether it elapses at times of a calendar."""
        return bool(self.sections.get("Timer", {}).get("OnCalendar"))


def _texts(paths: Iterable[str]) -> dict[str, str]:
    texts = {}
    for path in paths:
        with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as stream:
            texts[path] = stream.read()
    # systemd.unit(5): a drop-in that is empty, or a link to /dev/null, is none.
    return {path: text for path, text in texts.items() if text}


def read_timers(units: Iterable[Unit]) -> dict[str, Timer]:
    """Return the timers that start one of ``units``, by their names."""
    names = sorted({name for unit in units for name in unit.triggers if name.endswith(".timer")})
    timers = {}
    for name, state in systemd.show(names, _PROPERTIES).items():
        texts = _texts(filter(None, [state["FragmentPath"], *members_of(state["DropInPaths"])]))
        is_enabled = state["UnitFileState"].startswith("enabled")
        read = Timer(name, {}, state["ActiveState"] == "active", is_enabled, tuple(texts))
        own = [text for path, text in texts.items() if path == state["FragmentPath"] or path in read.own_drop_ins()]
        timers[name] = replace(read, sections=sections_in(own))
    return timers
