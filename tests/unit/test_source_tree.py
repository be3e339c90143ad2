# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding, reading and parsing source files."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import source_tree
from ansible_collections.stability.baseline.plugins.module_utils.source_tree import (
    OwnModules,
    SourceFile,
    UnreadableSource,
    package_of,
    parse_source,
    read_source,
    source_files,
)


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_folders_are_walked_without_what_is_not_the_applications(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "b/c.py", "b/d.txt", "tool", "b/.e.py", ".git/f.py", "node_modules/g.py", "__pycache__/h.py")
    make(tmp_path, "venv/pyvenv.cfg", "venv/lib/i.py", "site-packages/j.py")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    found = [Path(file.path).relative_to(tmp_path).as_posix() for file in source_files([str(tmp_path)])]
    assert found == ["a.py", "b/c.py", "site-packages/j.py"]


def test_files_are_taken_as_they_are_named_and_once(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "tool")
    found = source_files([str(tmp_path / "tool"), str(tmp_path), str(tmp_path / "a.py"), str(tmp_path / "gone")])
    assert [Path(file.path).name for file in found] == ["tool", "a.py", "gone"]


def test_a_source_tree_may_itself_hold_an_environments_settings(tmp_path: Path) -> None:
    make(tmp_path, "pyvenv.cfg", "a.py")
    assert len(source_files([str(tmp_path)])) == 1


UNREADABLE = {
    "syntax": (b"x =\n(", "line 1: invalid syntax"),
    "null": (b"x = 1\0", "source code string cannot contain null bytes|source code cannot contain null bytes"),
    "encoding": (b"# coding: none-such\n", "unknown encoding: none-such"),
    "not that encoding": (b"x = '\xff'\n", "'utf-8' codec can't decode|\\(unicode error\\)"),
    "nested too deeply": (b"(" * 5000 + b")" * 5000, "."),
}


@pytest.mark.parametrize(("content", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_parsed_says_why(content: bytes, why: str) -> None:
    with pytest.raises(UnreadableSource, match=why):
        parse_source(content)


def test_encodings_and_doubtful_escapes_are_no_problem(recwarn: pytest.WarningsRecorder) -> None:
    assert parse_source("# coding: latin-1\nx = 'ä\\d'".encode("latin-1")).body and not recwarn.list


def test_what_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadableSource, match="No such file or directory"):
        read_source(str(tmp_path / "gone"))
    with pytest.raises(UnreadableSource, match="it is no file"):
        read_source("/dev/null")
    monkeypatch.setattr(source_tree, "LARGEST", 1 << 20)
    (tmp_path / "large.py").write_bytes(b" " * (1 << 20) + b" ")
    with pytest.raises(UnreadableSource, match="it has more than 1 MiB"):
        read_source(str(tmp_path / "large.py"))


def test_relative_imports_start_from_the_packages_above(tmp_path: Path) -> None:
    make(tmp_path, "p/__init__.py", "p/q/__init__.py", "p/q/a.py", "p/r/b.py", "c.py")
    assert package_of(str(tmp_path / "p/q/a.py")) == ("p", "q")
    assert package_of(str(tmp_path / "p/q/__init__.py")) == ("p", "q")
    assert package_of(str(tmp_path / "p/r/b.py")) == package_of(str(tmp_path / "c.py")) == ()


OWN = {
    "beside a program": ("bin/main.py", "helper", True),
    "a module of the root": ("bin/main.py", "common", True),
    "a package of the root": ("bin/main.py", "shop", True),
    "a neighbour in a package": ("shop/web.py", "redis", False),
    "nothing of that name": ("shop/web.py", "numpy", False),
    "a folder without modules": ("shop/web.py", "data", False),
}


@pytest.mark.parametrize(("path", "name", "expected"), OWN.values(), ids=OWN)
def test_modules_of_the_tree_itself_are_known(tmp_path: Path, path: str, name: str, expected: bool) -> None:
    make(tmp_path, "bin/main.py", "bin/helper.py", "common.py", "shop/__init__.py", "shop/web.py", "shop/redis.py")
    make(tmp_path, "data/x.txt")
    assert OwnModules().has(SourceFile(str(tmp_path / path), str(tmp_path)), name) is expected
