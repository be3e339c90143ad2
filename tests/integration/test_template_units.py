# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Template units on a real host: instances come, change, leave the list, and nothing of them dangles."""

from __future__ import annotations

import pytest

from units import SLEEP, applied, apply, pids, properties, service, wait_for

FOLDER = "/srv/stability-template"


def template(name, instances, **keys):
    return service(f"{name}@", instances=instances, **keys)


def known(host, name):
    """Return what systemd knows of a template: unit files, links, loaded units."""
    links = host.run(f"find /etc/systemd/system -name '{name}@*' | sort").output.split()
    loaded = host.check(f"systemctl list-units --all --plain --no-legend '{name}@*'").splitlines()
    return [link.rpartition("/system/")[2] for link in links], [line.split()[0] for line in loaded]


def test_each_instance_gets_its_own_arguments_files_and_restart(host):
    for name in ("one", "a-b"):
        host.put(f"{FOLDER}/{name}.env", f"WHO={name}\n", 0o644)
    program = ["/bin/sh", "-c", 'echo "$0 $WHO $LITERAL" > "$1/$0"; exec sleep infinity', "%i", FOLDER]
    keys = {
        "user": "root",
        "exec_start": program,
        "environment_files": [f"{FOLDER}/%i.env"],
        "environment": {"LITERAL": "%i 100%"},
        "syslog_identifier": "who-%i",
    }
    result = applied(host, [template("who", ["one", "a-b"], **keys)])
    assert result["started"] == ["who@one.service", "who@a-b.service"]
    assert result["actions"].count("create /etc/systemd/system/who@.service") == 1
    for name in ("one", "a-b"):
        wait_for(lambda name=name: host.run(["cat", f"{FOLDER}/{name}"]).output == f"{name} {name} %i 100%\n")
        assert properties(host, f"who@{name}.service", "UnitFileState", "Restart", "StartLimitIntervalUSec") == [
            "enabled", "always", "0",
        ]  # fmt: skip
    assert properties(host, "who@one.service", "SyslogIdentifier") == ["who-one"]

    before = pids(host, "who@one.service", "who@a-b.service")
    host.put(f"{FOLDER}/one.env", "WHO=changed\n", 0o644)
    assert applied(host, [template("who", ["one", "a-b"], **keys)])["restarted"] == ["who@one.service"]
    assert pids(host, "who@a-b.service")["who@a-b.service"] == before["who@a-b.service"]

    changed = applied(host, [template("who", ["one", "a-b"], **{**keys, "description": "changed"})])
    assert changed["restarted"] == ["who@one.service", "who@a-b.service"]
    host.check(["systemctl", "kill", "-s", "KILL", "who@a-b.service"])
    wait_for(lambda: properties(host, "who@a-b.service", "NRestarts", "ActiveState") == ["1", "active"])


def test_an_instance_that_left_the_list_is_stopped_and_disabled(host):
    applied(host, [template("left", ["stays", "goes"])])
    stays = pids(host, "left@stays.service")
    result = applied(host, [template("left", ["stays"])])
    assert result["actions"] == [
        "stop left@goes.service: it is removed",
        "disable left@goes.service",
        "forget left@goes.service",
        "daemon-reload",
    ]
    assert known(host, "left") == (
        ["left@.service", "multi-user.target.wants/left@stays.service"],
        ["left@stays.service"],
    )
    assert pids(host, "left@stays.service") == stays
    assert applied(host, [template("left", ["stays", "goes"])])["started"] == ["left@goes.service"]


def test_an_absent_template_leaves_no_instance_behind_not_even_one_that_nobody_listed(host):
    applied(host, [template("ghost", ["listed"])])
    host.check(["systemctl", "start", "ghost@adhoc.service"])
    host.check(["systemctl", "enable", "ghost@linked.service"])
    result = applied(host, [{"name": "ghost@", "state": "absent"}])
    assert sorted(result["stopped"]) == ["ghost@adhoc.service", "ghost@listed.service"]
    assert known(host, "ghost") == ([], [])


def test_a_template_of_somebody_else_is_kept_and_its_other_instances_live(host):
    text = "[Service]\nExecStart=/bin/sleep 1000\n\n[Install]\nWantedBy=multi-user.target\n"
    host.put("/etc/systemd/system/theirs@.service", text)
    host.check(["systemctl", "enable", "--now", "theirs@a.service", "theirs@b.service"])
    other = pids(host, "theirs@b.service")
    result = applied(host, [template("theirs", ["a"])])
    assert result["restarted"] == ["theirs@a.service"]
    assert "(the unit file that was there is kept)" in " ".join(result["actions"])
    assert pids(host, "theirs@b.service") == other
    applied(host, [{"name": "theirs@", "state": "absent"}])
    assert host.read("/etc/systemd/system/theirs@.service") == text
    assert pids(host, "theirs@b.service") == other
    host.check(["systemctl", "disable", "--now", "theirs@b.service"])
    host.check(["rm", "/etc/systemd/system/theirs@.service"])
    host.check(["systemctl", "daemon-reload"])


def test_a_template_without_instances_is_for_others_to_start(host):
    host.check(f"mkdir -p {FOLDER} && chmod 777 {FOLDER}")
    alert = template("alert", [], type="oneshot", restart="no", exec_start=["/bin/touch", f"{FOLDER}/%i"])
    job = {
        "name": "failing",
        "user": "tester",
        "exec_start": ["/bin/false"],
        "on_calendar": ["2099-01-01"],
        "retries": 0,
    }
    result = applied(host, [alert, {**job, "on_failure": ["alert@cause.service"]}])
    assert result["started"] == ["failing.timer"]
    host.run(["systemctl", "start", "failing.service"])
    wait_for(lambda: host.run(["test", "-e", f"{FOLDER}/cause"]).code == 0)


def test_a_job_of_a_template_has_a_timer_for_each_instance(host):
    job = {"user": "tester", "exec_start": ["/bin/echo", "%i"], "on_calendar": ["2099-01-01"]}
    result = applied(host, [{"name": "turn@", "instances": ["x", "y"], **job}])
    assert result["started"] == ["turn@x.timer", "turn@y.timer"]
    changed = applied(host, [{"name": "turn@", "instances": ["y"], **job, "on_calendar": ["2098-01-01"]}])
    assert changed["restarted"] == ["turn@y.timer"]
    assert known(host, "turn") == (
        ["timers.target.wants/turn@y.timer", "turn@.service", "turn@.timer"],
        ["turn@y.service", "turn@y.timer"],
    )


def test_instances_that_do_not_come_up_get_their_unit_file_from_before_back(host):
    applied(host, [template("mended", ["a", "b"])])
    broken = template(
        "mended", ["a", "b"], exec_start=["/bin/sh", "-c", "test $0 = a && exec sleep infinity; exit 3", "%i"]
    )
    result = apply(host, [{**broken, "settle_sec": "1s"}])
    assert result["failed"]
    assert [one["unit"] for one in result.get("failed_units", [])] == ["mended@b.service"], result["msg"]
    assert "The unit file from before has been put back" in result["msg"]
    assert properties(host, "mended@a.service", "ActiveState", "SubState") == ["active", "running"]
    assert properties(host, "mended@b.service", "ActiveState", "SubState") == ["active", "running"]
    assert applied(host, [template("mended", ["a", "b"])])["restarted"] in (
        [],
        ["mended@a.service", "mended@b.service"],
    )


@pytest.mark.parametrize("moment", [0.2, 0.4, 0.7])
def test_killed_at_any_moment_the_next_run_finishes(host, moment):
    before = [template("cut", ["a", "b", "c"], description=f"before {moment}")]
    after = [template("cut", ["b", "d"], description=f"after {moment}")]
    applied(host, before)
    host.module("systemd_units", {"services": after}, kill_after=moment)
    result = apply(host, after)
    assert not result.get("failed"), result["msg"]
    again = apply(host, after)
    assert (again["changed"], again["actions"]) == (False, [])
    assert known(host, "cut") == (
        ["cut@.service", "multi-user.target.wants/cut@b.service", "multi-user.target.wants/cut@d.service"],
        ["cut@b.service", "cut@d.service"],
    )
    for unit in ("cut@b.service", "cut@d.service"):
        assert properties(host, unit, "Description", "ActiveState") == [f"after {moment}", "active"]


def test_missing_files_of_an_instance_are_named(host):
    result = apply(host, [{"name": "lost@", **SLEEP, "instances": ["x"], "working_directory": "/srv/%i/none"}])
    assert result["failed"]
    assert 'services[0].working_directory (lost@x): found "/srv/x/none", which is not there' in result["msg"]


def test_instances_of_a_packages_template_live_on_when_ours_goes(host):
    host.put(
        "/usr/lib/systemd/system/packed@.service",
        "[Service]\nExecStart=/bin/sleep 900\n\n[Install]\nWantedBy=multi-user.target\n",
    )
    host.check(["systemctl", "daemon-reload"])
    host.check(["systemctl", "enable", "--now", "packed@5.service"])
    other = pids(host, "packed@5.service")
    applied(host, [template("packed", ["a"])])
    applied(host, [{"name": "packed@", "state": "absent"}])
    assert pids(host, "packed@5.service") == other
    assert properties(host, "packed@5.service", "UnitFileState", "ActiveState") == ["enabled", "active"]
    assert properties(host, "packed@a.service", "UnitFileState", "ActiveState") == ["disabled", "inactive"]


def test_an_instance_with_a_dot_in_front_is_one_like_others(host):
    applied(host, [template("dotted", [".hidden", "x@.y"])])
    assert applied(host, [{"name": "dotted@", "state": "absent"}])["changed"]
    assert known(host, "dotted") == ([], [])


def test_a_unit_that_failed_is_forgotten_by_systemd_when_it_is_removed(host):
    broken = template("broken", ["a"], exec_start=["/bin/sh", "-c", "exit 3"], restart="no", settle_sec="1s")
    assert apply(host, [broken])["failed"]
    assert known(host, "broken")[1] == ["broken@a.service"]
    applied(host, [{"name": "broken@", "state": "absent"}])
    assert known(host, "broken") == ([], [])


def test_an_instance_with_a_unit_file_of_its_own_is_refused_and_left_alone(host):
    path = "/etc/systemd/system/owner@mine.service"
    applied(host, [service("owner@", instances=["mine", "other"])])
    host.put(path, "[Service]\nExecStart=/bin/sleep 4820\n")
    host.check("systemctl daemon-reload && systemctl restart owner@mine.service")
    before = pids(host, "owner@mine.service")
    refused = apply(host, [service("owner@", instances=["mine", "other"])])
    assert (
        f"services[0].instances (owner@): found owner@mine.service, which has a unit file of its own ({path}); "
        "expected an instance of the template. Remove that file, or take the instance out and list it as a service of its own."
    ) in refused["msg"]
    applied(host, [service("owner@", instances=["other"])])
    applied(host, [{"name": "owner@", "state": "absent"}])
    assert pids(host, "owner@mine.service") == before
