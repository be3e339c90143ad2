# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of a real host: under the baseline it finds nothing, and one key away exactly one thing."""

from __future__ import annotations

import pytest

from units import apply, wait_for

VENV = "/opt/audited/venv"
SLEEP = "import time; time.sleep(10**6)"
SERVICE = {
    "name": "audited",
    "user": "audited",
    "virtualenv": VENV,
    "exec_start": [f"{VENV}/bin/python", "-c", SLEEP],
    "working_directory": "/opt/audited",
    "memory_max": "256M",
    "settle_sec": 0,
}
DROP_INS = "/etc/systemd/system/audited.service.d"
STRANGER = "/etc/systemd/system/audit-stranger.service"


@pytest.fixture(scope="module")
def audited(host):
    host.check(f"mkdir -p /opt/audited && /usr/bin/python3 -m venv --without-pip {VENV} && mkdir -p /var/log/journal")
    host.check("systemctl reset-failed systemd-journald; systemctl restart systemd-journald && journalctl --flush")
    return host


def deployed(host, **keys):
    result = apply(host, [{**SERVICE, **keys}])
    assert not result.get("failed"), result.get("msg")


def found(host, **options):
    result = host.module("baseline_info", options)
    assert not result.get("failed") and not result["changed"], result.get("msg")
    return [(one["id"], one["subject"]) for one in result["findings"] if one["subject"] != "systemd-journald.service"]


def own(host):
    return [one for one, subject in found(host, services=[SERVICE])]


def test_nothing_is_found_under_the_baseline(audited):
    deployed(audited)
    result = audited.module("baseline_info", {"services": [SERVICE]})
    assert (result["findings"], result["unseen"], result["root"]) == ([], [], True)
    (service,) = result["services"]
    assert (service["unit"], service["ours"], service["state"]) == ("audited.service", True, "active")
    assert service["virtualenv"] == VENV and service["memory_max"] == 256 * 1024**2
    (environment,) = result["environments"]
    assert environment["virtualenv"] == VENV and environment["distributions"] == {}


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ({"restart": "on-failure"}, "SB101"),
        ({"restart_sec": "100ms"}, "SB102"),
        ({"start_limit_interval_sec": "1h", "start_limit_burst": 5}, "SB103"),
        ({"enabled": False}, "SB107"),
        ({"wanted_by": ["multiuser.target"]}, "SB107"),
        ({"directives": {"Service": {"StandardError": "null"}}}, "SB201"),
        ({"exec_start": ["/bin/sh", "-c", f"exec {VENV}/bin/python -c '{SLEEP}' 2> /dev/null"]}, "SB201"),
        ({"environment": {"PYTHONUNBUFFERED": ""}}, "SB202"),
        ({"memory_max": "infinity"}, "SB304"),
    ],
)
def test_one_key_away_from_the_baseline_is_one_finding(audited, keys, rule):
    deployed(audited, **keys)
    assert own(audited) == [rule]


@pytest.mark.parametrize("options", [["-X", "dev"], ["-W", "error", "-Es"], ["-uWd"]])
def test_what_hides_installed_modules_is_found_behind_any_options(audited, options):
    python = f"{VENV}/bin/python"
    audited.check("mkdir -p /opt/audited/hiding && touch /opt/audited/hiding/hidden.py")
    audited.check(f"touch $(echo {VENV}/lib/python3*/site-packages)/hidden.py")
    command = [python, *options, "-c", SLEEP]
    deployed(audited, exec_start=command, working_directory="/opt/audited/hiding")
    # Without its variables Python keeps output in a buffer.
    assert own(audited) == (["SB202", "SB408"] if "-Es" in options else ["SB408"])
    deployed(audited, exec_start=[python, "-I", *options, "-uc", SLEEP], working_directory="/opt/audited/hiding")
    assert own(audited) == []


@pytest.mark.parametrize(
    ("text", "reload", "rules"),
    [
        # Each alone, when the service has been started again.
        ("[Service]\nRestrat=no\n", "restart", ["SB104"]),
        ("[Service]\nMemoryHigh=1G\n", "restart", ["SB305"]),
        ("[Service]\nRestrat=no\n", True, ["SB104", "SB105"]),
        ("[Service]\nStartLimitIntervalSec=0\n", True, ["SB104", "SB105"]),
        ("[Service]\nStartLimitInterval=0\n", True, ["SB105", "SB104"]),
        ("[Service]\nRestart=no\n", True, ["SB101", "SB105"]),
        ("[Service]\nMemoryHigh=1G\n", True, ["SB105", "SB305"]),
        ("[Service]\nRestart=no\n", False, ["SB105"]),
    ],
)
def test_a_drop_in_of_somebody_else_is_judged_by_its_effect(audited, text, reload, rules):
    deployed(audited)
    audited.check("sleep 2")
    audited.put(f"{DROP_INS}/weaker.conf", text)
    if reload:
        audited.check(["systemctl", "daemon-reload"])
    if reload == "restart":
        audited.check(["systemctl", "restart", "audited"])
    try:
        assert own(audited) == rules
    finally:
        audited.check(f"rm -r {DROP_INS} && systemctl daemon-reload")


def test_services_that_nobody_listed_are_found(audited):
    deployed(audited)
    # The lines of its program are shown by systemctl as they are; one looks like the end of a unit.
    program = f"{SLEEP}\\n\\nId=1\\nno_property"
    audited.put(
        STRANGER, f"[Service]\nExecStart=/usr/bin/python3 -c '{program}'\n\n[Install]\nWantedBy=multi-user.target\n"
    )
    audited.check("systemctl daemon-reload && systemctl start audit-stranger")
    try:
        foreign = [one for one, subject in found(audited) if subject == "audit-stranger.service"]
        assert foreign == ["SB101", "SB107", "SB202", "SB304"]
    finally:
        audited.check(f"systemctl stop audit-stranger && rm {STRANGER} && systemctl daemon-reload")


@pytest.mark.parametrize(
    ("wanted_by", "more", "found_it"),
    [
        ("multiuser.target", {}, True),
        ("default.target", {}, False),
        # Started by hand, and by no boot.
        ("audit-own.target", {}, True),
        ("audit-own.target", {"audit-own.target": "[Install]\nWantedBy=multi-user.target\n"}, False),
        ("audit-own.target", {"audit-own.target": "[Install]\nWantedBy=multiuser.target\n"}, True),
    ],
)
def test_what_no_boot_reaches_is_found_though_it_is_enabled(audited, wanted_by, more, found_it):
    units = {"audit-own.target": "[Unit]\nDescription=Own\n", **more}
    program = f"[Service]\nExecStart=/usr/bin/python3 -c '{SLEEP}'\n[Install]\nWantedBy={wanted_by}\n"
    for name, text in {**units, "audit-stranger.service": program}.items():
        audited.put(f"/etc/systemd/system/{name}", text)
    audited.check(["systemctl", "daemon-reload"])
    audited.check(["systemctl", "enable", "--quiet", "audit-stranger", *more])
    audited.check(["systemctl", "start", "audit-stranger", *units])
    try:
        assert (("SB107", "audit-stranger.service") in found(audited)) is found_it
    finally:
        audited.check(["systemctl", "disable", "--quiet", "--now", "audit-stranger", *more])
        audited.check(["systemctl", "stop", *units])
        audited.check(f"rm {STRANGER} /etc/systemd/system/audit-own.target && systemctl daemon-reload")


@pytest.mark.parametrize(
    ("redirection", "told"),
    [
        (">> /var/log/audit.log 2>&1", ["output", "error"]),
        (">> /var/log/audit.log", ["output"]),
        ("2> /var/log/audit.log", ["error"]),
        ("2>&1 | cat", []),
    ],
)
def test_output_that_a_shell_redirects_is_found(audited, redirection, told):
    command = f'/usr/bin/python3 -c \\"{SLEEP}\\" {redirection}'
    audited.put(STRANGER, f'[Service]\nExecStart=/bin/sh -c "{command}"\n')
    audited.check("systemctl daemon-reload && systemctl start audit-stranger && sleep 1")
    try:
        findings = audited.module("baseline_info", {"services": [{**SERVICE, "name": "audit-stranger"}]})["findings"]
        seen = ", ".join(f"standard {name} of the process goes to /var/log/audit.log" for name in told)
        assert [one["seen"] for one in findings if one["id"] == "SB201"] == ([seen] if told else [])
    finally:
        audited.check(f"systemctl stop audit-stranger && rm -f {STRANGER} /var/log/audit.log")
        audited.check("systemctl daemon-reload")


SCRIPT = "/opt/audited/run.sh"


@pytest.mark.parametrize(
    ("lines", "rules"),
    [
        ("PATH={venv}/bin:$PATH", []),
        ("PATH={venv}/bin:$PATH; unset PYTHONUNBUFFERED", ["SB202"]),
        ("PATH={venv}/bin:$PATH; export PYTHONPATH=/opt/audited/beside", ["SB408"]),
    ],
)
def test_a_python_behind_a_script_is_judged_though_nobody_listed_it(audited, lines, rules):
    audited.check("mkdir -p /opt/audited/beside && touch /opt/audited/beside/hidden.py")
    audited.check(f"touch $(echo {VENV}/lib/python3*/site-packages)/hidden.py")
    audited.put(SCRIPT, f"#!/bin/sh\n{lines.format(venv=VENV)}\npython -c '{SLEEP}'\necho it has ended\n")
    deployed(audited, exec_start=["/bin/sh", SCRIPT])
    audited.check("systemctl restart audited && sleep 1")
    result = audited.module("baseline_info", {})
    (service,) = [one for one in result["services"] if one["unit"] == "audited.service"]
    assert service["virtualenv"] == VENV
    assert [one["id"] for one in result["findings"] if one["subject"] == "audited.service"] == rules


def test_a_service_behind_a_script_is_found_when_it_has_died(audited):
    lines = f"set -e\nif true; then echo begun; fi\nexec {VENV}/bin/python -c 'raise SystemExit(3)'\n"
    audited.put(SCRIPT, f"#!/bin/sh\n{lines}", 0o755)
    audited.put(STRANGER, f"[Service]\nExecStart={SCRIPT}\n")
    audited.check("systemctl daemon-reload && systemctl start audit-stranger && sleep 1")
    try:
        result = audited.module("baseline_info", {})
        (service,) = [one for one in result["services"] if one["unit"] == "audit-stranger.service"]
        assert (service["virtualenv"], service["state"]) == (VENV, "failed"), service
        assert "SB101" in [one["id"] for one in result["findings"] if one["subject"] == service["unit"]]
    finally:
        audited.check(f"rm {STRANGER} && systemctl daemon-reload && systemctl reset-failed audit-stranger; true")


STARTED_BY_NAME = """[Service]
WorkingDirectory=/opt/audited/beside
Environment=PATH={venv}/bin:/usr/bin PYTHONPATH={path}
ExecStart=/usr/bin/env python3 /opt/audited/sleep.py
"""


@pytest.mark.parametrize(("path", "hides"), [(".", True), (":/nowhere", True), ("/nowhere", False)])
def test_a_python_that_env_looks_for_runs_in_its_environment(audited, path, hides):
    audited.check("mkdir -p /opt/audited/beside && touch /opt/audited/beside/hidden.py")
    audited.check(f"touch $(echo {VENV}/lib/python3*/site-packages)/hidden.py")
    # In a file, where the working directory is not looked into by itself.
    audited.put("/opt/audited/sleep.py", f"{SLEEP}\n")
    audited.put(STRANGER, STARTED_BY_NAME.format(venv=VENV, path=path))
    audited.check("systemctl daemon-reload && systemctl start audit-stranger && sleep 1")
    try:
        result = audited.module("baseline_info", {})
        (service,) = [one for one in result["services"] if one["unit"] == "audit-stranger.service"]
        assert service["virtualenv"] == VENV
        seen = [one["seen"] for one in result["findings"] if one["id"] == "SB408" and one["subject"] == service["unit"]]
        entry = path.partition(":")[0]
        assert seen == ([f'PYTHONPATH has "{entry}", which is /opt/audited/beside (hidden)'] if hides else [])
    finally:
        audited.check(f"systemctl stop audit-stranger && rm {STRANGER} && systemctl daemon-reload")


def test_an_interpreter_that_hangs_holds_nothing_up(audited):
    venv = "/opt/audited/hanging"
    audited.check(f"mkdir -p {venv}/bin && touch {venv}/pyvenv.cfg")
    audited.put(f"{venv}/bin/python", "#!/bin/sh\nsleep 987654\n", 0o755)
    try:
        environment = {"virtualenv": venv, "pins": []}
        result = audited.module("baseline_info", {"services": [SERVICE], "environments": [environment]})
        assert [one for one in result["unseen"] if "did not end within 30 seconds and was killed" in one]
        assert audited.run(["pgrep", "-f", "sleep 98765[4]"]).code
    finally:
        audited.check(f"rm -r {venv}")


STORAGE = "/etc/systemd/journald.conf.d/80-storage.conf"


def of_journal(host):
    findings = host.module("baseline_info", {"services": [SERVICE]})["findings"]
    return [one["seen"] for one in findings if one["subject"] == "systemd-journald.service" and "reboot" in one["seen"]]


@pytest.mark.parametrize(
    ("storage", "where"), [("none", "nothing is kept"), ("volatile", "the journal is in memory only")]
)
def test_a_journal_that_a_reboot_takes_is_found_beside_an_old_one(audited, storage, where):
    assert of_journal(audited) == []
    audited.check("test -f /var/log/journal/$(cat /etc/machine-id)/system.journal && sleep 2")
    audited.put(STORAGE, f"[Journal]\nStorage={storage}\n")
    try:
        said, unread = f"Storage={storage} in {STORAGE}", "; journald has not read its changed configuration yet"
        end = ": nothing of it survives a reboot"
        assert of_journal(audited) == [f"the journal will not be on the disk any more ({said}{unread}){end}"]
        audited.check("systemctl reset-failed systemd-journald; systemctl restart systemd-journald")
        audited.check("test -f /var/log/journal/$(cat /etc/machine-id)/system.journal")
        assert of_journal(audited) == [f"{where} ({said}){end}"]
        # A file behind it takes it back, which journald has not heard of.
        audited.check("sleep 2")
        audited.put(STORAGE.replace("80", "90"), "[Journal]\nStorage=persistent\n")
        assert of_journal(audited) == [f"{where}{end}"]
        audited.check(
            "systemctl reset-failed systemd-journald; systemctl restart systemd-journald && journalctl --flush"
        )
        assert of_journal(audited) == []
    finally:
        audited.check(f"rm -f {STORAGE} {STORAGE.replace('80', '90')}")
        audited.check(
            "systemctl reset-failed systemd-journald; systemctl restart systemd-journald && journalctl --flush"
        )


#: Lets the module be somebody without rights.
NOBODY = "import os; os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)"


def test_without_root_what_may_not_be_read_is_unseen_and_no_finding(audited):
    deployed(audited)
    audited.check("mkdir -p /opt/audited/beside")
    audited.put("/opt/audited/sleep.py", f"{SLEEP}\n")
    audited.put(STRANGER, STARTED_BY_NAME.format(venv="/nowhere", path=""))
    audited.check("chmod 0700 /var/log/journal && systemctl daemon-reload && systemctl start audit-stranger && sleep 1")
    try:
        names = [SERVICE, {**SERVICE, "name": "audit-stranger"}]
        result = audited.module("baseline_info", {"services": names}, prelude=NOBODY, check=True)
        assert [one for one in result["findings"] if one["subject"] == "systemd-journald.service"] == []
        told = "\n".join(result["unseen"])
        assert "whether the journal is on the disk (/var/log/journal may not be read)" in told
        for name in ("audited", "audit-stranger"):
            assert f"where the output of the process of {name}.service goes (more rights are needed)" in told
        assert "whether audit-stranger.service runs in a virtual environment" in told
        assert "whether audited.service runs" not in told
    finally:
        audited.check(f"chmod 2755 /var/log/journal; systemctl stop audit-stranger; rm {STRANGER}")
        audited.check(["systemctl", "daemon-reload"])


@pytest.mark.parametrize("hidden", [1, 2])
def test_processes_that_are_hidden_are_unseen_and_no_finding(audited, hidden):
    deployed(audited)
    audited.check(f"mount -o remount,hidepid={hidden} /proc")
    try:
        result = audited.module("baseline_info", {"services": [SERVICE]}, prelude=NOBODY, check=True)
        listed = [one["unit"] for one in audited.module("baseline_info", {}, prelude=NOBODY, check=True)["services"]]
    finally:
        audited.check("mount -o remount,hidepid=0 /proc")
    assert not result.get("failed"), result.get("msg")
    assert result["findings"] == []
    assert "the process of audited.service (more rights are needed)" in result["unseen"]
    assert "audited.service" in listed


def test_the_baselines_own_host_with_a_program_that_ends_at_once_shows_a_crash_loop_alone(audited):
    deployed(audited)
    audited.check("sleep 2")
    audited.put(
        f"{DROP_INS}/broken.conf",
        "[Service]\nRestartSec=1s\nExecStart=\nExecStart=/usr/bin/python3 -c 'raise SystemExit(1)'\n",
    )
    audited.check("systemctl daemon-reload && systemctl restart --no-block audited")
    try:
        wait_for(lambda: own(audited) == ["SB106"], 60)
    finally:
        audited.check(f"rm -r {DROP_INS} && systemctl daemon-reload && systemctl restart audited")


def test_a_crash_loop_that_never_fails_is_found(audited):
    policy = "Restart=always\nRestartSec=500ms\n"
    text = f"[Unit]\nStartLimitIntervalSec=0\n[Service]\n{policy}ExecStart=/usr/bin/python3 -c 'raise SystemExit(1)'\n"
    audited.put(STRANGER, text)
    audited.check("systemctl daemon-reload && systemctl start --no-block audit-stranger")
    try:
        wait_for(lambda: ("SB106", "audit-stranger.service") in found(audited), 60)
    finally:
        audited.check(f"systemctl stop audit-stranger && rm {STRANGER} && systemctl daemon-reload")


BURST = """[Service]
Type=oneshot
RemainAfterExit=yes
{limits}
ExecStart=/usr/bin/python3 -c 'for number in range(1000): print(number, flush=True)'
# journald tells of what it has dropped with the next message after the interval.
ExecStart=/bin/sleep 3
ExecStart=/bin/echo again
"""
LIMITS = "RateLimitIntervalSec=2s\n{0}RateLimitBurst=10\n"


def drops_of_burst(host):
    findings = host.module("baseline_info", {"services": [SERVICE]})["findings"]
    (seen,) = [one["seen"] for one in findings if "dropped" in one["seen"]] or [""]
    return "audit-burst.service" in seen, "has not read" in seen


def test_drops_under_a_limit_of_the_unit_that_is_lifted_do_not_count(audited):
    path = "/etc/systemd/system/audit-burst.service"
    audited.put(path, BURST.format(limits=f"Log{LIMITS.format('Log')}"))
    audited.check("systemctl daemon-reload && systemctl restart audit-burst && journalctl --sync")
    assert drops_of_burst(audited) == (True, False)
    audited.put(path, BURST.format(limits=""))
    assert drops_of_burst(audited) == (True, False)
    audited.check(["systemctl", "daemon-reload"])
    assert drops_of_burst(audited) == (False, False)
    audited.check(f"systemctl stop audit-burst && rm {path} && systemctl daemon-reload")


def test_drops_under_a_limit_of_journald_that_is_lifted_do_not_count(audited):
    path, limit = "/etc/systemd/system/audit-burst.service", "/etc/systemd/journald.conf.d/90-audit.conf"
    audited.put(path, BURST.format(limits=""))
    audited.put(limit, f"[Journal]\n{LIMITS.format('')}")
    audited.check(
        "systemctl daemon-reload && systemctl reset-failed systemd-journald; systemctl restart systemd-journald"
    )
    audited.check("systemctl restart audit-burst && journalctl --sync")
    assert drops_of_burst(audited) == (True, False)
    audited.check("sleep 2")
    audited.put(limit, "[Journal]\nRateLimitIntervalSec=0\n")
    assert drops_of_burst(audited) == (True, True)
    audited.check(
        "systemctl reset-failed systemd-journald; systemctl restart systemd-journald && systemctl restart audit-burst && journalctl --sync"
    )
    assert drops_of_burst(audited) == (False, False)
    audited.check(f"systemctl stop audit-burst && rm {path} {limit}")
    audited.check(
        "systemctl daemon-reload && systemctl reset-failed systemd-journald; systemctl restart systemd-journald"
    )
