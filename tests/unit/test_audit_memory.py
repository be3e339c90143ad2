# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found in source is remembered as long as nothing has changed that decides it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_memory
from ansible_collections.stability.baseline.plugins.module_utils.audit_memory import (
    FAULTS,
    mark_of,
    recall,
    remember,
)
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import installed_distributions

Change = Callable[[Path], object]


def mark(root: Path, python: str = "3.11.2", own: tuple[str, ...] = ()) -> str:
    return mark_of(python, installed_distributions([str(root / "site")]), [str(root / "app")], own)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(audit_memory, "_SETTLED", 0.0)
    monkeypatch.setattr(audit_memory, "cache_path", lambda name: str(tmp_path / "memory" / name))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("import lib\n")
    info = tmp_path / "site" / "lib-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lib\nVersion: 1\n")
    remember(str(tmp_path), mark(tmp_path))
    return tmp_path


def test_what_has_not_changed_is_remembered(root: Path) -> None:
    assert recall(str(root), mark(root)) == []
    assert recall(f"{root}/other", mark(root)) is None
    assert recall(str(root), mark(root), FAULTS) is None
    remember(str(root), mark(root), FAULTS, [("SB203", "/ä\udcff.py", 3)])
    assert recall(str(root), mark(root), FAULTS) == [["SB203", "/ä\udcff.py", 3]]
    assert recall(str(root), mark(root)) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "app" / "main.py").write_text("import lob\n"),
        lambda root: (root / "app" / "more.py").touch(),
        lambda root: (root / "app" / "main.py").rename(root / "app" / "other.py"),
        lambda root: (root / "site" / "lib-1.dist-info" / "METADATA").write_text("Name: lib\nVersion: 1\n"),
        lambda root: (root / "site" / "lib-1.dist-info").rename(root / "site" / "lib-2.dist-info"),
        lambda root: next((root / "memory").iterdir()).write_text("something else"),
        lambda root: next((root / "memory").iterdir()).write_text('{"mark": 1}'),
        lambda root: next((root / "memory").iterdir()).write_text("[]"),
        lambda root: next((root / "memory").iterdir()).chmod(0o666),
        lambda root: next((root / "memory").iterdir()).unlink(),
    ],
)
def test_what_has_changed_is_not(root: Path, change: Change) -> None:
    change(root)
    assert recall(str(root), mark(root)) is None


def test_another_python_and_other_own_modules_are_something_else(root: Path) -> None:
    assert recall(str(root), mark(root, "3.12.0")) is None
    assert recall(str(root), mark(root, own=("lib",))) is None


def test_what_changed_a_moment_ago_has_no_mark(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_memory, "_SETTLED", 60.0)
    assert mark(root) == ""
    remember(str(root), "")
    assert recall(str(root), "") is None and len(os.listdir(root / "memory")) == 1


def test_what_cannot_be_seen_has_no_mark(root: Path) -> None:
    (root / "app" / "broken.py").symlink_to("nowhere")
    assert mark(root) == ""
