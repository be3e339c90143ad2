# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What journald would read when it started now, and the journal files that it has written."""

from __future__ import annotations

import os
import struct
import time

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import journal_config as config
from ansible_collections.stability.baseline.plugins.module_utils import journal_storage as storage
from ansible_collections.stability.baseline.plugins.module_utils.journal_config import Configuration, Override

HEADER = "# ours\n"
OWN = "/etc/systemd/journald.conf.d/50-stability.conf"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    found = tuple(str(tmp_path / name) for name in ("etc", "run", "local", "lib"))
    monkeypatch.setattr(config, "FOLDERS", found)
    return tmp_path


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def journal(text):
    return f"[Journal]\n{text}\n"


def test_files_are_read_in_the_order_of_their_names_and_earlier_folders_win(folders):
    put(folders / "lib" / "journald.conf", journal("Storage=volatile"))
    put(folders / "etc" / "journald.conf", journal("Storage=auto\nLineMax=1K"))
    put(folders / "lib" / "journald.conf.d" / "10-a.conf", journal("LineMax=2K"))
    put(folders / "etc" / "journald.conf.d" / "10-a.conf", journal("LineMax=3K"))
    put(folders / "run" / "journald.conf.d" / "20-b.conf", journal("Seal=no"))
    put(folders / "etc" / "journald.conf.d" / "30-c.conf", journal("Seal=yes\nStorage="))
    put(folders / "etc" / "journald.conf.d" / ".40-hidden.conf", journal("Seal=hidden"))
    put(folders / "etc" / "journald.conf.d" / "40-other.txt", journal("Seal=other"))
    (folders / "etc" / "journald.conf.d" / "10-masked.conf").symlink_to("/dev/null")
    found = config.read_configuration("")
    assert [os.path.relpath(path, folders) for path, _text in found.files] == [
        "etc/journald.conf",
        "etc/journald.conf.d/10-a.conf",
        "etc/journald.conf.d/10-masked.conf",
        "run/journald.conf.d/20-b.conf",
        "etc/journald.conf.d/30-c.conf",
    ]
    assert found.assignments == {"Storage": "", "LineMax": "3K", "Seal": "yes"}


def test_a_namespace_has_files_of_its_own(folders):
    put(folders / "etc" / "journald.conf", journal("LineMax=1K"))
    put(folders / "etc" / "journald@web.conf.d" / "10-a.conf", journal("LineMax=2K"))
    assert config.read_configuration("web").assignments == {"LineMax": "2K"}
    assert config.read_configuration("none").files == ()


@pytest.mark.parametrize("change", ["write", "remove", "link", "target"])
def test_every_change_makes_the_configuration_newer(folders, change):
    folder = folders / "etc" / "journald.conf.d"
    put(folder / "10-a.conf", journal("LineMax=1K"))
    put(folders / "target", journal("LineMax=1K"))
    (folder / "20-link.conf").symlink_to(folders / "target")
    before = config.read_configuration("").newest
    assert 0 < before <= time.time()
    time.sleep(0.02)
    if change == "write":
        put(folder / "10-a.conf", journal("LineMax=2K"))
    elif change == "remove":
        (folder / "10-a.conf").unlink()
    elif change == "link":
        (folder / "20-link.conf").unlink()
        (folder / "20-link.conf").symlink_to("/dev/null")
    else:
        put(folders / "target", journal("LineMax=2K"))
    assert config.read_configuration("").newest > before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Storage = auto \n", {"Storage": "auto"}),
        ("# Storage=none\n; LineMax=1\n", {}),
        ("Storage=\\\n  auto\n", {"Storage": "auto"}),
        ("Storage=a\\\n# a remark between\nuto\n", {"Storage": "a uto"}),
        ("Storage=auto\n[Other]\nStorage=none\n[Journal]\nLineMax=1K", {"Storage": "auto", "LineMax": "1K"}),
        ("nonsense\n", {}),
        ("Storage=auto\\", {"Storage": "auto"}),
    ],
)
def test_lines_are_read_as_systemd_reads_them(text, expected):
    assert Configuration((("/x", f"[Journal]\n{text}"),)).assignments == expected


def test_a_digest_is_of_what_is_in_effect():
    one = Configuration((("/etc/systemd/journald.conf", journal("Storage=auto")), (OWN, journal("LineMax=1K"))))
    same = Configuration(((OWN, "# a remark\n" + journal("LineMax=1K\nStorage=auto\nSeal=")),))
    other = Configuration(((OWN, journal("LineMax=1K")),))
    assert one.digest == same.digest != other.digest


def test_our_drop_in_takes_its_place_among_the_others():
    before = Configuration(
        (
            ("/etc/systemd/journald.conf", ""),
            ("/run/systemd/journald.conf.d/10-a.conf", journal("LineMax=1K")),
            ("/etc/systemd/journald.conf.d/99-x.conf", journal("LineMax=9K")),
        )
    )
    after = before.with_own("", journal("LineMax=5K\nStorage=auto"))
    assert [path for path, _text in after.files] == [before.files[0][0], before.files[1][0], OWN, before.files[2][0]]
    assert after.with_own("", None) == before
    wanted = {"LineMax": "5K", "Storage": "auto", "Seal": "yes"}
    assert after.overrides("", wanted) == [Override(before.files[2][0], "LineMax", "9K")]
    assert before.with_own("", journal("LineMax=9K")).overrides("", {"LineMax": "9K"}) == []


def test_the_namespaces_that_are_ours(folders):
    put(folders / "etc" / "journald@web.conf.d" / "50-stability.conf", f"{HEADER}[Journal]\n")
    put(folders / "etc" / "journald@theirs.conf.d" / "50-stability.conf", journal(""))
    put(folders / "etc" / "journald@other.conf.d" / "10-a.conf", journal(""))
    put(folders / "etc" / "journald@killed.conf.d" / ".50-stability.conf.stability-staged", "")
    (folders / "etc" / "journald@empty.conf.d").mkdir()
    (folders / "etc" / "journald@.conf.d").mkdir()
    assert config.own_namespaces(HEADER) == ["empty", "killed", "web"]


def header(first, last, offset=4096):
    content = bytearray(208)
    content[:8] = b"LPKSHHRH"
    struct.pack_into("<Q", content, 136, offset)
    struct.pack_into("<QQ", content, 184, int(first * 1e6), int(last * 1e6))
    return bytes(content)


def test_the_usage_of_a_journal_is_read_from_its_files(tmp_path):
    (tmp_path / "system.journal").write_bytes(header(2000, 3000, 1000))
    (tmp_path / "system@a.journal").write_bytes(header(1000, 2000, 500))
    (tmp_path / "user-1000.journal").write_bytes(header(0, 0, 10))
    (tmp_path / "torn.journal~").write_bytes(b"LPKSHHRH")
    (tmp_path / "fss").write_bytes(header(1, 9000))
    found = storage.usage(str(tmp_path))
    assert (found.written, found.seconds) == (1510, 2000)
    assert found.allocated > 0
    assert storage.usage(str(tmp_path / "missing")) == storage.Usage()


def test_when_a_process_was_started():
    assert abs(storage.process_start(os.getpid()) - time.time()) < 3600
    assert storage.process_start(os.getpid()) <= time.time()
    assert storage.process_start(2**22 + 1) == 0.0


def test_whether_a_process_has_a_file_open(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "link").symlink_to("log")
    path = tmp_path / "log" / "system.journal"
    other = tmp_path / "system.journal"
    assert not storage.is_open(os.getpid(), str(path))
    path.write_text("")
    other.write_text("")
    assert not storage.is_open(os.getpid(), str(path))
    with path.open():
        assert storage.is_open(os.getpid(), str(path))
        assert storage.is_open(os.getpid(), str(tmp_path / "link" / "system.journal"))
        assert not storage.is_open(os.getpid(), str(other))
        assert storage.is_open_below(os.getpid(), str(tmp_path), "system.journal")
        assert not storage.is_open_below(os.getpid(), str(tmp_path / "log"), "system.journal")
        assert not storage.is_open_below(os.getpid(), str(tmp_path), "user.journal")
    assert not storage.is_open(2**22 + 1, str(path))


def test_what_is_in_the_way_of_a_folder(tmp_path):
    folder = tmp_path / "log" / "journal"
    assert storage.blocked_by(str(folder)) == ""
    (tmp_path / "log").symlink_to("nowhere")
    assert storage.blocked_by(str(folder)) == str(tmp_path / "log")
    (tmp_path / "nowhere").mkdir()
    assert storage.blocked_by(str(folder)) == ""
    folder.write_text("")
    assert storage.blocked_by(str(folder)) == str(folder)


@pytest.mark.parametrize(("size", "expected"), [(10, "10"), (2048, "2.0K"), (5.5 * 1024**3, "5.5G"), (2.0**41, "2.0T")])
def test_amounts_for_people(size, expected):
    assert storage.amount(size) == expected


def test_what_journald_takes_by_itself():
    assert storage.Disk(1000.0, True, 1.0).default_max_use == 100
    assert storage.Disk(1e15, True, 1.0).default_max_use == 4 * 1024**3
