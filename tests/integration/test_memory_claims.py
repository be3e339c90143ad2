# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``docs/memory_claims.md`` says of each claim is what its experiment decides, on the Pythons of this machine and of the releases.

With ``STABILITY_WRITE_CLAIMS=1`` the page gets what was measured.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.tests.matrix import matrix, pythons

from releases import RELEASES

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "data" / "memory_claims.py"
PAGE = ROOT / "docs" / "memory_claims.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
WORDS = {True: "true", False: "**false**"}
VERSIONS = matrix.load().interpreters
OF_RELEASES = {release.python for release in RELEASES.values()}
#: What the machine has not, and a release has, is measured there.
LOCAL = {version: pythons.find(version) for version in VERSIONS}
ASKED = [version for version in VERSIONS if LOCAL[version] or version not in OF_RELEASES]


def rows_of(page):
    """Return the cells of each claim that the page tells of, by claim and version."""
    lines = page.partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    return {claim: dict(zip(VERSIONS, own, strict=True)) for claim, *own in cells}


def with_measured(page, version, claims):
    """Return the page with what was measured on one Python."""
    known = rows_of(page)
    rows = [["claim", *VERSIONS], ["---"] * (len(VERSIONS) + 1)]
    for claim, holds in claims.items():
        cells = {**dict.fromkeys(VERSIONS, "?"), **known.get(claim, {}), version: WORDS[holds]}
        rows.append([claim, *cells.values()])
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return page.partition(BEGIN)[0] + BEGIN + table + END + page.partition(END)[2]


def compare(printed):
    measured = json.loads(printed)
    page = PAGE.read_text()
    right = with_measured(page, measured["python"], measured["claims"])
    if os.environ.get("STABILITY_WRITE_CLAIMS"):
        PAGE.write_text(right)
    else:
        assert page == right
        assert "?" not in "".join(cell for row in rows_of(page).values() for cell in row.values())
    return measured["python"]


@pytest.mark.parametrize(
    "interpreter",
    [
        pytest.param(
            version, marks=[] if LOCAL[version] else [pytest.mark.missing(f"Python {version} is not on this machine")]
        )
        for version in ASKED
    ],
)
def test_the_claims_on_this_python(interpreter):
    done = subprocess.run([LOCAL[interpreter], "-I", PROGRAM], capture_output=True, text=True, check=True, timeout=300)
    assert compare(done.stdout) == interpreter


def test_the_claims_on_the_python_of_the_release(host):
    host.put("/opt/memory_claims.py", PROGRAM.read_text())
    assert (
        compare(host.check(["/usr/bin/python3", "-I", "/opt/memory_claims.py"])) == RELEASES[host.spec.release].python
    )
