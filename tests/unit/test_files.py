# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are the old one or the new one, and nothing is left beside them."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import files


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writes_all_files_with_their_mode(tmp_path):
    (tmp_path / "b").write_bytes(b"old")
    files.write_files({str(tmp_path / "a"): b"1\n", str(tmp_path / "b"): b""}, 0o640)
    assert content(tmp_path) == {"a": b"1\n", "b": b""}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}


def test_replaces_a_link_and_not_what_it_points_at(tmp_path):
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "a").symlink_to("kept")
    (tmp_path / ".a.stability-staged").symlink_to("kept")
    files.write_file(str(tmp_path / "a"), b"new")
    assert content(tmp_path) == {"kept": b"kept", "a": b"new"}
    assert not (tmp_path / "a").is_symlink()


def test_a_file_that_cannot_be_staged_leaves_all_untouched(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        files.write_files({str(tmp_path / "a"): b"new", str(tmp_path / "missing" / "b"): b"new"})
    assert content(tmp_path) == {"a": b"old"}


def test_a_file_that_cannot_take_its_place_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write_files({str(tmp_path / "a"): b"new", str(tmp_path / "b"): b"new"})
    (tmp_path / "b").rmdir()
    assert content(tmp_path) == {"a": b"new"}


def test_all_is_on_the_disk_before_the_first_file_takes_its_place(tmp_path, monkeypatch):
    steps = []
    fsync, rename = os.fsync, os.rename

    def spied_fsync(descriptor):
        steps.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))))
        fsync(descriptor)

    def spied_rename(before, after):
        steps.append(("rename", os.path.basename(after)))
        rename(before, after)

    monkeypatch.setattr(os, "fsync", spied_fsync)
    monkeypatch.setattr(os, "rename", spied_rename)
    files.write_files({str(tmp_path / name): b"new" for name in ("a", "b")})
    assert steps == [
        ("fsync", ".a.stability-staged"),
        ("fsync", ".b.stability-staged"),
        ("rename", "a"),
        ("rename", "b"),
        ("fsync", tmp_path.name),
    ]
