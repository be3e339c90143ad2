# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from the output of the host's own tools."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import systemd_host
from ansible_collections.stability.baseline.plugins.module_utils.commands import Output, current_user, start
from ansible_collections.stability.baseline.plugins.module_utils.systemd_host import (
    HostError,
    Question,
    act,
    message_lines,
    run,
)

MESSAGES = [
    ("one line", ["one line"]),
    ("several\n\nlines\n", ["several", "lines"]),
    ("", []),
    (None, []),
    (list("grüße".encode()), ["grüße"]),
    ([0x61, 0xFF, 0x0A, 0x62], ["a\ufffd", "b"]),
    (["repeated", "field"], []),
]


@pytest.mark.parametrize(("message", "lines"), MESSAGES)
def test_message_lines(message, lines):
    assert message_lines([json.dumps({"MESSAGE": message})]) == lines


def test_message_lines_keep_the_order_of_the_records():
    records = [json.dumps({"MESSAGE": text}) for text in ("first\nsecond", "third")]
    assert message_lines(records) == ["first", "second", "third"]
    assert message_lines(["{}", ""]) == []


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_only_a_line_feed_ends_a_record(monkeypatch, character):
    record = json.dumps({"MESSAGE": f"before{character}after"}, ensure_ascii=False)
    monkeypatch.setattr(systemd_host, "run", lambda argv, *_patience: Output(0, f"{record}\n{{}}\n", ""))
    assert systemd_host.journal_tail("a.service", 0, 1, "") == ["before", "after"]


def test_a_tool_that_hangs_is_ended_and_told():
    begun = time.monotonic()
    with pytest.raises(
        HostError, match=r"^/bin/sleep did not end within 0 seconds and was killed\. Look at: systemctl "
    ):
        run(["/bin/sleep", "9"], 0.2)
    assert time.monotonic() - begun < 5


def test_a_question_that_is_not_answered_is_ended_and_told(monkeypatch):
    monkeypatch.setattr(systemd_host, "PATIENCE", 0.2)
    monkeypatch.setattr(
        systemd_host, "start_as", lambda _argv, user, variables: start(["/bin/sleep", "9"], current_user(), variables)
    )
    with pytest.raises(HostError, match=r"^systemctl show did not end within 0 seconds and was killed\."):
        Question(["a.service"]).answer()


@pytest.mark.parametrize(("verb", "waits"), [("restart", True), ("start", True), ("stop", True), ("reenable", False)])
def test_what_waits_for_a_unit_waits_as_long_as_that_may_take(monkeypatch, verb, waits):
    asked = []
    monkeypatch.setattr(systemd_host, "run", lambda argv, patience: asked.append(patience) or Output(0, "", ""))
    act(verb, ["a.service"])
    assert asked == [None if waits else systemd_host.PATIENCE]
