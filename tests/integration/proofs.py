# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long proofs in two sizes from one code: the sample of ``make test``, the full number of ``make prove``."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "docs" / "proofs.json"


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextmanager
def proof(name: str, sizes: Mapping[str, int], seed: int) -> Iterator[int]:
    """Yield the number of cases to run; when all of a full run passed, write it to ``docs/proofs.json``.

    ``STABILITY_PROOF=full`` asks for the full number. What was proved at this commit already is not run again.
    """
    full = os.environ.get("STABILITY_PROOF") == "full"
    records = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if full and records.get(name, {}).get("commit") == _commit():
        print(f"{name}: proved at this commit with {records[name]['cases']} cases")
        yield 0
        return
    size = sizes["full" if full else "sample"]
    yield size
    print(f"{name}: {size} cases passed with seed {seed}")
    if full:
        when = datetime.now(UTC).date().isoformat()
        records[name] = {"cases": size, "commit": _commit(), "date": when, "result": "passed", "seed": seed}
        RECORD.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n", encoding="utf-8")
