# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of a journal that are in effect, whoever has set them: what the host has against them, and what they remove."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from . import journal_storage as storage
from . import values as v
from .journal_config import Configuration, own_path
from .journal_settings import DEFAULT_MAX_FILE_SEC, DEFAULT_MAX_FILES, setting_of
from .problems import Problem, show

#: Seconds of records from which on a journal tells how fast it grows: a week has all days in it.
_LONG_ENOUGH = 7 * 86400.0
#: What journald takes for SystemMaxFileSize= when it is not set: an eighth of SystemMaxUse=, at most this.
_LARGEST_FILE = 128 * 1024.0**2
_REMOVES = "journald removes its oldest records"


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes and times in seconds; no limit is 0 for ``files``, ``retention`` and ``span`` (of one file)."""

    use: float
    free: float
    file_size: float
    files: float
    retention: float
    span: float


def _size(value: str | None) -> float | None:
    """Return a size as journald reads it; ``None`` where its own default holds."""
    try:
        size = v.byte_count(v.size(value)) if value else None
    except v.Refused:
        return None
    return None if size == float("inf") else size


def _seconds(value: str | None, default: str) -> float:
    """Return a time span as journald reads it, 0 for one that does not end."""
    try:
        span = v.seconds(v.time_span(value or default))
    except v.Refused:
        span = v.seconds(default)
    return 0.0 if span == float("inf") else span


class Journal:
    """The journal of a namespace under a configuration: ``kind`` is ``System`` on the disk and ``Runtime`` in memory."""

    def __init__(self, namespace: str, configuration: Configuration, kind: str, disk: storage.Disk) -> None:
        self.values: Mapping[str, str] = configuration.assignments
        self.origins = configuration.origins
        self.own = own_path(namespace)
        self.of = (f" of the namespace {namespace}" if namespace else "") + (" in memory" if kind == "Runtime" else "")
        self.kind, self.disk = kind, disk
        self.where = storage.STORED if kind == "System" else storage.VOLATILE
        use = self.size("MaxUse")
        free = self.size("KeepFree")
        file_size = self.size("MaxFileSize")
        files = self.values.get(f"{kind}MaxFiles", "")
        self.limits = Limits(
            use=disk.default_max_use if use is None else use,
            free=disk.default_keep_free if free is None else free,
            file_size=self.largest_file(disk.default_max_use if use is None else use)
            if file_size is None
            else file_size,
            files=float(files) if v.is_number(files) else float(DEFAULT_MAX_FILES),
            retention=_seconds(self.values.get("MaxRetentionSec"), "0"),
            span=_seconds(self.values.get("MaxFileSec"), DEFAULT_MAX_FILE_SEC),
        )

    @staticmethod
    def largest_file(use: float) -> float:
        """Return what one file may take when nothing is said."""
        return min(use / 8, _LARGEST_FILE)

    def size(self, name: str) -> float | None:
        """Return the size that is written for a limit, such as ``MaxUse``."""
        return _size(self.values.get(f"{self.kind}{name}"))

    def is_ours(self, directive: str) -> bool:
        """Whether it is our drop-in that sets ``directive``."""
        return bool(self.values.get(directive)) and self.origins[directive] == self.own

    def named(self, directive: str, default: str) -> str:
        """Return for people what sets ``directive``: our setting, somebody else's file, or journald itself."""
        value = self.values.get(directive)
        if not value:
            return f"journald's own {directive}= ({default})"
        if self.is_ours(directive):
            return f"{setting_of(directive)} ({value})"
        return f"{directive}={value} of {self.origins[directive]}"

    def problem(self, prefix: str, directive: str, expected: str, remedy: str) -> Problem:
        """Return a problem with a setting of ours."""
        return Problem(f"{prefix}{setting_of(directive)}", show(self.values[directive]), expected, remedy)


def size_problems(journal: Journal, prefix: str) -> list[Problem]:
    """Return a problem for each size that the file system has no room for, or that another file contradicts."""
    problems = []
    use, free, file_size = (f"{journal.kind}{name}" for name in ("MaxUse", "KeepFree", "MaxFileSize"))
    most, kept, each = (journal.size(name) for name in ("MaxUse", "KeepFree", "MaxFileSize"))
    ours = [directive for directive in (use, free) if journal.is_ours(directive)]
    if ours and (most or 0.0) + (kept or 0.0) > journal.disk.size:
        expected = f"a size that the file system of {journal.where} ({storage.amount(journal.disk.size)}) has room for"
        if ours[0] == use and kept:
            expected += f", of which {journal.named(free, '')} stays free"
        elif ours[0] == free and most:
            expected += f", of which {journal.named(use, '')} is for the journal"
        problems.append(journal.problem(prefix, ours[0], expected, "It can never be reached; write less"))
    if each and each * 2 > journal.limits.use:
        twice = "journald would let the journal grow to twice that; "
        if journal.is_ours(file_size) and most is None:
            held = storage.amount(journal.limits.use)
            expected = (
                f"at most half of what journald lets the journal grow to ({held}, as {setting_of(use)} is not set)"
            )
            remedy = f"Lower it, or set {setting_of(use)}"
            problems.append(journal.problem(prefix, file_size, expected, remedy))
        elif journal.is_ours(file_size):
            expected = f"at most half of {journal.named(use, '')}"
            problems.append(journal.problem(prefix, file_size, expected, f"{twice}lower it"))
        elif journal.is_ours(use):
            expected = f"at least twice {journal.named(file_size, '')}"
            problems.append(journal.problem(prefix, use, expected, f"{twice}raise it"))
    return problems


def span_problems(journal: Journal, prefix: str) -> list[Problem]:
    """Return a problem when a file of somebody else makes files of the journal span more than its retention, or ours does."""
    limits = journal.limits
    ours = [name for name in ("MaxRetentionSec", "MaxFileSec") if journal.is_ours(name)]
    # With both ours, or with journald's own, the controller has looked at them.
    if not limits.retention or 0 < limits.span < limits.retention or len(ours) != 1:
        return []
    remedy = "journald removes a file with all its records once the first one is too old"
    if ours[0] == "MaxFileSec":
        expected = f"more than 0 and less than {journal.named('MaxRetentionSec', '')}"
        return [journal.problem(prefix, "MaxFileSec", expected, remedy)]
    expected = f"more than {journal.named('MaxFileSec', DEFAULT_MAX_FILE_SEC)}"
    return [journal.problem(prefix, "MaxRetentionSec", expected, remedy)]


def retention_problems(journal: Journal, usage: storage.Usage, prefix: str) -> list[Problem]:
    """Return a problem when the journal grows so fast that its size cannot hold the records of the retention."""
    limits = journal.limits
    ours = [name for name in ("MaxRetentionSec", f"{journal.kind}MaxUse") if journal.is_ours(name)]
    if not ours or not limits.retention or usage.seconds < _LONG_ENOUGH:
        return []
    in_files = limits.files * limits.file_size if limits.files else float("inf")
    most = min(limits.use, journal.disk.size - limits.free, in_files)
    needed = usage.written / usage.seconds * limits.retention
    if needed <= most:
        return []
    measured = f"the journal{journal.of} has {storage.amount(usage.written)} of {usage.seconds / 86400:.1f} days"
    holds = f"{storage.amount(most)} hold {most / usage.written * usage.seconds / 86400:.1f} days"
    raised = []
    if limits.use < needed:
        raised.append(f"{setting_of(f'{journal.kind}MaxUse')} to at least {storage.amount(needed)}")
    file_size = journal.size("MaxFileSize") or journal.largest_file(max(limits.use, needed))
    if limits.files and limits.files * file_size < needed:
        raised.append(f"{setting_of(f'{journal.kind}MaxFiles')} to at least {math.ceil(needed / file_size)}")
    remedy = f"Raise {' and '.join(raised)}, or write a shorter time" if raised else "Write a shorter time"
    if ours[0] == "MaxRetentionSec":
        expected = f"a time whose records the size can hold ({measured}, so {holds})"
    else:
        retention = journal.named("MaxRetentionSec", "")
        expected = f"a size that can hold the records of {retention} ({measured}, so {holds})"
    return [journal.problem(prefix, ours[0], expected, remedy)]


def losses(journal: Journal, before: Limits, usage: storage.Usage) -> list[str]:
    """Return a warning for each limit that is below what the journal has: journald vacuums when it starts."""
    limits, kind = journal.limits, journal.kind
    told = []
    use = max(limits.use, limits.file_size * 2)
    if usage.allocated > use:
        named, held = journal.named(f"{kind}MaxUse", storage.amount(use)), storage.amount(usage.allocated)
        told.append(f"{named} is less than the {held} that the journal{journal.of} has: {_REMOVES}.")
    if 0 < limits.files < usage.files:
        named = journal.named(f"{kind}MaxFiles", f"{limits.files:.0f}")
        told.append(f"{named} is less than the {usage.files} files that the journal{journal.of} has: {_REMOVES}.")
    if 0 < limits.retention < usage.age:
        named, age = journal.named("MaxRetentionSec", ""), f"{usage.age / 86400:.1f}"
        told.append(f"{named} is less than the {age} days of the oldest record of the journal{journal.of}: {_REMOVES}.")
    if limits.free > max(before.free, journal.disk.free) and usage.files:
        named, free = journal.named(f"{kind}KeepFree", storage.amount(limits.free)), storage.amount(journal.disk.free)
        told.append(
            f"{named} is more than the {free} that is free below {journal.where}: the journal{journal.of} does not grow "
            "any more, and its oldest records make room for new ones."
        )
    return told
