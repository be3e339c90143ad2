# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that use every key of a service, and what their processes and systemd then say: the data of ``test_keys.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOLDER = "/opt/keys"
PROGRAM = f"{FOLDER}/keys_program.py"
FACTS = "/var/lib/keys-facts"
ORDER = "/var/lib/keys-in-order/order"
TOLD = f"{FOLDER}/told"
RAN = "the process ran"

#: What is on the host before: files by path, and units that are not of the collection.
FILES = {
    PROGRAM: Path(__file__).with_name("keys_program.py").read_text(encoding="utf-8"),
    f"{FOLDER}/first.env": "FROM_FILE=first\nOVERRIDDEN=file\n",
    "/etc/systemd/system/keys-base.service": ("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 1\n"),
    "/etc/systemd/system/keys-friend.service": "[Service]\nExecStart=/bin/sleep infinity\n",
    "/etc/systemd/system/keys.target": "[Unit]\nDescription=Target of a test\n",
    "/etc/systemd/system/keys-told.service": f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo told >> {TOLD}'\n",
}
SECRET = f"{FOLDER}/token"
SECRET_TEXT = "correct horse\n"


def runs(mode: str) -> dict[str, Any]:
    return {"exec_start": ["/usr/bin/python3", PROGRAM, mode]}


def shell(script: str) -> dict[str, Any]:
    return {"exec_start": ["/bin/sh", "-c", f"echo {RAN}; {script}"]}


#: Not started by the deployment, but by a test: these fail, or wait for something.
BY_HAND: dict[str, Any] = {"state": "stopped", "enabled": False}
JOB: dict[str, Any] = {"on_calendar": ["2099-01-01"]}
#: The keys of each service by name; all of them are deployed at once.
SERVICES: dict[str, dict[str, Any]] = {
    # The first one of its user, which is made without the group of the next one.
    "stubborn": {**runs("stubborn"), "timeout_stop_sec": "1s"},
    "facts": {
        **runs("facts"),
        "description": "100 % of the keys",
        "user": "keys-user",
        "group": "keys-group",
        "umask": "0027",
        "working_directory": FOLDER,
        "environment": {"OVERRIDDEN": "unit", "PLAIN": "a b%i $HOME"},
        "environment_files": [f"{FOLDER}/first.env", f"-{FOLDER}/nowhere.env"],
        "credentials": {"token": SECRET},
        "state_directory": ["keys-facts", "keys-facts/deep"],
        "runtime_directory": ["keys-facts"],
        "exec_reload": "/bin/kill -HUP $MAINPID",
        "kill_signal": "SIGINT",
        "syslog_identifier": "keys-say",
        "limit_nofile": "100:200",
        "tasks_max": 10,
        "memory_high": "150M",
        "memory_max": "200M",
        "memory_swap_max": "0",
        "oom_policy": "kill",
        "health": {"command": ["/usr/bin/test", "-s", f"{FACTS}/facts.json"], "timeout": 20},
        "directives": {
            "Service": {
                "Nice": "5",
                "PrivateTmp": "no",
            },
        },
    },
    "in-order": {
        **shell("exec sleep infinity"),
        "state_directory": ["keys-in-order"],
        "exec_start_pre": [["/bin/sh", "-c", f"echo {name} >> {ORDER}"] for name in ("first", "second")],
        "directives": {
            "Service": {"ExecStartPost": [f"/bin/sh -c 'echo {name} >> {ORDER}'" for name in ("third", "fourth")]}
        },
    },
    "watched": {**BY_HAND, **runs("notify"), "type": "notify", "watchdog_sec": "1s", "restart": "on-watchdog", "restart_sec": "1s"},
    "never-ready": {**BY_HAND, **shell("sleep infinity"), "type": "notify", "timeout_start_sec": "1s", "restart": "no"},
    "forks": {"exec_start": "/bin/sh -c 'sleep infinity & exit 0'", "type": "forking"},
    "torrent": runs("flood"),
    "flood": {**runs("flood"), "log_rate_limit_interval_sec": "1min", "log_rate_limit_burst": 20},
    "apart": {**shell("exec sleep infinity"), "log_namespace": "keys"},
    "ordered": {
        **shell("exec sleep infinity"),
        "after": ["keys-base.service"],
        "requires": ["keys-base.service"],
        "wants": ["keys-friend.service"],
    },
    "wanted": {**shell("exec sleep infinity"), "state": "stopped", "wanted_by": ["keys.target"]},
    "aliased": {
        **shell("exec sleep infinity"),
        "state": "stopped",
        "directives": {"Install": {"Alias": "keys-other.service", "RequiredBy": "keys.target"}},
    },
    "conditional": {
        **BY_HAND,
        **shell("exec sleep infinity"),
        "directives": {"Unit": {"ConditionPathExists": f"{FOLDER}/nowhere"}},
    },
    "pre-fails": {**BY_HAND, **shell("exec sleep infinity"), "exec_start_pre": ["/bin/false"], "restart": "no"},
    "ends-well": {**BY_HAND, **shell("exit 0"), "restart": "on-failure", "restart_sec": "100ms"},
    "limited": {
        **BY_HAND,
        **shell("exit 1"),
        "restart_sec": "100ms",
        "start_limit_interval_sec": "1min",
        "start_limit_burst": 3,
    },
    "slower": {
        **BY_HAND,
        **shell("exit 1"),
        "restart_sec": "500ms",
        "restart_steps": 2,
        "restart_max_delay_sec": "2s",
    },
    "lost": {**JOB, **shell("exit 3"), "retries": 1, "restart_sec": "1s", "on_failure": ["keys-told.service"]},
    "once": {**JOB, **shell("exit 3"), "retries": 0},
    "often": {
        **shell("exit 3"),
        "on_calendar": ["*-*-* *:*:0/6"],
        "retries": 1,
        "restart_sec": "1s",
        "directives": {"Timer": {"AccuracySec": "100ms"}},
    },
    "made-up-for": {**shell("exit 0"), "on_calendar": ["daily"]},
    "soon": {**JOB, **shell("exit 0"), "directives": {"Timer": {"OnActiveSec": "1s", "AccuracySec": "100ms"}}},
    **{
        f"preset-{preset}": {
            **runs("attempts"),
            "user": "root",
            "hardening": preset,
            "state_directory": [f"keys-preset-{preset}"],
        }
        for preset in ("none", "basic", "strict")
    },
}  # fmt: skip

#: What systemd says of the unit keys-facts.service, or of another one, about a key: (service, property, value).
PROPERTIES = {
    "description": ("facts", "Description", "100 % of the keys"),
    "memory_high": ("facts", "MemoryHigh", str(150 * 1024**2)),
    "memory_max": ("facts", "MemoryMax", str(200 * 1024**2)),
    "memory_swap_max": ("facts", "MemorySwapMax", "0"),
    "oom_policy": ("facts", "OOMPolicy", "kill"),
    "tasks_max": ("facts", "TasksMax", "10"),
    "kill_signal": ("facts", "KillSignal", "2"),
    "watchdog_sec": ("watched", "WatchdogUSec", "1s"),
    "timeout_start_sec": ("never-ready", "TimeoutStartUSec", "1s"),
    "timeout_stop_sec": ("stubborn", "TimeoutStopUSec", "1s"),
    "type": ("forks", "Type", "forking"),
    "restart": ("ends-well", "Restart", "on-failure"),
    "restart_sec": ("slower", "RestartUSec", "500ms"),
    "start_limit_interval_sec": ("limited", "StartLimitIntervalUSec", "1min"),
    "start_limit_burst": ("limited", "StartLimitBurst", "3"),
    "log_rate_limit_interval_sec": ("flood", "LogRateLimitIntervalUSec", "1min"),
    "log_rate_limit_burst": ("flood", "LogRateLimitBurst", "20"),
    "retries": ("once", "Restart", "no"),
}

#: What the process of keys-facts.service found about itself, by key.
FOUND: dict[str, tuple[str, Any]] = {
    "user": ("user", "keys-user"),
    "group": ("group", "keys-group"),
    "umask": ("mode", "0o640"),
    "working_directory": ("folder", FOLDER),
    "environment": ("PLAIN", "a b%i $HOME"),
    "environment_files": ("FROM_FILE", "first"),
    "a file wins over environment": ("OVERRIDDEN", "file"),
    "credentials": ("credentials", {"token": SECRET_TEXT}),
    "a credential's source": ("source", "EACCES"),
    "state_directory": ("STATE_DIRECTORY", f"{FACTS}:{FACTS}/deep"),
    "runtime_directory": ("RUNTIME_DIRECTORY", "/run/keys-facts"),
    "both can be written to": ("writable", [True, True, True]),
    "limit_nofile": ("files", [100, 200]),
    "directives.Service": ("nice", 5),
    "directives override the preset": ("tmp", True),
    "the baseline's own variables": ("PYTHONUNBUFFERED", "1"),
}

_OPEN = {
    "usr": "ok", "etc": "ok", "srv": "ok", "home": "ok", "tmp": True, "device": "ok", "setuid": "ok", "tunables": "ok",
    "cgroup": False, "privileges": "0", "capabilities": True, "modules": True, "namespaces": 0, "packet": "ok",
    "personality": "ok", "swap": 0, "hostname": 0,
}  # fmt: skip
_BASIC = {
    **_OPEN,
    "usr": "EROFS", "etc": "EROFS", "tmp": False, "setuid": "EPERM", "tunables": "EROFS", "cgroup": True, "privileges": "1",
    "modules": False,
}  # fmt: skip
_KILLED_BY_SIGSYS = -31
#: What a process of root can do under each preset.
ATTEMPTS = {
    "none": _OPEN,
    "basic": _BASIC,
    "strict": {
        **_BASIC,
        "srv": "EROFS", "home": "EACCES", "device": "ENOENT", "capabilities": False, "namespaces": 1,
        "packet": "EAFNOSUPPORT", "personality": "EPERM", "swap": _KILLED_BY_SIGSYS, "hostname": _KILLED_BY_SIGSYS,
    },
}  # fmt: skip

_PROCESS = (
    "user",
    "group",
    "umask",
    "working_directory",
    "environment",
    "environment_files",
    "credentials",
    "limit_nofile",
)
_SHOWN = ("description", "memory_high", "memory_swap_max", "oom_policy", "restart_sec")
_OTHER_UNITS = ("after", "wants", "requires")
_PAUSE = ("restart_steps", "restart_max_delay_sec")
_RATE = ("log_rate_limit_interval_sec", "log_rate_limit_burst")
#: Where each key is proved by its effect: the test, of test_keys.py when there is no other file before it.
PROVED = {
    "name": "test_systemd_says_it",
    **dict.fromkeys(_PROCESS, "test_the_process_finds_it"),
    **dict.fromkeys(_SHOWN, "test_systemd_says_it"),
    **dict.fromkeys(_OTHER_UNITS, "test_other_units_come_first_along_and_down"),
    **dict.fromkeys(_PAUSE, "test_the_pause_grows_where_systemd_can"),
    **dict.fromkeys(_RATE, "test_a_flood_is_cut_at_the_burst"),
    **dict.fromkeys(("memory_max", "tasks_max"), "test_the_kernel_holds_the_limits"),
    **dict.fromkeys(("state_directory", "runtime_directory"), "test_folders_are_made_for_it"),
    **dict.fromkeys(
        ("exec_reload", "kill_signal"), "test_a_reload_reaches_the_process_and_an_end_comes_with_the_signal"
    ),
    **dict.fromkeys(("start_limit_interval_sec", "start_limit_burst"), "test_a_start_limit_ends_a_crash_loop"),
    "on_failure": "test_a_job_that_fails_for_good_is_told_once",
    "type": "test_the_process_that_a_fork_left_is_the_main_one",
    "exec_start_pre": "test_commands_run_in_their_order",
    "exec_start": "test_argv.py::test_argv_and_environment_arrive_byte_for_byte",
    "restart": "test_a_clean_end_is_no_failure",
    "timeout_start_sec": "test_a_service_that_is_not_ready_in_time_fails_and_does_not_come_back",
    "timeout_stop_sec": "test_a_service_that_does_not_stop_is_killed_in_time",
    "watchdog_sec": "test_a_service_that_leaves_the_watchdog_alone_is_restarted",
    "syslog_identifier": "test_records_have_the_identifier",
    "log_namespace": "test_a_namespace_holds_the_records",
    "read_write_paths": "test_hardening_paths.py::test_the_remedies_make_them_start_and_write",
    "on_calendar": "test_the_next_calendar_time_is_always_tried",
    "wanted_by": "test_a_target_of_its_own_pulls_it_in",
    "instances": "test_template_units.py::test_each_instance_gets_its_own_arguments_files_and_restart",
    "drop_in": "test_drop_ins.py::test_a_daemon_comes_back_and_was_not_restarted_for_it",
    "virtualenv": "test_systemd_units.py::test_a_generation_restarts_the_services_of_an_environment",
    "sources": "test_hardening_paths.py::test_what_is_well_is_accepted_without_a_word_and_runs",
    "restart_on": "test_systemd_units.py::test_a_change_restarts_exactly_what_it_concerns",
    "hardening": "test_a_preset_denies_what_it_says",
    "retries": "test_a_job_that_fails_for_good_is_told_once",
    **dict.fromkeys(("enabled", "state"), "test_systemd_units.py::test_state_and_enabled"),
    "health": "test_a_command_that_never_says_healthy_fails_the_run",
    "settle_sec": "test_systemd_units.py::test_a_service_that_does_not_stay_up_fails_with_its_last_records",
    "directives": "test_a_directive_of_each_section_has_its_effect",
    "logging": "test_service_runtime.py::test_at_start_up_records_have_their_priority_and_the_name_of_the_service",
    "probe": "test_service_runtime.py::test_the_probe_has_a_folder_beside_those_of_the_service",
}
