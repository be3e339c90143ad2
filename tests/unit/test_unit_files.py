# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit files: their whole text for typical services, and what changes it."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_checks import check_lengths, short_tries
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import RetryWindow, render

BASE = {"name": "api", "user": "api", "exec_start": ["/srv/api/bin/serve", "--port", "8000"]}
DAEMON = """\
# Managed by stability.baseline. A change made here is undone by the next run:
# change stability_services instead.

[Unit]
Description=api
StartLimitIntervalSec=0

[Service]
Type=exec
User=api
Environment=PYTHONUNBUFFERED=1
Environment=PYTHONFAULTHANDLER=1
Environment=PYTHONNOUSERSITE=1
ExecStart=/srv/api/bin/serve --port 8000
Restart=always
RestartSec=5s
StandardOutput=journal
StandardError=journal
SyslogIdentifier=api
OOMPolicy=stop
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes

[Install]
WantedBy=multi-user.target
"""
TIMER = """\
# Managed by stability.baseline. A change made here is undone by the next run:
# change stability_services instead.

[Unit]
Description=Timer of api.service

[Timer]
OnCalendar=daily
OnCalendar=Sat 12:00
Persistent=true

[Install]
WantedBy=timers.target
"""

#: (keys, lines that the unit file has because of them).
LINES = [
    ({"description": "100% up"}, ["Description=100%% up"]),
    ({"after": ["a.target", "b.service"], "wants": "a.target"}, ["After=a.target b.service", "Wants=a.target"]),
    ({"requires": "b.service", "on_failure": "mail@api.service"}, ["Requires=b.service", "OnFailure=mail@api.service"]),
    ({"start_limit_interval_sec": "1min", "start_limit_burst": 9}, ["StartLimitIntervalSec=1min", "StartLimitBurst=9"]),
    ({"type": "notify", "watchdog_sec": "30s"}, ["Type=notify", "WatchdogSec=30s"]),
    ({"group": "www", "umask": "0027"}, ["Group=www", "UMask=0027"]),
    ({"working_directory": "/srv/50%/"}, ["WorkingDirectory=/srv/50%%"]),
    (
        {"environment": {"A": 'q"%\n', "PYTHONUNBUFFERED": "0"}},
        ['Environment="A=q\\"%%\\n"', "Environment=PYTHONUNBUFFERED=0"],
    ),
    ({"environment_files": ["/etc/a b", "-/etc/c"]}, ["EnvironmentFile=/etc/a b", "EnvironmentFile=-/etc/c"]),
    ({"credentials": {"db": "/etc/db", "k": "/etc/k"}}, ["LoadCredential=db:/etc/db", "LoadCredential=k:/etc/k"]),
    ({"state_directory": ["a", "b"], "runtime_directory": "a"}, ["StateDirectory=a b", "RuntimeDirectory=a"]),
    ({"exec_start_pre": ["/bin/true", "x y"]}, ['ExecStartPre=/bin/true "x y"']),
    ({"exec_start_pre": [["/bin/a"], ["/bin/b", "$c"]]}, ["ExecStartPre=/bin/a", 'ExecStartPre=:/bin/b "$c"']),
    ({"exec_start": "-/bin/sh -c 'exec a $MAINPID'"}, ["ExecStart=-/bin/sh -c 'exec a $MAINPID'"]),
    ({"exec_reload": "/bin/kill -HUP $MAINPID"}, ["ExecReload=/bin/kill -HUP $MAINPID"]),
    ({"restart": "on-failure", "restart_sec": "500ms"}, ["Restart=on-failure", "RestartSec=500ms"]),
    ({"kill_signal": "SIGINT", "timeout_stop_sec": "1min"}, ["KillSignal=SIGINT", "TimeoutStopSec=1min"]),
    ({"timeout_start_sec": "infinity"}, ["TimeoutStartSec=infinity"]),
    ({"syslog_identifier": "x%", "log_namespace": "api"}, ["SyslogIdentifier=x%%", "LogNamespace=api"]),
    (
        {"log_rate_limit_interval_sec": "30s", "log_rate_limit_burst": 0},
        ["LogRateLimitIntervalSec=30s", "LogRateLimitBurst=0"],
    ),
    (
        {"memory_high": "448M", "memory_max": "512M", "memory_swap_max": 0},
        ["MemoryHigh=448M", "MemoryMax=512M", "MemorySwapMax=0"],
    ),
    (
        {"oom_policy": "continue", "tasks_max": "80%", "limit_nofile": 65536},
        ["OOMPolicy=continue", "TasksMax=80%", "LimitNOFILE=65536"],
    ),
    (
        {"hardening": "strict", "read_write_paths": ["/var/a", "-/b c"]},
        ["ProtectSystem=strict", "PrivateDevices=yes", 'ReadWritePaths=/var/a "-/b c"', "CapabilityBoundingSet="],
    ),
    ({"wanted_by": "graphical.target"}, ["WantedBy=graphical.target"]),
    (
        {
            "directives": {
                "Service": {"Restart": "no", "ExecStopPost": ["/a", "/b"]},
                "Unit": {"Documentation": "man:a(1)"},
            }
        },
        ["Restart=no", "ExecStopPost=/a", "ExecStopPost=/b", "Documentation=man:a(1)"],
    ),
]


def rendered(keys: dict, version: int = 252, window: RetryWindow | None = None):
    return render(parse_services([{**BASE, **keys}])[0], version, window)


def test_the_whole_text_of_a_daemon():
    assert [(file.name, file.text) for file in rendered({}).files] == [("api.service", DAEMON)]


@pytest.mark.parametrize(("keys", "lines"), LINES, ids=lambda value: str(value)[:40])
def test_a_key_becomes_its_directive(keys, lines):
    written = rendered(keys).files[0].text.splitlines()
    assert [line for line in lines if line not in written] == []
    names = [line.split("=", 1)[0] for line in lines]
    default = DAEMON.splitlines()
    replaced = [line for line in default if line.split("=", 1)[0] in names and not line.startswith("Environment=")]
    assert [line for line in replaced if line in written and line not in lines] == []


def test_without_hardening_nothing_is_hardened():
    text = rendered({"hardening": "none"}).files[0].text
    assert "Protect" not in text
    assert "NoNewPrivileges" not in text


def test_the_whole_text_of_a_timer_and_the_retries_of_its_job():
    keys = {"on_calendar": ["daily", "Sat 12:00"], "retries": 3}
    job, timer = rendered(keys, window=RetryWindow(41040.0, 3)).files
    assert (timer.name, timer.text) == ("api.timer", TIMER)
    for line in (
        "Type=oneshot",
        "Restart=on-failure",
        "RestartSec=1min",
        "StartLimitIntervalSec=41040s",
        "StartLimitBurst=4",
    ):
        assert line in job.text.splitlines()
    assert "[Install]" not in job.text


@pytest.mark.parametrize("keys", [{"retries": 0}, {}])
def test_a_job_that_must_not_run_twice_or_whose_period_leaves_no_room_for_it(keys):
    job = rendered({"on_calendar": ["daily"], **keys}, window=RetryWindow(82080.0, 0)).files[0].text.splitlines()
    assert "Restart=no" in job
    assert "StartLimitIntervalSec=0" in job


def test_retries_that_only_short_tries_bound_are_told():
    keys = [{"name": name, "user": "a", "exec_start": ["/a"], "on_calendar": ["daily"]} for name in "abcde"]
    windows = {
        "a": RetryWindow(285.0, 3, 11.25),
        "b": RetryWindow(285.0, 1, 60.0),
        "c": RetryWindow(57.0, 0, -3.0),
        "d": RetryWindow(285.0, 3),
    }
    assert short_tries(parse_services(keys), windows) == [
        "a: only while no try takes longer than 11 s do its retries end after 3; slower ones go on without end, and it is "
        "never failed. Write timeout_start_sec, fewer retries or a shorter restart_sec."
    ]


@pytest.mark.parametrize(
    ("seconds", "written"), [(9.5, "9500ms"), (0.95, "950ms"), (57.0, "57s"), (28.4999999, "28499ms")]
)
def test_the_window_of_a_short_period_is_not_rounded_up_to_it(seconds, written):
    job = rendered({"on_calendar": ["*-*-* *:*:0/10"]}, window=RetryWindow(seconds, 1)).files[0].text.splitlines()
    assert f"StartLimitIntervalSec={written}" in job


@pytest.mark.parametrize(
    ("version", "left_out"), [(253, (("RestartSteps", 254), ("RestartMaxDelaySec", 254))), (254, ())]
)
def test_a_directive_that_systemd_is_too_old_for_is_left_out(version, left_out):
    result = rendered({"restart_steps": 5, "restart_max_delay_sec": "1min"}, version)
    assert result.too_new == left_out
    assert ("RestartSteps=5" in result.files[0].text) is not bool(left_out)


@pytest.mark.parametrize(
    ("version", "keys", "mode"),
    [
        (254, {"on_failure": ["alert.service"]}, ["Restart=always", "RestartMode=direct"]),
        (254, {}, ["Restart=always"]),
        # Older ones have only what is called direct now.
        (253, {"on_failure": ["alert.service"]}, ["Restart=always"]),
        (254, {"directives": {"Unit": {"OnFailure": "a.service"}}}, ["Restart=always", "RestartMode=direct"]),
        (
            254,
            {"on_failure": ["a.service"], "directives": {"Service": {"RestartMode": "normal"}}},
            ["Restart=always", "RestartMode=normal"],
        ),
    ],
)
def test_on_failure_runs_once_and_not_for_each_try(version, keys, mode):
    written = rendered(keys, version).files[0].text.splitlines()
    assert [line for line in written if line.startswith(("Restart=", "RestartMode="))] == mode


@pytest.mark.parametrize(
    ("version", "keys", "lines"),
    [
        (256, {"user": "root"}, ["User=root"]),
        (257, {"user": "root"}, ["SetLoginEnvironment=yes"]),
        (257, {"user": "0"}, ["SetLoginEnvironment=yes"]),
        (257, {"user": "root", "group": "www"}, ["SetLoginEnvironment=yes", "Group=www"]),
        (257, {}, ["User=api"]),
        (
            257,
            {"user": "root", "directives": {"Service": {"SetLoginEnvironment": "no"}}},
            ["User=root", "SetLoginEnvironment=no"],
        ),
    ],
)
def test_root_keeps_its_capabilities_where_its_name_would_cost_them(version, keys, lines):
    written = rendered(keys, version).files[0].text.splitlines()
    assert [line for line in written if line.startswith(("User=", "Group=", "SetLogin"))] == lines


def test_a_line_that_systemd_would_refuse_is_told():
    texts = {"api.service": "[Service]\nExecStart=/bin/true " + "\u00e9" * 500_000 + "\nUser=api\n"}
    assert [str(problem) for problem in check_lengths(texts)] == [
        "api.service: found ExecStart= with 1000020 bytes; expected lines of at most 1000000 bytes. "
        "Put what is so long into a file."
    ]
