# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service prints or logs is in the journal, under its unit, also when it is killed a moment later."""

from __future__ import annotations

import uuid


def test_records_reach_the_journal_under_their_unit(node):
    text = f"canary {uuid.uuid4()}"
    since = node.now()
    assert node.tell("worker.service", f"say {text}")
    found = node.records(since, "_SYSTEMD_UNIT=worker.service", "SYSLOG_IDENTIFIER=worker")
    assert found == [f"{text}, printed", f"INFO:root:{text}, logged"]
    assert node.records(since, "_SYSTEMD_UNIT=crasher.service") == []


def test_a_killed_process_loses_no_line(node, control):
    limited = control("limited.service")
    text = f"last words {uuid.uuid4()}"
    since = node.now()
    printed = {}
    for unit in ("crasher.service", limited):
        pid = node.pid(unit)
        assert node.tell(unit, f"die 100 {text}") == 0
        node.comes_back(unit, pid, 5.0)
        printed[unit] = [line for line in node.records(since, f"_SYSTEMD_UNIT={unit}") if text in line]
    assert printed["crasher.service"] == [f"{text} {number}" for number in range(100)]
    assert printed[limited] == [], "the same program without the baseline loses them"
