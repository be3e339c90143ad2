# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed distributions and their RECORD, on folders made for the purpose."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.direct_references import DirectUrl
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import (
    Distribution,
    Integrity,
    installed_distributions,
    leftovers,
    removable,
    requirements_of,
    verify_files,
    without_shared,
)
from ansible_collections.stability.baseline.plugins.module_utils.file_hashes import FileHashes
from ansible_collections.stability.baseline.plugins.module_utils.names import normalised


def row(name: str, content: bytes, algorithm: str = "sha256") -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()
    return f"{name},{algorithm}={digest},{len(content)}\n"


def install(
    site: Path, name: str, version: str, files: dict[str, bytes] | None = None, record: str | None = None
) -> Distribution:
    """Install a distribution by hand and return how it is read."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: 9\n".encode(),
        f"{info}/INSTALLER": b"pip\n",
    }
    for path, content in contents.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    rows = "".join(row(path, content) for path, content in contents.items()) + f"{info}/RECORD,,\n"
    (site / info / "RECORD").write_text(rows if record is None else record)
    return next(one for one in installed_distributions([str(site)])[normalised(name)] if one.version == version)


def test_distributions_are_found_by_normalised_name(tmp_path: Path) -> None:
    install(tmp_path, "Zope.Interface", "6.0")
    install(tmp_path, "a_b", "1")
    (tmp_path / "old-2.0-py3.11.egg-info").write_text("Name: Old\nVersion: 2.0\n")
    (tmp_path / "older.egg-info").mkdir()
    (tmp_path / "older.egg-info" / "PKG-INFO").write_text("Name: older\nVersion: 3\n")
    (tmp_path / "bare-1.dist-info").mkdir()
    (tmp_path / "~lask-1.dist-info").mkdir()
    (tmp_path / "flask").mkdir()
    found = {name: [one.version for one in ones] for name, ones in installed_distributions([str(tmp_path)]).items()}
    assert found == {"zope-interface": ["6.0"], "a-b": ["1"], "old": ["2.0"], "older": ["3"], "bare": [""]}
    assert leftovers([str(tmp_path)]) == [str(tmp_path / "~lask-1.dist-info")]


def test_direct_references_and_records_are_seen(tmp_path: Path) -> None:
    one = install(tmp_path, "one", "1")
    assert (one.recorded, one.origin) == (True, None)
    Path(one.path, "direct_url.json").write_text("{}")
    Path(one.path, "RECORD").unlink()
    (again,) = installed_distributions([str(tmp_path)])["one"]
    assert (again.recorded, again.origin) == (False, DirectUrl(""))


def test_files_as_recorded(tmp_path: Path) -> None:
    assert verify_files(install(tmp_path, "one", "1", {"one/a.py": b"a", "../bin/one": b"#!"})) == Integrity()


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "blake2b"])
@pytest.mark.parametrize("content", [b"old!", b"longer than before", b""])
def test_a_changed_file_is_found(tmp_path: Path, algorithm: str, content: bytes) -> None:
    record = row("one.py", b"new!", algorithm) + row("one-1.dist-info/INSTALLER", b"pip\n")
    one = install(tmp_path, "one", "1", record=record)
    (tmp_path / "one.py").write_bytes(b"new!")
    assert verify_files(one) == Integrity()
    (tmp_path / "one.py").write_bytes(content)
    assert verify_files(one) == Integrity(changed=("one.py",))


@pytest.mark.parametrize(
    ("line", "integrity"),
    [
        ("gone.py,,\n", Integrity(missing=("gone.py",))),
        ("one.py/below,,\n", Integrity(missing=("one.py/below",))),
        ("pkg,sha256=x,1\n", Integrity(changed=("pkg",))),
        ("one.py,rot13=x,\n", Integrity()),
        ("one.py,,9\n", Integrity(changed=("one.py",))),
        ("one.py,,nonsense\n", Integrity()),
        ('"with,comma.py",,\n', Integrity(missing=("with,comma.py",))),
        ("__pycache__/one.cpython-311.pyc,,\n", Integrity()),
        ("\n", Integrity()),
        ("one.py\n", Integrity()),
    ],
)
def test_lines_of_a_record(tmp_path: Path, line: str, integrity: Integrity) -> None:
    one = install(tmp_path, "one", "1", {"one.py": b"x", "pkg/a.py": b""})
    record = Path(one.path, "RECORD")
    record.write_text(record.read_text() + line)
    assert verify_files(one) == integrity


def test_a_record_that_cannot_be_read_is_that_of_no_file(tmp_path: Path) -> None:
    one = install(tmp_path, "one", "1", record='"one.py,,\n' + "x" * 200_000)
    assert verify_files(one) == Integrity(missing=("one-1.dist-info/INSTALLER",))


def test_a_file_that_is_gone_when_it_is_to_be_read_is_missing(tmp_path: Path) -> None:
    class Late(FileHashes):
        def digest(self, path: str, status: os.stat_result, algorithm: str) -> str:
            os.unlink(path)
            return super().digest(path, status, algorithm)

    one = install(tmp_path, "one", "1", {"one.py": b"x"})
    assert "one.py" in verify_files(one, Late()).missing


def test_requirements_are_read_from_the_head_of_the_metadata(tmp_path: Path) -> None:
    one = install(tmp_path, "one", "1")
    assert requirements_of(one) == []
    Path(one.path, "METADATA").write_text(
        "Name: one\nLicense: a\n Requires-Dist: text\nRequires-Dist: a>1\nrequires-dist:b\n\nRequires-Dist: c\n"
    )
    assert requirements_of(one) == ["a>1", "b"]
    Path(one.path, "METADATA").unlink()
    assert requirements_of(one) == []


def test_requirements_in_the_form_of_setuptools(tmp_path: Path) -> None:
    (tmp_path / "one.egg-info").mkdir()
    text = "a>=1\n\n[fast]\nb\n\n[:os_name == 'nt']\nc\n\n[fast:os_name == 'nt']\nd\n"
    (tmp_path / "one.egg-info" / "requires.txt").write_text(text)
    (one,) = installed_distributions([str(tmp_path)])["one"]
    assert requirements_of(one) == [
        "a>=1",
        'b ; extra == "fast"',
        "c ; (os_name == 'nt')",
        "d ; (os_name == 'nt') and extra == \"fast\"",
    ]


def test_what_is_no_plain_file_is_changed_and_not_read(tmp_path: Path) -> None:
    one = install(tmp_path, "one", "1", {"one.py": b"x"})
    (tmp_path / "one.py").unlink()
    os.mkfifo(tmp_path / "one.py")
    assert verify_files(one) == Integrity(changed=("one.py",))


def test_an_installation_that_was_never_completed(tmp_path: Path) -> None:
    """A wheel's own RECORD does not list INSTALLER: pip had unpacked the wheel and was killed."""
    one = install(tmp_path, "one", "1", record=row("one-1.dist-info/METADATA", b"x"))
    assert "one-1.dist-info/INSTALLER" in verify_files(one).missing
    Path(one.path, "RECORD").unlink()
    (bare,) = installed_distributions([str(tmp_path)])["one"]
    assert verify_files(bare) == Integrity(missing=("one-1.dist-info/RECORD",))


def test_a_file_of_two_owners_is_that_of_the_last(tmp_path: Path) -> None:
    one = install(tmp_path, "one", "1", {"tests/__init__.py": b"one", "one.py": b"1"})
    two = install(tmp_path, "two", "1", {"tests/__init__.py": b"two"})
    bare = Distribution("bare", "1", str(tmp_path / "bare-1.dist-info"), recorded=False)
    assert verify_files(one).changed == ("tests/__init__.py",)
    assert without_shared(verify_files(one), one, [bare, one, two]) == Integrity()
    assert without_shared(verify_files(two), two, [one, two]) == Integrity()
    (tmp_path / "tests" / "__init__.py").write_bytes(b"nobody's")
    assert without_shared(verify_files(one), one, [one, two]) == Integrity(changed=("tests/__init__.py",))


def test_which_of_several_entries_pip_should_remove(tmp_path: Path) -> None:
    stale = install(tmp_path, "one", "1", record="gone.py,,\n")
    whole = install(tmp_path, "one", "2")
    unread = Distribution("one", "", str(tmp_path / "one-3.dist-info"), recorded=True)
    unrecorded = Distribution("one", "4", str(tmp_path / "one-4.dist-info"), recorded=False)
    assert removable([unread, unrecorded, stale, whole]) == whole
    assert removable([unread, stale]) == stale
    assert removable([unread, unrecorded]) is None
    assert removable([]) is None
    (tmp_path / "one-4.dist-info").mkdir()
    (tmp_path / "one-4.dist-info" / "installed-files.txt").write_text("")
    assert removable([unrecorded]) == unrecorded
