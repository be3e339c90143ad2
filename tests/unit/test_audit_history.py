# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the journal on the disk goes back, against what was asked for."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_history
from ansible_collections.stability.baseline.plugins.module_utils.audit_history import shortages
from ansible_collections.stability.baseline.plugins.module_utils.journal_config import Configuration
from ansible_collections.stability.baseline.plugins.module_utils.journal_storage import Disk

DAY = 86400
WEEK = "MaxRetentionSec=1week\nMaxFileSec=1day\n"


def journal_file(folder: Path, name: str, days: float) -> None:
    """Write a journal file of 50 MiB whose first record has that age, and whose last one is of now."""
    header = bytearray(240)
    header[:8] = b"LPKSHHRH"
    moments = [int((time.time() - one * DAY) * 1e6) for one in (days, 0)]
    struct.pack_into("<Q", header, 136, 50 * 1024**2)
    struct.pack_into("<QQ", header, 184, *moments)
    (folder / name).write_bytes(bytes(header) + os.urandom(50 * 1024**2 - len(header)))


def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, free: float = 50e9) -> list[tuple[str, object]]:
    monkeypatch.setattr(audit_history, "STORED", str(tmp_path))
    monkeypatch.setattr(audit_history, "machine_id", lambda: "")
    monkeypatch.setattr(audit_history, "disk", lambda _path: Disk(100e9, True, free))
    configuration = Configuration((("/etc/systemd/journald.conf", f"[Journal]\n{text}"),), 0.0)
    return [(one.seen, one.mend) for one in shortages(configuration)]


@pytest.mark.parametrize(
    ("text", "days", "reached"),
    [
        (f"SystemMaxUse=55M\n{WEEK}", 2, "SystemMaxUse=55M"),
        (f"SystemMaxUse=55M\nSystemMaxFiles=2\n{WEEK}", 2, "SystemMaxUse=55M"),
        (f"SystemMaxUse=600M\nSystemMaxFiles=2\n{WEEK}", 2, "SystemMaxFiles=2"),
        # There is room for more, so nobody but a person has removed anything, or the host is that young.
        (f"SystemMaxUse=600M\n{WEEK}", 2, ""),
        (f"SystemMaxUse=55M\n{WEEK}", 6.5, ""),
        ("SystemMaxUse=55M\n", 2, ""),
        # A file of no limit, or of more than the retention, may take what is asked for along.
        ("SystemMaxUse=55M\nMaxRetentionSec=1week\nMaxFileSec=0\n", 2, ""),
        ("SystemMaxUse=55M\nMaxRetentionSec=1week\n", 2, ""),
    ],
)
def test_a_history_that_is_shorter_than_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, days: float, reached: str
) -> None:
    journal_file(tmp_path, "system.journal", days)
    told = seen(tmp_path, monkeypatch, text)
    expected = (
        "the journal goes back 2.0 days, and MaxRetentionSec=1week of /etc/systemd/journald.conf asks for more: what is older makes "
        f"room, since {reached} of /etc/systemd/journald.conf is reached"
    )
    assert [what for what, _mend in told] == ([expected] if reached else [])
    if reached == "SystemMaxUse=55M":
        assert told[0][1] == {"stability_journald_system_max_use": "263M"}


def test_a_disk_that_keeps_the_journal_from_growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(tmp_path, monkeypatch, "", free=1e9) == []
    journal_file(tmp_path, "system.journal", 1)
    ((what, mend),) = seen(tmp_path, monkeypatch, "", free=1e9)
    assert what.startswith("953.7M are free below ") and "journald's own SystemKeepFree= (4" in what and mend is None
    assert seen(tmp_path, monkeypatch, "SystemKeepFree=500M\n", free=1e9) == []
