# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key of a service by its effect: on the process, and on what systemd then does.

All services of ``keys_table.py`` are deployed at once; each test looks at one of them. :data:`PROVED` says of each key where.
"""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.service_keys import KEYS

import cgroups
from keys_table import (
    ATTEMPTS,
    FACTS,
    FILES,
    FOUND,
    ORDER,
    PROPERTIES,
    PROVED,
    RAN,
    SECRET,
    SECRET_TEXT,
    SERVICES,
    TOLD,
)
from releases import RELEASES
from units import applied, apply, pids, properties, wait_for

PREPARE = """
mkdir -p /opt/keys && chmod 755 /opt/keys
touch /tmp/keys-of-the-host
[ -e /dev/keys-device ] || mknod -m 666 /dev/keys-device c 1 3
systemctl daemon-reload
"""
BY_HAND = [name for name, keys in SERVICES.items() if keys.get("state") == "stopped" and keys.get("enabled") is False]


def unit(name):
    return f"keys-{name}.service"


def records(host, name, *matches):
    """Return the messages that the processes of a service have written."""
    shown = host.run(["journalctl", "--no-pager", "-o", "cat", *(matches or (f"_SYSTEMD_UNIT={unit(name)}",))])
    return shown.output.splitlines()


def starts(host, name):
    return records(host, name).count(RAN)


def state(host, name):
    return properties(host, unit(name), "ActiveState")[0]


@pytest.fixture(scope="module")
def deployed(host):
    """Deploy all services, and start those that are to fail; return what the run said."""
    for path, text in FILES.items():
        host.put(path, text)
    host.put(SECRET, SECRET_TEXT, 0o600)
    host.check(PREPARE)
    services = [
        {"name": f"keys-{name}", "user": "keys-user", "settle_sec": 0, **keys} for name, keys in SERVICES.items()
    ]
    for service in services:
        if "on_calendar" in service:
            del service["settle_sec"]
    result = applied(host, services)
    host.check(["systemctl", "start", "--no-block", *map(unit, [*BY_HAND, "lost", "once"])])
    return result


@pytest.fixture(scope="module")
def facts(host, deployed):
    return json.loads(host.read(f"{FACTS}/facts.json"))


def test_users_and_groups_are_made(host, deployed):
    assert deployed["actions"][:2] == ["make group keys-group", "make user keys-user"]
    assert host.check(["id", "--name", "--group", "keys-user"]) == "keys-user\n"
    assert host.check(["getent", "passwd", "keys-user"]).strip().endswith(":/usr/sbin/nologin")


@pytest.mark.parametrize("key", FOUND)
def test_the_process_finds_it(facts, key):
    name, expected = FOUND[key]
    assert facts[name] == expected


def test_folders_are_made_for_it(host, facts):
    owners = host.check(["stat", "-c", "%U %G %a", FACTS, f"{FACTS}/deep", "/run/keys-facts"]).splitlines()
    assert owners == ["keys-user keys-group 755"] * 3
    assert facts["writable"] == [True, True, True]


@pytest.mark.parametrize("key", PROPERTIES)
def test_systemd_says_it(host, deployed, key):
    name, shown, expected = PROPERTIES[key]
    assert properties(host, unit(name), shown) == [expected]


@pytest.mark.needs(cgroups.MEMORY_LIMITS)
def test_the_kernel_holds_the_limits(host, facts):
    found = host.check(
        "cat /sys/fs/cgroup/memory/system.slice/keys-facts.service/memory.limit_in_bytes"
        " || cat /sys/fs/cgroup/system.slice/keys-facts.service/memory.max"
    )
    assert found.split() == [str(200 * 1024**2)]
    assert 0 < facts["threads"] < 10


def test_credentials_are_in_a_folder_of_its_own(facts):
    assert facts["CREDENTIALS_DIRECTORY"].endswith("/keys-facts.service")


def test_commands_run_in_their_order(host, deployed):
    wait_for(lambda: host.read(ORDER).split() == ["first", "second", "third", "fourth"])
    wait_for(lambda: state(host, "pre-fails") == "failed")
    assert starts(host, "pre-fails") == 0


def test_a_reload_reaches_the_process_and_an_end_comes_with_the_signal(host, facts):
    before = pids(host, unit("facts"))
    host.check(["systemctl", "reload", unit("facts")])
    wait_for(lambda: host.run(["cat", f"{FACTS}/signals"]).output == "SIGHUP\n")
    assert pids(host, unit("facts")) == before
    host.check(["systemctl", "stop", unit("facts")])
    assert host.read(f"{FACTS}/signals") == "SIGHUP\nSIGINT\n"
    assert host.run(["test", "-e", "/run/keys-facts"]).code != 0
    host.check(["systemctl", "start", unit("facts")])


def test_a_service_that_does_not_stop_is_killed_in_time(host, deployed):
    begun = time.monotonic()
    host.check(["systemctl", "stop", unit("stubborn")])
    assert 0.9 < time.monotonic() - begun < 10
    assert properties(host, unit("stubborn"), "Result") == ["timeout"]


def test_a_service_that_is_not_ready_in_time_fails_and_does_not_come_back(host, deployed):
    wait_for(lambda: state(host, "never-ready") == "failed")
    assert properties(host, unit("never-ready"), "Result", "NRestarts") == ["timeout", "0"]
    moments = [f"ExecMain{what}TimestampMonotonic" for what in ("Start", "Exit")]
    begun, ended = map(int, properties(host, unit("never-ready"), *moments))
    assert ended - begun < 10e6


def test_a_service_that_leaves_the_watchdog_alone_is_restarted(host, deployed):
    wait_for(lambda: int(properties(host, unit("watched"), "NRestarts")[0]) > 0)


def test_the_process_that_a_fork_left_is_the_main_one(host, deployed):
    pid = pids(host, unit("forks"))[unit("forks")]
    assert host.check(["cat", f"/proc/{pid}/comm"]) == "sleep\n"


def test_a_flood_is_cut_at_the_burst(host, deployed):
    def lines(name):
        return sum(line.startswith("line ") for line in records(host, name))

    wait_for(lambda: lines("torrent") == 2000)
    # journald(5): the fuller the disk is not, the larger the burst.
    assert 20 <= lines("flood") < 2000


def test_a_namespace_holds_the_records(host, deployed):
    wait_for(lambda: RAN in records(host, "apart", "--namespace=keys", f"_SYSTEMD_UNIT={unit('apart')}"))
    assert RAN not in records(host, "apart")


def test_records_have_the_identifier(host, facts):
    wait_for(lambda: RAN in records(host, "facts", f"_SYSTEMD_UNIT={unit('facts')}", "SYSLOG_IDENTIFIER=keys-say"))


def test_other_units_come_first_along_and_down(host, deployed):
    assert [properties(host, f"keys-{name}.service", "ActiveState")[0] for name in ("base", "friend")] == ["active"] * 2
    base = int(properties(host, "keys-base.service", "ActiveEnterTimestampMonotonic")[0])
    assert int(properties(host, unit("ordered"), "ExecMainStartTimestampMonotonic")[0]) >= base
    host.check(["systemctl", "stop", "keys-base.service"])
    wait_for(lambda: state(host, "ordered") == "inactive")


def test_a_target_of_its_own_pulls_it_in(host, deployed):
    assert [state(host, name) for name in ("wanted", "aliased")] == ["inactive", "inactive"]
    host.check(["systemctl", "start", "keys.target"])
    wait_for(lambda: [state(host, name) for name in ("wanted", "aliased")] == ["active", "active"])
    assert host.run("ls /etc/systemd/system/multi-user.target.wants").output.split().count(unit("wanted")) == 0
    assert host.check(["readlink", f"/etc/systemd/system/keys.target.requires/{unit('aliased')}"])


def test_a_directive_of_each_section_has_its_effect(host, facts):
    wait_for(lambda: properties(host, unit("conditional"), "ConditionResult", "ActiveState") == ["no", "inactive"])
    assert starts(host, "conditional") == 0
    assert (facts["nice"], facts["tmp"]) == (5, True)
    wait_for(lambda: starts(host, "soon") == 1)
    assert properties(host, "keys-other.service", "Id") == [unit("aliased")]


def test_a_clean_end_is_no_failure(host, deployed):
    wait_for(lambda: starts(host, "ends-well") == 1 and state(host, "ends-well") == "inactive")
    assert properties(host, unit("ends-well"), "NRestarts") == ["0"]


def test_a_start_limit_ends_a_crash_loop(host, deployed):
    wait_for(lambda: state(host, "limited") == "failed")
    assert starts(host, "limited") == 3


def test_the_pause_grows_where_systemd_can(host, deployed):
    told = [warning for warning in deployed["warnings"] if "keys-slower" in warning]
    if RELEASES[host.facts["release"]].systemd >= 254:
        assert told == []
        wait_for(lambda: properties(host, unit("slower"), "RestartUSecNext") == ["2s"])
    else:
        assert [directive in " ".join(told) for directive in ("RestartSteps=", "RestartMaxDelaySec=")] == [True, True]
        wait_for(lambda: int(properties(host, unit("slower"), "NRestarts")[0]) > 3)


def test_a_job_that_fails_for_good_is_told_once(host, deployed):
    wait_for(lambda: state(host, "lost") == "failed")
    assert starts(host, "lost") == 2
    wait_for(lambda: host.run(["cat", TOLD]).output == "told\n")


def test_a_job_that_must_not_run_twice_does_not(host, deployed):
    wait_for(lambda: state(host, "once") == "failed")
    assert starts(host, "once") == 1


def test_the_next_calendar_time_is_always_tried(host, deployed):
    before = starts(host, "often")
    # Two whole periods, each with a retry.
    wait_for(lambda: starts(host, "often") >= before + 5, 26)
    seen = set()
    wait_for(lambda: seen.add(state(host, "often")) or {"failed", "activating"} <= seen, 14)


def test_a_job_that_always_succeeds_is_never_failed_however_often_its_timer_starts_it(host):
    job = {"name": "keys-again", "user": "root", "exec_start": ["/bin/echo", RAN], "on_calendar": ["2099-01-01"]}
    job["directives"] = {"Timer": {"OnActiveSec": "100ms", "OnUnitActiveSec": "500ms", "AccuracySec": "10ms"}}
    result = apply(host, [job])
    assert any("OnActiveSec=, OnUnitActiveSec= in directives.Timer" in warning for warning in result["warnings"])
    wait_for(lambda: starts(host, "again") >= 7 or state(host, "again") == "failed")
    assert state(host, "again") != "failed"
    assert apply(host, [{"name": "keys-again", "state": "absent"}])["changed"]


def test_starts_by_hand_count_as_tries_also_where_they_are_good(host):
    """docs/services.md says so: the next calendar time inside the window has the tries that are left."""
    applied(
        host, [{"name": "keys-by-hand", "user": "root", "exec_start": ["/bin/true"], "on_calendar": ["2099-01-01"]}]
    )
    begun = [host.run(["systemctl", "start", unit("by-hand")]).code for _number in range(5)]
    assert begun == [0, 0, 0, 0, 1]
    host.check(f"systemctl reset-failed {unit('by-hand')} && systemctl start {unit('by-hand')}")
    applied(host, [{"name": "keys-by-hand", "state": "absent"}])


def test_a_time_that_passed_while_the_timer_was_off_is_made_up_for(host, deployed):
    assert starts(host, "made-up-for") == 0
    host.check(["systemctl", "stop", "keys-made-up-for.timer"])
    host.check(["touch", "-d", "3 days ago", "/var/lib/systemd/timers/stamp-keys-made-up-for.timer"])
    host.check(["systemctl", "start", "keys-made-up-for.timer"])
    wait_for(lambda: starts(host, "made-up-for") == 1)


@pytest.mark.parametrize("preset", ATTEMPTS)
def test_a_preset_denies_what_it_says(host, deployed, preset):
    path = f"/var/lib/keys-preset-{preset}/attempts.json"
    wait_for(lambda: host.run(["test", "-e", path]).code == 0)
    assert json.loads(host.read(path)) == ATTEMPTS[preset]


def test_a_command_that_never_says_healthy_fails_the_run(host):
    ill = {"name": "keys-ill", "user": "keys-user", "exec_start": ["/bin/sleep", "infinity"]}
    result = apply(host, [{**ill, "health": {"command": ["/bin/false"], "timeout": 2}}])
    assert "keys-ill.service did not become healthy within 2 s (/bin/false" in result["msg"]
    applied(host, [{"name": "keys-ill", "state": "absent"}])


def functions_in(path):
    """Return the names of the functions in a file."""
    syntax = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in syntax.body if isinstance(node, ast.FunctionDef)}


def test_every_key_is_proved_somewhere():
    assert sorted(PROVED) == sorted([*KEYS, "name"])
    for reference in set(PROVED.values()):
        file, _colons, test = reference.rpartition("::")
        assert test in functions_in(Path(__file__).with_name(file or "test_keys.py")), reference
