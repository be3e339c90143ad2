# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that stop before their environment is switched: none of them ever sees two versions, and none is left down."""

from __future__ import annotations

import json
from itertools import count

import pytest
from pip_pinned_environments import put_wheels, wheel

from remote import CRASHED, LIBRARY
from units import applied, apply, properties, wait_for

APPLY = "stability.baseline.apply"
VENV = "/opt/late/venv"
WHEELS = "/opt/late/wheels"
#: Looks again and again at what is installed, as a program that imports late does.
PROGRAM = """
import importlib.metadata, time
seen = None
while True:
    found = importlib.metadata.version("one")
    if found != seen:
        seen = found
        print("version", seen, flush=True)
    time.sleep(0.05)
"""
NAMES = ("late-one", "late-two")
UNITS = [f"{name}.service" for name in NAMES]
RECORDS = "/var/lib/stability/stopped"


@pytest.fixture
def wheels(host, tmp_path):
    for version in ("1", "2"):
        wheel(tmp_path, "one", version)
    put_wheels(host, tmp_path, WHEELS)


def environment(version, **keys):
    return {"virtualenv": VENV, "pins": [f"one=={version}"], "find_links": [WHEELS], "no_index": True, **keys}


def services(**keys):
    service = {"user": "late", "virtualenv": VENV, "exec_start": [f"{VENV}/bin/python", "-c", PROGRAM], "settle_sec": 0}
    return [{"name": name, **service, **keys} for name in NAMES]


def changed_to(host, version, **options):
    result = host.module("pip_pinned", {**environment(version), **options})
    assert not result.get("failed"), result.get("msg")
    return result


@pytest.fixture
def running(host, wheels):
    """Two services on version 1."""
    changed_to(host, "1")
    result = apply(host, services())
    assert not result.get("failed"), result.get("msg")


def seen_by_processes(host, unit):
    """Return, for each invocation of a unit, the versions that it saw, in order."""
    host.check(["journalctl", "--sync"])
    printed = host.check(
        f"journalctl -u {unit} -o json --output-fields=MESSAGE,_SYSTEMD_INVOCATION_ID --grep '^version' --no-pager"
        """ | python3 -c 'import json, sys
for line in sys.stdin:
    record = json.loads(line)
    print(record["_SYSTEMD_INVOCATION_ID"], record["MESSAGE"])'"""
    )
    seen = {}
    for line in printed.splitlines():
        invocation, _word, version = line.split()
        seen.setdefault(invocation, []).append(version)
    return list(seen.values())


def is_up(host, unit):
    return properties(host, unit, "ActiveState") == ["active"]


def play(host, version, stop, check=False):
    inventory = {"stability_environments": [environment(version, stop_before_switch=stop)]}
    run = host.playbook(APPLY, variables={**inventory, "stability_services": services()}, check=check)
    assert run.code == 0, run.output
    results = {one["task"].rpartition(" : ")[2]: one["result"] for one in run.tasks}
    (switched,) = results["Apply an environment"]["results"]
    return switched, results["Apply all units of the host"]


def test_no_process_sees_two_versions_where_services_stop_before_the_switch(host, wheels):
    play(host, "1", stop=True)
    wait_for(lambda: all(seen_by_processes(host, unit)[-1:] == [["1"]] for unit in UNITS))
    play(host, "2", stop=False)
    wait_for(lambda: all(["1", "2"] in seen_by_processes(host, unit) for unit in UNITS))

    predicted = play(host, "1", stop=True, check=True)
    done = play(host, "1", stop=True)
    for switched, units in (predicted, done):
        assert switched["stopped_units"] == UNITS
        assert (units["changed"], units["actions"]) == (False, [])
    assert done[0]["downtime"] < 5
    invocations = done[0]["started_units"]
    assert [properties(host, unit, "InvocationID") for unit in UNITS] == [[invocations[unit]] for unit in UNITS]
    for unit in UNITS:
        wait_for(lambda unit=unit: seen_by_processes(host, unit)[-1] == ["1"])
    assert not applied(host, services())["changed"]


def test_a_service_that_was_started_anew_since_is_restarted_all_the_same(host, running):
    started = changed_to(host, "2", stop_units=UNITS)["started_units"]
    host.check(["systemctl", "restart", UNITS[0]])
    result = host.module("systemd_units", {"services": services(), "started_units": started})
    assert result["restarted"] == UNITS[:1]
    assert not applied(host, services())["changed"]


def test_services_of_a_changed_environment_are_restarted_in_the_order_of_the_list(host, running):
    slow = services()
    slow[0]["exec_start"] = ["/bin/sh", "-c", "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done"]
    assert not apply(host, slow).get("failed")
    changed_to(host, "2")
    assert apply(host, slow)["restarted"] == UNITS
    began = [int(properties(host, unit, "ActiveEnterTimestampMonotonic")[0]) for unit in UNITS]
    assert began == sorted(began)


class Job:
    """A scheduled job in the environment that runs for a while."""

    units = ("late-job.timer", "late-job.service")

    def __init__(self, host, seconds):
        self.host = host
        command = ["/bin/sh", "-c", f"echo begun; sleep {seconds}; echo ended"]
        job = {
            "name": "late-job",
            "user": "late",
            "virtualenv": VENV,
            "exec_start": command,
            "on_calendar": ["*-02-29"],
        }
        assert not apply(host, [*services(), job]).get("failed")
        host.check(["systemctl", "start", "--no-block", self.units[1]])
        wait_for(lambda: properties(host, self.units[1], "ActiveState") == ["activating"])
        self.invocation = properties(host, self.units[1], "InvocationID")

    def printed(self):
        self.host.check(["journalctl", "--sync"])
        return self.host.check(["journalctl", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={self.invocation[0]}"]).split()


def test_a_running_job_is_waited_for_and_its_timer_is_stopped_meanwhile(host, running):
    job = Job(host, 3)
    result = changed_to(host, "2", stop_units=[*UNITS, *job.units])
    assert result["stopped_units"] == [*UNITS, job.units[0]]
    assert job.printed() == ["begun", "ended"]
    assert all(is_up(host, unit) for unit in result["stopped_units"])


def test_a_job_that_does_not_end_keeps_the_environment_as_it_is(host, running):
    job = Job(host, 30)
    wait = "from ansible_collections.stability.baseline.plugins.module_utils import environment_pause as pause; pause.WAIT = 1"
    options = {**environment("2"), "stop_units": [*UNITS, *job.units]}
    before = [properties(host, unit, "InvocationID") for unit in UNITS]
    failed = host.module("pip_pinned", options, prelude=wait)
    assert failed["msg"] == (
        "late-job.service: a running job is not interrupted, and it did not end within 1 seconds. Run again once it has ended.\n"
        "The environment was not changed."
    )
    assert not failed["changed"] and job.printed() == ["begun"] and is_up(host, job.units[0])
    assert [properties(host, unit, "InvocationID") for unit in UNITS] == before, "they were not even stopped"
    host.check(["systemctl", "stop", job.units[1]])


def test_services_are_started_again_when_the_switch_fails(host, running):
    fails = """
from ansible_collections.stability.baseline.plugins.module_utils import environment_change
def switch(*arguments):
    raise OSError(5, "Input/output error", "/opt/late/venv")
environment_change.switch = switch
"""
    # Installed anew: else an environment from before could be put back.
    options = {**environment("2"), "reinstall": "always", "stop_units": UNITS}
    failed = host.module("pip_pinned", options, prelude=fails)
    assert failed["msg"] == "/opt/late/venv: Input/output error.\nThe environment was not changed."
    assert failed["stopped_units"] == UNITS and all(is_up(host, unit) for unit in UNITS)
    assert not host.run(["ls", RECORDS]).output


def test_only_what_runs_is_stopped_and_started(host, running):
    host.check(["systemctl", "stop", UNITS[1]])
    result = changed_to(host, "2", stop_units=[*UNITS, "late-nobody.service"])
    assert result["stopped_units"] == list(result["started_units"]) == UNITS[:1]
    assert not is_up(host, UNITS[1])
    rolled = host.module("pip_pinned", {"virtualenv": VENV, "state": "rolled_back", "stop_units": UNITS})
    assert rolled["stopped_units"] == UNITS[:1] and is_up(host, UNITS[0])


def test_a_run_inside_of_a_service_does_not_stop_it(host, running):
    options = {**environment("2"), "stop_units": ["late-inside.service"]}
    command = f"PYTHONPATH={LIBRARY} exec /usr/bin/python3 {LIBRARY}/run_module.py pip_pinned"
    inside = ["systemd-run", "--quiet", "--wait", "--pipe", "--unit=late-inside", "sh", "-c", command]
    result = json.loads(host.check(inside, json.dumps({"ANSIBLE_MODULE_ARGS": options})))
    assert result["changed"] and result["stopped_units"] == []
    assert "late-inside.service is not stopped, because this run takes place inside it" in str(result["warnings"])


#: Ends the process, as if it had been killed, before the n-th step of those that concern the units, or the switch.
CRASH = """
import os
from ansible_collections.stability.baseline.plugins.module_utils import environment_change, environment_pause
left = {point}
def counted(real):
    def run(*arguments):
        global left
        left -= 1
        if left == 0:
            os._exit({crashed})
        return real(*arguments)
    return run
for module, name in (
    *((environment_pause, name) for name in ("write_file", "_act", "remove_file")),
    (environment_change, "switch"),
):
    setattr(module, name, counted(getattr(module, name)))
"""


def test_a_killed_run_leaves_nothing_down_for_longer_than_until_the_next_one(host, running):
    now, other, left_down = "1", "2", 0
    for point in count(1):
        options = {**environment(other), "stop_units": UNITS, "reinstall": "always"}
        result = host.module("pip_pinned", options, prelude=CRASH.format(point=point, crashed=CRASHED))
        if result:
            break
        down = [unit for unit in UNITS if not is_up(host, unit)]
        left_down += bool(down)
        after = changed_to(host, other, stop_units=UNITS)
        assert set(down) <= set(after["started_units"]) and all(is_up(host, unit) for unit in UNITS)
        assert not host.run(["ls", RECORDS]).output
        now, other = other, now
    again = changed_to(host, other, stop_units=UNITS)
    assert (again["changed"], again["started_units"]) == (False, {})
    assert (point, left_down) == (8, 3)


def test_what_somebody_has_stopped_since_a_killed_run_stays_down(host, running):
    stopped = {unit: properties(host, unit, "InvocationID")[0] for unit in UNITS}
    changed_to(host, "2")
    key = host.check(["sh", "-c", f"printf %s {VENV} | sha256sum | cut -c 1-16"]).strip()
    host.put(f"{RECORDS}/{key}.json", json.dumps({"units": stopped}), 0o600)
    host.check(["systemctl", "restart", UNITS[1]])
    host.check(["systemctl", "stop", *UNITS])
    predicted = host.module("pip_pinned", {**environment("2"), "stop_units": UNITS}, check=True)
    assert (predicted["changed"], predicted["started_units"]) == (True, {UNITS[0]: ""})
    result = changed_to(host, "2", stop_units=UNITS)
    assert result["changed"] and list(result["started_units"]) == UNITS[:1]
    assert not is_up(host, UNITS[1])
