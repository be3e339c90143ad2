# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key of a service, in the order in which its directive stands in the unit file.

This table is the one place where a key, its directive, its checker and its defaults meet; the unit file, the
validation and the documentation are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import values as v
from .health import parse_health
from .service_logging import parse_logging

#: The kinds of services, and of keys: ``BOTH`` are for daemons and jobs. A drop-in is over somebody else's unit.
BOTH, DAEMON, JOB, DROP_IN = "both", "daemon", "job", "drop_in"


@dataclass(frozen=True)
class Key:
    """One key of the list ``stability_services``, or, without a name, a line that only ``directives`` changes.

    ``directive`` is empty for keys that are not one directive. ``daemon``, ``job`` and ``drop_in`` are the values
    that the baseline writes when the key is not given (``None``: nothing). ``since`` is the first systemd that knows
    the directive, ``0`` for all from 247 on. ``in_drop_ins`` is whether it may stand beside ``drop_in: true``.
    """

    name: str
    check: v.Checker
    section: str = ""
    directive: str = ""
    daemon: Any = None
    job: Any = None
    kind: str = BOTH
    since: int = 0
    drop_in: Any = None
    in_drop_ins: bool = True

    def default(self, kind: str) -> Any:
        """Return the value for a service of ``kind`` that does not give this key."""
        return {DAEMON: self.daemon, JOB: self.job, DROP_IN: self.drop_in}[kind]


def _both(default: object) -> dict[str, Any]:
    return {"daemon": default, "job": default}


_RESTART = v.one_of("no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog")
_TYPE = v.one_of("simple", "exec", "forking", "oneshot", "notify", "notify-reload", "dbus", "idle")

#: Keys that become one directive, in the order of the unit file.
DIRECTIVE_KEYS = (
    Key("description", v.text, "Unit", "Description"),
    Key("after", v.list_of(v.unit_name), "Unit", "After"),
    Key("wants", v.list_of(v.unit_name), "Unit", "Wants"),
    Key("requires", v.list_of(v.unit_name), "Unit", "Requires"),
    Key("on_failure", v.list_of(v.unit_name), "Unit", "OnFailure"),
    Key("start_limit_interval_sec", v.time_span, "Unit", "StartLimitIntervalSec", daemon="0"),
    Key("start_limit_burst", v.count, "Unit", "StartLimitBurst"),
    Key("type", _TYPE, "Service", "Type", daemon="exec", job="oneshot"),
    Key("user", v.service_user, "Service", "User"),
    Key("group", v.account, "Service", "Group"),
    Key("working_directory", v.path, "Service", "WorkingDirectory"),
    Key("umask", v.file_mode, "Service", "UMask"),
    Key("environment", v.environment, "Service", "Environment"),
    Key("environment_files", v.list_of(v.optional_path), "Service", "EnvironmentFile"),
    Key("credentials", v.credentials, "Service", "LoadCredential"),
    Key("state_directory", v.list_of(v.relative_folder), "Service", "StateDirectory"),
    Key("runtime_directory", v.list_of(v.relative_folder), "Service", "RuntimeDirectory"),
    Key("exec_start_pre", v.commands, "Service", "ExecStartPre"),
    Key("exec_start", v.command, "Service", "ExecStart"),
    Key("exec_reload", v.commands, "Service", "ExecReload", kind=DAEMON),
    Key("restart", _RESTART, "Service", "Restart", daemon="always", job="on-failure"),
    Key("restart_sec", v.time_span, "Service", "RestartSec", daemon="5s", job="1min"),
    Key("restart_steps", v.count, "Service", "RestartSteps", since=254),
    Key("restart_max_delay_sec", v.time_span, "Service", "RestartMaxDelaySec", since=254),
    Key("kill_signal", v.signal, "Service", "KillSignal"),
    Key("timeout_start_sec", v.time_span, "Service", "TimeoutStartSec"),
    Key("timeout_stop_sec", v.time_span, "Service", "TimeoutStopSec"),
    Key("watchdog_sec", v.time_span, "Service", "WatchdogSec", kind=DAEMON),
    Key("", v.text, "Service", "StandardOutput", **_both("journal")),
    Key("", v.text, "Service", "StandardError", **_both("journal")),
    Key("syslog_identifier", v.filled_text, "Service", "SyslogIdentifier"),
    Key("log_namespace", v.filled_text, "Service", "LogNamespace"),
    Key("log_rate_limit_interval_sec", v.time_span, "Service", "LogRateLimitIntervalSec"),
    Key("log_rate_limit_burst", v.count, "Service", "LogRateLimitBurst"),
    Key("memory_high", v.size, "Service", "MemoryHigh"),
    Key("memory_max", v.size, "Service", "MemoryMax"),
    Key("memory_swap_max", v.size, "Service", "MemorySwapMax"),
    Key("oom_policy", v.one_of("continue", "stop", "kill"), "Service", "OOMPolicy", **_both("stop")),
    Key("tasks_max", v.limit, "Service", "TasksMax"),
    Key("limit_nofile", v.limit, "Service", "LimitNOFILE"),
    Key("read_write_paths", v.list_of(v.optional_path), "Service", "ReadWritePaths"),
    Key("on_calendar", v.list_of(v.filled_text), "Timer", "OnCalendar", kind=JOB),
    Key("", v.text, "Timer", "Persistent", job="true"),
    Key("wanted_by", v.list_of(v.unit_name), "Install", "WantedBy", in_drop_ins=False),
)

#: Keys of ours that are no directive.
OWN_KEYS = (
    Key("instances", v.instances, **_both([]), drop_in=[], in_drop_ins=False),
    Key("drop_in", v.boolean, **_both(False), drop_in=True),
    Key("virtualenv", v.path),
    Key("sources", v.list_of(v.path)),
    Key("restart_on", v.list_of(v.path)),
    Key("hardening", v.one_of("basic", "strict", "none"), **_both("basic"), drop_in="none"),
    Key("retries", v.count, kind=JOB),
    Key("enabled", v.boolean, **_both(True)),
    Key("state", v.one_of("started", "stopped", "absent"), **_both("started")),
    Key("health", parse_health, kind=DAEMON),
    Key("settle_sec", v.finite_span, daemon="8s", job="0", drop_in="8s", kind=DAEMON),
    Key("logging", parse_logging),
    Key("probe", v.boolean, **_both(False), drop_in=False),
    Key("directives", v.directives, **_both({}), drop_in={}),
)

KEYS: dict[str, Key] = {key.name: key for key in DIRECTIVE_KEYS + OWN_KEYS if key.name}
