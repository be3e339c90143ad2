# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sampler on a host, run by its own timer: it follows deployments, tells what somebody has to know once, and leaves nothing."""

from __future__ import annotations

import json
import random
import re
import time
from itertools import count

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.leak_journal import RESTART_ID, WARNING_ID
from ansible_collections.stability.baseline.plugins.module_utils.leak_settings import FILE, FOLDER, METRICS, STORE

from proofs import SEED
from remote import LIBRARY
from units import apply, properties, service, wait_for

TIMER, SERVICE = "stability-leakwatch.timer", "stability-leakwatch.service"
TEXTFILES = "/srv/textfiles"
OPTIONS = {"interval": "2s", "textfile_dir": TEXTFILES, "alert_unit": "leak-alert@.service"}
ALERT = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo %i >> /run/leak-alerts'\n"
PYTHON = "/usr/bin/python3"
MIB = 2**20
#: Ends, and is restarted, for as long as there is a file of its name; until then it runs.
CRASHES = "while [ ! -e /run/{name} ]; do sleep 0.1; done; exit 3"
#: The main process goes on, and starts two workers anew whenever they have ended, which they do at once.
WORKERS = """
import os, time
def work():
    pid = os.fork()
    if not pid:
        time.sleep(0.1)
        os._exit(1)
    return pid
workers = {work(), work()}
while True:
    workers.discard(os.wait()[0])
    workers.add(work())
"""
#: Has some 46 of 48 MiB for some seconds, and then wants more.
FILLS = """
import time
held = [bytearray(b"x") * (42 << 20)]
time.sleep(7)
for _number in range(20):
    held.append(bytearray(b"x") * (4 << 20))
time.sleep(1000)
"""
#: Has 64 MiB, and says when it is told to end.
TELLS = """
import signal, sys, time
held = bytearray(b"x") * (64 << 20)
def end(*_about):
    print("told to end", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
while True:
    time.sleep(1)
"""
#: Puts samples of the last hours before those of a unit's run: as if it had grown by so much an hour.
HISTORY = f"""
import sys, time
sys.path.insert(0, "{LIBRARY}")
from ansible_collections.stability.baseline.plugins.module_utils.memory_store import Store, Usage
unit, run, hours, slope = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
store, now = Store("{STORE}", 30, 2**30), int(time.time())
last = list(store.of(unit))[-1]
ages = range(60, hours * 3600, 60)
used = (int(last.anonymous - slope * age / 3600) for age in ages)
store.add([Usage(unit, now - age, run, 0, each, each, 1, 1, 3) for age, each in zip(ages, used)], {{"state": "begin anew"}})
"""


def watch(host, **options):
    return host.module("leakwatch", {**OPTIONS, **options}, diff=True)


@pytest.fixture(scope="module")
def watched(host):
    host.check(f"mkdir -p {TEXTFILES}; rm -f /run/leak-alerts")
    host.put("/etc/systemd/system/leak-alert@.service", ALERT)
    host.check("systemctl daemon-reload")
    result = watch(host)
    assert not result.get("failed"), result["msg"]
    yield host
    host.module("leakwatch", {"state": "absent"})
    host.check(f"rm -rf {TEXTFILES} /etc/systemd/system/leak-alert@.service /run/leak-alerts; systemctl daemon-reload")


def gone(host, *names):
    apply(host, [{"name": name, "state": "absent"} for name in names])
    host.check(["rm", "-f", *(f"/run/{name}" for name in names)])


def told(host, unit, message=WARNING_ID):
    """Return the records about a unit that it was told of, as fields."""
    printed = host.check(["journalctl", "-q", "-o", "json", f"MESSAGE_ID={message}", f"STABILITY_UNIT={unit}"])
    return [json.loads(line) for line in printed.splitlines()]


def metrics(host, unit):
    shown = host.run(["cat", f"{TEXTFILES}/{METRICS}"]).output
    prefix, label = "stability_service_", f'{{unit="{unit}"}} '
    return {
        line[len(prefix) :].partition("{")[0]: float(line.partition(label)[2])
        for line in shown.splitlines()
        if line.startswith(prefix) and label in line
    }


def audited(host, unit):
    """Return what the audit finds of a unit, ``info`` apart, and how it was over the last hours."""
    result = host.module("baseline_info", {"services": []}, check=True)
    assert SERVICE not in [one["unit"] for one in result["services"]]
    seen = [one["id"] for one in result["findings"] if one["subject"] == unit and one["severity"] != "info"]
    (listed,) = (one for one in result["services"] if one["unit"] == unit)
    return seen, listed["samples"]


def rounds(host):
    """Return how many rounds there were."""
    ask = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('select count(distinct moment) from sample').fetchone()[0])"
    return int(host.check([PYTHON, "-c", ask, STORE]))


def with_history(host, *slopes, hours=27):
    """Let services have grown by so much an hour until now; what the rounds remember is forgotten, so that they judge at once."""
    host.check(["systemctl", "stop", TIMER, SERVICE])
    for unit, slope in slopes:
        run = properties(host, unit, "InvocationID")[0]
        host.check([PYTHON, "-c", HISTORY, unit, run, str(hours), str(slope)])
    host.check(["systemctl", "start", TIMER])


def holding(name, **keys):
    return service(name, exec_start=[PYTHON, "/srv/leak-holds.py"], **keys)


def complaints(host):
    return host.check(["journalctl", "-q", "-o", "cat", "-p", "err", "-t", "stability-leakwatch"])


def test_it_comes_as_predicted_and_leaves_nothing(host):
    paths = f"{FOLDER} {STORE}* {TEXTFILES}/{METRICS} /etc/systemd/system/*leakwatch* /etc/systemd/system/*/*leakwatch*"
    host.check(f"mkdir -p {TEXTFILES}")
    options = {**OPTIONS, "alert_unit": ""}
    apply(host, [service("leak-there")])
    predicted = host.module("leakwatch", options, check=True, diff=True)
    assert host.run(f"ls -d {paths}").output == ""
    first = host.module("leakwatch", options, diff=True)
    for key in ("changed", "actions", "diff", "warnings"):
        assert predicted[key] == first[key], key
    assert first["actions"][-3:] == ["daemon-reload", f"enable {TIMER}", f"start {TIMER}"]
    assert host.module("leakwatch", options, diff=True)["actions"] == []
    wait_for(lambda: host.run(["test", "-e", f"{TEXTFILES}/{METRICS}"]).code == 0)
    assert host.check(["stat", "-c", "%a", f"{TEXTFILES}/{METRICS}", STORE]) == "644\n600\n"
    changed = host.module("leakwatch", {**options, "interval": "1s", "textfile_dir": ""})
    assert f"remove {TEXTFILES}/{METRICS}" in changed["actions"] and "daemon-reload" in changed["actions"]
    assert host.run(["test", "-e", f"{TEXTFILES}/{METRICS}"]).code != 0
    host.module("leakwatch", options)
    wait_for(lambda: host.run(["test", "-e", f"{TEXTFILES}/{METRICS}"]).code == 0)
    # What has just begun or ended could make a difference between the two.
    host.check(["systemctl", "stop", TIMER, SERVICE])
    predicted = host.module("leakwatch", {"state": "absent"}, check=True, diff=True)
    removed = host.module("leakwatch", {"state": "absent"}, diff=True)
    for key in ("changed", "actions", "diff"):
        assert predicted[key] == removed[key], key
    assert host.run(f"ls -d {paths}").output == ""
    assert properties(host, TIMER, "LoadState") == ["not-found"]
    assert host.module("leakwatch", {"state": "absent"}, diff=True)["actions"] == []
    gone(host, "leak-there")


def test_a_crash_loop_that_no_usual_monitoring_sees_is_told_once(watched):
    host, name, unit = watched, "leak-crash", "leak-crash.service"
    apply(host, [service(name, exec_start=["/bin/sh", "-c", CRASHES.format(name=name)], restart_sec="100ms")])
    wait_for(lambda: metrics(host, unit).get("processes", 0) > 0)
    assert told(host, unit) == [] and metrics(host, unit)["crash_loop"] == 0
    before = rounds(host)
    host.check(["touch", f"/run/{name}"])
    wait_for(lambda: told(host, unit), 12)
    # The samples before and after it began, and two more with the restarts.
    assert rounds(host) - before <= 4
    assert unit not in host.check("systemctl --failed --plain --no-legend")
    wait_for(lambda: rounds(host) - before > 8, 30)
    (record,) = told(host, unit)
    assert record["STABILITY_KIND"] == "restarts" and record["PRIORITY"] == "4"
    assert int(record["STABILITY_RESTARTS"]) >= 2 and unit in record["MESSAGE"]
    assert host.read("/run/leak-alerts").split().count(name) == 1
    assert metrics(host, unit)["crash_loop"] == 1 and metrics(host, unit)["restarts_total"] >= 2
    # It is among the service's own records.
    assert record["MESSAGE"] in host.check(["journalctl", "-q", "-o", "cat", "--unit", unit])
    gone(host, name)
    wait_for(lambda: metrics(host, unit) == {})
    assert complaints(host) == ""


def test_workers_that_die_under_a_living_master_are_told_once(watched):
    host, unit = watched, "leak-workers.service"
    host.put("/srv/leak-workers.py", WORKERS)
    apply(host, [service("leak-workers", exec_start=[PYTHON, "/srv/leak-workers.py"])])
    wait_for(lambda: told(host, unit), 20)
    before = rounds(host)
    wait_for(lambda: rounds(host) - before > 3, 20)
    (record,) = told(host, unit)
    assert record["STABILITY_KIND"] == "workers" and "its main process goes on" in record["MESSAGE"]
    assert properties(host, unit, "NRestarts") == ["0"]
    gone(host, "leak-workers")


def test_memory_that_only_grows_is_told_with_the_time_to_its_cap(watched):
    host, unit = watched, "leak-grows.service"
    host.put("/srv/leak-holds.py", TELLS)
    apply(host, [holding("leak-grows", memory_max="100M"), holding("leak-rests", memory_max="100M")])
    wait_for(lambda: all(metrics(host, one).get("memory_bytes", 0) > 64 * MIB for one in (unit, "leak-rests.service")))
    with_history(host, (unit, MIB), ("leak-rests.service", 0))
    wait_for(lambda: told(host, unit), 20)
    (record,) = told(host, unit)
    assert record["STABILITY_KIND"] == "memory" and "MemoryMax= is reached in" in record["MESSAGE"]
    # The metrics come at the end of the round.
    wait_for(lambda: metrics(host, unit)["memory_slope_bytes_per_second"])
    shown = metrics(host, unit)
    assert shown["memory_slope_bytes_per_second"] * 3600 == pytest.approx(MIB, rel=0.05)
    assert shown["memory_time_to_cap_seconds"] == pytest.approx(float(record["STABILITY_SECONDS_TO_CAP"]), abs=60)
    assert (
        told(host, "leak-rests.service") == []
        and metrics(host, "leak-rests.service")["memory_slope_bytes_per_second"] == 0
    )
    found, samples = audited(host, unit)
    assert found == ["SB306"] and len(samples) == 20
    assert samples[-1][0] - samples[0][0] > 24 * 3600 and samples[0][1] < samples[-1][1]
    assert audited(host, "leak-rests.service")[0] == []
    gone(host, "leak-grows", "leak-rests")


@pytest.mark.needs("memory limits")
def test_a_service_that_was_killed_for_its_memory_comes_back_and_is_told_so(watched):
    host, unit = watched, "leak-fills.service"
    host.put("/srv/leak-fills.py", FILLS)
    keys = {
        "exec_start": [PYTHON, "/srv/leak-fills.py"],
        "memory_max": "48M",
        "memory_swap_max": "0",
        "restart_sec": "1s",
    }
    apply(host, [service("leak-fills", **keys)])
    before = properties(host, unit, "MainPID")
    wait_for(lambda: [one for one in told(host, unit) if one["STABILITY_KIND"] == "killed"], 40)
    record = next(one for one in told(host, unit) if one["STABILITY_KIND"] == "killed")
    assert properties(host, unit, "MainPID") != before
    # Of a run that is over, cgroup v1 has no counter.
    is_unified = host.run(["test", "-e", "/sys/fs/cgroup/cgroup.controllers"]).code == 0
    assert ("STABILITY_PROBABLE" in record) is not is_unified
    assert ("out of memory" in record["MESSAGE"]) is is_unified and "MemoryMax= is 48 MiB" in record["MESSAGE"]
    assert int(record["STABILITY_CAP"]) == 48 * 2**20 and int(record["STABILITY_PEAK"]) > 43 * 2**20
    assert audited(host, unit)[0] == ["SB309"]
    gone(host, "leak-fills")


def test_it_follows_deployments(watched):
    host = watched
    apply(host, [service("leak-many@", instances=["one", "two"]), service("leak-plain")])
    units = ["leak-many@one.service", "leak-many@two.service", "leak-plain.service"]
    wait_for(lambda: all(metrics(host, unit).get("processes") == 1 for unit in units))
    apply(host, [service("leak-many@", instances=["one"]), {"name": "leak-plain", "state": "absent"}])
    wait_for(lambda: [bool(metrics(host, unit)) for unit in units] == [True, False, False])
    gone(host, "leak-many@")


def test_killed_at_any_moment_the_samples_stay_whole(watched):
    host, unit = watched, "leak-steady.service"
    apply(host, [service("leak-steady")])
    host.check(["systemctl", "stop", TIMER])
    kill = f"systemctl start --no-block {SERVICE}; sleep $0; systemctl kill -s KILL {SERVICE}; systemctl stop {SERVICE}"
    check = f"import sqlite3; print(*sqlite3.connect('{STORE}').execute('pragma integrity_check').fetchone())"
    moments = random.Random(SEED)
    for _turn in range(20):
        host.run(["sh", "-c", kill, f"{moments.uniform(0.02, 0.25):.3f}"])
        assert host.check([PYTHON, "-c", check]) == "ok\n"
    before = rounds(host)
    # A round in the second of another one takes its place.
    host.check(f"sleep 1.1; systemctl reset-failed {SERVICE}; systemctl start {SERVICE} && systemctl start {TIMER}")
    assert rounds(host) == before + 1 and metrics(host, unit)["processes"] == 1
    gone(host, "leak-steady")


def test_what_is_broken_is_told_and_mended(watched):
    host, unit = watched, "leak-steady.service"
    apply(host, [service("leak-steady")])
    host.check(["systemctl", "stop", TIMER, SERVICE])
    host.put(FILE, "{")
    host.check(["systemctl", "start", TIMER])
    # A round that has failed does not keep the next one from coming.
    wait_for(lambda: complaints(host).count(f"{FILE} cannot be understood\n") > 1)
    host.check(["systemctl", "stop", TIMER, SERVICE])
    assert watch(host)["actions"] == [f"replace {FILE}", f"start {TIMER}"]
    host.check(["systemctl", "stop", TIMER, SERVICE])
    host.put(STORE, "no database at all\n" * 1000, 0o600)
    host.check(["systemctl", "start", SERVICE, TIMER])
    assert f"{STORE} is damaged, and is begun anew\n" in complaints(host)
    wait_for(lambda: rounds(host) > 1 and metrics(host, unit)["processes"] == 1)
    gone(host, "leak-steady")


def settled(host, **options):
    """Run until that is done; a second run must change nothing."""
    result = host.module("leakwatch", options)
    assert not result.get("failed"), result.get("msg")
    assert host.module("leakwatch", options)["actions"] == []


def test_ended_before_any_of_its_changes_the_next_run_finishes(watched):
    host = watched
    for options in (OPTIONS, {"state": "absent"}):
        for point in count(1):
            settled(host, **({"state": "absent"} if options is OPTIONS else OPTIONS))
            result = host.module("leakwatch", options, crash_at=point)
            settled(host, **options)
            if result:
                break
        assert result["changed"] and point > 4
    assert host.run(f"ls -d {FOLDER} {STORE} /etc/systemd/system/*leakwatch*").output == ""
    settled(host, **OPTIONS)


def test_a_service_is_restarted_gracefully_when_that_is_asked_for(watched):
    host, unit = watched, "leak-renewed.service"
    host.put("/srv/leak-holds.py", TELLS)
    apply(host, [holding("leak-renewed", memory_max="100M")])
    wait_for(lambda: metrics(host, unit).get("memory_bytes", 0) > 64 * MIB)
    try:
        assert not watch(host, restart_time_to_cap="2d", restart_not_between=["00:00-24:00"]).get("failed")
        before = properties(host, unit, "InvocationID")
        with_history(host, (unit, MIB))
        wait_for(lambda: told(host, unit), 20)
        time.sleep(5)
        assert properties(host, unit, "InvocationID") == before
        assert not watch(host, restart_slope="512K").get("failed")
        wait_for(lambda: properties(host, unit, "InvocationID") != before, 20)
        (record,) = told(host, unit, RESTART_ID)
        assert "is restarted" in record["MESSAGE"] and len(record["STABILITY_SAMPLES"].splitlines()) > 20
        said = host.check(["journalctl", "-q", "-o", "cat", "--unit", unit]).splitlines()
        assert said.index(record["MESSAGE"]) < said.index("told to end")
        time.sleep(5)
        assert len(told(host, unit, RESTART_ID)) == 1
    finally:
        watch(host)
    gone(host, "leak-renewed")


ROLE = """
- hosts: all
  gather_facts: false
  roles:
    - role: stability.baseline.leakwatch
"""


def test_the_role_makes_one_call_and_proposes_a_cap(watched):
    host, unit = watched, "leak-bare.service"
    host.put("/srv/leak-holds.py", TELLS)
    apply(host, [holding("leak-bare")])
    wait_for(lambda: metrics(host, unit).get("memory_bytes", 0) > 64 * MIB)
    with_history(host, (unit, 0))
    before = rounds(host)
    wait_for(lambda: rounds(host) > before)
    variables = {
        "stability_services": [holding("leak-bare")],
        "stability_leakwatch_interval": "2s",
        "stability_leakwatch_textfile_dir": TEXTFILES,
        "stability_alert_unit": "leak-alert@.service",
    }
    run = host.playbook(ROLE, variables=variables)
    assert run.code == 0, run.output
    assert [
        task["result"].get("changed") for task in run.tasks if task["action"] == "stability.baseline.leakwatch"
    ] == [False]
    assert re.search(
        r"leak-bare.service had at most [67]\d MiB in 27 hours and has no memory_max; (80|96)M would", run.output
    )
    assert properties(host, unit, "MemoryMax") == ["infinity"]
    bad = host.playbook(
        ROLE, variables={**variables, "stability_leakwatch_interval": "1h", "stability_leakwatch_keep_size": "x"}
    )
    assert (
        'interval: found "1h"; expected a time span from 1s to 2min' in bad.output
        and 'keep_size: found "x"' in bad.output
    )
    off = host.playbook(ROLE, variables={"stability_leakwatch_enabled": False, "stability_services": []}, check=True)
    assert off.code == 0 and off.tasks[-1 if off.tasks[-1]["action"].endswith("leakwatch") else -2]["result"]["changed"]
    gone(host, "leak-bare")
