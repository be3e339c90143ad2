# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the journal on the disk goes back, against what was asked for."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_history
from ansible_collections.stability.baseline.plugins.module_utils.audit_history import has_lost_records, shortages
from ansible_collections.stability.baseline.plugins.module_utils.journal_config import Configuration
from ansible_collections.stability.baseline.plugins.module_utils.journal_storage import Disk

DAY = 86400
WEEK = "MaxRetentionSec=1week\nMaxFileSec=1day\n"


def journal_file(folder: Path, name: str, number: int, days: float, until: float = 0.0, series: bytes = b"a") -> None:
    """Write the header of a journal file whose first record has that number and age, and whose last one is younger."""
    header = bytearray(240)
    header[:8] = b"LPKSHHRH"
    header[72:88] = series * 16
    moment = [int((time.time() - one * DAY) * 1e6) for one in (days, until)]
    struct.pack_into("<Q", header, 136, 50 * 1024**2)
    struct.pack_into("<QQQQ", header, 168, number, 0, *moment)
    (folder / name).write_bytes(header)


def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, free: float = 50e9) -> list[tuple[str, object]]:
    monkeypatch.setattr(audit_history, "STORED", str(tmp_path))
    monkeypatch.setattr(audit_history, "machine_id", lambda: "")
    monkeypatch.setattr(audit_history, "disk", lambda _path: Disk(100e9, True, free))
    configuration = Configuration((("/etc/systemd/journald.conf", f"[Journal]\n{text}"),), 0.0)
    return [(one.seen, one.mend) for one in shortages(configuration)]


def test_the_first_record_ever_has_the_number_1(tmp_path: Path) -> None:
    assert not has_lost_records(str(tmp_path))
    journal_file(tmp_path, "system.journal", 900, 1)
    assert has_lost_records(str(tmp_path))
    journal_file(tmp_path, "user-1000.journal", 1, 2)
    assert not has_lost_records(str(tmp_path))
    # A later series begins at 1, the oldest one does not.
    journal_file(tmp_path, "user-1000.journal", 70, 2)
    journal_file(tmp_path, "system.journal", 1, 1, series=b"b")
    assert has_lost_records(str(tmp_path))
    (tmp_path / "system@broken.journal~").write_bytes(b"LPKSHHRH")
    assert has_lost_records(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "number", "days", "found"),
    [
        (WEEK, 900, 2, True),
        (WEEK, 1, 2, False),
        (WEEK, 900, 6.5, False),
        ("SystemMaxUse=1G\n", 900, 2, False),
        # A file of no limit, or of more than the retention, may take what is asked for along.
        ("MaxRetentionSec=1week\nMaxFileSec=0\n", 900, 2, False),
        ("MaxRetentionSec=1week\n", 900, 2, False),
    ],
)
def test_a_history_that_is_shorter_than_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, number: int, days: float, found: bool
) -> None:
    journal_file(tmp_path, "system.journal", number, days)
    told = seen(tmp_path, monkeypatch, f"SystemMaxUse=60M\n{text}")
    assert len(told) == found
    for what, mend in told:
        assert what == (
            "the journal goes back 2.0 days, and MaxRetentionSec=1week of /etc/systemd/journald.conf asks for more: what is older was "
            "removed, since SystemMaxUse=60M of /etc/systemd/journald.conf was reached"
        )
        assert mend == {"stability_journald_system_max_use": "263M"}


def test_a_disk_that_keeps_the_journal_from_growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(tmp_path, monkeypatch, "", free=1e9) == []
    journal_file(tmp_path, "system.journal", 1, 1)
    ((what, mend),) = seen(tmp_path, monkeypatch, "", free=1e9)
    assert what.startswith("953.7M are free below ") and "journald's own SystemKeepFree= (4" in what and mend is None
    assert seen(tmp_path, monkeypatch, "SystemKeepFree=500M\n", free=1e9) == []
