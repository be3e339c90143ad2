# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is asked first, while everything that checks and plans has yet to be compiled.

An unchanged run spends most of its time on the host with these two, and most of what it asks is known from the run before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from .manifest import read_manifest
from .systemd_host import HostError, Question, UnitState, version
from .unit_names import unit_of


def require_root() -> None:
    """Raise :class:`~.systemd_host.HostError` when this process may not write units."""
    if os.geteuid() != 0:
        raise HostError(
            "Units are written as root, and this is not root. Use become: true, which the roles do unless stability_become is false."
        )


class Known:
    """The units of the manifest, about which systemd has been asked.

    Raises :class:`~.systemd_host.HostError` and :class:`~.manifest.Unreadable`.
    """

    def __init__(self) -> None:
        self.version = version()
        self.manifest = read_manifest()
        self._units: set[str] = set()
        self._questions: list[Question] = []
        self.ask([unit_of(name) for name in self.manifest.entries])

    def ask(self, units: Sequence[str]) -> None:
        """Ask about those of ``units`` that nobody has asked about yet."""
        new = [unit for unit in dict.fromkeys(units) if unit not in self._units]
        self._units.update(new)
        self._questions.append(Question(new))

    def answer(self) -> dict[str, UnitState]:
        """Wait, and return the properties of all units that were asked about. To be called once."""
        return {unit: state for question in self._questions for unit, state in question.answer().items()}
