# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a stray file, on folders made for the purpose."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.commands import current_user
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import installed_distributions
from ansible_collections.stability.baseline.plugins.module_utils.stray_files import remove_stray_files, stray_files
from test_dist_info import install

ONE = {"one/__init__.py": b"", "one/sub/__init__.py": b"", "one/data/table.txt": b"", "one/bare/tool.py": b""}


def put(site: Path, name: str) -> None:
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_bytes(b"stray")


def strays(site: Path, *names: str) -> dict[str, tuple[str, ...]]:
    return stray_files(names, installed_distributions([str(site)]))


@pytest.mark.parametrize(
    "name",
    [
        "one/old.py",
        "one/sub/old.py",
        "one/data/old.py",
        "one/bare/old.py",
        "one/gone/__init__.py",
        "one/_speedups.cpython-311-x86_64-linux-gnu.so",
        "one/old.pyc",
        "one/migrations/0002_auto.py",
    ],
)
def test_what_can_be_imported_is_stray(tmp_path: Path, name: str) -> None:
    install(tmp_path, "one", "1", ONE)
    assert strays(tmp_path, "one") == {}
    put(tmp_path, name)
    assert strays(tmp_path, "one") == {"one": (name,)}


@pytest.mark.parametrize(
    "name",
    [
        "one/__pycache__/old.cpython-311.pyc",
        "one/__pycache__/_cffi_1.so",
        "one/__init__.pyc",
        "one/parsetab.py",
        "one/sub/calc_lextab.py",
        "one/data/cache.json",
        "one/locale/de/LC_MESSAGES/one.mo",
        "one/old.pyi",
        "one/.ipynb_checkpoints/old.py",
        "one/lib.so.1",
        "single.py",
        "two/__init__.py",
        "stray.pth",
        "one-1.dist-info/old.py",
    ],
)
def test_what_programs_write_is_not(tmp_path: Path, name: str) -> None:
    install(tmp_path, "one", "1", {**ONE, "one.py": b""})
    put(tmp_path, name)
    assert strays(tmp_path, "one") == {}


def test_a_link_to_a_recorded_file_is_explained(tmp_path: Path) -> None:
    install(tmp_path, "one", "1", {**ONE, "one/libone.so.7": b"", "one/real.py": b""})
    (tmp_path / "one" / "libone.so").symlink_to("libone.so.7")
    (tmp_path / "one" / "alias.py").symlink_to("real.py")
    assert strays(tmp_path, "one") == {}
    (tmp_path / "one" / "foreign.py").symlink_to("/etc/hostname")
    (tmp_path / "one" / "folder").symlink_to("/etc")
    assert strays(tmp_path, "one") == {"one": ("one/foreign.py",)}


def test_a_file_of_an_unpinned_distribution_is_explained(tmp_path: Path) -> None:
    install(tmp_path, "one", "1", ONE)
    install(tmp_path, "one-plugin", "1", {"one/plugins/plugin.py": b""})
    assert strays(tmp_path, "one") == {}


def test_a_namespace_package_belongs_to_nobody(tmp_path: Path) -> None:
    """One kind has no __init__, the other has one that each distribution brings."""
    for top, init in (("space", {}), ("older", {"older/__init__.py": b"extend_path"})):
        install(tmp_path, f"{top}-a", "1", {f"{top}/a/__init__.py": b"", **init})
        install(tmp_path, f"{top}-b", "1", {f"{top}/b/__init__.py": b"", **init})
        put(tmp_path, f"{top}/mine.py")
        put(tmp_path, f"{top}/own/__init__.py")
        assert strays(tmp_path, f"{top}-a", f"{top}-b") == {}
        put(tmp_path, f"{top}/a/old.py")
        put(tmp_path, f"{top}/b/old.py")
        assert strays(tmp_path, f"{top}-a") == {f"{top}-a": (f"{top}/a/old.py",)}


def test_the_owner_of_the_nearest_package_is_asked(tmp_path: Path) -> None:
    install(tmp_path, "one", "1", ONE)
    install(tmp_path, "plugin", "1", {"one/plugin/__init__.py": b""})
    put(tmp_path, "one/plugin/old.py")
    assert strays(tmp_path, "one") == {}
    assert strays(tmp_path, "one", "plugin") == {"plugin": ("one/plugin/old.py",)}


@pytest.mark.parametrize("says", ["", "one\nother\n"])
def test_packages_of_distributions_that_list_no_files_are_left_alone(tmp_path: Path, says: str) -> None:
    install(tmp_path, "two", "1", {"one/__init__.py": b"", "two/__init__.py": b""})
    info = tmp_path / "one-2.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: one\nVersion: 2\n")
    if says:
        (info / "top_level.txt").write_text(says)
    put(tmp_path, "one/main.py")
    put(tmp_path, "two/main.py")
    assert strays(tmp_path, "two") == {"two": ("two/main.py",)}
    (info / "installed-files.txt").write_text("../one/main.py\nPKG-INFO\n")
    assert strays(tmp_path, "two") == {"two": ("two/main.py",)}
    put(tmp_path, "one/old.py")
    assert strays(tmp_path, "two") == {"two": ("one/old.py", "two/main.py")}


def test_names_in_a_record_are_compared_as_paths(tmp_path: Path) -> None:
    one = install(tmp_path, "one", "1", ONE)
    record = Path(one.path, "RECORD")
    record.write_text(record.read_text().replace("one/sub/__init__.py", "./one//sub/../sub/__init__.py"))
    assert strays(tmp_path, "one") == {}


def test_they_are_removed_and_nothing_else(tmp_path: Path) -> None:
    install(tmp_path, "one", "1", ONE)
    install(tmp_path, "two", "1", {"two/__init__.py": b""})
    kept = sorted(path for path in tmp_path.rglob("*"))
    put(tmp_path, "two/old.py")
    for name in (
        "one/old.py",
        "one/__pycache__/old.cpython-311.pyc",
        "one/gone/deep/__init__.py",
        "one/gone/deep/__pycache__/__init__.cpython-311.pyc",
    ):
        put(tmp_path, name)
    removed = remove_stray_files(["one", "not-installed"], [str(tmp_path)], current_user())
    assert removed == ["one/gone/deep/__init__.py", "one/old.py"]
    assert sorted(path for path in tmp_path.rglob("*")) == sorted([*kept, tmp_path / "two" / "old.py"])
    assert remove_stray_files(["one"], [str(tmp_path)], current_user()) == []
