# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule about the journal of a host: whether it keeps what it gets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Optional

from . import systemd_host as systemd
from . import values as v
from .audit_history import Shortage, shortages
from .audit_model import Finding
from .journal_config import Configuration, read_configuration
from .journal_storage import STORED, VOLATILE, is_open, is_open_below, machine_id, process_start
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
#: What ``Storage=`` may be (journald.conf(5)); anything else journald leaves out. With the first two a reboot takes everything.
_LOST = ("none", "volatile")
_STORAGES = (*_LOST, "auto", "persistent")
_FILE = "system.journal"
_ELSEWHERE = " (under a limit of its own, LogRateLimitBurst=, or of its namespace)"
_UNREAD = "; journald has not read its changed configuration yet"
_OWN_LIMITS = ("LogRateLimitIntervalUSec", "LogRateLimitBurst")
_PROPERTIES = (
    *("MainPID", "StateChangeTimestampMonotonic", "NeedDaemonReload", "FragmentPath", "DropInPaths"),
    *_OWN_LIMITS,
)


@dataclass(frozen=True)
class Storage:
    """What ``Storage=`` is by the files that journald reads, and the path of the one that says so; both empty for nothing."""

    value: str = ""
    path: str = ""


@dataclass(frozen=True)
class Journal:
    """The journal of a host: whether it is on the disk, and how many messages of which unit were dropped within a day.

    ``stored`` is ``None`` where that may not be seen, ``kept`` whether it is anywhere. ``unread`` is whether journald has not read
    its configuration since that has changed, ``storage`` what that says of where records are kept, ``short`` why records on the disk
    are removed sooner than was asked for, ``elsewhere`` the units whose messages are dropped under limits of their own or of a namespace.
    """

    stored: Optional[bool]
    dropped: Mapping[str, int] = field(default_factory=dict)
    unread: bool = False
    storage: Storage = Storage()
    kept: bool = True
    short: Sequence[Shortage] = ()
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Drop:
    """A message of the journald of a ``namespace`` that it has dropped ``count`` messages of a unit, and when it said so."""

    unit: str
    moment: float
    count: int
    namespace: str = ""


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


def _has_own_limits(state: Mapping[str, str]) -> bool:
    return all(state.get(name, "0") not in ("", "0") for name in _OWN_LIMITS)


def since_of(state: Mapping[str, str], limits: Limits, changed: float) -> float:
    """Return since when the rate limit of a unit is what it is now; its files were changed last at ``changed``."""
    own = _has_own_limits(state)
    if state.get("NeedDaemonReload") == "yes":
        changed = 0.0
    return changed if own else max(changed, limits.since)


def storage_of(configuration: Configuration) -> Storage:
    """Return what the files say of where records are kept; one with a value that journald does not know has no say."""
    found = Storage()
    for file in configuration.files:
        value = Configuration((file,)).assignments.get("Storage")
        found = Storage(value, file[0]) if value in _STORAGES else found
    return found


def _read_at(state: Mapping[str, str], version: int) -> float:
    """Return when journald has read its configuration last, by ``state`` of its unit.

    Where its process may not be seen (proc(5), ``hidepid``), systemd knows when that was started.
    """
    pid, started = int(state.get("MainPID") or 0), 0.0
    with suppress(PermissionError):
        started = process_start(pid)
    if version < _RELOADS and (started or not pid):
        return started
    moment = int(state.get("StateChangeTimestampMonotonic") or 0) / 1e6
    return max(started, time.time() - (time.monotonic() - moment))


def _is_visible(pid: int) -> bool:
    """Whether a process is there, and may be seen (proc(5), ``hidepid``)."""
    return os.path.isdir(f"/proc/{pid}")


def _drops() -> list[Drop]:
    since = ["--since", f"@{time.time() - DAY:.0f}"]
    fields = "OBJECT_SYSTEMD_UNIT,UNIT,N_DROPPED,_NAMESPACE"
    output = ["--namespace=*", "--output", "json", "--output-fields", fields, "--quiet", "--no-pager"]
    # The transport is journald's own word: anybody may write a message with this id.
    done = systemd.run(["journalctl", *since, *output, f"MESSAGE_ID={_SUPPRESSED}", "_TRANSPORT=driver"])
    found = []
    for line in filter(None, done.stdout.split("\n")):
        record = json.loads(line)
        unit = str(record.get("OBJECT_SYSTEMD_UNIT") or record.get("UNIT") or "unknown")
        count = str(record.get("N_DROPPED", "1"))
        moment = int(record["__REALTIME_TIMESTAMP"]) / 1e6
        found.append(Drop(unit, moment, int(count) if count.isdigit() else 1, str(record.get("_NAMESPACE", ""))))
    return found


def _configuration(namespace: str = "") -> tuple[Configuration, bool]:
    """Return what journald would read now, and whether all of that may be read."""
    try:
        return read_configuration(namespace), True
    except OSError:
        return Configuration(()), False


def _journald_of(namespace: str) -> str:
    """Return the unit of the journald of a namespace (systemd-journald.service(8))."""
    return f"systemd-journald@{namespace}.service" if namespace else SUBJECT


def read_journal_state(version: int) -> Journal:
    """Return how the journal is now, under systemd ``version``. What may not be read counts as nothing dropped."""
    dropped: dict[str, int] = {}
    drops = _drops()
    configurations = {name: _configuration(name)[0] for name in ("", *(drop.namespace for drop in drops))}
    units = [*map(_journald_of, configurations), *(drop.unit for drop in drops)]
    states = systemd.show(list(dict.fromkeys(units)), _PROPERTIES)
    limits = {
        name: Limits(own.newest, _read_at(states[_journald_of(name)], version), is_off(own))
        for name, own in configurations.items()
    }
    files = {unit: [state["FragmentPath"], *members_of(state["DropInPaths"])] for unit, state in states.items()}
    changed = {unit: _changed(paths) for unit, paths in files.items()}
    for drop in drops:
        if drop.moment >= since_of(states[drop.unit], limits[drop.namespace], changed[drop.unit]):
            dropped[drop.unit] = dropped.get(drop.unit, 0) + drop.count
    elsewhere = frozenset(drop.unit for drop in drops if drop.namespace or _has_own_limits(states[drop.unit]))
    stored, kept = _place(int(states[SUBJECT].get("MainPID") or 0))
    short: tuple[Shortage, ...] = ()
    if stored:
        with suppress(OSError):
            short = tuple(shortages(configurations[""]))
    return Journal(stored, dropped, limits[""].unread, storage_of(configurations[""]), kept, short, elsewhere)


def _files() -> tuple[str, str]:
    """Return the paths of the journal on the disk and of that in memory."""
    folder = machine_id()
    return f"{STORED}/{folder}/{_FILE}", f"{VOLATILE}/{folder}/{_FILE}"


def _place(pid: int) -> tuple[Optional[bool], bool]:
    """Return whether journald, the process ``pid``, writes to the disk, and whether it writes anywhere.

    What it has open says so; where that may not be seen, the file that was written last: with ``Storage=none`` both are old.
    """
    stored, volatile = _files()
    if pid and _is_visible(pid):
        with suppress(PermissionError):
            # Of another machine-id(5) it is on the disk as well.
            on_disk = is_open(pid, stored) or is_open_below(pid, STORED, _FILE)
            return on_disk, on_disk or is_open(pid, volatile)
    written = _written_at(stored)
    return (None if written is None else written > 0 and written >= (_written_at(volatile) or 0.0)), True


def _written_at(path: str) -> Optional[float]:
    """Return when a file was written last, 0 when there is none, ``None`` where that may not be seen.

    What was volatile once may be left beside what is written.
    """
    try:
        return os.stat(path).st_mtime
    except PermissionError:
        return None
    except OSError:
        return 0.0


def unseen_of_journal() -> list[str]:
    """Return what may not be seen of where the journal is kept."""
    found = [] if _configuration()[1] else ["how journald is set up (its configuration may not be read)"]
    if _written_at(_files()[0]) is None:
        found.append(f"whether the journal is on the disk ({STORED} may not be read)")
    return found


def _lost(journal: Journal) -> str:
    """Return why a reboot takes what is recorded; empty when it does not, or when that may not be seen."""
    storage, why = journal.storage, ""
    if storage.value in _LOST:
        why = f" (Storage={storage.value} in {storage.path}{_UNREAD if journal.unread else ''})"
    if why and not journal.unread:
        where = "nothing is kept" if storage.value == _LOST[0] else "the journal is in memory only"
    elif journal.stored is False:
        where = "the journal is in memory only" if journal.kept else "nothing is kept"
    elif why:
        where = "the journal will not be on the disk any more"
    else:
        return ""
    return f"{where}{why}: nothing of it survives a reboot"


def judge(journal: Journal) -> Iterator[Finding]:
    """SB207."""
    lost = _lost(journal)
    if lost:
        yield Finding("SB207", SUBJECT, lost, {"stability_journald_storage": "persistent"})
    if journal.dropped:
        listed = ", ".join(
            f"{count} of {unit}{_ELSEWHERE if unit in journal.elsewhere else ''}"
            for unit, count in sorted(journal.dropped.items())
        )
        seen = f"messages were dropped within a day: {listed}{_UNREAD if journal.unread else ''}"
        mends = any(unit not in journal.elsewhere for unit in journal.dropped)
        yield Finding("SB207", SUBJECT, seen, {"stability_journald_rate_limit_interval_sec": "0"} if mends else None)
    for shortage in journal.short:
        yield Finding("SB207", SUBJECT, shortage.seen, shortage.mend)
