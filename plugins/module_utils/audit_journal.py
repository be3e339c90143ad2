# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule about the journal of a host: whether it keeps what it gets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import systemd_host as systemd
from .audit_model import Finding
from .journal_storage import STORED, VOLATILE, machine_id

SUBJECT = "systemd-journald.service"
#: systemd.journal-fields(7): the message with which journald says that it has dropped messages of a unit.
_SUPPRESSED = "a596d6fe7bfa4994828e72309e95d61e"
#: Seconds that are looked at for dropped messages.
DAY = 86400


@dataclass(frozen=True)
class Journal:
    """The journal of a host: whether it is on the disk, and how many messages of which unit were dropped within a day."""

    stored: bool
    dropped: dict[str, int] = field(default_factory=dict)


def read_journal_state() -> Journal:
    """Return how the journal is now. What may not be read counts as nothing dropped."""
    since = ["--since", f"@{time.time() - DAY:.0f}"]
    output = ["--output", "json", "--output-fields", "OBJECT_SYSTEMD_UNIT,UNIT,N_DROPPED", "--quiet", "--no-pager"]
    done = systemd.run(["journalctl", *since, *output, f"MESSAGE_ID={_SUPPRESSED}"])
    dropped: dict[str, int] = {}
    for line in filter(None, done.stdout.split("\n")):
        record = json.loads(line)
        unit = str(record.get("OBJECT_SYSTEMD_UNIT") or record.get("UNIT") or "unknown")
        count = str(record.get("N_DROPPED", "1"))
        dropped[unit] = dropped.get(unit, 0) + (int(count) if count.isdigit() else 1)
    stored, volatile = (_written_at(f"{folder}/{machine_id()}/system.journal") for folder in (STORED, VOLATILE))
    return Journal(stored > 0 and stored >= volatile, dropped)


def _written_at(path: str) -> float:
    """Return when a file was written last, 0 when there is none. What was volatile once may be left beside what is written."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def judge(journal: Journal) -> Iterator[Finding]:
    """SB207."""
    if not journal.stored:
        mend = {"stability_journald_storage": "persistent"}
        yield Finding("SB207", SUBJECT, "the journal is in memory only: nothing of it survives a reboot", mend)
    if journal.dropped:
        listed = ", ".join(f"{count} of {unit}" for unit, count in sorted(journal.dropped.items()))
        seen = f"messages were dropped within a day: {listed}"
        yield Finding("SB207", SUBJECT, seen, {"stability_journald_rate_limit_interval_sec": "0"})
