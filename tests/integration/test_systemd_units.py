# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module systemd_units on a real host: what it does to units, and what check mode said before."""

from __future__ import annotations

import json
import re
import time

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import directive_history

from releases import RELEASES
from units import applied, apply, pids, properties, service, wait_for

ENV_FILE = "/etc/stability-test.env"
CREDENTIAL = "/etc/stability-test.secret"
SOURCES = "/srv/stability-test"


def test_a_first_deployment_is_what_check_mode_said(host):
    result = applied(host, [service("first", user="first-user", description="100 %")])
    assert result["actions"] == [
        "make user first-user",
        "create /etc/systemd/system/first.service",
        "enable first.service",
        "daemon-reload",
        "start first.service: first start by the baseline",
    ]
    assert properties(host, "first.service", "ActiveState", "UnitFileState", "User", "Restart", "StartLimitIntervalUSec") == [
        "active", "enabled", "first-user", "always", "0",
    ]  # fmt: skip
    assert properties(host, "first.service", "Description") == ["100 %"]


def test_a_change_restarts_exactly_what_it_concerns(host):
    host.put(ENV_FILE, "A=1\n", 0o600)
    host.put(CREDENTIAL, "one", 0o600)
    host.put(f"{SOURCES}/app.py", "one", 0o644)
    services = [
        service("plain"),
        service("env", environment_files=[ENV_FILE]),
        service("secret", credentials={"key": CREDENTIAL}),
        service("sources", restart_on=[SOURCES]),
    ]
    units = [f"{one['name']}.service" for one in services]
    applied(host, services)
    changes = {
        "env.service": lambda: host.put(ENV_FILE, "A=2\n", 0o600),
        "secret.service": lambda: host.put(CREDENTIAL, "two", 0o600),
        "sources.service": lambda: host.put(f"{SOURCES}/app.py", "two", 0o644),
        "plain.service": lambda: services[0].update(nothing_else(services[0], memory_max="64M")),
    }
    for unit, change in changes.items():
        before = pids(host, *units)
        change()
        result = applied(host, services)
        after = pids(host, *units)
        assert result["restarted"] == [unit]
        assert [name for name in units if before[name] != after[name]] == [unit]


def nothing_else(one, **keys):
    return {**one, **keys}


def test_a_unit_changed_by_hand_is_put_right(host):
    services = [service("byhand", memory_max="64M")]
    applied(host, services)
    text = host.read("/etc/systemd/system/byhand.service")
    host.put("/etc/systemd/system/byhand.service", text.replace("Restart=always", "Restart=no"), 0o644)
    host.run(["systemctl", "daemon-reload"])
    result = applied(host, services)
    assert result["actions"][:2] == ["replace /etc/systemd/system/byhand.service", "daemon-reload"]
    assert properties(host, "byhand.service", "Restart") == ["always"]
    host.run(["systemctl", "disable", "--now", "byhand.service"])
    assert applied(host, services)["actions"] == [
        "enable byhand.service",
        "daemon-reload",
        "start byhand.service: it was inactive (dead)",
    ]


def test_a_service_that_does_not_stay_up_fails_with_its_last_records(host):
    broken = service("broken", exec_start=["/bin/sh", "-c", "echo about to fail; sleep 1; exit 7"], settle_sec="4s")
    result = apply(host, [broken, service("sound")])
    assert result["failed"]
    assert "broken.service did not stay up: its process exited with status 7." in result["msg"]
    assert "about to fail" in result["msg"]
    assert "There was no unit before; the new one stays" in result["msg"]
    assert [one["unit"] for one in result["failed_units"]] == ["broken.service"]
    assert properties(host, "sound.service", "ActiveState") == ["active"]
    mended = [service("broken"), service("sound")]
    assert applied(host, mended)["restarted"] == ["broken.service"]


def test_the_unit_from_before_is_put_back(host):
    good = service("swap")
    applied(host, [good])
    text = host.read("/etc/systemd/system/swap.service")
    result = apply(host, [service("swap", exec_start=["/bin/false"], settle_sec="2s")])
    assert "The unit file from before has been put back; the unit is active under it." in result["msg"]
    assert host.read("/etc/systemd/system/swap.service") == text
    assert properties(host, "swap.service", "ActiveState", "NeedDaemonReload") == ["active", "no"]


def test_a_record_with_other_line_separators_does_not_keep_the_unit_down(host):
    """Python splits lines at these characters, journalctl does not escape them in its JSON."""
    applied(host, [service("separated")])
    script = "printf 'one\\342\\200\\250two\\342\\200\\251three\\302\\205four\\n'; exit 7"
    result = apply(host, [service("separated", exec_start=["/bin/sh", "-c", script], settle_sec="2s")])
    assert "\n    one\n    two\n    three\n    four\n" in result["msg"]
    assert "The unit file from before has been put back; the unit is active under it." in result["msg"]
    # systemd may say that it was started after what it printed, but nothing of the unit from before is shown.
    assert "Started" not in result["msg"].split("Failed with result")[-1]


def test_a_foreign_unit_is_kept_and_put_back(host):
    foreign = "[Service]\nExecStart=/bin/sleep 4711\nStartLimitIntervalSec=0\n"
    host.put("/etc/systemd/system/foreign.service", foreign, 0o644)
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "start", "foreign.service"])
    result = apply(host, [service("foreign", exec_start=["/bin/false"], settle_sec="2s")])
    assert "has been put back" in result["msg"]
    assert host.read("/etc/systemd/system/foreign.service") == foreign
    assert "4711" in host.run(["cat", f"/proc/{pids(host, 'foreign.service')['foreign.service']}/cmdline"])[1]
    result = applied(host, [service("foreign")])
    assert foreign in result["diff"][0]["before"]
    assert "not of this collection" in result["diff"][0]["before_header"]
    assert host.read("/var/lib/stability/replaced/foreign.service") == foreign


def is_seen_before(host, unit, result):
    """Whether this systemd's own check says what is missing, so that nothing is touched; newer ones look at the unit alone."""
    if RELEASES[host.facts["release"]].systemd >= 250:
        return False
    told = f"Failed to create {unit}/start: Unit stability-nowhere.service not found."
    assert result["failed"] and not result.get("changed") and told in result["msg"]
    return True


def test_a_first_start_that_systemd_refuses_says_so(host):
    result = apply(host, [service("lonely", requires="stability-nowhere.service")])
    if is_seen_before(host, "lonely.service", result):
        return
    assert "lonely.service could not be started: Unit stability-nowhere.service not found.\n" in result["msg"]
    assert "systemd refused the start, and does not try again by itself." in result["msg"]


def test_a_restart_that_systemd_refuses_is_no_success(host):
    applied(host, [service("needy")])
    before = pids(host, "needy.service")
    result = apply(host, [service("needy", requires=["stability-nowhere.service"])])
    if not is_seen_before(host, "needy.service", result):
        assert "needy.service could not be restarted: Unit stability-nowhere.service not found.\n" in result["msg"]
        assert "has been put back; the unit is active under it" in result["msg"]
    assert pids(host, "needy.service") == before
    late = service("needy", requires=["refusing.service"], after=["refusing.service"])
    host.put("/etc/systemd/system/refusing.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n")
    assert "could not be restarted: A dependency job for needy.service failed" in apply(host, [late])["msg"]
    assert properties(host, "needy.service", "ActiveState") == ["active"]
    assert applied(host, [service("needy", description="mended")])["restarted"] == ["needy.service"]


def test_a_service_that_has_crashed_for_a_while_can_be_mended(host):
    crashing = service("crashing", exec_start=["/bin/sh", "-c", "exit 7"], restart_sec="1s", settle_sec="2s")
    assert "did not stay up" in apply(host, [crashing])["msg"]
    wait_for(lambda: int(properties(host, "crashing.service", "NRestarts")[0]) > 0)
    assert applied(host, [service("crashing", restart_sec="1s", settle_sec="2s")])["restarted"] == ["crashing.service"]


def test_a_daemon_that_is_still_starting_is_not_restarted(host):
    command = ["/bin/sh", "-c", "sleep 6; systemd-notify --ready; exec sleep infinity"]
    slow = service("slow", type="notify", exec_start=command, directives={"Service": {"NotifyAccess": "all"}})
    assert not apply(host, [slow]).get("failed")
    host.check(["systemctl", "restart", "--no-block", "slow.service"])
    wait_for(lambda: properties(host, "slow.service", "ActiveState", "SubState") == ["activating", "start"])
    before = pids(host, "slow.service")
    result = apply(host, [slow])
    assert (result["changed"], result["actions"]) == (False, [])
    assert properties(host, "slow.service", "ActiveState") == ["active"]
    assert pids(host, "slow.service") == before


def test_a_unit_file_that_is_a_link_is_kept_and_the_service_is_not_enabled(host):
    foreign = "[Service]\nExecStart=/bin/sleep 4713\n[Install]\nWantedBy=multi-user.target\n"
    host.put("/opt/stability-test/linked.service", foreign)
    host.check(["systemctl", "enable", "--now", "/opt/stability-test/linked.service"])
    result = applied(host, [service("linked", enabled=False)])
    assert "disable linked.service" in result["actions"]
    kept = host.check(["readlink", "/var/lib/stability/replaced/linked.service"])
    assert kept == "/opt/stability-test/linked.service\n"
    assert properties(host, "linked.service", "ActiveState", "UnitFileState") == ["active", "disabled"]


def test_the_unit_of_a_package_is_in_effect_again(host):
    path = "/usr/lib/systemd/system/vendored.service"
    host.put(path, "[Service]\nExecStart=/bin/sleep 4715\n")
    host.check("systemctl daemon-reload && systemctl start vendored.service")
    result = apply(host, [service("vendored", exec_start=["/bin/false"], settle_sec="2s")])
    assert "The unit file from before has been put back; the unit is active under it." in result["msg"]
    assert host.run(["cat", "/etc/systemd/system/vendored.service"]).code != 0
    assert "4715" in host.check(["cat", f"/proc/{pids(host, 'vendored.service')['vendored.service']}/cmdline"])
    applied(host, [service("vendored")])
    applied(host, [{"name": "vendored", "state": "absent"}])
    assert properties(host, "vendored.service", "ActiveState")[0] == "inactive"
    assert properties(host, "vendored.service", "FragmentPath")[0].endswith("lib/systemd/system/vendored.service")


def test_a_link_that_leads_nowhere_is_kept(host):
    host.check(["ln", "-s", "/nowhere/adrift.service", "/etc/systemd/system/adrift.service"])
    applied(host, [service("adrift")])
    assert host.check(["readlink", "/var/lib/stability/replaced/adrift.service"]) == "/nowhere/adrift.service\n"


def test_a_hand_written_daemon_ends_when_a_job_takes_its_name(host):
    host.put("/etc/systemd/system/taken.service", "[Service]\nExecStart=/bin/sleep 4714\n")
    host.check("systemctl daemon-reload && systemctl start taken.service")
    applied(host, [{"name": "taken", "user": "tester", "exec_start": ["/bin/true"], "on_calendar": ["daily"]}])
    assert properties(host, "taken.service", "ActiveState", "Type") == ["inactive", "oneshot"]


def test_the_group_of_a_user_that_is_there_is_made(host):
    host.check(["useradd", "--system", "--gid", "nogroup", "without-group"])
    result = applied(host, [service("grouped", user="without-group", group="without-group")])
    assert result["actions"][0] == "make group without-group"


def test_a_daemon_is_done_when_it_answers_twice(host):
    web = service("web", exec_start=["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "8123"])
    web["health"] = {"http": "http://127.0.0.1:8123/", "timeout": 15}
    applied(host, [web])
    dead = service("deaf", health={"tcp": "127.0.0.1:8124", "timeout": 2})
    assert "deaf.service did not become healthy within 2 s (tcp 127.0.0.1:8124)" in apply(host, [dead])["msg"]


def test_all_problems_come_before_anything_is_touched(host):
    services = [
        service("absent-program", exec_start=["/opt/missing/bin/x"]),
        service("absent-folder", working_directory="/missing", environment_files=["/etc/missing", "-/etc/optional"]),
        service("absent-venv", virtualenv="/opt/missing/venv"),
        service("wrong-section", directives={"Service": {"StartLimitIntervalSec": "0", "Restrat": "no"}}),
        service("wrong-value", directives={"Service": {"Nice": "very"}}),
    ]
    message = apply(host, services)["msg"]
    for expected in (
        'services[0].exec_start[0] (absent-program): found "/opt/missing/bin/x", which is not there; expected an executable file.',
        'services[1].working_directory (absent-folder): found "/missing", which is not there; expected a folder.',
        'services[1].environment_files[0] (absent-folder): found "/etc/missing", which is not there; expected a file.',
        "services[3].directives.Service.StartLimitIntervalSec (wrong-section): found a directive that systemd ignores there; "
        "expected a directive that systemd knows in [Service]. It belongs into [Unit].",
        'services[2].virtualenv (absent-venv): found "/opt/missing/venv", which is not there; expected a folder.',
        "Did you mean Restart=.",
    ):
        assert expected in message
    assert "optional" not in message
    assert host.run(["ls", "/etc/systemd/system/wrong-section.service"])[0] != 0
    predicted = apply(host, services[:2], check=True)
    assert not predicted.get("failed")
    assert len(predicted["warnings"]) >= 3


def test_a_diagnostic_of_systemd_refuses_the_unit(host):
    message = apply(host, [service("wrong-value", directives={"Service": {"Nice": "very"}})])["msg"]
    assert "systemd-analyze verify" in message
    assert "Failed to parse nice priority 'very'" in message
    assert host.run(["ls", "/etc/systemd/system/wrong-value.service"])[0] != 0


def test_a_directive_from_the_future_is_left_out_and_told(host):
    result = apply(host, [service("future", restart_steps=3, restart_max_delay_sec="1min")])
    assert not result.get("failed"), result["msg"]
    too_old = RELEASES[host.facts["release"]].systemd < 254
    assert any("RestartSteps= needs systemd 254" in warning for warning in result["warnings"]) is too_old
    assert ("RestartSteps=3" in host.read("/etc/systemd/system/future.service")) is not too_old


def test_what_is_known_of_directives_is_what_the_host_says(host):
    version = RELEASES[host.facts["release"]].systemd
    manager = "$(ls /usr/lib/systemd/systemd /lib/systemd/systemd 2>/dev/null | head -n 1)"
    printed = host.check(f"{manager} --dump-configuration-items")
    sections = re.findall(r"(?ms)^\[(\w+)\]$(.*?)(?=^\[|\Z)", printed)
    known = {section: set(re.findall(r"(?m)^(\w+)=", text)) for section, text in sections}
    for table in (directive_history._SINCE, directive_history._THERE_IN):
        for section, versions in table.items():
            for since, names in versions.items():
                there = known[section] & set(names.split())
                assert there == (set(names.split()) if since <= version else set()), (section, since)


def test_a_job_runs_is_retried_and_is_not_disturbed(host):
    job = service("job", on_calendar=["*-*-* *:*:00"], exec_start=["/bin/sh", "-c", "echo ran; exit 3"])
    del job["settle_sec"]
    job.update(retries=2, restart_sec="1s")
    result = applied(host, [job])
    assert "start job.timer: first start by the baseline" in result["actions"]
    host.run(["systemctl", "start", "--no-block", "job.service"])

    def tries():
        """Return how often it has run until systemd gave up for the first time; between two tries it may be failed, too."""
        log = host.run(["journalctl", "-u", "job.service", "-o", "cat", "--no-pager"])[1]
        before, gave_up, _after = log.partition("Start request repeated too quickly")
        return before.splitlines().count("ran") if gave_up else None

    wait_for(lambda: tries() is not None)
    assert tries() == 3
    wait_for(lambda: properties(host, "job.service", "ActiveState") == ["failed"])
    slow = {**job, "exec_start": ["/bin/sleep", "20"]}
    applied(host, [slow])
    host.run(["systemctl", "start", "--no-block", "job.service"])
    wait_for(lambda: properties(host, "job.service", "ActiveState") == ["activating"])
    before = pids(host, "job.service")
    past = time.strftime("*-*-* %H:%M:00", time.gmtime(time.time() - 120))
    result = applied(host, [{**slow, "on_calendar": [past], "retries": 1}])
    assert result["restarted"] == ["job.timer"]
    assert pids(host, "job.service") == before


def test_what_has_failed_gets_its_tries_back_with_its_own_change_only(host):
    job = {"user": "tester", "exec_start": ["/bin/false"], "on_calendar": ["2099-01-01"], "retries": 0}
    services = [{"name": name, **job} for name in ("mends", "stays")]
    template = {"name": "each@", **job, "instances": ["a"]}
    units = ["mends.service", "stays.service", "each@a.service", "each@theirs.service"]
    applied(host, [*services, template])
    for unit in units:
        host.run(["systemctl", "start", unit])
    assert [properties(host, unit, "ActiveState") for unit in units] == [["failed"]] * 4
    services[0]["on_calendar"] = ["2098-01-01"]
    applied(host, [*services, template])
    assert [properties(host, unit, "ActiveState")[0] for unit in units] == ["inactive", "failed", "failed", "failed"]
    applied(host, [*services, {**template, "description": "mended"}])
    assert [properties(host, unit, "ActiveState")[0] for unit in units] == [
        "inactive",
        "failed",
        "inactive",
        "inactive",
    ]
    applied(host, [{"name": name, "state": "absent"} for name in ("mends", "stays", "each@")])


def test_a_job_whose_tries_take_their_time_is_failed_inside_its_period(host):
    job = {
        "name": "slow-failing",
        "user": "tester",
        "exec_start": ["/bin/sh", "-c", "echo tried; sleep 2.8; exit 3"],
        "on_calendar": ["*-*-* *:*:0/15"],
        "timeout_start_sec": "3s",
        "restart_sec": "1s",
        "directives": {"Timer": {"AccuracySec": "100ms"}},
    }
    assert apply(host, [{**job, "retries": 3}])["failed"]
    applied(host, [job])
    wait_for(lambda: properties(host, "slow-failing.service", "ActiveState") == ["failed"], 40)
    log = host.run(["journalctl", "-u", "slow-failing.service", "-o", "cat", "--no-pager"])[1].splitlines()
    assert log.count("tried") % 3 == 0
    # Not predicted: the timer may fire between the prediction and the run.
    assert apply(host, [{"name": "slow-failing", "state": "absent"}])["changed"]


def test_a_changed_schedule_does_not_fire_for_a_time_already_past(host):
    job = service("past", on_calendar=["2040-01-01"], exec_start=["/bin/sh", "-c", "echo fired"])
    del job["settle_sec"]
    applied(host, [job])
    host.run(["touch", "-d", "3 days ago", "/var/lib/systemd/timers/stamp-past.timer"])
    host.run(["systemctl", "restart", "past.timer"])
    past = time.strftime("*-*-* %H:%M:%S", time.gmtime(time.time() - 60))
    applied(host, [{**job, "on_calendar": [past]}])
    time.sleep(2)
    assert "fired" not in host.run(["journalctl", "-u", "past.service", "-o", "cat", "--no-pager"])[1]


def test_state_and_enabled(host):
    assert "stop toggle.service: state is stopped" not in applied(host, [service("toggle")])["actions"]
    stopped = applied(host, [service("toggle", state="stopped", enabled=False)])
    assert stopped["actions"] == ["disable toggle.service", "daemon-reload", "stop toggle.service: state is stopped"]
    assert properties(host, "toggle.service", "ActiveState", "UnitFileState") == ["inactive", "disabled"]


def test_an_absent_service_leaves_nothing_behind(host):
    foreign = "[Service]\nExecStart=/bin/sleep 4712\n"
    host.put("/etc/systemd/system/gone-foreign.service", foreign, 0o644)
    job = {"name": "gone-job", "user": "tester", "exec_start": ["/bin/true"], "on_calendar": ["daily"]}
    applied(host, [service("gone"), job, service("gone-foreign")])
    absent = [{"name": name, "state": "absent"} for name in ("gone", "gone-job", "gone-foreign")]
    result = applied(host, absent)
    assert sorted(result["stopped"]) == ["gone-foreign.service", "gone-job.timer", "gone.service"]
    left = host.run(["find", "/etc/systemd/system", "/var/lib/stability", "-name", "gone*"])[1].split()
    assert left == ["/etc/systemd/system/gone-foreign.service"]
    assert host.read("/etc/systemd/system/gone-foreign.service") == foreign
    assert properties(host, "gone.service", "LoadState", "ActiveState") == ["not-found", "inactive"]


def test_somebody_elses_unit_is_not_removed(host):
    host.put("/etc/systemd/system/theirs.service", "[Service]\nExecStart=/bin/sleep 4713\n")
    message = apply(host, [{"name": "theirs", "state": "absent"}])["msg"]
    assert (
        'services[0].state (theirs): found "absent" for theirs.service, which is not of this collection; expected absent for a '
        "unit of ours."
    ) in message


def test_a_daemon_becomes_a_job_and_a_daemon_again(host):
    daemon = service("turns")
    job = {"name": "turns", "user": "tester", "exec_start": ["/bin/true"], "on_calendar": ["daily"]}
    applied(host, [daemon])
    applied(host, [job])
    assert properties(host, "turns.service", "ActiveState", "Type") == ["inactive", "oneshot"]
    assert properties(host, "turns.timer", "ActiveState") == ["active"]
    applied(host, [daemon])
    assert properties(host, "turns.service", "ActiveState", "Type") == ["active", "exec"]
    assert properties(host, "turns.timer", "LoadState", "ActiveState") == ["not-found", "inactive"]


def test_a_generation_restarts_the_services_of_an_environment(host):
    mark = f"{SOURCES}/venv/stability-generation.json"
    host.put(mark, json.dumps({"generation": "one"}), 0o644)
    services = [service("with-venv", virtualenv=f"{SOURCES}/venv"), service("without")]
    applied(host, services)
    predicted = host.module(
        "systemd_units", {"services": services, "changed_environments": [f"{SOURCES}/venv"]}, check=True
    )
    assert predicted["restarted"] == ["with-venv.service"]
    host.put(mark, json.dumps({"generation": "two"}), 0o644)
    assert applied(host, services)["restarted"] == ["with-venv.service"]


def test_no_secret_is_shown_or_logged(host):
    secret = "correct-horse-battery"
    one = service("leaky", environment={"API_TOKEN": secret, "MODE": secret})
    result = apply(host, [one], diff=True)
    assert secret not in json.dumps({key: value for key, value in result.items() if key != "diff"})
    assert f"API_TOKEN={secret}" not in json.dumps(result["diff"])
    wrong = [f'API_TOKEN="{secret}', f"API-TOKEN={secret}"]
    refused = apply(host, [service("leaky", directives={"Service": {"Environment": wrong}})])
    assert refused["msg"].count("Environment= with a value that is not shown") == 2
    assert secret not in json.dumps(refused)
    for keys in (
        {"exec_start": f'/bin/echo "{secret}'},
        {"directives": {"Service": {"ExecStartPost": f'/bin/echo "{secret}'}}},
        {"credentials": {"password": secret}},
        {"health": {"http": f"http://me:{secret}@127.0.0.1/"}},
        {"enviroment": {"PASSWORD": secret}},
    ):
        refused = apply(host, [service("leaky", **keys)])
        assert refused["failed"] and secret not in json.dumps(refused), keys
    assert secret not in host.run(["journalctl", "--no-pager", "-o", "cat"])[1]
    refused = apply(host, [service("leaky", environment={"API_TOKEN": [secret]})])
    assert secret not in json.dumps(refused)


def test_an_orphan_is_told(host):
    applied(host, [service("kept"), service("left")])
    result = apply(host, [service("kept")])
    assert "left" in result["orphans"]
    assert any("No longer listed, but still on the host" in warning for warning in result["warnings"])


@pytest.mark.parametrize("moment", [0.05, 0.2, 0.35, 0.5, 0.8, 1.2])
def test_killed_at_any_moment_the_next_run_finishes(host, moment):
    services = [
        service(f"killed-{index}", environment={"MOMENT": str(moment)}, description=f"{moment}") for index in range(8)
    ]
    host.module("systemd_units", {"services": services}, kill_after=moment)
    result = apply(host, services)
    assert not result.get("failed"), result["msg"]
    again = apply(host, services)
    assert (again["changed"], again["actions"]) == (False, [])
    units = [f"{one['name']}.service" for one in services]
    shown = host.check(["systemctl", "show", "-p", "MainPID,ActiveState,NeedDaemonReload,Description", *units])
    for block in shown.strip().split("\n\n"):
        found = dict(line.split("=", 1) for line in block.splitlines())
        environ = host.check(["cat", f"/proc/{found.pop('MainPID')}/environ"]).split("\0")
        assert found == {"ActiveState": "active", "NeedDaemonReload": "no", "Description": str(moment)}
        assert f"MOMENT={moment}" in environ
    assert "stability-staged" not in host.check(["ls", "-A", "/etc/systemd/system"])
