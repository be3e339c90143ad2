# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of services: what is accepted, and every message once."""

from __future__ import annotations

import json
from datetime import date

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services

BASE = {"name": "api", "user": "api", "exec_start": ["/opt/api/venv/bin/gunicorn", "app:app"]}
JOB = {**BASE, "on_calendar": ["daily"]}
QUOTE = "Quote it, so that YAML leaves it as text."
SPAN = f"expected a time span such as 5s, 1min 30s or infinity. {QUOTE[:-1]} and write its unit."
SPAN_UNIT = "expected a time span such as 5s, 1min 30s or infinity. Write a number with a unit of systemd.time(7)."
SIZE = "expected a size such as 512M, 2G or infinity. Write a number with K, M, G or T and no blank."
ABSOLUTE = "expected an absolute path. Write the whole path from /."
ACCOUNT = "expected the name of a user or group. Use letters, digits, _, - and at most 31 characters."
MISSING_NAME = "stability_services[0].name: found nothing; expected the name of the service. Add the key name."

#: (what differs from BASE, the part of the message behind ``stability_services[0]``).
REFUSED = [
    ({"user": None}, ".user (api): found no value; expected a value. Write one or take the key out."),
    ({"user": "a b"}, f'.user (api): found "a b"; {ACCOUNT}'),
    (
        {"user": "nobody"},
        '.user (api): found "nobody"; expected a user of its own. Name one; a system user is made when it is missing.',
    ),
    ({"user": 0}, f".user (api): found 0; expected text. {QUOTE}"),
    ({"user": " "}, '.user (api): found " "; expected text that is not empty. Write a value or leave the key out.'),
    (
        {"exec_start": []},
        ".exec_start (api): found []; expected a list of text that is not empty. "
        "Write the program and its arguments as a list.",
    ),
    (
        {"exec_start": ["gunicorn"]},
        '.exec_start[0] (api): found "gunicorn"; expected an absolute path of a program. Write the whole path from /.',
    ),
    (
        {"exec_start": ["/opt/"]},
        '.exec_start[0] (api): found "/opt/"; expected the path of a program. '
        "Take control characters and a trailing / out.",
    ),
    ({"exec_start": ["/a", 8000]}, f".exec_start[1] (api): found 8000; expected text. {QUOTE}"),
    ({"exec_start": ["/a", {"b": "c"}]}, '.exec_start[1] (api): found {"b": "c"}; expected text. Write text.'),
    (
        {"exec_start": ["/a", "b\0"]},
        '.exec_start[1] (api): found "b\\u0000"; expected text without the NUL character. '
        "No process can receive a NUL character; take it out.",
    ),
    (
        {"exec_start": ["/a", "\ufffe"]},
        '.exec_start[1] (api): found "\ufffe"; expected text without the Unicode noncharacters, such as U+FFFE. systemd drops '
        "a variable with one, and a unit with one can no longer be inspected; take it out.",
    ),
    (
        {"exec_start": ["/a", "\ud800"]},
        '.exec_start[1] (api): found "\ud800"; expected text that UTF-8 can hold. Take the lone surrogate out.',
    ),
    (
        {"exec_start": "/bin/a\nUser=root"},
        '.exec_start (api): found "/bin/a\\nUser=root"; expected one line of text. Take the line break or NUL out.',
    ),
    (
        {"exec_start": "/bin/a \\"},
        '.exec_start (api): found "/bin/a \\\\"; expected text that does not end with a '
        "backslash. systemd would join it with the next line; take it out.",
    ),
    (
        {"restart": False},
        ".restart (api): found false; expected one of no, always, on-success, on-failure, on-abnormal, "
        f"on-abort, on-watchdog. {QUOTE}",
    ),
    (
        {"restart": "alway"},
        '.restart (api): found "alway"; expected one of no, always, on-success, on-failure, '
        "on-abnormal, on-abort, on-watchdog. Choose one of them.",
    ),
    ({"description": date(2024, 1, 1)}, f".description (api): found 2024-01-01; expected text. {QUOTE}"),
    ({"on_calendar": [750]}, f".on_calendar[0] (api): found 750; expected text. {QUOTE}"),
    (
        {"environment": {"RELEASE": date(2024, 1, 1)}},
        f".environment.RELEASE (api): found a value that is not shown; expected text. {QUOTE}",
    ),
    (
        {"environment": {True: "x"}},
        f".environment (api): found true; expected a name of letters, digits and _. {QUOTE}",
    ),
    ({"restart_sec": 90}, f".restart_sec (api): found 90; {SPAN}"),
    ({"restart_sec": True}, f".restart_sec (api): found true; {SPAN}"),
    ({"restart_sec": "5 sheep"}, f'.restart_sec (api): found "5 sheep"; {SPAN_UNIT}'),
    ({"restart_sec": "\uff15s"}, f'.restart_sec (api): found "\uff15s"; {SPAN_UNIT}'),
    ({"memory_max": "\u0661\u0662M"}, f'.memory_max (api): found "\u0661\u0662M"; {SIZE}'),
    (
        {"tasks_max": "\u0661\u0662"},
        '.tasks_max (api): found "\u0661\u0662"; expected a number, soft:hard or infinity. Write a number, or quote soft:hard.',
    ),
    ({"umask": 23}, f".umask (api): found 23; expected an octal mode in quotes, such as '0027'. {QUOTE}"),
    ({"memory_max": "512MB"}, f'.memory_max (api): found "512MB"; {SIZE}'),
    (
        {"memory_high": "1G", "memory_max": "512M"},
        '.memory_high (api): found "1G"; expected less than memory_max (512M). '
        "MemoryHigh= at or above MemoryMax= never acts.",
    ),
    (
        {"tasks_max": "many"},
        '.tasks_max (api): found "many"; expected a number, soft:hard or infinity. Write a number, or quote soft:hard.',
    ),
    (
        {"on_calendar": "daily", "start_limit_burst": 0, "start_limit_interval_sec": "1h"},
        ".start_limit_burst (api): found 0; expected at least 1, since systemd takes 0 for no limit. Write retries instead.",
    ),
    (
        {"on_calendar": "daily", "directives": {"Service": {"RemainAfterExit": "yes"}}},
        '.directives.Service.RemainAfterExit (api): found "yes"; expected no for a scheduled job. '
        "A unit that stays active is not started at its next time; take it out.",
    ),
    (
        {"start_limit_burst": -1},
        ".start_limit_burst (api): found -1; expected a whole number of 0 or more. Write a number.",
    ),
    ({"working_directory": "srv"}, f'.working_directory (api): found "srv"; {ABSOLUTE}'),
    (
        {"restart_on": ["/a/../b"]},
        '.restart_on[0] (api): found "/a/../b"; expected a path without . and .. in it. Write the path that is meant.',
    ),
    (
        {"state_directory": "/api"},
        '.state_directory (api): found "/api"; expected a relative folder name without blanks. '
        "systemd puts it below /var/lib or /run; write its name.",
    ),
    (
        {"after": "network"},
        '.after (api): found "network"; expected a unit name with its suffix, such as '
        "network-online.target. Write the whole name.",
    ),
    (
        {"kill_signal": "15"},
        '.kill_signal (api): found "15"; expected the name of a signal, such as SIGTERM. See signal(7).',
    ),
    ({"enabled": "maybe"}, '.enabled (api): found "maybe"; expected true or false. Write true or false.'),
    (
        {"environment": ["A=1"]},
        ".environment (api): found a value that is not shown; expected a mapping of names to text. Write NAME: value.",
    ),
    (
        {"environment": {"A-B": "x"}},
        '.environment (api): found "A-B"; expected a name of letters, digits and _. Rename the variable.',
    ),
    (
        {"environment": {"PIN": 1234}},
        ".environment.PIN (api): found a value that is not shown; expected text. " + QUOTE,
    ),
    (
        {"credentials": "x"},
        ".credentials (api): found a value that is not shown; expected a mapping of names to absolute paths. Write name: /path.",
    ),
    (
        {"credentials": {"a/b": "/x"}},
        '.credentials (api): found "a/b"; expected a name of letters, digits and _.-. Rename the credential.',
    ),
    ({"credentials": {"a": "x"}}, f".credentials.a (api): found a value that is not shown; {ABSOLUTE}"),
    (
        {"directives": []},
        ".directives (api): found a value that is not shown; expected a mapping of sections. Write {Service: {Directive: value}}.",
    ),
    (
        {"directives": {"Srvice": {}}},
        '.directives (api): found "Srvice"; expected a section: Unit, Service, Timer, Install. Move the directive.',
    ),
    (
        {"directives": {"Unit": "x"}},
        ".directives.Unit (api): found a value that is not shown; expected a mapping of directives. Write {Directive: value}.",
    ),
    (
        {"directives": {"Unit": {"a b": "x"}}},
        '.directives.Unit (api): found "a b"; expected the name of a directive. Write it as in the man page.',
    ),
    *(
        (
            {"directives": {"Service": {name: [value]}}},
            f".directives.Service.{name}[0] (api): found a value that is not shown; {expected}",
        )
        for name in ("Environment", "PassEnvironment", "SetCredential", "SetCredentialEncrypted", "ExecStartPost")
        for value, expected in (
            ({"DB_PASSWORD": "x"}, "expected text. Write one line of text."),
            ("A=x\ny", "expected one line of text. Take the line break or NUL out."),
        )
    ),
    ({"directives": {"Service": {"Nice": 5}}}, f".directives.Service.Nice (api): found 5; expected text. {QUOTE}"),
    (
        {"directives": {"Timer": {"AccuracySec": "1s"}}},
        '.directives.Timer (api): found {"AccuracySec": ["1s"]}; expected no '
        "section Timer for a daemon. Add on_calendar.",
    ),
    (
        {"health": "x"},
        '.health (api): found "x"; expected a mapping with one of http, tcp, command, and timeout. '
        "Write {http: URL}, {tcp: host:port} or {command: [...]}.",
    ),
    (
        {"health": {"http": "http://a/", "tcp": "a:1"}},
        '.health (api): found {"http": "http://a/", "tcp": "a:1"}; expected a '
        "mapping with one of http, tcp, command, and timeout. Write exactly one of the three ways, and nothing else but timeout.",
    ),
    (
        {"health": {"http": "/healthz"}},
        '.health.http (api): found "/healthz"; expected a URL with http or https and a host. '
        "Write http://127.0.0.1:8000/path.",
    ),
    *(
        (
            {"health": {"http": url}},
            f'.health.http (api): found "{url}"; expected a URL with http or https and a host. '
            "Write http://127.0.0.1:8000/path.",
        )
        for url in ("http://[::1", "http://a:99999/", "http://a..b/", "http://a:\u00b2/")
    ),
    (
        {"health": {"http": "http://me:s3cret@a/"}},
        ".health.http (api): found a value that is not shown; expected a URL without user and password. "
        "Let the service answer this path without them, or use command.",
    ),
    (
        {"health": {"http": "http://a/\u00e9"}},
        '.health.http (api): found "http://a/\u00e9"; expected a URL of ASCII characters without blanks. '
        "Encode the others with %, as RFC 3986 says.",
    ),
    *(
        ({"health": {"tcp": at}}, f'.health.tcp (api): found "{at}"; expected host:port. Write 127.0.0.1:8000.')
        for at in ("a:\u00b2", "a..b:80")
    ),
    (
        {"health": {"tcp": "a:1", "timeout": "infinity"}},
        '.health.timeout (api): found "infinity"; expected seconds above 0. '
        "Write the seconds that the service has to answer.",
    ),
    (
        {"settle_sec": "infinity"},
        '.settle_sec (api): found "infinity"; expected a time span that ends, such as 8s. '
        "The run would wait for ever; write how long it may take.",
    ),
    *(
        (
            {key: number},
            f'.{key} (api): found "{number}"; expected the number of a user or group, below 4294967295 and not 65535. '
            "Nothing can run with another number; correct it.",
        )
        for key, number in (("user", "4294967295"), ("user", "65535"), ("group", "99999999999"))
    ),
    ({"user": "\u00b2"}, f'.user (api): found "\u00b2"; {ACCOUNT}'),
    (
        {"start_limit_burst": "9" * 20},
        '.start_limit_burst (api): found "99999999999999999999"; expected a whole number of 0 or more. Write a number.',
    ),
    (
        {"description": "\ud800"},
        '.description (api): found "\ud800"; expected text that UTF-8 can hold. Take the lone surrogate out.',
    ),
    ({"health": {"tcp": "8000"}}, '.health.tcp (api): found "8000"; expected host:port. Write 127.0.0.1:8000.'),
    (
        {"health": {"tcp": "a:1", "timeout": "0s"}},
        '.health.timeout (api): found "0s"; expected seconds above 0. '
        "Write the seconds that the service has to answer.",
    ),
    (
        {"type": "oneshot"},
        '.type (api): found "oneshot"; expected a type that allows restart always. '
        "A daemon has type exec or notify, a scheduled job on_calendar.",
    ),
    (
        {"restart_steps": 5},
        ".restart_steps (api): found 5; expected restart_steps and restart_max_delay_sec together. Add the other one.",
    ),
    (
        {"retries": 3},
        ".retries (api): found 3; expected a key of a daemon. It is for scheduled jobs (on_calendar); take it out.",
    ),
    (
        {"memroy_max": "1G"},
        ".memroy_max (api): found an unknown key; expected a key of a service. Did you mean memory_max.",
    ),
    ({"zzz": 1}, ".zzz (api): found an unknown key; expected a key of a service. Use directives for what has no key."),
    (
        {"probe": "maybe"},
        '.probe (api): found "maybe"; expected true or false. Write true or false.',
    ),
    (
        {"logging": {"levle": "INFO"}},
        '.logging (api): found "levle"; expected one of level, format, loggers, apply. Did you mean level.',
    ),
    (
        {"state": "gone"},
        '.state (api): found "gone"; expected one of started, stopped, absent. Choose one of them.',
    ),
    ({"name": 7}, f".name: found 7; expected letters, digits and :_.-. {QUOTE}"),
    ({"name": "a b"}, '.name (a b): found "a b"; expected letters, digits and :_.-. Rename the service.'),
    (
        {"name": "systemd-journald"},
        '.name (systemd-journald): found "systemd-journald"; expected a name that no unit of the system itself has. '
        "Rename the service.",
    ),
    (
        {"name": "sshd"},
        '.name (sshd): found "sshd"; expected a name that no unit of the system itself has. Rename the service.',
    ),
    (
        {"name": "api.service"},
        '.name (api.service): found "api.service"; expected a name without the unit\'s suffix. Take the suffix out.',
    ),
    (
        {"type": "oneshot", "restart": "on-failure"},
        '.type (api): found "oneshot"; expected a type under which the unit stays up. Write on_calendar for a scheduled job, '
        "or directives: {Service: {RemainAfterExit: 'yes'}} for what is done once.",
    ),
    (
        {"name": "api@b"},
        '.name (api@b): found "api@b"; expected the name of a template. Write api@, and instances: [b].',
    ),
    (
        {"name": "api@", "instances": ["x" * 200]},
        f'.instances (api@): found "{"x" * 118}…; expected at most 200 characters together with the name. '
        "systemd makes files of such names; shorten it.",
    ),
    *(
        (
            {"name": "api@", "drop_in": True, key: value},
            f".{key} (api@): found {json.dumps(value)}; expected no such key for a drop-in over a template. "
            "A drop-in is for all instances of a template, and switches none; take it out.",
        )
        for key, value in {"state": "started", "enabled": True, "restart_on": ["/srv"], "settle_sec": "1s"}.items()
    ),
    (
        {"instances": ["one"]},
        '.instances (api): found ["one"]; expected instances of a template unit. Put an @ behind the name, or take instances out.',
    ),
    (
        {"name": "api@", "instances": ["one", "two", "one"]},
        '.instances[2] (api@): found "one"; expected each instance once. Take one of the two out.',
    ),
    (
        {"name": "api@", "instances": ["a b"]},
        '.instances[0] (api@): found "a b"; expected letters, digits and :_.\\@-. Escape others as systemd-escape(1) prints them.',
    ),
    ({"name": "api@", "instances": [1]}, f".instances[0] (api@): found 1; expected text. {QUOTE}"),
    (
        {"name": "api@", "instances": ["x", "y"], "health": {"tcp": "127.0.0.1:80%i"}},
        '.health.tcp (api@): found "127.0.0.1:80x"; expected host:port. Write 127.0.0.1:8000.',
    ),
    (
        {"drop_in": True, "wanted_by": "default.target"},
        '.wanted_by (api): found "default.target"; expected a key of a drop-in. '
        "It is for units of this collection; take it out.",
    ),
    (
        {"drop_in": True, "on_calendar": "daily"},
        '.on_calendar (api): found "daily"; expected a key of a drop-in. It is for units of this collection; take it out.',
    ),
    (
        {"drop_in": True, "directives": {"Install": {"Alias": "b.service"}}},
        '.directives.Install (api): found {"Alias": ["b.service"]}; expected no section Install for a drop-in. '
        "Use enabled; systemd reads [Install] only in the unit file.",
    ),
    ({"drop_in": "maybe"}, '.drop_in (api): found "maybe"; expected true or false. Write true or false.'),
]
REFUSED_JOBS = [
    ({"type": "exec"}, '.type (api): found "exec"; expected oneshot for a scheduled job. Take the key type out.'),
    (
        {"retries": 2, "restart": "no"},
        ".retries (api): found 2; expected no retries with restart: 'no'. Take one of the two out.",
    ),
    (
        {"retries": 0, "restart": "on-failure"},
        ".restart (api): found \"on-failure\"; expected restart: 'no' with retries: 0. Take one of the two out.",
    ),
    (
        {"health": {"tcp": "a:1"}},
        '.health (api): found {"tcp": "a:1"}; expected a key of a scheduled job. It is for daemons; take it out.',
    ),
]


def messages(raw: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_services(raw)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("difference", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_wrong_value_is_refused_with_one_message(difference, message):
    assert messages([{**BASE, **difference}]) == [f"stability_services[0]{message}"]


@pytest.mark.parametrize(("difference", "message"), REFUSED_JOBS, ids=lambda value: str(value)[:40])
def test_a_wrong_value_of_a_job_is_refused_with_one_message(difference, message):
    assert messages([{**JOB, **difference}]) == [f"stability_services[0]{message}"]


def test_required_keys_are_named():
    assert messages([{}]) == [
        MISSING_NAME,
        "stability_services[0].user: found nothing; expected the key user. "
        "Name the user that runs it; root must be written out.",
        "stability_services[0].exec_start: found nothing; expected the key exec_start. "
        "Write the program and its arguments as a list.",
    ]


def test_all_problems_of_all_items_come_at_once():
    contradiction = {"memory_high": "2G", "memory_max": "1G"}
    found = messages(
        [{**BASE, "umask": 23, "restart": False, **contradiction}, "api", {**BASE, "exec_start": ["/a", 1, 2]}]
    )
    assert [message.split(" ", 1)[0].rstrip(":") for message in found] == [
        "stability_services[0].umask",
        "stability_services[0].restart",
        "stability_services[0].memory_high",
        "stability_services[1]",
        "stability_services[2].exec_start[1]",
        "stability_services[2].exec_start[2]",
        "stability_services[2].name",
    ]


def test_the_list_itself_must_be_a_list_of_mappings():
    assert messages({"name": "api"}) == [
        'stability_services: found {"name": "api"}; expected a list of services. Write a list of mappings.'
    ]
    assert messages(["api"]) == [
        'stability_services[0]: found "api"; expected a mapping. Write name, user and exec_start.'
    ]
    assert parse_services(None) == []


def test_an_absent_service_needs_its_name_only():
    gone, kept = parse_services([{"name": "gone", "state": "absent"}, BASE])
    assert (gone.is_absent, kept.is_absent) == (True, False)
    assert messages([{"name": "gone", "state": "absent", "usr": "x"}]) == [
        "stability_services[0].usr (gone): found an unknown key; expected a key of a service. Did you mean user."
    ]


def test_a_unit_of_the_system_may_lose_its_drop_in():
    """What is not ours is refused on the host."""
    assert parse_services([{"name": "ssh", "state": "absent"}])[0].is_absent


def test_specifiers_in_names_of_other_units_are_systemds_own():
    (service,) = parse_services([{**BASE, "on_failure": "alert@%n.service"}])
    assert service.values["on_failure"] == ["alert@%n.service"]


def test_a_name_stands_once():
    assert messages([BASE, BASE]) == [
        'stability_services[1].name: found "api"; expected a name that no other service has (stability_services[0] has it). '
        "Rename one of the two."
    ]


def test_defaults_are_those_of_its_kind():
    daemon, job = parse_services([BASE, {**JOB, "name": "nightly"}])
    assert (daemon.values["type"], daemon.values["restart"], daemon.values["restart_sec"]) == ("exec", "always", "5s")
    assert (job.values["type"], job.values["restart"], job.values["restart_sec"]) == ("oneshot", "on-failure", "1min")
    assert (daemon.switched_unit, job.switched_unit) == ("api.service", "nightly.timer")


@pytest.mark.parametrize(
    "difference",
    [
        {"directives": {"Service": {"RemainAfterExit": "yes"}}},
        {"state": "stopped"},
        {"name": "api@", "instances": []},
    ],
)
def test_a_oneshot_unit_that_need_not_stay_up_is_fine(difference):
    assert parse_services([{**BASE, "type": "oneshot", "restart": "no", **difference}])


def test_a_job_without_retries_is_not_restarted():
    assert parse_services([{**JOB, "retries": 0}])[0].values["restart"] == "no"


@pytest.mark.parametrize(("said", "kept"), [(False, False), ("no", False), (True, True)])
def test_of_an_absent_service_it_counts_what_drop_in_says(said, kept):
    (service,) = parse_services([{"name": "api", "state": "absent", "drop_in": said}])
    assert ("drop_in" in service.given) is kept


def test_a_survey_may_give_text_for_booleans_and_numbers():
    service = parse_services(
        [{**BASE, "enabled": "false", "start_limit_burst": "7", "start_limit_interval_sec": "1h"}]
    )[0]
    assert service.values["enabled"] is False
    assert service.values["start_limit_burst"] == 7
