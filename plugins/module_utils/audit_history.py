# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the journal on the disk goes back, against what was asked for, and whether the disk lets it grow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from .journal_config import Configuration
from .journal_limits import Journal
from .journal_storage import STORED, Usage, amount, disk, machine_id, usage

_DAY = 86400.0
#: Seconds of records from which on a journal tells how fast it grows.
_LONG_ENOUGH = 3600.0


@dataclass(frozen=True)
class Shortage:
    """Why records are removed sooner than was asked for, and the variables that mend it."""

    seen: str
    mend: Optional[Mapping[str, Any]] = None


def _reached(journal: Journal, used: Usage) -> str:
    """Return the limit at which the journal has arrived, so that each new file takes the oldest one away; empty for none."""
    limits = journal.limits
    if used.allocated + limits.file_size >= limits.use:
        return journal.named("SystemMaxUse", amount(limits.use))
    if 0 < limits.files <= used.files + 1:
        return journal.named("SystemMaxFiles", f"{limits.files:.0f}")
    return ""


def shortages(configuration: Configuration) -> Iterator[Shortage]:
    """Yield why the journal on the disk does not keep what it should; raises :class:`OSError` when that cannot be seen."""
    folder = f"{STORED}/{machine_id()}"
    journal, used = Journal("", configuration, "System", disk(STORED)), usage(folder)
    limits = journal.limits
    if used.files and journal.disk.free < limits.free:
        kept = journal.named("SystemKeepFree", amount(limits.free))
        yield Shortage(
            f"{amount(journal.disk.free)} are free below {STORED}, and {kept} keeps more: the journal does not grow, and its "
            "oldest records make room for new ones"
        )
    # A file goes as a whole, once its first record is too old.
    least = limits.retention - limits.span
    reached = _reached(journal, used)
    if limits.retention and limits.span and used.age < least and reached:
        asked = f"MaxRetentionSec={journal.values['MaxRetentionSec']} of {journal.origins['MaxRetentionSec']}"
        yield Shortage(
            f"the journal goes back {_span(used.age)}, and {asked} asks for more: what is older makes room, since {reached} is reached",
            _more_room(used, limits.retention, limits.use),
        )


def _span(seconds: float) -> str:
    return f"{seconds / _DAY:.1f} days" if seconds >= _DAY else f"{seconds / 3600:.1f} hours"


def _more_room(used: Usage, retention: float, use: float) -> Optional[dict[str, Any]]:
    """Return the size that holds the records of the retention, at the rate of those that are there; ``None`` for no more."""
    if used.seconds < _LONG_ENOUGH:
        return None
    # A half more, since records do not come evenly.
    needed = int(1.5 * used.written / used.seconds * retention / 1024**2) + 1
    return {"stability_journald_system_max_use": f"{needed}M"} if needed * 1024.0**2 > use else None
