# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running services make records on request, which are looked for in the journal; what is missing has its real cause."""

from __future__ import annotations

import pytest

from units import apply, properties, wait_for

NAME = "canary-bird"
PROBE = f"/run/stability/{NAME}"
PROGRAM = f"/srv/{NAME}.py"
BEGIN = "import logging, logging.config, os, sys, time\n"
END = "\nwhile True:\n    time.sleep(60)\n"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@pytest.fixture
def bird(host):
    yield host
    apply(host, [{"name": NAME, "state": "absent"}])


def flown(host, program, options=(), check=False, **keys):
    """Deploy a program with the probe, audit the host live, and return the unit's findings and records, and what was not seen."""
    host.put(PROGRAM, BEGIN + program + END)
    host.run(["systemctl", "stop", NAME])
    service = {
        "name": NAME,
        "user": "canary",
        "exec_start": ["/usr/bin/python3", *options, PROGRAM],
        "probe": True,
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
    findings, rows, _unseen = flown(bird, "logging.getLogger('part').setLevel('DEBUG')", logging={})
    assert findings == []
    assert arrived(rows) == {"INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
    assert arrived(rows, "part") == {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


def test_other_loggers_are_judged_by_what_they_let_through(bird):
    program = (
        "logging.basicConfig(level='INFO')\nlogging.getLogger('quiet').setLevel('ERROR')\n"
        "logging.getLogger('cut').propagate = False\nlogging.getLogger('cut').addHandler(logging.FileHandler('/dev/null'))\n"
        "logging.getLogger('silent').propagate = False\nlogging.getLogger('silent').addHandler(logging.NullHandler())"
    )
    findings, rows, _unseen = flown(bird, program)
    assert findings == [("error", "INFO/WARNING/ERROR/CRITICAL of cut: FileHandler of cut writes to /dev/null (SB203)")]
    assert [*arrived(rows, "quiet")] == ["ERROR", "CRITICAL"] and arrived(rows, "cut") == arrived(rows, "silent") == {}


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


SERVER = "import sys, time\nwhile True:\n    time.sleep(60)\n"
#: A server by its name.
GUNICORN = "/srv/gunicorn"
IN_ITS_PLACE = "a process with its settings"


def stood_in(host, application=None, program=SERVER, arguments=(), **keys):
    """Deploy a program without the probe, and audit the host live; an application is what a server is told to run."""
    host.put(PROGRAM, program)
    host.put(GUNICORN, program)
    if application is not None:
        host.put("/srv/canary/shop/__init__.py", "")
        host.put("/srv/canary/shop/web.py", application)
    service = {
        "name": NAME,
        "user": "canary",
        "exec_start": [
            "/usr/bin/python3",
            *([PROGRAM] if application is None else [GUNICORN, *arguments, "shop.web:app"]),
        ],
        "working_directory": "/srv/canary" if application is not None else "/",
        "settle_sec": 0,
        **keys,
    }
    result = apply(host, [service])
    assert not result.get("failed"), result.get("msg")
    audit = host.module("baseline_info", {"services": [service], "live": True})
    assert not audit.get("failed"), audit["msg"]
    (shown,) = audit["services"]
    assert (
        host.run("ls -d /run/stability-ask* /run/stability-canary* /run/systemd/system/stability-canary*").output == ""
    )
    assert "stability-canary" not in host.check("systemctl list-units --all --plain --no-legend")
    return [one for one in audit["findings"] if one["id"] == "SB208"], shown["canary"], audit["unseen"]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({}, ""),
        ({"hardening": "strict", "runtime_directory": "canary"}, ""),
        ({"log_namespace": "birds"}, ""),
        (
            {"directives": {"Service": {"LogLevelMax": "err"}}},
            "LogLevelMax=3 of the unit leaves out what has no higher priority",
        ),
        ({"directives": {"Service": {"StandardError": "null"}}}, "StreamHandler of root writes to /dev/null"),
    ],
)
def test_in_place_of_a_service_a_process_with_its_settings_is_tried(bird, keys, reason):
    findings, rows, unseen = stood_in(bird, **keys)
    assert [one["seen"] for one in findings] == (
        [f"DEBUG/INFO/WARNING/ERROR/CRITICAL of root: {reason}"] if reason else []
    )
    (row,) = rows
    assert (row["asked"], unseen) == (IN_ITS_PLACE, [])
    assert row["arrived"] == ({} if reason else dict.fromkeys(LEVELS, 6))
    if "runtime_directory" in keys:
        bird.check(["test", "-d", "/run/canary"])


def test_the_application_of_a_server_is_imported_there(bird):
    findings, rows, _unseen = stood_in(bird, "import os\nos.environ['SHOP']\n", environment={"SHOP": "it's $1 100%"})
    assert [one["seen"] for one in findings] == [
        "INFO of root: the level of the root logger is WARNING, as nobody has set it"
    ]
    assert rows[0]["asked"] == f"{IN_ITS_PLACE} that has imported shop.web"
    findings, rows, _unseen = stood_in(bird, "import logging\nlogging.basicConfig(level='INFO')\n")
    assert findings == [] and list(rows[0]["arrived"]) == list(LEVELS[1:])


def test_what_a_server_is_told_elsewhere_is_not_judged_by_the_import(bird):
    _findings, rows, unseen = stood_in(bird, "", arguments=["--bind", "unix:/tmp/x", "--log-config", "/etc/log.ini"])
    assert rows == [] and unseen == [
        f"whether records of {NAME}.service reach the journal (what configures its logging is not in shop.web)"
    ]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (
            {"directives": {"Service": {"StandardError": "append:/srv/canary.log"}}},
            "its output goes to a file, which another process would write into (SB201)",
        ),
        ({"directives": {"Service": {"RestrictAddressFamilies": "AF_INET"}}}, "it may not use AF_UNIX"),
        ({"directives": {"Service": {"TemporaryFileSystem": "/run:ro"}}}, "it does not see /run"),
        (
            {"user": "root", "exec_start": ["/usr/bin/python3", "/srv/gives_up.py"]},
            "it is started as root and gives its rights up by itself",
        ),
    ],
)
def test_where_another_process_would_do_harm_or_show_nothing_there_is_none(bird, keys, reason):
    bird.put("/srv/gives_up.py", "import os, time\nos.setuid(65534)\n" + SERVER)
    bird.put("/srv/canary.log", "old\n", 0o666)
    _findings, rows, unseen = stood_in(bird, **keys)
    assert rows == [] and unseen == [f"whether records of {NAME}.service reach the journal ({reason})"]


@pytest.mark.parametrize(
    ("application", "reason"),
    [
        (
            "import nothing_of_that_name",
            "shop.web cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that_name'",
        ),
        ("raise SystemExit(3)", "shop.web cannot be imported: RuntimeError"),
        ("import os\nos._exit(1)", "a process with its settings does not answer"),
    ],
)
def test_an_application_that_cannot_be_imported_is_told(bird, application, reason):
    findings, rows, unseen = stood_in(bird, application)
    assert (findings, rows) == ([], [])
    assert (
        len(unseen) == 1
        and f"whether records of {NAME}.service reach the journal (" in unseen[0]
        and reason in unseen[0]
    )


def test_jobs_and_instances_are_tried_as_well(bird):
    services = [
        {
            "name": "canary-job",
            "user": "canary",
            "exec_start": ["/usr/bin/python3", "-c", "1"],
            "on_calendar": ["2040-01-01"],
        },
        {
            "name": "canary-flock@",
            "user": "canary",
            "instances": ["a-b"],
            "exec_start": ["/usr/bin/python3", PROGRAM],
            "directives": {"Service": {"SyslogIdentifier": "flock-%i-%p"}},
            "settle_sec": 0,
        },
    ]
    bird.put(PROGRAM, SERVER)
    result = apply(bird, services)
    assert not result.get("failed"), result.get("msg")
    audit = bird.module("baseline_info", {"services": services, "live": True})
    assert [[len(row["arrived"]) for row in one["canary"]] for one in audit["services"]] == [[5], [5]]
    assert "stability canary" in bird.check(["journalctl", "-t", "flock-a-b-canary-flock", "--no-pager"])
    apply(bird, [{"name": one["name"], "state": "absent"} for one in services])


def test_from_python_3_14_on_a_service_that_does_not_wait_is_asked_itself(bird):
    version = bird.check(["/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2])"]).split()
    itself = tuple(map(int, version)) >= (3, 14)
    program = "import logging, time\nlogging.basicConfig(level='ERROR')\nlevel = 1\nwhile level:\n    time.sleep(0.1)\n"
    findings, rows, unseen = stood_in(bird, program=program)
    assert (rows[0]["asked"], unseen) == ("the service itself" if itself else IN_ITS_PLACE, [])
    assert [one["seen"] for one in findings] == (
        ["INFO/WARNING of root: the level of the root logger is ERROR"] if itself else []
    )
    assert properties(bird, f"{NAME}.service", "ActiveState", "NRestarts") == ["active", "0"]
    assert "Traceback" not in bird.check(["journalctl", "-u", NAME, "--no-pager"])


def test_nobody_else_can_open_the_socket(bird):
    flown(bird, "")
    connect = f"import glob, socket\nsocket.socket(socket.AF_UNIX).connect(glob.glob('{PROBE}/*')[0])"
    for user, expected in (("nobody", "PermissionError"), ("canary", "")):
        done = bird.run(["runuser", "-u", user, "--", "/usr/bin/python3", "-c", connect])
        assert expected in done.errors and bool(done.code) == bool(expected)
