# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of units in every state that systemd has for them, and whether apply takes what it says."""

from __future__ import annotations

import contextlib

import pytest

from units import apply, wait_for

FOLDER = "/etc/systemd/system"
SLEEP = "import time; time.sleep(10**6)"
COMMAND = f"ExecStart=/usr/bin/python3 -c '{SLEEP}'\n"
PLAIN = f"[Service]\n{COMMAND}"
NO_LIMIT = "[Unit]\nStartLimitIntervalSec=0\n"
INSTALL = "[Install]\nWantedBy=multi-user.target\n"
STRANGER = "audit-visitor.service"


@pytest.fixture
def units(host):
    """Return a function that writes unit files, by name, and starts some of them; all go at the end."""
    with contextlib.ExitStack() as stack:

        def put(texts, *started):
            services = [name for name in texts if name.endswith((".service", ".socket", ".timer", ".path"))]
            # What comes from a template is stopped by its pattern.
            patterns = [name.replace("@.", "@*.") for name in services]
            stack.callback(host.check, ["systemctl", "daemon-reload"])
            stack.callback(host.check, ["rm", "-f", "--", *(f"{FOLDER}/{name}" for name in texts)])
            stack.callback(host.run, ["systemctl", "disable", "--quiet", "--", *services])
            stack.callback(host.run, ["systemctl", "stop", "--", *patterns, *started])
            for name, text in texts.items():
                host.put(f"{FOLDER}/{name}", text)
            host.check(["systemctl", "daemon-reload"])
            if started:
                host.check(["systemctl", "start", "--", *started])

        yield put


def audit(host, names=()):
    services = [{"name": name, "user": "root", "exec_start": ["/bin/true"]} for name in names]
    result = host.module("baseline_info", {"services": services})
    assert not result.get("failed") and not result["changed"], result.get("msg")
    return result


def of(result, unit):
    return [one for one in result["findings"] if one["subject"] == unit]


def rules(result, unit=STRANGER):
    return [one["id"] for one in of(result, unit)]


def told(result, rule, unit=STRANGER):
    return [one["seen"] for one in of(result, unit) if one["id"] == rule]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (f"rm {FOLDER}/{STRANGER}; systemctl daemon-reload", "its unit file is gone (LoadState=not-found)"),
        (f"rm {FOLDER}/{STRANGER}", f"its unit file {FOLDER}/{STRANGER} is gone"),
        (
            f"rm {FOLDER}/{STRANGER}; ln -s /dev/null {FOLDER}/{STRANGER}; systemctl daemon-reload",
            "it is masked (LoadState=masked)",
        ),
        (
            f"sed -i s/^ExecStart=.*/Restart=always/ {FOLDER}/{STRANGER}; systemctl daemon-reload",
            "its unit file cannot be loaded (LoadState=bad-setting)",
        ),
    ],
)
def test_what_runs_is_audited_though_its_unit_is_gone(host, units, change, why):
    units({STRANGER: f"{PLAIN}{INSTALL}"}, STRANGER)
    host.check(["systemctl", "enable", "--quiet", STRANGER])
    host.check(change)
    for result in (audit(host), audit(host, ["audit-visitor"])):
        assert told(result, "SB105") == [f"it runs, and {why}"]
        assert told(result, "SB107") == [why]
        assert not any(one["mend"] for one in of(result, STRANGER))
    host.run(f"systemctl stop {STRANGER}; ! test -h {FOLDER}/{STRANGER} || rm {FOLDER}/{STRANGER}")


def test_what_has_died_since_its_unit_is_refused_is_still_found(host, units):
    path = f"{FOLDER}/{STRANGER}"
    units({STRANGER: f"{NO_LIMIT}{PLAIN}Restart=always\n{INSTALL}"}, STRANGER)
    host.check(["systemctl", "enable", "--quiet", STRANGER])
    host.check(f"sed -i s,^ExecStart=.*,ExecStart=python3x/app.py, {path}; systemctl daemon-reload")
    host.check(["systemctl", "kill", "--signal=KILL", STRANGER])
    try:
        wait_for(lambda: host.run(["systemctl", "is-active", STRANGER]).output.strip() == "failed")
        result = audit(host)
        (service,) = [one for one in result["services"] if one["unit"] == STRANGER]
        assert service["state"] == "failed"
        assert any(line.startswith(f"{path}:4: ") for line in told(result, "SB104"))
        assert told(result, "SB107") == ["its unit file cannot be loaded (LoadState=bad-setting)"]
        assert set(rules(result)) == {"SB104", "SB107"}
        host.check(f"sed -i s,^ExecStart=.*,ExecStart=bin/serve, {path}; systemctl daemon-reload")
        unsure = f"whether {STRANGER} is a Python service (LoadState=bad-setting, and its program is not there)"
        assert unsure in audit(host)["unseen"]
    finally:
        host.run(["systemctl", "reset-failed", STRANGER])


STARTED = {
    "audit-locked": "/usr/bin/flock -n /run/audit.lock {python}",
    "audit-timed": "/usr/bin/timeout 3600 {python}",
    "audit-other": "/usr/sbin/runuser -u nobody -- {python}",
    "audit-both": '/bin/sh -c "flock -n /run/audit-both.lock {python}; true"',
}


def test_a_python_behind_a_program_that_starts_it_is_audited(host, units):
    host.put("/opt/audit-sleep.py", SLEEP)
    commands = {name: text.format(python="/usr/bin/python3 /opt/audit-sleep.py") for name, text in STARTED.items()}
    names = {f"{name}.service" for name in commands}
    units({f"{name}.service": f"[Service]\nExecStart={text}\n" for name, text in commands.items()}, *names)
    wait_for(lambda: host.check("ps -eo args").count("/usr/bin/python3 /opt/audit-sleep.py") >= 2 * len(names) - 1)
    result = audit(host)
    assert {one["unit"] for one in result["services"]} >= names
    assert all("SB202" in rules(result, name) for name in names)
    host.check(["systemctl", "kill", "--signal=KILL", "--", *names])
    # The command of a shell that does more than this cannot be told once it is gone.
    assert {one["unit"] for one in audit(host)["services"]} & names == names - {"audit-both.service"}
    host.run(["systemctl", "reset-failed", "--", *names])


def test_what_is_listed_and_not_there_is_told(host, units):
    units({f"audit-masked.{kind}": text for kind, text in (("service", ""), ("socket", "[Socket]\n"))})
    result = audit(host, ["audit-nowhere", "audit-masked"])
    assert (result["services"], result["findings"]) == ([], [])
    assert result["unseen"] == [
        "audit-nowhere.service (there is no such unit)",
        "audit-masked.service (it is masked, and does not run)",
    ]


def test_every_diagnostic_is_found_by_the_file_that_it_names(host, units):
    wrong = "[Service]\nNope{}=1\n"
    units(
        {
            "audit-tmpl@.service": f"{PLAIN}NopeT=1\n",
            "audit-top-one.service": PLAIN,
            "audit-top-.service.d/a.conf": wrong.format("P"),
            "audit-top-one.service.d/20 with space.conf": wrong.format("S"),
            "service.d/audit.conf": wrong.format("A"),
            # None of these may keep systemd-analyze from looking at the others.
            "-h.service": PLAIN,
            "audit-a:b.service": PLAIN,
        },
        *("audit-tmpl@a.service", "audit-tmpl@b:c.service", "audit-top-one.service", "-h.service", "audit-a:b.service"),
    )
    result = audit(host)
    seen = {
        name: sorted(line[line.index("Nope") :][:5] for line in told(result, "SB104", name))
        for name in ("audit-tmpl@a.service", "audit-tmpl@b:c.service", "audit-top-one.service", "-h.service")
    }
    assert seen == {
        "audit-tmpl@a.service": ["NopeA", "NopeT"],
        "audit-tmpl@b:c.service": ["NopeA", "NopeT"],
        "audit-top-one.service": ["NopeA", "NopeP", "NopeS"],
        "-h.service": ["NopeA"],
    }
    assert "what systemd-analyze says of audit-a:b.service (it takes no name with a colon)" in result["unseen"]


def test_a_drop_in_whose_name_has_a_blank_is_read(host, units):
    units({STRANGER: f"{PLAIN}Restart=always\n"}, STRANGER)
    host.check(["sleep", "2"])
    units({f"{STRANGER}.d/20 with space.conf": "[Service]\nStartLimitInterval=0\n"})
    path = f"{FOLDER}/{STRANGER}.d/20 with space.conf"
    result = audit(host)
    assert told(result, "SB105") == [f"the process is older than {path}"]
    assert any(line.startswith(f"{path}: ") for line in told(result, "SB104"))


TIMER = "[Timer]\nOnCalendar=yearly\n"
JOB = "[Service]\nType=oneshot\nRestart=no\nExecStart=/usr/bin/python3 -c pass\n"


@pytest.mark.parametrize(
    ("texts", "commands", "seen"),
    [
        ({STRANGER: f"{PLAIN}{INSTALL}"}, [f"enable --runtime {STRANGER}"], ["it is enabled-runtime"]),
        ({STRANGER: f"{PLAIN}{INSTALL}"}, [f"enable {STRANGER}"], []),
        (
            {STRANGER: f"{PLAIN}[Install]\nAlso=audit-other.service\n", "audit-other.service": PLAIN},
            [],
            ["it is indirect, and nothing starts it at a boot"],
        ),
        (
            {STRANGER: JOB, "audit-visitor.timer": TIMER},
            [],
            ["audit-visitor.timer is static, and nothing starts it at a boot"],
        ),
        ({STRANGER: JOB, "audit-visitor.timer": TIMER}, ["add-wants timers.target audit-visitor.timer"], []),
        (
            {STRANGER: JOB, "audit-visitor.timer": f"{TIMER}[Install]\nWantedBy=timers.target\n"},
            ["enable --runtime audit-visitor.timer"],
            ["audit-visitor.timer is enabled-runtime"],
        ),
    ],
)
def test_what_a_reboot_would_not_bring_back(host, units, texts, commands, seen):
    started = "audit-visitor.timer" if "audit-visitor.timer" in texts else STRANGER
    units(texts, started)
    for command in commands:
        host.check(f"systemctl {command}")
    try:
        assert told(audit(host), "SB107") == seen
    finally:
        host.run(f"rm -f /run/systemd/system/*.wants/audit-* {FOLDER}/timers.target.wants/audit-*")


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        ("Restart=always\n", []),
        ("Restart=always\nRestartSec=infinity\n", ["Restart=always, at RestartSec=infinity"]),
        (
            "Restart=always\nRestartPreventExitStatus=1 SIGKILL\n",
            ["Restart=always, but for the ends of RestartPreventExitStatus=1 KILL"],
        ),
        (
            "Restart=always\nRemainAfterExit=yes\n",
            ["Restart=always, but for the ends that RemainAfterExit=yes takes for none"],
        ),
    ],
)
def test_what_keeps_it_down_is_found_beside_restart(host, units, lines, seen):
    units({STRANGER: f"{PLAIN}{lines}"}, STRANGER)
    findings = [one for one in of(audit(host), STRANGER) if one["id"] == "SB101"]
    assert [one["seen"] for one in findings] == seen
    for one in findings:
        result = apply(host, one["mend"]["stability_services"])
        assert not result.get("failed"), result.get("msg")
        assert told(audit(host), "SB101") == []
    host.run(f"rm -r {FOLDER}/{STRANGER}.d && systemctl daemon-reload")


@pytest.mark.parametrize(("remains", "state"), [("yes", "active exited 0"), ("no", "activating auto-restart 0")])
def test_what_counts_as_active_when_it_has_ended_is_not_started_again(host, units, remains, state):
    program = "Restart=always\nRestartSec=1h\nExecStart=/usr/bin/python3 -c pass\n"
    units({STRANGER: f"{NO_LIMIT}[Service]\nRemainAfterExit={remains}\n{program}"}, STRANGER)
    shown = f"systemctl show --value -p ActiveState -p SubState -p NRestarts {STRANGER}"
    wait_for(lambda: sorted(host.check(shown).split()) == sorted(state.split()))
    assert ("SB101" in rules(audit(host))) is (remains == "yes")


@pytest.mark.parametrize("comment", ["# more", "; more"])
@pytest.mark.parametrize("word", ['"DB_PASSWORD=hunter2', "foo-bar=hunter2"])
def test_a_comment_within_a_directive_shows_nothing_of_its_value(host, units, comment, word):
    units({STRANGER: f"{PLAIN}Environment=A=1 \\\n{comment}\n{word}\n"}, STRANGER)
    result = audit(host)
    assert told(result, "SB104")
    assert "hunter2" not in str(result)


def test_what_systemd_only_advises_against_is_told(host, units):
    advised = "User=nobody\nStandardOutput=syslog\nPIDFile=/var/run/audit-visitor.pid\nKillMode=none\n"
    units({STRANGER: f"{PLAIN}{advised}Restrat=no\n"}, STRANGER)
    found = [(one["severity"], one["seen"]) for one in of(audit(host), STRANGER) if one["id"] == "SB104"]
    host.check(["systemctl", "kill", "--signal=KILL", STRANGER])
    assert [seen for severity, seen in found if severity == "warning" and "Restrat" not in seen] == []
    assert len([seen for severity, seen in found if severity == "info"]) == 4
    assert any("Restrat" in seen for severity, seen in found if severity == "warning")


def test_a_restart_delay_that_rises_keeps_the_start_limit_away(host, units):
    """Given up for good with the first delay, unless it rises; before 254 none does."""
    rises = "RestartSec=1\nRestartSteps=2\nRestartMaxDelaySec=8\n"
    program = "ExecStart=/usr/bin/python3 -c 'raise SystemExit(1)'\n"
    units({STRANGER: f"[Service]\nRestart=always\n{rises}{program}"})
    assert host.run(["systemctl", "start", STRANGER]).code == 0
    is_known = "RestartSteps=2" in host.check(["systemctl", "show", "-p", "RestartSteps", STRANGER])
    assert ("SB103" in rules(audit(host))) is not is_known
    shown = f"systemctl show --value -p SubState -p NRestarts {STRANGER}"
    state = {"auto-restart", "4"} if is_known else {"failed", "5"}
    wait_for(lambda: set(host.check(shown).split()) == state, 40)
    host.run(["systemctl", "reset-failed", STRANGER])


def test_what_a_path_or_a_connection_starts_is_no_daemon(host, units):
    units(
        {
            "audit-scan.service": PLAIN,
            "audit-scan.path": "[Path]\nPathExists=/etc/hostname\n",
            "audit-conn@.service": f"{PLAIN}StandardInput=socket\nStandardOutput=journal\n",
            "audit-conn.socket": "[Socket]\nListenStream=127.0.0.1:9911\nAccept=yes\n",
        },
        "audit-scan.path",
        "audit-conn.socket",
    )
    connect = (
        "import socket, time; held = [socket.create_connection(('127.0.0.1', 9911)) for _ in '12']; time.sleep(600)"
    )
    host.check(["systemd-run", "--unit=audit-client", "--collect", "/usr/bin/python3", "-c", connect])
    running = "systemctl list-units --plain --no-legend 'audit-conn@*.service' audit-scan.service"
    wait_for(lambda: host.check(running).count(" running ") == 3)
    try:
        result = audit(host)
        for unit in ("audit-scan.service", "audit-conn@.service"):
            found = rules(result, unit)
            assert "SB101" not in found and "SB202" in found
        assert [one["unit"] for one in result["services"] if "audit-conn" in one["unit"]] == ["audit-conn@.service"]
        assert not [one for one in result["findings"] if "audit-conn@0" in one["subject"]]
        mends = [one["mend"] for one in of(result, "audit-conn@.service") if one["mend"]]
        for mend in mends:
            checked = apply(host, mend["stability_services"], check=True)
            assert not checked.get("failed"), checked.get("msg")
    finally:
        host.run(["systemctl", "stop", "audit-client"])


@pytest.mark.parametrize("needed", [4, 9])
def test_retries_of_a_job_within_their_bound_are_no_crash_loop(host, units, needed):
    count = "/run/audit-count"
    program = f'echo x >> {count}; exec /usr/bin/python3 -c "raise SystemExit($(wc -l < {count}) < {needed})"'
    limit = "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=4\n"
    text = f"{limit}[Service]\nType=oneshot\nRestart=on-failure\nRestartSec=1s\nExecStart=/bin/sh -c '{program}'\n"
    units({STRANGER: text, "audit-visitor.timer": TIMER}, "audit-visitor.timer")
    host.run(f"rm -f {count}; systemctl start {STRANGER}")
    wait_for(lambda: host.read(count).count("x") == 4)
    try:
        assert "SB106" not in rules(audit(host, ["audit-visitor"]))
    finally:
        host.run(f"systemctl reset-failed {STRANGER}; rm -f {count}")


@pytest.mark.parametrize(
    ("name", "texts", "mended"),
    [
        ("audit-visitor", {".service": f"{PLAIN}{INSTALL}"}, {"SB101", "SB102", "SB103", "SB107", "SB202"}),
        ("audit-visitor", {".service": PLAIN}, {"SB101", "SB202"}),
        (r"audit-str\x2danger", {".service": PLAIN}, set()),
        (
            "audit-visitor",
            {".service": f"{JOB}{INSTALL}", ".timer": f"{TIMER}[Install]\nWantedBy=timers.target\n"},
            set(),
        ),
    ],
)
def test_what_mends_a_unit_is_taken_by_apply(host, units, name, texts, mended):
    texts = {
        kind: text.replace(COMMAND, f"{COMMAND}Restart=on-failure\n") if mended else text
        for kind, text in texts.items()
    }
    units({f"{name}{kind}": text for kind, text in texts.items()}, f"{name}{sorted(texts)[-1]}")
    findings = of(audit(host), f"{name}.service")
    assert findings
    assert {one["id"] for one in findings if one["mend"]} >= mended
    assert mended or not any(one["mend"] for one in findings)
    for one in findings:
        if one["mend"]:
            checked = apply(host, one["mend"]["stability_services"], check=True)
            assert not checked.get("failed"), checked.get("msg")
