# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip says, and what it is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.commands import Output, current_user
from ansible_collections.stability.baseline.plugins.module_utils.environment_lock import environment_key
from ansible_collections.stability.baseline.plugins.module_utils.environments import Environment
from ansible_collections.stability.baseline.plugins.module_utils.pip_runner import (
    index_variables,
    last_lines,
    meaningful_lines,
    new_conflicts,
    parse_conflicts,
    workspace,
)

OLD = "flask 3.0.3 has requirement Werkzeug>=3.0.0, but you have werkzeug 2.0.3."
NEWER = "Flask 3.1.0 has requirement Werkzeug >=3.0.0, but you have werkzeug 2.1.0."
MISSING = "flask 3.0.3 requires click, which is not installed."
PLATFORM = "numpy 1.26.0 is not supported on this platform"


def test_lines_of_pip_check() -> None:
    lines = ["WARNING: something", OLD, f"{MISSING}\n", PLATFORM, "No broken requirements found."]
    assert [(conflict.text, conflict.key) for conflict in parse_conflicts(lines)] == [
        (OLD, ("version", "flask", "werkzeug>=3.0.0")),
        (MISSING, ("missing", "flask", "click")),
        (PLATFORM, ("platform", "numpy", "")),
    ]


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ([], [OLD], [OLD]),
        ([OLD], [OLD], []),
        ([OLD], [NEWER], []),
        ([OLD], [], []),
        ([OLD], [OLD, MISSING], [MISSING]),
        (["flask 3.0.3 requires werkzeug, which is not installed."], [OLD], [OLD]),
    ],
)
def test_which_conflicts_are_new(before: list[str], after: list[str], new: list[str]) -> None:
    assert new_conflicts(before, after) == new


def test_the_end_of_what_pip_said_from_its_first_error_on() -> None:
    retry = "WARNING: Retrying (Retry(total={}, connect=None)) after connection broken: Connection refused"
    stderr = [
        retry.format(1),
        retry.format(0),
        "ERROR: No matching distribution found for x==1",
        "  detail",
        "[notice] A new release",
    ]
    said = meaningful_lines(Output(1, "Looking in indexes: x\n\n", "\n".join(stderr)))
    assert said.splitlines() == [retry.format(0), "ERROR: No matching distribution found for x==1", "  detail"]


def test_an_address_that_could_not_be_fetched_is_kept() -> None:
    stderr = "Could not fetch URL http://x/: connection error\nchatter\nERROR: nothing found"
    said = meaningful_lines(Output(1, "", stderr))
    assert said.splitlines() == ["Could not fetch URL http://x/: connection error", "ERROR: nothing found"]


def test_what_pip_said_without_calling_it_an_error() -> None:
    lines = [f"line {number}" for number in range(30)]
    assert meaningful_lines(Output(1, "\n".join(lines), "")).splitlines() == lines[-20:]
    assert last_lines(Output(1, "error: x\nout\n", "err\n")) == "error: x\nout\nerr"


def test_what_pip_is_told_about_the_index() -> None:
    environment = Environment(
        "",
        "/opt/venv",
        index_url="https://u:p@example.org",
        extra_index_urls=("https://a", "https://b"),
        find_links=("/w", "/x"),
        no_index=True,
    )
    assert index_variables(environment) == {
        "PIP_INDEX_URL": "https://u:p@example.org",
        "PIP_EXTRA_INDEX_URL": "https://a https://b",
        "PIP_FIND_LINKS": "/w /x",
        "PIP_NO_INDEX": "1",
    }
    assert index_variables(Environment("", "/opt/venv")) == {}


def test_the_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stale = tmp_path / f"stability-pip-{environment_key('/opt/venv')}-killed"
    stale.mkdir()
    other = tmp_path / f"stability-pip-{environment_key('/opt/other')}-busy"
    other.mkdir()
    with workspace(current_user(), "/opt/venv") as folder:
        assert os.stat(folder).st_mode & 0o777 == 0o700
        assert not stale.exists()
    assert os.listdir(tmp_path) == [other.name]
