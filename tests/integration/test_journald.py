# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""journald takes over what the module writes, when it must and only then, and no record is lost on the way."""

from __future__ import annotations

import time
from itertools import count

import pytest

from journals import (
    DROP_INS,
    OWN,
    UNIT,
    applied,
    apply,
    check_numbers,
    invocation,
    journal,
    journal_host,
    limit,
    make_volatile,
    writing,
)
from proofs import SEED, proof
from releases import RELEASES

#: Takes the place of a program of systemd and never comes back from one of its verbs.
STUCK = '#!/bin/sh\ncase " $* " in *" {verb} "*) sleep 30; exit 1;; esac\nPATH=/usr/bin:/bin exec {program} "$@"\n'
#: In `make test` every fourth point at which a run can end, in `make prove` all.
STEPS = {"sample": 4, "full": 1}


@pytest.fixture(scope="module")
def host(make_host, release):
    return journal_host(make_host, "journal", release)


def test_no_record_is_lost_on_the_way_to_the_disk_nor_by_a_limit_nor_by_a_reboot(host):
    missing = make_volatile(host)
    with writing(host, "moved"):
        assert host.run("ls /var/log/journal/*").code != 0
        result = applied(host)
        assert result["actions"] == [
            f"create {OWN}",
            *missing,
            f"restart {UNIT}: its configuration changes",
            "flush the journal to /var/log/journal: there are records in /run/log/journal",
        ]
        time.sleep(0.5)
        changed = applied(
            host, {"system_max_use": "64M", "rate_limit_burst": "100000", "rate_limit_interval_sec": "1s"}
        )
        assert changed["actions"] == [f"replace {OWN}", f"restart {UNIT}: its configuration changes"]
        assert limit(host) == "64M"
    number = check_numbers(host, "moved")
    modes = host.check(["stat", "-c", "%a %U %G", "/var/log/journal"])
    assert modes == "2755 root systemd-journal\n"
    assert host.run("ls /run/log/journal/*/*.journal").code != 0
    host.reboot()
    assert check_numbers(host, "moved") == number
    assert (
        applied(host, {"system_max_use": "64M", "rate_limit_burst": "100000", "rate_limit_interval_sec": "1s"})[
            "actions"
        ]
        == []
    )


def test_journald_is_restarted_for_what_changes_and_only_then(host):
    settings = {"system_max_use": "80M"}
    assert applied(host, settings)["restarted"] == [UNIT]
    # Nothing that is in effect differs.
    host.check(f"touch {OWN} {DROP_INS}; echo '# a remark' >> {DROP_INS}/10-container.conf")
    before = invocation(host)
    assert applied(host, settings)["actions"] == []
    host.check(f"echo '# a remark' >> {OWN}")
    assert applied(host, settings)["actions"] == [f"replace {OWN}"]
    assert invocation(host) == before
    # A hand edit, of ours and of another file, at once after the run.
    host.check(f"sed -i s/80M/90M/ {OWN} && systemctl restart {UNIT}")
    assert limit(host) == "90M"
    assert applied(host, settings)["restarted"] == [UNIT]
    assert limit(host) == "80M"
    host.put(f"{DROP_INS}/30-more.conf", "[Journal]\nSystemMaxFiles=7\n")
    assert applied(host, settings)["actions"] == [f"restart {UNIT}: its configuration was changed since its start"]
    host.check(["rm", f"{DROP_INS}/30-more.conf"])
    assert applied(host, settings)["actions"] == [f"restart {UNIT}: its configuration was changed since its start"]


def test_a_journald_of_unknown_start_is_judged_by_its_age(host):
    settings = {"system_max_use": "80M"}
    applied(host, settings)
    host.check(f"rm /var/lib/stability/journald.json; systemctl restart {UNIT}")
    assert applied(host, settings)["actions"] == []
    host.check(["touch", f"{DROP_INS}/10-container.conf"])
    assert applied(host, settings)["actions"] == [f"restart {UNIT}: it is older than its configuration"]
    # Not even an answer of a process that was started for something else is taken for its own.
    host.put(f"{DROP_INS}/30-more.conf", "[Journal]\nSystemMaxFiles=7\n")
    host.check(f"systemctl restart {UNIT}; rm {DROP_INS}/30-more.conf")
    assert applied(host, settings)["actions"] == [f"restart {UNIT}: it is older than its configuration"]


def test_many_changes_at_once_do_not_wear_out_the_start_limit(host):
    with writing(host, "hurried"):
        for megabytes in range(40, 50):
            result = apply(host, {"system_max_use": f"{megabytes}M"})
            assert result["restarted"] == [UNIT]
            assert limit(host) == f"{megabytes}M"
    check_numbers(host, "hurried")


@pytest.mark.parametrize("moment", [0.1, 0.2, 0.3])
def test_killed_at_any_moment_the_next_run_finishes(host, moment):
    settings = {"system_max_use": f"{moment * 1000 + 50:.0f}M"}
    with writing(host, f"killed-{moment * 100:.0f}"):
        apply(host, settings, kill_after=moment)
        result = apply(host, settings)
        assert not result.get("failed"), result["msg"]
        assert apply(host, settings)["actions"] == []
        assert limit(host) == f"{moment * 1000 + 50:.0f}M"
    check_numbers(host, f"killed-{moment * 100:.0f}")
    assert "stability-staged" not in host.check(["ls", "-A", DROP_INS])


def killed_while_stuck(host, program, verb, settings):
    path = f"/usr/local/sbin/{program}"
    host.put(path, STUCK.format(program=program, verb=verb), 0o755)
    try:
        assert apply(host, settings, kill_after=3) == {}
    finally:
        host.check(["rm", path])


def test_killed_between_the_change_and_the_restart_the_next_run_restarts(host):
    settings = {"system_max_use": "33M"}
    assert applied(host, {"system_max_use": "34M"})["restarted"] == [UNIT]
    killed_while_stuck(host, "systemctl", "restart", settings)
    assert limit(host) != "33M"
    assert applied(host, settings)["actions"] == [f"restart {UNIT}: its configuration was changed since its start"]
    assert limit(host) == "33M"


def test_what_a_reload_has_put_in_force_is_seen(host, release):
    # An older journald cannot be reloaded, and reads its configuration only when it starts.
    reloads = RELEASES[release].systemd >= 258
    applied(host, {"system_max_use": "35M"})
    theirs = f"{DROP_INS}/99-theirs.conf"
    host.put(theirs, "[Journal]\nSystemMaxUse=36M\n")
    assert (host.run(["systemctl", "reload", UNIT]).code == 0) is reloads
    host.check(["rm", theirs])
    expected = [f"restart {UNIT}: it is older than its configuration"]
    assert applied(host, {"system_max_use": "35M"})["actions"] == (expected if reloads else [])
    host.run(["systemctl", "reload", UNIT])
    assert applied(host, {"system_max_use": "35M"})["actions"] == []


def test_a_journald_that_knows_another_machine_id_is_restarted(host):
    applied(host)
    before = host.read("/etc/machine-id")
    for identity in ("0123456789abcdef0123456789abcdef\n", before):
        host.check(f"echo {identity.strip()} >/etc/machine-id")
        assert applied(host)["actions"] == [
            f"restart {UNIT}: the machine-id was changed since its start",
            "flush the journal to /var/log/journal: it is not written there",
        ]
        assert host.run(f"ls /var/log/journal/{identity.strip()}/system.journal").code == 0


def test_killed_before_the_flush_the_next_run_flushes(host):
    make_volatile(host)
    with writing(host, "unflushed"):
        killed_while_stuck(host, "journalctl", "--flush", {})
        result = applied(host)
    assert result["actions"] == ["flush the journal to /var/log/journal: there are records in /run/log/journal"]
    number = check_numbers(host, "unflushed")
    host.reboot()
    assert check_numbers(host, "unflushed") == number


def settled(host, **options):
    """Apply until that is done; a second run must change nothing."""
    result = apply(host, **options)
    assert not result.get("failed"), result.get("msg")
    assert apply(host, **options)["actions"] == []


def test_ended_before_any_of_its_changes_the_next_run_finishes(host):
    with proof("crash points: journal", STEPS) as step:
        for point in count(1 + SEED % step, step):
            make_volatile(host)
            host.check(f"logger --tag point-{point} kept; journalctl --sync")
            result = apply(host, namespaces=["halfway"], crash_at=point)
            settled(host, namespaces=["halfway"])
            assert journal(host, "-t", f"point-{point}") == ["kept"]
            assert host.run("ls /run/log/journal/*/*.journal").code != 0
            if result:
                break
    assert result["changed"]
    assert point > 5


def test_ended_before_any_change_of_a_removal_the_next_run_finishes(host):
    left = f"{OWN} /etc/systemd/journald@halfway.conf.d /var/lib/stability/journald.json"
    with proof("crash points: removal of the journal's settings", STEPS) as step:
        for point in count(1 + SEED % step, step):
            settled(host, namespaces=["halfway"])
            host.check("systemd-run -q --wait --property=LogNamespace=halfway echo started")
            result = apply(host, state="absent", crash_at=point)
            settled(host, state="absent")
            assert host.run(f"ls -d {left}").output == ""
            if result:
                break
    assert result["changed"]
    assert point > 5


def test_what_a_restart_by_hand_left_in_memory_is_moved(host, release):
    make_volatile(host)
    text = apply(host, check=True, diff=True)["diff"][0]["after"]
    host.check(f"logger --tag left in memory; rm {DROP_INS}/20-volatile.conf; mkdir -p /var/log/journal")
    host.put(OWN, text)
    host.check(f"systemctl restart {UNIT}; logger --tag left on the disk; journalctl --sync")
    before = invocation(host)
    # An old journald moves them by itself when it starts.
    by_itself = RELEASES[release].systemd < 252
    expected = ["flush the journal to /var/log/journal: there are records in /run/log/journal"]
    assert applied(host)["actions"] == ([] if by_itself else expected)
    assert invocation(host) == before
    host.reboot()
    assert sorted(journal(host, "-t", "left")) == ["in memory", "on the disk"]


def test_namespaces_have_the_same_settings_and_go_when_no_service_uses_them(host):
    unit = "systemd-journald@web.service"
    folder = "/etc/systemd/journald@web.conf.d"
    result = applied(host, namespaces=["web"])
    assert f"create {folder}/50-stability.conf" in result["actions"]
    with writing(host, "namespaced", "LogNamespace=web"):
        changed = applied(host, {"line_max": "64K"}, namespaces=["web"])
        assert changed["restarted"] == [UNIT, unit]
        before = invocation(host, unit)
        assert applied(host, {"line_max": "64K"}, namespaces=["web"])["actions"] == []
        assert invocation(host, unit) == before
        assert host.read(f"{folder}/50-stability.conf") == host.read(OWN)
        gone = applied(host, {"line_max": "64K"})
        assert gone["actions"] == [
            f"remove {folder}/50-stability.conf",
            f"restart {unit}: its configuration changes",
            f"remove {folder}",
        ]
        assert host.run(["ls", folder]).code != 0
    lines = journal(host, "--namespace=web", "_TRANSPORT=stdout")
    assert [int(line) for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) > 100


def test_somebody_elses_namespace_is_left_alone(host):
    host.put("/etc/systemd/journald@theirs.conf.d/10-theirs.conf", "[Journal]\nLineMax=1K\n")
    assert applied(host, namespaces=["ours"])["changed"]
    applied(host)
    assert host.check("ls -d /etc/systemd/journald@*") == "/etc/systemd/journald@theirs.conf.d\n"


def test_absent_leaves_nothing_of_ours_and_the_journal_where_it_is(host):
    applied(host, namespaces=["web"])
    host.check("systemctl stop systemd-journald@web.service 'systemd-journald*@web.socket'")
    result = applied(host, state="absent")
    assert result["actions"] == [
        f"remove {OWN}",
        "remove /etc/systemd/journald@web.conf.d/50-stability.conf",
        f"restart {UNIT}: its configuration changes",
        "remove /etc/systemd/journald@web.conf.d",
        "remove /var/lib/stability/journald.json",
    ]
    assert host.run("ls /var/lib/stability/journald.json").code != 0
    assert host.run("ls /var/log/journal/*/system.journal").code == 0
