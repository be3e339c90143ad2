# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of files that are remembered between runs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import file_hashes
from ansible_collections.stability.baseline.plugins.module_utils.file_hashes import FileHashes, cache_path


def later() -> int:
    """Tell a time at which everything was changed long ago."""
    return time.time_ns() + 10**12


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "state" / "hashes" / "one.json"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.py"
    path.write_bytes(b"content")
    return path


def ask(hashes: FileHashes, path: Path, algorithm: str = "sha256") -> str:
    return hashes.digest(str(path), path.stat(), algorithm)


def remembered(cache: Path, file: Path) -> None:
    """Let a run read the file and remember its digest."""
    hashes = FileHashes(str(cache), later)
    assert ask(hashes, file) == digest_of(b"content")
    hashes.save()


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes the reading of any file's content an error."""

    def forbid() -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("a file was read")

        monkeypatch.setattr(FileHashes, "_hashed", refuse)

    return forbid


def test_a_file_is_read_once(cache: Path, file: Path, unread: Callable[[], None]) -> None:
    remembered(cache, file)
    unread()
    assert ask(FileHashes(str(cache), later), file) == digest_of(b"content")


def test_each_algorithm_has_its_digest(cache: Path, file: Path) -> None:
    remembered(cache, file)
    assert ask(FileHashes(str(cache), later), file, "sha512") == digest_of(b"content", "sha512")


def rewrite(file: Path) -> None:
    """Change the content and put the old time back, which leaves a new time of the inode."""
    status = file.stat()
    time.sleep(0.02)
    file.write_bytes(b"CONTENT")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(file: Path) -> None:
    """Put another file of the same size and time in its place."""
    status = file.stat()
    other = file.with_suffix(".new")
    other.write_bytes(b"CONTENT")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(file)


@pytest.mark.parametrize("change", [rewrite, replace])
def test_a_change_that_keeps_size_and_time_is_seen(cache: Path, file: Path, change: Callable[[Path], None]) -> None:
    remembered(cache, file)
    change(file)
    assert ask(FileHashes(str(cache), later), file) == digest_of(b"CONTENT")


def test_what_changed_a_moment_ago_is_not_remembered(cache: Path, file: Path) -> None:
    hashes = FileHashes(str(cache), time.time_ns)
    assert ask(hashes, file) == digest_of(b"content")
    hashes.save()
    assert not cache.exists()


def test_what_changes_while_it_is_read_is_not_remembered(cache: Path, file: Path) -> None:
    hashes, before = FileHashes(str(cache), later), file.stat()
    rewrite(file)
    assert hashes.digest(str(file), before, "sha256") == digest_of(b"CONTENT")
    hashes.save()
    assert not cache.exists()


def test_nothing_is_written_without_being_told(cache: Path, file: Path) -> None:
    ask(FileHashes(str(cache), later), file)
    ask(FileHashes("", later), file)
    FileHashes("").save()
    assert not cache.parent.exists()


def test_what_is_not_asked_for_is_forgotten(cache: Path, file: Path) -> None:
    remembered(cache, file)
    assert "sha256:" in cache.read_text()
    FileHashes(str(cache), later).save()
    assert cache.read_bytes().partition(b"\n")[2] == b"{}"


def truncate(cache: Path) -> None:
    cache.write_bytes(cache.read_bytes()[:-3])


def falsify(cache: Path) -> None:
    """Claim another digest, without the checksum that only a whole file has."""
    cache.write_bytes(cache.read_bytes().replace(digest_of(b"content").encode(), digest_of(b"x").encode()))


def empty(cache: Path) -> None:
    cache.write_bytes(b"")


def of_another_form(cache: Path) -> None:
    body = json.dumps(["x"]).encode()
    cache.write_bytes(b"stability-hashes 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def open_to_all(cache: Path) -> None:
    cache.chmod(0o666)


def of_somebody_else(cache: Path) -> None:
    os.chown(cache, 65534, 65534)


def in_an_open_folder(cache: Path) -> None:
    cache.parent.chmod(0o777)


def a_link(cache: Path) -> None:
    cache.rename(cache.with_suffix(".real"))
    cache.symlink_to(cache.with_suffix(".real"))


def a_pipe(cache: Path) -> None:
    cache.unlink()
    os.mkfifo(cache, 0o600)


DAMAGES = [truncate, falsify, empty, of_another_form, open_to_all, of_somebody_else, in_an_open_folder, a_link, a_pipe]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_foreign_cache_is_ignored(cache: Path, file: Path, damage: Callable[[Path], None]) -> None:
    remembered(cache, file)
    damage(cache)
    assert file_hashes._read(str(cache)) == {}


@pytest.mark.parametrize("damage", [one for one in DAMAGES if one is not in_an_open_folder])
def test_a_damaged_or_foreign_cache_is_written_again(
    cache: Path, file: Path, damage: Callable[[Path], None], unread: Callable[[], None]
) -> None:
    remembered(cache, file)
    damage(cache)
    remembered(cache, file)
    status = cache.lstat()
    assert (status.st_uid, status.st_mode) == (os.geteuid(), 0o100600)
    unread()
    assert ask(FileHashes(str(cache), later), file) == digest_of(b"content")


def test_a_folder_that_others_may_write_to_is_not_used(cache: Path, file: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.parent.chmod(0o777)
    remembered(cache, file)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path, file: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder is needed")
    remembered(tmp_path / "state" / "hashes" / "one.json", file)


def test_places_of_root_and_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cache_path("one") == "/var/lib/stability/hashes/one.json"
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setenv("HOME", "/hostile")
    assert cache_path("one") == "/nonexistent/.local/state/stability-baseline/hashes/one.json"
