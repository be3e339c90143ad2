# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report: written whole, found again, and refused where they are something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.report import build
from ansible_collections.stability.baseline.plugins.module_utils.report_files import (
    find_earlier,
    read_earlier,
    write_report,
)
from report_data import FIRST, RESULTS

REPORT = build(RESULTS, FIRST)
NAMES = ["report.html", "report.json", "report.sarif", "report.xml"]


def test_what_was_written_is_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    assert find_earlier(str(folder)) == (None, "")
    files = write_report(REPORT, str(folder))
    assert sorted(files) == [str(folder / name) for name in NAMES] == sorted(map(str, folder.iterdir()))
    assert files[-1].endswith("report.json"), "written last: what the next run finds is whole"
    assert find_earlier(str(folder)) == (REPORT, "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "it is no JSON"),
        ("[]", "it is no report of the audit"),
        (json.dumps({"report": "stability.baseline.report", "version": 9}), "it is a report of version 9, not 1"),
        (
            json.dumps({"report": "stability.baseline.report", "version": 1}),
            "it is no whole report, look at created, hosts, missed",
        ),
        (json.dumps({**REPORT, "hosts": [{}]}), "it is no whole report, look at hosts"),
        (json.dumps({**REPORT, "missed": [{}]}), "it is no whole report, look at missed"),
        (json.dumps({**REPORT, "created": "\ud800"}), "it is no whole report, look at created"),
        (
            json.dumps(
                {
                    **REPORT,
                    "hosts": [
                        {**REPORT["hosts"][0], "services": [{"unit": "a.service", "history": [[10**400, 1, 1]]}]}
                    ],
                }
            ),
            "it is no whole report, look at hosts",
        ),
        (json.dumps({**REPORT, "compared": {"unseen": [{}]}}), "it is no whole report, look at compared"),
        ("[" * 100_000, "it is no JSON"),
    ],
)
def test_something_else_is_refused_or_told(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    message = f'"{path}" ({why}); expected a report of the audit. Name the report.json of an earlier audit.'
    with pytest.raises(InvalidInput) as raised:
        read_earlier(str(path), "compare_with")
    assert str(raised.value) == f"compare_with: found {message}"
    told = f"Nothing is compared with the last audit. report_dir: found {message}"
    assert find_earlier(str(tmp_path)) == (None, told)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_earlier(str(tmp_path / "none.json"), "compare_with")
    assert str(raised.value) == (
        f'compare_with: found "{tmp_path}/none.json" (No such file or directory); expected a report that can be read. '
        "Name the report.json of an earlier audit."
    )


def test_a_folder_that_cannot_be_written_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput) as raised:
        write_report(REPORT, str(tmp_path / "file"))
    assert str(raised.value) == (
        f'report_dir: found "{tmp_path}/file" (File exists); expected a folder that can be written. Choose another one.'
    )
    (tmp_path / "report" / "report.xml").mkdir(parents=True)
    with pytest.raises(InvalidInput):
        write_report(REPORT, str(tmp_path / "report"))
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["report.html", "report.xml"]
