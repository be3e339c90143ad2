# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the journal: what each may be, what contradicts what, and the drop-in that they make."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.stability.baseline.plugins.module_utils.journal_settings import (
    HEADER,
    SETTINGS,
    check_namespaces,
    namespaces_of,
    parse_settings,
    render,
)
from ansible_collections.stability.baseline.plugins.module_utils.preflight import check_lists
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services

ROLE = Path(__file__).parents[2] / "roles" / "journald"
LIMIT = {"rate_limit_interval_sec": "30s"}
DEFAULTS = {
    "storage": "persistent",
    "sync_interval_sec": "30s",
    "rate_limit_interval_sec": "0",
    "rate_limit_burst": "0",
    "line_max": "256K",
}
LESS = "Write a smaller number, or 0 to turn the limit off."
DISK = "With 0 records would never be written through to the disk."
OWN = "Put what has no setting into a drop-in of your own."
HALF = "expected at most half of"
LEVELS = "emerg, alert, crit, err, warning, notice, info, debug"
SIZE = "Write a number of bytes, or one with K, M, G or T; journald knows no percentages."
UNIT = "Write the number with its unit, K, M, G or T."
SPAN = "expected a time span such as 30s or 4w."
FOREVER = "expected a time span that ends, such as 30s. Write how long, or 0 to turn it off."
NEVER = "It never acts there; take it out, or use the runtime setting of the same name."
UNSET = ", and it is 1month when it is not set"
ZERO = "With one of the two at 0 journald turns the limit off; set both, or both to 0."
WHOLE = "journald removes a file with all its records once the first one is too old; write a part of the retention."
TWICE = "journald would let the journal grow to twice that; lower it, or raise {}_max_use."
FEWER = "Write a smaller number, or 0 for any number of files."
SOCKET = (
    "expected the address of a socket, such as /run/log.sock, 192.0.2.1:19532, [2001:db8::1]:19532 or vsock:2:19532. "
    "Write the path or the numbers; journald resolves no names."
)
MORE = "Write {}_max_files of at least {}, a longer max_file_sec, or a shorter time."
#: What is given, and all that is said of it.
REFUSED = [
    ({"storage": "none"}, ['storage: found "none"; expected one of persistent, auto, volatile. Choose one of them.']),
    ({"storage": True}, ["storage: found true; expected one of persistent, auto, volatile. Quote it, so that YAML leaves it as text."]),
    ({"split_mode": "login"}, ['split_mode: found "login"; expected one of uid, none. Choose one of them.']),
    ({"compress": "perhaps"}, ['compress: found "perhaps"; expected true or false. Write true or false.']),
    ({"compress": "5%"}, [f'compress: found "5%"; expected a size such as 500M. {SIZE}']),
    ({"forward_to_syslog": 7}, ["forward_to_syslog: found 7; expected true or false. Write true or false."]),
    ({"forward_to_socket": 7}, ["forward_to_socket: found 7; expected text. Quote it, so that YAML leaves it as text."]),
    ({"max_level_store": "all"}, [f'max_level_store: found "all"; expected one of {LEVELS}. Choose one of them.']),
    ({"system_max_use": "10%"}, [f'system_max_use: found "10%"; expected a size such as 500M, at least 1M. {SIZE}']),
    ({"system_max_use": "infinity"}, [f'system_max_use: found "infinity"; expected a size such as 500M, at least 1M. {SIZE}']),
    ({"system_max_use": 500}, [f"system_max_use: found 500; expected a size such as 500M, at least 1M. {UNIT}"]),
    ({"system_max_use": "99E"}, [f'system_max_use: found "99E"; expected a size such as 500M, at least 1M. {UNIT}']),
    ({"system_max_use": -1}, [f"system_max_use: found -1; expected a size such as 500M, at least 1M. {SIZE}"]),
    ({"system_keep_free": "x"}, [f'system_keep_free: found "x"; expected a size such as 500M. {SIZE}']),
    ({"system_max_file_size": "1K"}, [f'system_max_file_size: found "1K"; expected a size such as 500M, at least 512K. {UNIT}']),
    ({"line_max": 78}, [f"line_max: found 78; expected a size such as 500M, at least 79. {UNIT}"]),
    ({"line_max": True}, [f"line_max: found true; expected a size such as 500M, at least 79. {SIZE}"]),
    ({"system_max_files": "many"}, ['system_max_files: found "many"; expected a whole number of 0 or more. Write a number.']),
    ({"rate_limit_burst": 2**32, **LIMIT}, [f"rate_limit_burst: found 4294967296; expected at most 4294967295. {LESS}"]),
    ({"max_retention_sec": 90}, [f"max_retention_sec: found 90; {SPAN} Quote it, so that YAML leaves it as text and write its unit."]),
    ({"max_retention_sec": "soon"}, [f'max_retention_sec: found "soon"; {SPAN} Write a number with a unit of systemd.time(7).']),
    ({"max_retention_sec": "28"}, [f'max_retention_sec: found "28"; {SPAN} Write its unit, such as 28d or 28s.']),
    ({"max_retention_sec": "4w 1.5"}, [f'max_retention_sec: found "4w 1.5"; {SPAN} Write its unit, such as 1.5d or 1.5s.']),
    ({"sync_interval_sec": "30"}, [f'sync_interval_sec: found "30"; {SPAN} Write its unit, such as 30d or 30s.']),
    ({"sync_interval_sec": "0.1us"}, ['sync_interval_sec: found "0.1us"; expected a time span of at least 1us. systemd would read it as 0; write more, or 0.']),
    ({"max_retention_sec": "\uff12\uff18d"}, [f'max_retention_sec: found "\uff12\uff18d"; {SPAN} Write a number with a unit of systemd.time(7).']),
    ({"system_max_use": "\u0661\u0662G"}, [f'system_max_use: found "\u0661\u0662G"; expected a size such as 500M, at least 1M. {SIZE}']),
    ({"system_max_files": 2**64 - 1}, [f"system_max_files: found 18446744073709551615; expected at most 18446744073709551614. {FEWER}"]),
    ({"forward_to_socket": "logs.example.com:19532"}, [f'forward_to_socket: found "logs.example.com:19532"; {SOCKET}']),
    (
        {"max_retention_sec": "200d", "max_file_sec": "1d"},
        [
            f'max_retention_sec: found "200d"; '
            f'expected at most what 100 files of 1d span (system_max_files, as many as journald keeps when it is not set). '
            f'{MORE.format("system", 200)}'
        ],
    ),
    (
        {"max_retention_sec": "4w", "max_file_sec": "1d", "system_max_files": 7},
        [
            f'max_retention_sec: found "4w"; '
            f'expected at most what 7 files of 1d span (system_max_files). '
            f'{MORE.format("system", 28)}'
        ],
    ),
    (
        {"max_retention_sec": "4w", "max_file_sec": "1d", "runtime_max_files": 7, "storage": "volatile"},
        [
            f'max_retention_sec: found "4w"; '
            f'expected at most what 7 files of 1d span (runtime_max_files). '
            f'{MORE.format("runtime", 28)}'
        ],
    ),
    ({"max_file_sec": "infinity"}, [f'max_file_sec: found "infinity"; {FOREVER}']),
    ({"max_file_sec": "900000y"}, [f'max_file_sec: found "900000y"; {FOREVER}']),
    ({"sync_interval_sec": "0"}, [f'sync_interval_sec: found "0"; expected a time span over 0, such as 30s. {DISK}']),
    ({"line-max": "1M"}, ["line-max: found an unknown setting; expected a setting of the journal. Did you mean line_max."]),
    ({"tty": "x"}, [f"tty: found an unknown setting; expected a setting of the journal. {OWN}"]),
    ({"rate_limit_burst": "5"}, [f'rate_limit_interval_sec: found "0"; expected an interval for rate_limit_burst (5). {ZERO}']),
    (LIMIT, [f"rate_limit_burst: found 0; expected a burst for rate_limit_interval_sec (30s). {ZERO}"]),
    ({"system_max_use": "1G", "system_max_file_size": "513M"}, [f'system_max_file_size: found "513M"; {HALF} system_max_use (1G). {TWICE.format("system")}']),
    ({"runtime_max_use": "1M", "runtime_max_file_size": "1M"}, [f'runtime_max_file_size: found "1M"; {HALF} runtime_max_use (1M). {TWICE.format("runtime")}']),
    ({"storage": "volatile", "system_max_use": "1G"}, [f'system_max_use: found "1G"; expected no limit of the stored journal with storage volatile. {NEVER}']),
    ({"max_retention_sec": "4w"}, [f"max_file_sec: found nothing; expected less than max_retention_sec (4w){UNSET}. {WHOLE}"]),
    ({"max_retention_sec": "4w", "max_file_sec": "28d"}, [f'max_file_sec: found "28d"; expected more than 0 and less than max_retention_sec (4w). {WHOLE}']),
    ({"max_retention_sec": "4w", "max_file_sec": "0"}, [f'max_file_sec: found "0"; expected more than 0 and less than max_retention_sec (4w). {WHOLE}']),
]  # fmt: skip


def problems(raw, prefix=""):
    with pytest.raises(InvalidInput) as caught:
        parse_settings(raw, prefix)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("raw", "expected"), REFUSED)
def test_what_journald_would_ignore_or_amend_is_refused(raw, expected):
    assert problems(raw) == expected


def test_all_problems_are_told_at_once_and_named_by_their_variable():
    raw = {"line_max": "x", "system_max_use": "1", "oops": 1, "rate_limit_burst": "1"}
    assert [text.split(":")[0] for text in problems(raw, "stability_journald_")] == [
        "stability_journald_oops",
        "stability_journald_line_max",
        "stability_journald_system_max_use",
        "stability_journald_rate_limit_interval_sec",
    ]
    assert problems("big", "settings.") == [
        'settings: found "big"; expected a mapping of settings to values. Write {setting: value}.'
    ]


@pytest.mark.parametrize(
    ("raw", "name", "expected"),
    [
        ({"compress": True}, "compress", "yes"),
        ({"compress": "False"}, "compress", "no"),
        ({"compress": "yes"}, "compress", "yes"),
        ({"compress": 1024}, "compress", "1024"),
        ({"compress": "4K"}, "compress", "4K"),
        ({"forward_to_syslog": "no"}, "forward_to_syslog", "no"),
        ({"rate_limit_burst": 10000, **LIMIT}, "rate_limit_burst", "10000"),
        ({"rate_limit_burst": "10000", **LIMIT}, "rate_limit_burst", "10000"),
        ({"rate_limit_interval_sec": 0}, "rate_limit_interval_sec", "0"),
        ({"system_max_use": 1073741824}, "system_max_use", "1073741824"),
        ({"system_max_use": "1.5G"}, "system_max_use", "1.5G"),
        ({"system_max_use": "1G", "system_max_file_size": "512M"}, "system_max_file_size", "512M"),
        ({"max_retention_sec": "4w", "max_file_sec": "1d"}, "max_retention_sec", "4w"),
        ({"max_retention_sec": "1y"}, "max_retention_sec", "1y"),
        ({"max_retention_sec": "100d", "max_file_sec": "1d"}, "max_retention_sec", "100d"),
        ({"max_retention_sec": "200d", "max_file_sec": "1d", "system_max_files": 0}, "max_retention_sec", "200d"),
        ({"max_retention_sec": "200d", "max_file_sec": "1d", "system_max_files": "200"}, "system_max_files", "200"),
        ({"max_retention_sec": "0"}, "max_retention_sec", "0"),
        ({"storage": "volatile", "runtime_max_use": "1G"}, "runtime_max_use", "1G"),
    ],
)
def test_a_value_from_yaml_or_a_survey_is_what_journald_reads(raw, name, expected):
    values = parse_settings(raw)
    assert values[name] == expected
    # What went to the host once is the same when it is read there.
    assert parse_settings(values) == values


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("/run/log.sock", True),
        ("@log", True),
        ("vsock:2:19532", True),
        ("vsock-dgram:2:19532", True),
        ("192.0.2.1:19532", True),
        ("[2001:db8::1]:19532", True),
        ("relative/log.sock", False),
        ("nonsense", False),
        ("19532", False),
        ("vsock:2", False),
        ("192.0.2.256:19532", False),
        ("192.0.2.1:0", False),
        ("192.0.2.1:65536", False),
        ("[2001:db8::1", False),
        ("[:::]:1", False),
    ],
)
def test_what_is_the_address_of_a_socket(address, known):
    if known:
        assert parse_settings({"forward_to_socket": address})["forward_to_socket"] == address
    else:
        assert [text.split(":")[0] for text in problems({"forward_to_socket": address})] == ["forward_to_socket"]


@pytest.mark.parametrize("raw", [None, {}, {"storage": "", "line_max": None, "system_max_use": "  "}])
def test_what_is_not_given_is_the_baselines_or_left_to_journald(raw):
    assert parse_settings(raw) == DEFAULTS


def test_the_drop_in():
    values = parse_settings({"system_max_use": "1G", "max_level_socket": "info", "forward_to_socket": "vsock:2:1234"})
    lines = "Storage=persistent\nSyncIntervalSec=30s\nRateLimitIntervalSec=0\nRateLimitBurst=0\nLineMax=256K\nSystemMaxUse=1G\n"
    old = render(values, 252)
    assert old.text == f"{HEADER}\n[Journal]\n{lines}"
    assert old.too_new == (("ForwardToSocket", 256), ("MaxLevelSocket", 256))
    new = render(values, 256)
    assert new.text == f"{HEADER}\n[Journal]\n{lines}ForwardToSocket=vsock:2:1234\nMaxLevelSocket=info\n"
    assert new.too_new == ()


def test_the_role_has_a_variable_for_each_setting_with_the_cores_default():
    variables = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    prefix = "stability_journald_"
    defaults = {name[len(prefix) :]: str(value) for name, value in variables.items() if name.startswith(prefix)}
    assert defaults == {setting.name: setting.default for setting in SETTINGS}


SERVICE = {"user": "api", "exec_start": ["/bin/true"]}


def test_the_namespaces_are_those_of_the_services_that_are_there():
    services = [
        {"name": "a", "log_namespace": "web", **SERVICE},
        {"name": "b", "log_namespace": "web", **SERVICE},
        {"name": "c", "log_namespace": "jobs", **SERVICE},
        {"name": "d", **SERVICE},
        {"name": "e", "log_namespace": "gone", "state": "absent"},
    ]
    assert sorted(namespaces_of(parse_services(services)).values()) == ["jobs", "web", "web"]
    written = [
        {"name": "f", "directives": {"Service": {"LogNamespace": "f"}}, **SERVICE},
        {"name": "g", "directives": {"Service": {"LogNamespace": ["", "g"]}}, **SERVICE},
        {"name": "h", "directives": {"Service": {"LogNamespace": ""}}, **SERVICE},
        {"name": "i@", "instances": ["a"], "directives": {"Service": {"LogNamespace": "%i"}}, **SERVICE},
        {"name": "k", "directives": {"Service": {"LogNamespace": []}}, **SERVICE},
        {"name": "j", "drop_in": True, "directives": {"Service": {"LogNamespace": "j"}}},
    ]
    assert namespaces_of(parse_services(written)) == {
        f"stability_services[{index}].directives.Service.LogNamespace ({name})": name
        for index, name in ((0, "f"), (1, "g"), (5, "j"))
    }
    checked = check_lists(services, [], {"line_max": "1M"})
    assert checked.namespaces == ["jobs", "web"]
    assert checked.settings == {**DEFAULTS, "line_max": "1M"}


def test_without_the_settings_nothing_is_said_of_the_journal():
    checked = check_lists([{"name": "a", "log_namespace": "web", **SERVICE}], [])
    assert (checked.settings, checked.namespaces) == ({}, [])


def test_the_settings_are_checked_together_with_the_lists():
    with pytest.raises(InvalidInput) as caught:
        check_lists([{"name": "a", "user": "a"}], None, {"line_max": "no"})
    assert [problem.option for problem in caught.value.problems] == [
        "stability_services[0].exec_start (a)",
        "stability_journald_line_max",
    ]


def test_a_misspelt_variable_of_the_role_is_told_with_the_one_that_is_meant():
    visible = ["stability_journald_max_use", "stability_journald_line_max", "stability_journal", "inventory_hostname"]
    with pytest.raises(InvalidInput) as caught:
        check_lists([], [], {"line_max": "1M", "storage": "x"}, visible)
    assert [str(problem) for problem in caught.value.problems] == [
        "stability_journald_max_use: found an unknown setting; expected a setting of the journal. "
        "Did you mean stability_journald_system_max_use.",
        'stability_journald_storage: found "x"; expected one of persistent, auto, volatile. Choose one of them.',
    ]
    assert check_lists([], [], {"line_max": "1M"}, visible[1:]).settings["line_max"] == "1M"
    # A role that does not read them does not judge them.
    assert check_lists([], [], None, visible).settings == {}


@pytest.mark.parametrize("name", ["../x", "a b", "a/b", "", "x" * 201, "%i"])
def test_a_name_that_no_namespace_can_have_is_refused(name):
    assert len(check_namespaces({"namespaces[0]": name})) == 1
    assert check_namespaces({"namespaces[0]": "web-1.x"}) == []
