# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was proved: one record for each cell in ``docs/proofs.json``, and whether it still holds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

PATH = Path("docs/proofs.json")
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
STALE, MISSING = "stale", "missing"


@dataclass(frozen=True)
class Record:
    """How a cell ended.

    Attributes:
        result: ``passed``, ``failed`` or ``not run``.
        date: the day, in UTC.
        commit: the commit that was checked out.
        digest: of the files that the cell covers, at that commit.
        seed: what everything random was drawn by.
        seconds: how long it took; ``budget`` is how long it might have.
        reason: why it failed, or why it was not run.
        passed: how many tests passed; 0 where nobody counts.
        not_run: tests that were left out, each with the reason.
        proofs: the number of cases of each long proof in it.
        versions: of what it ran with.
    """

    result: str
    date: str
    commit: str
    digest: str
    seed: int
    seconds: int
    budget: int
    reason: str = ""
    passed: int = 0
    not_run: Mapping[str, str] = field(default_factory=dict)
    proofs: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return its fields, but for those that say nothing."""
        return {name: value for name, value in asdict(self).items() if value or name in ("seed", "seconds")}


def state(record: Record | None, digest: str) -> str:
    """Return what a record is worth for files with this digest: how it ended, or ``stale`` or ``missing``.

    What could not run is not stale: that says nothing about the files.
    """
    if record is None:
        return MISSING
    return STALE if record.result == PASSED and record.digest != digest else record.result


def load(path: Path = PATH) -> dict[str, Record]:
    """Return all records; none when there is no file."""
    if not path.exists():
        return {}
    known = {one.name for one in fields(Record)}
    found = json.loads(path.read_text(encoding="utf-8"))
    return {cell: Record(**entry) for cell, entry in found.items() if known.issuperset(entry)}


def save(records: Mapping[str, Record], path: Path = PATH) -> None:
    """Write all records; a reader sees the old file or the new one, whenever this is killed."""
    text = json.dumps({cell: record.as_json() for cell, record in sorted(records.items())}, indent=2, sort_keys=True)
    written = path.with_suffix(".new")
    written.write_text(text + "\n", encoding="utf-8")
    os.replace(written, path)
