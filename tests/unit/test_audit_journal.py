# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule of the audit about the journal: what was dropped under limits that are no more does not count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_journal
from ansible_collections.stability.baseline.plugins.module_utils.audit_journal import (
    Journal,
    Storage,
    is_off,
    judge,
    storage_of,
)
from ansible_collections.stability.baseline.plugins.module_utils.commands import Output
from ansible_collections.stability.baseline.plugins.module_utils.journal_config import Configuration

#: What journald has said that it dropped, each 100 seconds after the one before, and units whose files changed at 1250.
DROPS = (("api.service", 1100), ("gone.scope", 1200), ("api.service", 1300), ("web.service", 1400))
OWN = {"LogRateLimitIntervalUSec": "5s", "LogRateLimitBurst": "10"}
OFF = "[Journal]\nRateLimitIntervalSec=0\n"


def dropped(
    monkeypatch: pytest.MonkeyPatch, text: str, changed: float, started: float, **states: dict[str, str]
) -> Journal:
    """Return what is read of a host whose journald was started then, with a configuration that changed then."""

    def run(argv: Sequence[str]) -> Output:
        assert argv[0] == "journalctl" and "_TRANSPORT=driver" in argv
        lines = [
            {"OBJECT_SYSTEMD_UNIT": unit, "N_DROPPED": "7", "__REALTIME_TIMESTAMP": f"{moment}000000"}
            for unit, moment in DROPS
        ]
        return Output(0, "".join(f"{json.dumps(line)}\n" for line in lines), "")

    def show(units: Sequence[str], _properties: Sequence[str]) -> dict[str, dict[str, str]]:
        assert list(units) == ["systemd-journald.service", "api.service", "gone.scope", "web.service"]
        return {unit: {"FragmentPath": "", "DropInPaths": "", **states.get(unit.split(".")[0], {})} for unit in units}

    monkeypatch.setattr(audit_journal.systemd, "run", run)
    monkeypatch.setattr(audit_journal.systemd, "show", show)
    configuration = Configuration((("/etc/systemd/journald.conf", text),), changed)
    monkeypatch.setattr(audit_journal, "read_configuration", lambda _namespace: configuration)
    monkeypatch.setattr(audit_journal, "process_start", lambda _pid: started)
    monkeypatch.setattr(audit_journal, "_changed", lambda paths: 1250.0 if any(paths) else 0.0)
    return audit_journal.read_journal_state(252)


@pytest.mark.parametrize(
    ("text", "changed", "started", "counted"),
    [
        ("", 500, 900, {"api.service": 14, "gone.scope": 7, "web.service": 7}),
        # The limit is another one since then; it was lifted, and journald started after that; it was started again later.
        ("", 1350, 1350, {"web.service": 7}),
        (OFF, 1350, 1350, {"web.service": 7}),
        (OFF, 1350, 1500, {}),
        ("", 1350, 1500, {"web.service": 7}),
        # The start is known to a hundredth of a second only.
        (OFF, 1450, 1449.99, {}),
    ],
)
def test_drops_from_before_a_change_of_the_limits_do_not_count(
    monkeypatch: pytest.MonkeyPatch, text: str, changed: float, started: float, counted: dict[str, int]
) -> None:
    found = dropped(monkeypatch, text, changed, started)
    assert (found.dropped, found.unread) == (counted, False)


def test_a_change_that_journald_has_not_read_lifts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dropped(monkeypatch, OFF, 1500, 900)
    assert (found.dropped, found.unread) == ({"api.service": 14, "gone.scope": 7, "web.service": 7}, True)


@pytest.mark.parametrize(
    ("pid", "started", "version", "expected"),
    [
        ("7", 900.0, 252, 900.0),
        ("7", 900.0, 258, 1250.0),
        ("7", 1300.0, 258, 1300.0),
        ("0", 0.0, 252, 0.0),
        # Hidden in either way.
        ("7", 0.0, 252, 1250.0),
        ("7", None, 252, 1250.0),
        ("7", None, 258, 1250.0),
    ],
)
def test_when_journald_has_read_its_configuration(
    monkeypatch: pytest.MonkeyPatch, pid: str, started: float | None, version: int, expected: float
) -> None:
    def process_start(_pid: int) -> float:
        if started is None:
            raise PermissionError
        return started

    monkeypatch.setattr(audit_journal, "process_start", process_start)
    monkeypatch.setattr(audit_journal.time, "time", lambda: 2000.0)
    monkeypatch.setattr(audit_journal.time, "monotonic", lambda: 800.0)
    state = {"MainPID": pid, "StateChangeTimestampMonotonic": "50000000"}
    assert audit_journal._read_at(state, version) == expected


@pytest.mark.parametrize(
    ("state", "counted"),
    [
        ({"FragmentPath": "/etc/systemd/system/api.service"}, 7),
        ({"FragmentPath": "/etc/systemd/system/api.service", "NeedDaemonReload": "yes"}, 14),
        ({"DropInPaths": "/etc/systemd/system/api.service.d/limit.conf"}, 7),
        # With a limit of its own, those of journald do not matter.
        ({"FragmentPath": "", **OWN}, 14),
    ],
)
def test_limits_of_a_unit(monkeypatch: pytest.MonkeyPatch, state: dict[str, str], counted: int) -> None:
    text, moment = (OFF, 1500) if "LogRateLimitBurst" in state else ("", 500)
    assert dropped(monkeypatch, text, moment, moment, api=state).dropped.get("api.service") == counted


@pytest.mark.parametrize(
    ("lines", "off"),
    [
        ("", False),
        ("RateLimitIntervalSec=0", True),
        ("RateLimitIntervalSec=0s", True),
        ("RateLimitBurst=0", True),
        ("RateLimitIntervalSec=30s\nRateLimitBurst=10000", False),
        ("RateLimitIntervalSec=0\nRateLimitIntervalSec=", False),
        ("RateLimitIntervalSec=none\nRateLimitBurst=x", False),
    ],
)
def test_a_limit_is_off_when_a_half_of_it_is(lines: str, off: bool) -> None:
    assert is_off(Configuration((("/etc/systemd/journald.conf", f"[Journal]\n{lines}\n"),))) is off


def test_when_files_changed_last(tmp_path: Path) -> None:
    path = tmp_path / "api.service"
    path.write_text("")
    assert audit_journal._changed([str(path), "/nowhere"]) == path.stat().st_ctime
    assert audit_journal._changed([""]) == 0.0


def test_what_is_found_in_a_journal() -> None:
    assert list(judge(Journal(True))) == []
    (volatile,) = judge(Journal(False))
    assert volatile.mend == {"stability_journald_storage": "persistent"}
    (one,) = judge(Journal(True, {"b.service": 2, "a.service": 1}))
    assert one.seen == "messages were dropped within a day: 1 of a.service, 2 of b.service"
    (unread,) = judge(Journal(True, {"b.service": 2}, unread=True))
    assert unread.seen.endswith("2 of b.service; journald has not read its changed configuration yet")


D = "/etc/systemd/journald.conf.d/50-storage.conf"
SAID = "Storage={} in " + D
END = ": nothing of it survives a reboot"
UNREAD = "; journald has not read its changed configuration yet"


@pytest.mark.parametrize(
    ("stored", "kept", "value", "unread", "seen"),
    [
        (True, True, "", False, ""),
        (True, True, "persistent", False, ""),
        (True, True, "auto", True, ""),
        (None, True, "", False, ""),
        (None, True, "persistent", True, ""),
        (False, True, "", False, f"the journal is in memory only{END}"),
        (False, True, "persistent", True, f"the journal is in memory only{END}"),
        (False, False, "", False, f"nothing is kept{END}"),
        (False, False, "auto", True, f"nothing is kept{END}"),
        (False, False, "none", False, f"nothing is kept ({SAID.format('none')}){END}"),
        # Without root all that is seen is the configuration, and an old journal on the disk.
        (True, True, "none", False, f"nothing is kept ({SAID.format('none')}){END}"),
        (None, True, "none", False, f"nothing is kept ({SAID.format('none')}){END}"),
        (False, True, "volatile", False, f"the journal is in memory only ({SAID.format('volatile')}){END}"),
        (True, True, "volatile", False, f"the journal is in memory only ({SAID.format('volatile')}){END}"),
        (
            True,
            True,
            "none",
            True,
            f"the journal will not be on the disk any more ({SAID.format('none')}{UNREAD}){END}",
        ),
        (False, True, "none", True, f"the journal is in memory only ({SAID.format('none')}{UNREAD}){END}"),
    ],
)
def test_where_the_journal_is_kept(stored: bool | None, kept: bool, value: str, unread: bool, seen: str) -> None:
    journal = Journal(stored, unread=unread, storage=Storage(value, D if value else ""), kept=kept)
    found = list(judge(journal))
    assert [one.seen for one in found] == ([seen] if seen else [])
    assert all(one.mend == {"stability_journald_storage": "persistent"} for one in found)


@pytest.mark.parametrize(
    ("files", "value", "last"),
    [
        ([], "", ""),
        (["RateLimitBurst=1"], "", ""),
        (["Storage=none"], "none", "0"),
        (["Storage=persistent", "Storage=none"], "none", "1"),
        (["Storage=none", "Storage=persistent"], "persistent", "1"),
        (["Storage=none", "RateLimitBurst=1"], "none", "0"),
        (["Storage=none", "#Storage=auto"], "none", "0"),
        (["Storage=none\nStorage=auto"], "auto", "0"),
        # systemd-journald(8) leaves out what it does not know.
        (["Storage=none", "Storage=disk"], "none", "0"),
        (["Storage=none", "Storage=NONE"], "none", "0"),
    ],
)
def test_the_last_file_that_is_understood_says_where_records_are_kept(files: list[str], value: str, last: str) -> None:
    texts = tuple((str(number), f"[Journal]\n{text}\n") for number, text in enumerate(files))
    assert storage_of(Configuration(texts)) == Storage(value, last)


#: The process of a journald that may not be seen.
HIDDEN = 8
STORED, VOLATILE = "/var/log/journal/id/system.journal", "/run/log/journal/id/system.journal"


@pytest.mark.parametrize(
    ("pid", "opened", "written", "expected"),
    [
        # What journald has open counts, however old the other file is.
        (7, (STORED,), {STORED: 1.0, VOLATILE: 2.0}, (True, True)),
        (7, (VOLATILE,), {STORED: 2.0, VOLATILE: 1.0}, (False, True)),
        (7, (), {STORED: 2.0}, (False, False)),
        (7, ("elsewhere",), {}, (True, True)),
        # It may not be seen, or journald does not run.
        (7, None, {STORED: 2.0, VOLATILE: 1.0}, (True, True)),
        (7, None, {STORED: 1.0, VOLATILE: 2.0}, (False, True)),
        (7, None, {STORED: 1.0, VOLATILE: None}, (True, True)),
        (7, None, {}, (False, True)),
        (7, None, {STORED: None}, (None, True)),
        (7, None, {STORED: None, VOLATILE: 2.0}, (None, True)),
        (0, (), {STORED: 2.0}, (True, True)),
        (HIDDEN, (), {STORED: 2.0}, (True, True)),
        (HIDDEN, (), {STORED: 1.0, VOLATILE: 2.0}, (False, True)),
    ],
)
def test_the_journal_that_is_written(
    monkeypatch: pytest.MonkeyPatch,
    pid: int,
    opened: tuple[str, ...] | None,
    written: dict[str, float | None],
    expected: tuple[bool | None, bool],
) -> None:
    def is_open(_pid: int, path: str) -> bool:
        if opened is None:
            raise PermissionError
        return path in opened

    monkeypatch.setattr(audit_journal, "machine_id", lambda: "id")
    monkeypatch.setattr(audit_journal, "is_open", is_open)
    monkeypatch.setattr(audit_journal, "_is_visible", lambda pid: pid != HIDDEN)
    monkeypatch.setattr(audit_journal, "is_open_below", lambda *_where: "elsewhere" in (opened or ()))
    monkeypatch.setattr(audit_journal, "_written_at", lambda path: written.get(path, 0.0))
    assert audit_journal._place(pid) == expected


def test_a_folder_that_may_not_be_read_is_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(audit_journal, "read_configuration", lambda _namespace: Configuration(()))
    assert audit_journal._written_at("/nowhere") == 0.0
    assert audit_journal.unseen_of_journal() == []
    monkeypatch.setattr(audit_journal.os, "stat", refused)
    assert audit_journal._written_at("/nowhere") is None
    disk = "whether the journal is on the disk (/var/log/journal may not be read)"
    assert audit_journal.unseen_of_journal() == [disk]
    monkeypatch.setattr(audit_journal, "read_configuration", refused)
    assert audit_journal.unseen_of_journal() == ["how journald is set up (its configuration may not be read)", disk]
