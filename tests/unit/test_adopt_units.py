# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that were written by hand as members of the list: what a key says, what stays a directive, what is to be decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.adopt_model import Item
from ansible_collections.stability.baseline.plugins.module_utils.adopt_run import drop_hardening
from ansible_collections.stability.baseline.plugins.module_utils.adopt_timers import Timer
from ansible_collections.stability.baseline.plugins.module_utils.adopt_unit_text import (
    command_in,
    resolved,
    sections_in,
    words_in,
)
from ansible_collections.stability.baseline.plugins.module_utils.adopt_units import services_of
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Unit, UnitFile
from ansible_collections.stability.baseline.plugins.module_utils.quoting import command_line
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import HEADER
from hypothesis import given
from hypothesis import strategies as st

ETC = "/etc/systemd/system"
RUNNING = {"ActiveState": "active", "UnitFileState": "enabled", "Type": "simple", "StartLimitIntervalUSec": "10s"}
#: Text that a unit file can hold: no control characters but those that are escaped.
TEXT = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF, exclude_characters="\x85"), max_size=12)


def unit(text: str, name: str = "api.service", folder: str = ETC, **properties: str) -> Unit:
    if "ExecStart=" not in text:
        text = f"[Service]\nUser=api\nExecStart=/opt/api/run\n{text}"
    return Unit(name, {**RUNNING, **properties}, (UnitFile(f"{folder}/{name}", text, 9.0),), programs=("/opt/api/run",))


def timer(text: str, name: str = "api.timer", active: bool = True, enabled: bool = True) -> Timer:
    return Timer(name, sections_in([text]), active, enabled)


def item(one: Unit, *timers: Timer) -> Item:
    one = replace(one, triggers={each.name: "enabled" for each in timers})
    found = services_of([one], {each.name: each for each in timers}, {})
    assert (len(found.items), found.marks) == (1, [])
    return found.items[0]


def keys(one: Unit, *timers: Timer) -> dict[str, Any]:
    values = item(one, *timers).values
    parse_services([values])
    return {key: value for key, value in values.items() if key not in ("name", "user", "exec_start")}


def test_lines_are_joined_and_an_empty_value_forgets_those_before_it():
    texts = [
        "# no\n[Unit]\nAfter=a.service\\\n# inside\n  b.service\n[Service]\nExecStart=/a \\\\\nUser = web \n",
        "[Service]\nEnvironment=A=1\nExecStart=\nExecStart=/b\n",
        "[Service]\nEnvironment=\nCapabilityBoundingSet=\nStartLimitInterval=5\nMemoryLimit=1G",
    ]
    assert sections_in(texts) == {
        "Unit": {"After": ["a.service   b.service"], "StartLimitIntervalSec": ["5"]},
        "Service": {
            "ExecStart": ["/b"],
            "User": ["web"],
            "Environment": [],
            "CapabilityBoundingSet": [""],
            "MemoryMax": ["1G"],
        },
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a  b", ["a", "b"]),
        ("'a b' \"c d\"e", ["a b", "c de"]),
        (r"a\x20b \"q\" \s \101", ["a b", '"q"', " ", "A"]),
        (r"\u00e4 ''", ["ä", ""]),
        (r"a\qb", None),
        (r"\xff", None),
        ("'open", None),
        ("", []),
    ],
)
def test_words(value: str, expected: object) -> None:
    assert words_in(value) == expected


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("%n %N 100%% %S/x %t", "api.service", "api.service api 100% /var/lib/x /run"),
        ("%H", "api.service", None),
        ("%i", "api.service", None),
        ("/srv/%i", "w@.service", "/srv/%i"),
        ("%%i", "w@.service", None),
        ("%n", "w@.service", None),
        ("5%% %", "api.service", None),
    ],
)
def test_specifiers(text: str, unit: str, expected: object) -> None:
    assert resolved(text, unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/a b 'c d'", ["/a", "b", "c d"]),
        ("/a $$HOME 5%%", ["/a", "$HOME", "5%"]),
        (":/a $HOME", ["/a", "$HOME"]),
        ("/a $HOME", "/a $HOME"),
        ("-/a b", "-/a b"),
        ("@/a b", "@/a b"),
        ("/a ; /b", "/a ; /b"),
        ("/a \\;", "/a \\;"),
        ("/a %H", "/a %H"),
        ("a b", "a b"),
    ],
)
def test_commands_are_lists_where_that_starts_the_same_process(value: str, expected: object) -> None:
    assert command_in(value, "api.service") == expected


@given(st.lists(TEXT, max_size=4))
def test_every_list_that_the_baseline_writes_is_read_back(arguments: list[str]) -> None:
    argv = ["/bin/x", *arguments]
    if ";" not in argv and not any("\\;" in word for word in argv):
        assert command_in(command_line(argv), "api.service") == argv


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Type=simple\nRestart=always\nRestartSec=5\nStandardOutput=journal\nStandardError=inherit\n", {}),
        ("SyslogIdentifier=api\nOOMPolicy=stop\nEnvironment=PYTHONUNBUFFERED=1\n[Unit]\nDescription=api\n", {}),
        # Python takes 0 for off, of the one that is a plain text for on.
        (
            "Environment=PYTHONUNBUFFERED=0 PYTHONNOUSERSITE=0 PYTHONFAULTHANDLER=0\n",
            {"environment": {"PYTHONUNBUFFERED": "0", "PYTHONNOUSERSITE": "0"}},
        ),
        ("Environment=PYTHONUNBUFFERED=yes PYTHONNOUSERSITE=1\n", {}),
        ("[Install]\nWantedBy=multi-user.target\n", {}),
        ("[Install]\nWantedBy=web.target\n", {"wanted_by": ["web.target"]}),
        ("[Install]\nWantedBy='web.target' \"a\\x2db.target\"\n", {"wanted_by": ["web.target", "a\\x2db.target"]}),
        ("Restart=always\nRestartSec=infinity\n", {}),
        ("RestartPreventExitStatus=3 4\n", {"directives": {"Service": {"RestartPreventExitStatus": "3 4"}}}),
        ("Type=notify\nWatchdogSec=30\n", {"type": "notify", "watchdog_sec": "30"}),
        ("Restart=on-failure\nRestartSec=100ms\n", {"restart": "on-failure", "restart_sec": "100ms"}),
        (
            "Group=web\nUMask=0027\nWorkingDirectory=/srv\n",
            {"group": "web", "umask": "0027", "working_directory": "/srv"},
        ),
        ("WorkingDirectory=~\n", {"directives": {"Service": {"WorkingDirectory": "~"}}}),
        ("WorkingDirectory=%S/api\n", {"working_directory": "/var/lib/api"}),
        ("Environment='A=1 2' B=3%%\n", {"environment": {"A": "1 2", "B": "3%"}}),
        ("EnvironmentFile=-/etc/a\nEnvironmentFile=/etc/b\n", {"environment_files": ["-/etc/a", "/etc/b"]}),
        (
            "MemoryMax=512M\nMemoryHigh=400M\nTasksMax=50\n",
            {"memory_high": "400M", "memory_max": "512M", "tasks_max": "50"},
        ),
        ("MemoryLimit=1G\n", {"memory_max": "1G"}),
        ("ExecStartPre=/bin/a b\n", {"exec_start_pre": ["/bin/a", "b"]}),
        ("ExecStartPre=/bin/a\nExecStartPre=/bin/b\n", {"exec_start_pre": [["/bin/a"], ["/bin/b"]]}),
        (
            "ExecStartPre=-/bin/a\nExecStartPre=/bin/b\n",
            {"directives": {"Service": {"ExecStartPre": ["-/bin/a", "/bin/b"]}}},
        ),
        (
            "ExecStartPre=/bin/a $X\nExecStartPre=/bin/b $Y\n",
            {"directives": {"Service": {"ExecStartPre": ["/bin/a $X", "/bin/b $Y"]}}},
        ),
        ("ExecReload=/bin/kill -HUP $MAINPID\n", {"exec_reload": "/bin/kill -HUP $MAINPID"}),
        ("KillMode=mixed\nLimitCORE=0\n", {"directives": {"Service": {"KillMode": "mixed", "LimitCORE": "0"}}}),
        ("LoadCredential=db:/etc/db\n", {"credentials": {"db": "/etc/db"}}),
        ("LoadCredential=db\n", {"directives": {"Service": {"LoadCredential": "db"}}}),
        (
            "StateDirectory=a b\nReadWritePaths=/x -/y\n",
            {"state_directory": ["a", "b"], "read_write_paths": ["/x", "-/y"]},
        ),
        (
            "[Unit]\nAfter=a.service b.service\nAfter=c.service\nRequires=a.service\nOnFailure=alert@%n.service\n",
            {
                "after": ["a.service", "b.service", "c.service"],
                "requires": ["a.service"],
                "on_failure": ["alert@%n.service"],
            },
        ),
        (
            "StandardOutput=append:/var/log/a\n",
            {"directives": {"Service": {"StandardOutput": "append:/var/log/a"}}},
        ),
        ("[Unit]\nStartLimitIntervalSec=0\n", {}),
        ("StartLimitBurst=3\n", {"start_limit_interval_sec": "10s", "start_limit_burst": 3}),
        (
            "Type=oneshot\nRemainAfterExit=yes\n",
            {"type": "oneshot", "restart": "no", "directives": {"Service": {"RemainAfterExit": "yes"}}},
        ),
        ("Type=oneshot\n", {"type": "oneshot", "restart": "no", "state": "stopped"}),
        (
            "Type=forking\nPIDFile=/run/a.pid\n",
            {"type": "forking", "directives": {"Service": {"PIDFile": "/run/a.pid"}}},
        ),
    ],
)
def test_what_the_baseline_does_is_left_out_and_all_else_is_kept(text: str, expected: dict[str, Any]) -> None:
    assert keys(unit(text)) == expected


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("[Service]\nExecStart=/opt/api/run\n", "it runs as root"),
        ("[Service]\nUser=api\nExecStart=/bin/sh -c 'a | b'\n", "a shell starts it"),
        ("[Service]\nUser=api\nExecStart=/opt/api/run $OPTIONS\n", "exec_start is in systemd's own syntax"),
        ("[Service]\nUser=api\nExecStart=run me\n", "run is /opt/api/run on this host"),
        ("[Service]\nUser=nobody\nExecStart=/opt/api/run\n", "User=nobody is no user that a list can name"),
        ("Type=forking\n", "it puts itself into the background"),
        ("Type=oneshot\n", "it is done at once and has no timer"),
        ("Restart=on-failure\n", "restart: on-failure is what the unit says"),
        ("StandardError=null\n", "StandardError of the unit"),
        ("RestartSec=infinity\n", "RestartSec=infinity is left out: it would never come back; now it does after 5s"),
        ("RestartPreventExitStatus=3\nRestartPreventExitStatus=4\n", "RestartPreventExitStatus=3 4 keeps it down"),
        ("DynamicUser=yes\n", "DynamicUser=yes: a run makes a user"),
        ("StartLimitBurst=3\n", "the start limit of the unit can end it for good"),
        ("[X-Ours]\na=b\n", "the section X-Ours is left out"),
        ("Environment=ID=%H\n", "directives.Service.Environment has specifiers"),
    ],
)
def test_what_is_to_be_decided(text: str, begin: str) -> None:
    marks = item(unit(text)).marks
    assert len([mark for mark in marks if mark.startswith(begin)]) == 1, marks


@pytest.mark.parametrize(
    ("properties", "values", "begin"),
    [
        ({"ActiveState": "failed"}, {}, "it has failed"),
        ({"ActiveState": "inactive"}, {"state": "stopped"}, "it did not run"),
        ({"UnitFileState": "disabled"}, {"enabled": False}, "it is not enabled"),
        ({"UnitFileState": "static"}, {"enabled": False}, "it is not enabled"),
    ],
)
def test_it_stays_up_and_enabled_as_it_is(properties: dict[str, str], values: dict[str, Any], begin: str) -> None:
    found = item(unit("", **properties))
    assert keys(unit("", **properties)) == values
    assert [mark.startswith(begin) for mark in found.marks] == [True]


def test_secrets_are_variables():
    text = (
        "[Service]\nUser=api\nExecStart=/opt/api/run --password=hunter2 --dsn postgres://a:hunter2@db/x -k\n"
        "Environment=DB_PASSWORD=hunter2 HOME_PAGE=https://me:hunter2@x/ PLAIN=yes\n"
        "ExecStartPre=-/bin/sh -c 'TOKEN=hunter2 check $$0'\nSetCredential=c:hunter2\n"
    )
    found = item(unit(text))
    assert "hunter2" not in str(found.values) + str(found.marks)
    assert found.values["exec_start"] == [
        "/opt/api/run",
        "--password={{ vault_api_password }}",
        "--dsn",
        "{{ vault_api_dsn }}",
        "-k",
    ]
    assert found.values["environment"]["PLAIN"] == "yes"
    assert found.values["environment"]["DB_PASSWORD"] == "{{ vault_api_db_password }}"
    assert found.values["exec_start_pre"] == "-/bin/sh -c 'TOKEN={{ vault_api_token }} check $$0'"
    assert found.values["directives"]["Service"]["SetCredential"] == "c:{{ vault_api_c }}"
    assert any("vault_api_db_password" in mark for mark in found.marks)


def test_secrets_of_variables_that_only_systemd_can_work_out():
    found = item(unit("Environment=ID=%H TOKEN=hunter2\n"))
    assert found.values["directives"]["Service"]["Environment"] == [
        '"ID=%H"',
        '"TOKEN={{ vault_api_token }}"',
        "PYTHONUNBUFFERED=1",
        "PYTHONFAULTHANDLER=1",
        "PYTHONNOUSERSITE=1",
    ]


def test_several_commands_of_a_oneshot_unit():
    text = "[Service]\nType=oneshot\nRemainAfterExit=yes\nUser=a\nExecStartPre=/pre\nExecStart=/a\nExecStart=/b c\n"
    found = keys(unit(text))
    assert found["exec_start_pre"] == [["/pre"], ["/a"]]
    assert item(unit(text)).values["exec_start"] == ["/b", "c"]


def test_a_timer_makes_a_job():
    clock = timer(
        "[Timer]\nOnCalendar=daily\nOnCalendar=Mon 03:00\nPersistent=true\nAccuracySec=1s\nUnit=api.service\n"
    )
    found = item(unit("Type=oneshot\n"), clock)
    assert {key: found.values[key] for key in ("on_calendar", "directives")} == {
        "on_calendar": ["daily", "Mon 03:00"],
        "directives": {"Timer": {"AccuracySec": "1s"}},
    }
    assert keys(unit("Restart=always\n", UnitFileState="static"), clock).keys() == {"on_calendar", "directives"}
    assert keys(unit("StartLimitBurst=3\nRestart=no\n"), clock)["restart"] == "no"
    assert keys(unit("ExecReload=/bin/a\n"), clock)["directives"]["Service"] == {"ExecReload": "/bin/a"}


def test_a_timer_with_more_than_a_calendar_makes_a_job_that_is_not_tried_again():
    clock = timer("[Timer]\nOnCalendar=daily\nPersistent=yes\nOnBootSec=5min\n")
    text = "Type=oneshot\nRestart=on-failure\nRestartSec=9\n"
    found = item(unit(text), clock)
    assert (found.values["retries"], found.values["directives"]) == (0, {"Timer": {"OnBootSec": "5min"}})
    assert not {"restart", "restart_sec"} & found.values.keys()
    assert any("it is not tried again" in mark for mark in found.marks)


def test_the_timer_is_as_it_was():
    found = item(
        unit("", UnitFileState="static"),
        timer("[Timer]\nOnCalendar=daily\nPersistent=no\n", "other.timer", False, False),
    )
    assert (found.values["state"], found.values["enabled"]) == ("stopped", False)
    assert found.values["directives"] == {"Timer": {"Persistent": "no"}}
    assert any("systemctl disable --now other.timer" in mark for mark in found.marks)


def test_a_timer_without_a_calendar_stays_as_it_is():
    one = unit("Type=oneshot\n")
    one = Unit(one.name, one.properties, one.files, triggers={"api.timer": "enabled"})
    found = services_of([one], {"api.timer": timer("[Timer]\nOnUnitActiveSec=1h\n")}, {})
    assert found.items == [] and "at no times of a calendar" in found.marks[0].text


def test_instances_are_one_item():
    text = "[Service]\nUser=api\nExecStart=/opt/api/run %i\nWorkingDirectory=/srv/%i\n"
    members = [unit(text, f"w@{name}.service") for name in ("a", "b")]
    (found,) = services_of(members, {}, {}).items
    assert found.values == {
        "name": "w@",
        "user": "api",
        "exec_start": ["/opt/api/run", "%i"],
        "working_directory": "/srv/%i",
        "instances": ["a", "b"],
    }


TIMES = sections_in(["[Timer]\nOnCalendar=daily\nPersistent=yes\n"])
JOB = "[Service]\nType=oneshot\nUser=bk\nExecStart=/opt/api/run %i\n"
RETRIED = "a run that failed is tried again; write retries: 0, if it must not run twice"


def clock(name: str, enabled: bool = True, files: tuple[str, ...] = ()) -> Timer:
    return Timer(name, TIMES, True, enabled, files)


@pytest.mark.parametrize(
    ("timers", "marks"),
    [
        ([[clock("bk@db.timer")], [clock("bk@web.timer")]], []),
        (
            [[clock("nightly@db.timer")], [clock("nightly@web.timer")]],
            [
                "nightly@db.timer, nightly@web.timer starts it, too: disable and remove it "
                "(systemctl disable --now nightly@db.timer nightly@web.timer)"
            ],
        ),
        (
            [[clock("bk@db.timer")], [clock("bk@web.timer"), clock("weekly.timer")]],
            ["weekly.timer starts it, too, and stays as it is"],
        ),
        ([[], [clock("bk@web.timer")]], ["bk@db.service had no timer; with on_calendar each instance has one"]),
        (
            [[clock("bk@db.timer")], [clock("bk@web.timer", enabled=False)]],
            ["the timers do not all wait, or are not all enabled; what is said of bk@db.timer is written"],
        ),
        (
            [
                [clock("bk@db.timer", files=(f"{ETC}/bk@db.timer", f"{ETC}/bk@db.timer.d/a.conf"))],
                [clock("bk@web.timer", files=(f"{ETC}/bk@.timer", f"{ETC}/bk@.timer.d/b.conf"))],
            ],
            [
                f"{ETC}/bk@db.timer is of one instance alone: remove it, else it counts in place of what a run writes",
                f"what {ETC}/bk@db.timer.d/a.conf says is of one instance alone, and stays there",
                f"what {ETC}/bk@.timer.d/b.conf says is taken over: remove that file once this is applied, "
                "until then both count",
            ],
        ),
    ],
)
def test_timers_of_instances_are_the_timer_of_their_template(timers: list[list[Timer]], marks: list[str]) -> None:
    members = [
        Unit(
            f"bk@{name}.service",
            {**RUNNING, "UnitFileState": "static"},
            (UnitFile(f"{ETC}/bk@.service", JOB, 9.0),),
            triggers={each.name: "enabled" for each in own},
        )
        for name, own in zip(("db", "web"), timers, strict=True)
    ]
    (found,) = services_of(members, {each.name: each for own in timers for each in own}, {}).items
    parse_services([found.values])
    assert (found.values["name"], found.values["instances"]) == ("bk@", ["db", "web"])
    assert found.values["on_calendar"] == ["daily"]
    assert [mark for mark in found.marks if mark != RETRIED] == marks


def test_drop_ins_are_taken_over_and_told():
    own = UnitFile(f"{ETC}/api.service.d/more.conf", "[Service]\nMemoryMax=1G\n", 1.0)
    general = UnitFile(f"{ETC}/service.d/all.conf", "[Service]\nTasksMax=5\n", 1.0)
    # What systemd lists of a link to /dev/null.
    masked = UnitFile(f"{ETC}/api.service.d/none.conf", "", 1.0)
    one = unit("")
    found = item(Unit(one.name, one.properties, (*one.files, general, masked, own)))
    assert found.values["memory_max"] == "1G" and "tasks_max" not in found.values
    assert found.marks == [
        f"what {own.path} says is taken over: remove that file once this is applied, until then both count"
    ]


@pytest.mark.parametrize(
    ("one", "begin"),
    [
        (unit(f"{HEADER}[Service]\nExecStart=/a\n"), "it is of the baseline already"),
        (Unit("run-1.service", RUNNING), "there is no unit file"),
        (unit("", FragmentPath=f"{ETC}/gone/api.service"), "there is no unit file"),
        (unit("", folder="/run/systemd/generator.late"), "it is made anew at each boot"),
    ],
)
def test_what_is_no_member_of_the_list(one: Unit, begin: str) -> None:
    found = services_of([one], {}, {})
    assert found.items == []
    assert [(mark.subject, mark.text.startswith(begin)) for mark in found.marks] == [(one.name, True)]


def test_of_a_package_only_the_policy_is_taken_over():
    (found,) = services_of([unit("", folder="/usr/lib/systemd/system")], {}, {}).items
    assert found.values == {"name": "api", "drop_in": True}
    assert services_of([unit("", folder="/lib/systemd/system", Type="oneshot")], {}, {}).items == []


def test_what_the_preset_writes_just_so_is_left_out():
    for hardening, left in (
        ({}, {"PrivateTmp": "no"}),
        ({"hardening": "none"}, {"NoNewPrivileges": "yes", "PrivateTmp": "no"}),
    ):
        one = Item(
            {"name": "a", "directives": {"Service": {"NoNewPrivileges": "yes", "PrivateTmp": "no"}}, **hardening}, ""
        )
        drop_hardening(one)
        assert one.values["directives"]["Service"] == left
