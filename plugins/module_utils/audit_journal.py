# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule about the journal of a host: whether it keeps what it gets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from . import systemd_host as systemd
from . import values as v
from .audit_model import Finding
from .journal_config import Configuration, read_configuration
from .journal_storage import STORED, VOLATILE, machine_id, process_start
from .shown_lists import members_of

SUBJECT = "systemd-journald.service"
#: systemd.journal-fields(7): the message with which journald says that it has dropped messages of a unit.
_SUPPRESSED = "a596d6fe7bfa4994828e72309e95d61e"
#: Seconds that are looked at for dropped messages.
DAY = 86400
#: Seconds within which a change of the configuration and the start of journald count as one.
_AT_ONCE = 1.0
#: The first systemd whose journald reads its configuration again when it is reloaded.
_RELOADS = 258
_OWN_LIMITS = ("LogRateLimitIntervalUSec", "LogRateLimitBurst")
_PROPERTIES = (
    *("MainPID", "StateChangeTimestampMonotonic", "NeedDaemonReload", "FragmentPath", "DropInPaths"),
    *_OWN_LIMITS,
)


@dataclass(frozen=True)
class Journal:
    """The journal of a host: whether it is on the disk, and how many messages of which unit were dropped within a day.

    ``unread`` is whether journald has not read its configuration since that has changed.
    """

    stored: bool
    dropped: Mapping[str, int] = field(default_factory=dict)
    unread: bool = False


@dataclass(frozen=True)
class Drop:
    """A message of journald that it has dropped ``count`` messages of a unit, and when it said so."""

    unit: str
    moment: float
    count: int


@dataclass(frozen=True)
class Limits:
    """The rate limit of journald: when its configuration changed last, when it was read last, whether it is off there."""

    changed: float = 0.0
    read: float = 0.0
    off: bool = False

    @property
    def unread(self) -> bool:
        """Whether journald has not read its configuration since that has changed."""
        return self.read + _AT_ONCE < self.changed

    @property
    def since(self) -> float:
        """Since when they are in effect; without a limit nothing is dropped, so what was dropped before the start is of others."""
        if self.unread:
            return 0.0
        return max(self.changed, self.read) if self.off else self.changed


def is_off(configuration: Configuration) -> bool:
    """Whether there is no rate limit: one of its two halves is 0, which turns off both."""
    interval, burst = (configuration.assignments.get(f"RateLimit{half}", "") for half in ("IntervalSec", "Burst"))
    with suppress(v.Refused):
        if interval and v.seconds(v.time_span(interval)) == 0:
            return True
    return burst.isdigit() and int(burst) == 0


def _changed(paths: Iterable[str]) -> float:
    """Return when the newest of some files was changed last, 0 when there is none."""
    times = [0.0]
    for path in paths:
        with suppress(OSError):
            times.append(os.stat(path).st_ctime)
    return max(times)


def since_of(state: Mapping[str, str], limits: Limits, changed: float) -> float:
    """Return since when the rate limit of a unit is what it is now; its files were changed last at ``changed``."""
    own = all(state.get(name, "0") not in ("", "0") for name in _OWN_LIMITS)
    if state.get("NeedDaemonReload") == "yes":
        changed = 0.0
    return changed if own else max(changed, limits.since)


def _limits(state: Mapping[str, str], version: int) -> Limits:
    read = process_start(int(state.get("MainPID") or 0))
    if version >= _RELOADS:
        moment = int(state.get("StateChangeTimestampMonotonic") or 0) / 1e6
        read = max(read, time.time() - (time.monotonic() - moment))
    configuration = Configuration(())
    with suppress(OSError):
        configuration = read_configuration("")
    return Limits(configuration.newest, read, is_off(configuration))


def _drops() -> list[Drop]:
    since = ["--since", f"@{time.time() - DAY:.0f}"]
    output = ["--output", "json", "--output-fields", "OBJECT_SYSTEMD_UNIT,UNIT,N_DROPPED", "--quiet", "--no-pager"]
    # The transport is journald's own word: anybody may write a message with this id.
    done = systemd.run(["journalctl", *since, *output, f"MESSAGE_ID={_SUPPRESSED}", "_TRANSPORT=driver"])
    found = []
    for line in filter(None, done.stdout.split("\n")):
        record = json.loads(line)
        unit = str(record.get("OBJECT_SYSTEMD_UNIT") or record.get("UNIT") or "unknown")
        count = str(record.get("N_DROPPED", "1"))
        moment = int(record["__REALTIME_TIMESTAMP"]) / 1e6
        found.append(Drop(unit, moment, int(count) if count.isdigit() else 1))
    return found


def read_journal_state(version: int) -> Journal:
    """Return how the journal is now, under systemd ``version``. What may not be read counts as nothing dropped."""
    dropped: dict[str, int] = {}
    drops, unread = _drops(), False
    if drops:
        states = systemd.show(list(dict.fromkeys((SUBJECT, *(drop.unit for drop in drops)))), _PROPERTIES)
        limits = _limits(states[SUBJECT], version)
        files = {unit: [state["FragmentPath"], *members_of(state["DropInPaths"])] for unit, state in states.items()}
        since = {unit: since_of(state, limits, _changed(files[unit])) for unit, state in states.items()}
        for drop in drops:
            if drop.moment >= since[drop.unit]:
                dropped[drop.unit] = dropped.get(drop.unit, 0) + drop.count
        unread = limits.unread
    stored, volatile = (_written_at(f"{folder}/{machine_id()}/system.journal") for folder in (STORED, VOLATILE))
    return Journal(stored > 0 and stored >= volatile, dropped, unread)


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
        unread = "; journald has not read its changed configuration yet" if journal.unread else ""
        seen = f"messages were dropped within a day: {listed}{unread}"
        yield Finding("SB207", SUBJECT, seen, {"stability_journald_rate_limit_interval_sec": "0"})
