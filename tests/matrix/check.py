# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be right before a release: every proof is as new as the code it covers, and the version has its changelog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from . import page
from .checkout import Checkout
from .matrix import Cell, Matrix
from .records import FAILED, MISSING, NOT_RUN, PASSED, STALE, Record, state

MEANINGS = {
    PASSED: "as new as the code",
    STALE: "the code that it covers has changed since",
    MISSING: "never proved",
    FAILED: "failed when it was last run",
    NOT_RUN: "not run",
}


def proofs(cells: Sequence[Cell], records: Mapping[str, Record], checkout: Checkout) -> tuple[list[str], list[str]]:
    """Return a line for each cell, and the names of those that a release must not have."""
    lines, bad = [], []
    for cell in cells:
        record = records.get(cell.id)
        found = state(record, checkout.digest(cell.covers))
        when = f"{record.date} {record.commit[:8]}" if record else ""
        meaning = f"{MEANINGS[found]}: {record.reason}" if record and record.reason else MEANINGS[found]
        lines.append(f"{cell.id:48} {found:8} {when:19}  {meaning}".rstrip())
        if found not in (PASSED, NOT_RUN):
            bad.append(cell.id)
    return lines, bad


def release(root: Path, matrix: Matrix, records: Mapping[str, Record], checkout: Checkout) -> list[str]:
    """Return what else keeps the version in ``galaxy.yml`` from being released, with what to do."""
    version = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    changelog = yaml.safe_load((root / "changelogs/changelog.yaml").read_text(encoding="utf-8"))
    fragments = sorted(path.name for path in (root / "changelogs/fragments").glob("*.y*ml"))
    problems = []
    if version not in (changelog.get("releases") or {}):
        problems.append(
            f"version {version} has no entry in changelogs/changelog.yaml. Run antsibull-changelog release."
        )
    if fragments:
        problems.append(f"fragments of no release: {', '.join(fragments)}. Run antsibull-changelog release.")
    if (root / page.PATH).read_text(encoding="utf-8") != page.render(matrix, records):
        problems.append(f"{page.PATH} is not what docs/proofs.json says. Run tests/matrix/run page.")
    uncommitted = checkout.uncommitted(["*"])
    if uncommitted:
        problems.append(f"not committed: {', '.join(uncommitted)}. Commit or remove.")
    return problems
