# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running services make records on request, which are looked for in the journal; what is missing has its real cause."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.runtime_files import files
from ansible_collections.stability.baseline.plugins.module_utils.runtime_place import FOLDER

from units import apply, wait_for

NAME = "canary-bird"
PROBE = f"/run/stability/{NAME}"
PROGRAM = f"/srv/{NAME}.py"
BEGIN = "import logging, logging.config, os, sys, time\n"
END = "\nwhile True:\n    time.sleep(60)\n"
STARTUP = {"STABILITY_LOG_LEVEL": "INFO", "STABILITY_IDENTIFIER": NAME}
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@pytest.fixture
def bird(host):
    if host.run(["test", "-e", f"{FOLDER}/sitecustomize.py"]).code:
        for path, text in files().items():
            host.put(f"{FOLDER}/{path}", text)
    yield host
    apply(host, [{"name": NAME, "state": "absent"}])


def flown(host, program, options=(), check=False, environment=None, **keys):
    """Deploy a program with the probe, audit the host live, and return the unit's findings and records, and what was not seen."""
    host.put(PROGRAM, BEGIN + program + END)
    host.run(["systemctl", "stop", NAME])
    service = {
        "name": NAME,
        "user": "canary",
        "exec_start": ["/usr/bin/python3", *options, PROGRAM],
        "environment": {"PYTHONPATH": FOLDER, "STABILITY_PROBE": PROBE, **(environment or {})},
        "runtime_directory": f"stability/{NAME}",
        "settle_sec": 0,
        **keys,
    }
    result = apply(host, [service])
    assert not result.get("failed"), result.get("msg")
    if not options:
        wait_for(lambda: host.run(f"ls {PROBE} | grep -q .").code == 0)
    audit = host.module("baseline_info", {"services": [service], "live": True}, check=check)
    assert not audit.get("failed"), audit["msg"]
    (shown,) = audit["services"]
    findings = [(one["severity"], one["seen"]) for one in audit["findings"] if one["id"] == "SB208"]
    return findings, shown["canary"], audit["unseen"]


def arrived(rows, logger="root"):
    (row,) = [row for row in rows if row["logger"] == logger]
    assert row["units"] in ([], [f"{NAME}.service"]) and row["repeated"] == []
    return row["arrived"]


@pytest.mark.parametrize(
    ("program", "found", "shown"),
    [
        (
            "",
            [("warning", "INFO of root: the level of the root logger is WARNING, as nobody has set it")],
            {"WARNING": 6, "ERROR": 6, "CRITICAL": 6},
        ),
        ("logging.basicConfig(level='INFO')", [], dict.fromkeys(LEVELS[1:], 6)),
        ("logging.basicConfig(level='DEBUG', stream=sys.stdout)", [], dict.fromkeys(LEVELS, 6)),
        (
            "logging.basicConfig(level='INFO', filename='/dev/null')",
            [("error", "INFO/WARNING/ERROR/CRITICAL of root: FileHandler of root writes to /dev/null (SB203)")],
            {},
        ),
        (
            "logging.basicConfig(level='INFO')\nlogging.root.handlers[0].setLevel('ERROR')",
            [("error", "INFO/WARNING of root: StreamHandler of root has the level ERROR (SB205)")],
            {"ERROR": 6, "CRITICAL": 6},
        ),
        (
            "logging.basicConfig(level='INFO')\nlogging.root.handlers[0].stream = open(os.pipe()[1], 'w')",
            [
                (
                    "error",
                    "INFO/WARNING/ERROR/CRITICAL of root: StreamHandler of root writes it to a stream (pipe:[*]) that does not bring it "
                    "to the journal",
                )
            ],
            {},
        ),
    ],
)
def test_what_arrives_and_why_the_rest_does_not(bird, program, found, shown):
    findings, rows, unseen = flown(bird, program)
    assert [(severity, mask(seen)) for severity, seen in findings] == found
    assert arrived(rows) == shown and unseen == []


def mask(seen):
    head, pipe, tail = seen.partition("pipe:[")
    return f"{head}pipe:[*]{tail.partition(']')[2]}" if pipe else seen


def test_with_the_runtime_each_record_has_its_priority(bird):
    findings, rows, _unseen = flown(bird, "logging.getLogger('part').setLevel('DEBUG')", environment=STARTUP)
    assert findings == []
    assert arrived(rows) == {"INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
    assert arrived(rows, "part") == {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


def test_other_loggers_are_judged_by_what_they_let_through(bird):
    program = (
        "logging.basicConfig(level='INFO')\nlogging.getLogger('quiet').setLevel('ERROR')\n"
        "logging.getLogger('cut').propagate = False\nlogging.getLogger('cut').addHandler(logging.NullHandler())"
    )
    findings, rows, _unseen = flown(bird, program)
    assert findings == [("error", "INFO/WARNING/ERROR/CRITICAL of cut: NullHandler of cut takes it elsewhere")]
    assert [*arrived(rows, "quiet")] == ["ERROR", "CRITICAL"] and arrived(rows, "cut") == {}


def test_settings_of_the_unit_that_hold_records_back_are_named(bird):
    findings, rows, _unseen = flown(
        bird, "logging.basicConfig(level='INFO')", directives={"Service": {"LogLevelMax": "warning"}}
    )
    assert arrived(rows) == {}
    assert findings == [
        (
            "error",
            "INFO/WARNING/ERROR/CRITICAL of root: LogLevelMax=4 of the unit leaves out what has no higher priority",
        )
    ]


def test_a_worker_is_asked_as_well_as_its_master(bird):
    program = "if os.fork() == 0:\n    logging.basicConfig(level='ERROR')\nelse:\n    logging.basicConfig(level='INFO')"
    findings, rows, _unseen = flown(bird, program)
    assert findings == [("error", "INFO/WARNING of root: the level of the root logger is ERROR")]
    assert sorted(len(row["arrived"]) for row in rows) == [2, 4] and len({row["pid"] for row in rows}) == 2


def test_records_in_a_namespace_are_found(bird):
    findings, rows, _unseen = flown(bird, "logging.basicConfig(level='INFO')", log_namespace="birds")
    assert findings == [] and list(arrived(rows)) == list(LEVELS[1:])


def test_who_does_not_answer_is_told_and_check_mode_asks_nobody(bird):
    findings, rows, unseen = flown(bird, "", options=["-I"])
    assert (findings, rows) == ([], [])
    assert unseen == [f"whether records of {NAME}.service reach the journal (nobody listens in {PROBE})"]
    findings, rows, unseen = flown(bird, "", check=True)
    assert (findings, rows, unseen) == ([], None, [])


def test_nobody_else_can_open_the_socket(bird):
    flown(bird, "")
    connect = f"import glob, socket\nsocket.socket(socket.AF_UNIX).connect(glob.glob('{PROBE}/*')[0])"
    for user, expected in (("nobody", "PermissionError"), ("canary", "")):
        done = bird.run(["runuser", "-u", user, "--", "/usr/bin/python3", "-c", connect])
        assert expected in done.errors and bool(done.code) == bool(expected)
