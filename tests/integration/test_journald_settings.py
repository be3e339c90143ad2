# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each setting of the journal is in force on a real host, and what cannot be is refused; the role and the playbook, too."""

from __future__ import annotations

import pytest

from journals import (
    DROP_INS,
    OWN,
    applied,
    apply,
    invocation,
    journal,
    journal_host,
    limit,
    make_volatile,
)
from releases import RELEASES


@pytest.fixture(scope="module")
def host(make_host, release):
    return journal_host(make_host, "settings", release)


def test_a_line_of_100_kilobytes_arrives_whole(host):
    long = ["python3", "-c", "print('x' * 100_000)"]
    for line_max, expected in (("48K", [49152, 49152, 1696]), ("128K", [100_000])):
        applied(host, {"line_max": line_max})
        identifier = f"long-{line_max}"
        host.check(["systemd-cat", "-t", identifier, *long])
        host.check(["journalctl", "--sync"])
        assert [len(line) for line in journal(host, "-t", identifier)] == expected


def test_the_rate_limit_is_in_force_or_off(host):
    burst = ["/usr/bin/python3", "-c", "for number in range(100_000): print(number)"]
    limited = {"rate_limit_burst": "1000", "rate_limit_interval_sec": "1min"}
    for name, settings in (("unlimited", {}), ("limited", limited)):
        applied(host, settings)
        host.check(["systemd-run", "-q", "--wait", f"--unit={name}", *burst])
        host.check(["journalctl", "--sync"])
    assert journal(host, "_SYSTEMD_UNIT=unlimited.service") == [str(number) for number in range(100_000)]
    # journald multiplies the burst by a factor that grows with the free room.
    kept = len(journal(host, "_SYSTEMD_UNIT=limited.service"))
    assert 1000 <= kept < 20_000


def test_a_file_that_sorts_later_is_told(host):
    host.put(f"{DROP_INS}/99-x.conf", "[Journal]\nLineMax=1K\nStorage=persistent\n")
    warnings = applied(host)["warnings"]
    host.check(["rm", f"{DROP_INS}/99-x.conf"])
    assert warnings == [
        f"{DROP_INS}/99-x.conf sets LineMax=1K and sorts after 50-stability.conf: it takes the place of line_max (256K). "
        "Remove the line there, or the setting here."
    ]


def test_a_setting_from_the_future_is_left_out_and_told(host, release):
    result = applied(host, {"max_level_socket": "info"})
    systemd = RELEASES[release].systemd
    known = systemd >= 256
    told = [f"max_level_socket: MaxLevelSocket= needs systemd 256 and this host has {systemd}; it is left out."]
    assert result["warnings"] == ([] if known else told)
    assert ("MaxLevelSocket=info\n" in host.read(OWN)) is known


def test_contradictions_are_refused_before_anything_is_touched(host):
    applied(host)
    before = (host.read(OWN), invocation(host))
    cases = [
        {"system_max_use": "900T", "system_keep_free": "4G"},
        {"system_keep_free": "900T"},
        {"system_max_file_size": "4G"},
        {"system_max_use": "1G", "system_max_file_size": "2G", "rate_limit_burst": "1", "max_file_sec": 7, "line": "1"},
    ]
    for settings in cases:
        for check in (True, False):
            result = apply(host, settings, check=check)
            assert result["failed"]
    assert len(result["msg"].splitlines()) == 4, result["msg"]
    assert (host.read(OWN), invocation(host)) == before


#: Makes the archived files of a journal begin 30 days earlier: what is measured is how fast the journal grew.
AGE = """
import glob, struct
for path in glob.glob("/var/log/journal/*/system@*.journal"):
    with open(path, "r+b") as stream:
        stream.seek(184)
        begin = struct.unpack("<Q", stream.read(8))[0]
        stream.seek(184)
        stream.write(struct.pack("<Q", begin - 30 * 86400 * 10**6))
"""


def test_a_retention_that_the_size_cannot_hold_is_refused_by_what_was_measured(host):
    # What the tests before have logged may be more than that.
    host.check("journalctl --rotate; journalctl --vacuum-size=16M")
    settings = {"system_max_use": "100M", "max_retention_sec": "100y", "max_file_sec": "2y"}
    assert applied(host, settings)["changed"]
    host.check("journalctl --rotate; journalctl --sync")
    host.check(["python3", "-c", AGE])
    refused = apply(host, {**settings, "max_retention_sec": "101y"})["msg"]
    assert refused.startswith(
        'settings.max_retention_sec: found "101y"; expected a time whose records the size can hold '
    )
    assert " of 30." in refused
    assert "Raise system_max_use to at least " in refused
    # What is in effect already does not hold up a deployment.
    warnings = applied(host, settings)["warnings"]
    assert len(warnings) == 1
    assert warnings[0].startswith('settings.max_retention_sec: found "100y"; expected a time')
    changed = applied(host, {**settings, "line_max": "64K"}, namespaces=["fast"])
    assert [warning.split(":")[0] for warning in changed["warnings"]] == ["settings.max_retention_sec"]
    wide = {**settings, "max_retention_sec": "40d", "max_file_sec": "1d", "system_max_use": "1G"}
    assert applied(host, wide)["warnings"] == []
    host.check("rm /var/log/journal/*/system@*.journal")


def test_a_journal_that_is_larger_than_its_new_limit_is_told(host):
    applied(host, {"system_max_use": "1G"})
    host.check("for each in 1 2 3 4; do journalctl --rotate; done")
    files = len(host.check("ls /var/log/journal/*/*.journal").split())
    warnings = apply(host, {"system_max_use": "2M", "system_max_files": 2}, check=True)["warnings"]
    assert len(warnings) == 2
    assert warnings[0].startswith("system_max_use (2M) is less than the ")
    assert warnings[1].startswith(f"system_max_files (2) is less than the {files} files that the journal has: ")


def test_what_the_limits_that_then_hold_remove_is_told_before(host):
    theirs = f"{DROP_INS}/20-theirs.conf"
    applied(host, {"system_max_files": 500})
    host.check("for each in 1 2 3 4; do journalctl --rotate; done")
    host.put(theirs, "[Journal]\nSystemMaxFiles=3\n")
    try:
        removed = {"state": "absent"}
        warnings = apply(host, check=True, **removed)["warnings"]
        assert len(warnings) == 1
        assert warnings[0].startswith(f"SystemMaxFiles=3 of {theirs} is less than the ")
        before = len(host.check("ls /var/log/journal/*/*.journal").split())
        assert apply(host, **removed)["warnings"] == warnings
        assert before > 3 >= len(host.check("ls /var/log/journal/*/*.journal").split())
    finally:
        host.check(["rm", theirs])


@pytest.mark.parametrize(
    ("options", "expected", "check"),
    [
        ("ro,size=64m", "The file system of /var/log/journal cannot be written", True),
        ("size=64k", "systemd-journald does not write its journal to /var/log/journal", False),
    ],
)
def test_a_disk_that_takes_no_journal_is_told_with_what_to_do(host, options, expected, check):
    make_volatile(host)
    host.check(["mount", "-t", "tmpfs", "-o", options, "tmpfs", "/var/log"])
    try:
        result = apply(host)
        assert expected in result["msg"]
        if check:
            assert apply(host, check=True)["msg"] == result["msg"]
            assert host.run(["ls", OWN]).code != 0
    finally:
        host.check(["umount", "/var/log"])
    applied(host)
    assert host.run("ls /var/log/journal/*/system.journal").code == 0


@pytest.mark.parametrize("command", ["ln -s /nowhere/journal /var/log/journal", "touch /var/log/journal"])
def test_what_is_in_the_way_of_the_journal_is_told_before_anything_is_touched(host, command):
    make_volatile(host)
    host.check(["mount", "-t", "tmpfs", "tmpfs", "/var/log"])
    try:
        host.check(command)
        for check in (True, False):
            message = apply(host, check=check)["msg"]
            assert message.startswith(
                "/var/log/journal is no folder, and no link to one, so the journal cannot be kept "
            )
            assert host.run(["ls", OWN]).code != 0
    finally:
        host.check(["umount", "/var/log"])


ROLE = """
- hosts: all
  gather_facts: false
  roles:
    - stability.baseline.journald
"""
SERVICE = {"name": "logs", "user": "root", "exec_start": ["/bin/sleep", "infinity"], "settle_sec": "0"}
#: What a survey hands over: text, and nothing for a question that was not answered.
SURVEY = {
    "stability_journald_compress": "no",
    "stability_journald_system_max_use": "70M",
    "stability_journald_rate_limit_interval_sec": "30s",
    "stability_journald_rate_limit_burst": "10000",
    "stability_journald_storage": "",
}
WRITTEN = (
    "[Journal]\nStorage=persistent\nCompress=no\nSyncIntervalSec=30s\nRateLimitIntervalSec=30s\nRateLimitBurst=10000\n"
    "LineMax=256K\nSystemMaxUse=70M\n"
)
OWN_CALL, WITH_SERVICES = "stability.baseline.journald", "stability.baseline.systemd_units"


def ended(run):
    """Return how each remote call of ours ended: ``skipped``, ``ok``, or ``changed``."""
    assert run.code == 0, run.output
    return {
        task["action"]: "changed" if task["result"].get("changed") else task["status"]
        for task in run.tasks
        if task["action"] in (OWN_CALL, WITH_SERVICES)
    }


@pytest.mark.parametrize(
    ("playbook", "variables", "expected"),
    [
        pytest.param(ROLE, {"stability_services": [SERVICE]}, {OWN_CALL: "changed"}, id="role"),
        pytest.param(
            "stability.baseline.apply",
            {"stability_services": [SERVICE]},
            {WITH_SERVICES: "changed"},
            id="apply",
        ),
        pytest.param(
            "stability.baseline.apply",
            {"stability_environments": [{"virtualenv": "/opt/logs/venv", "pins": []}]},
            {OWN_CALL: "changed", WITH_SERVICES: "skipped"},
            id="apply-environments",
        ),
    ],
)
def test_the_role_and_the_playbook_set_the_journal_up(host, playbook, variables, expected):
    apply(host, state="absent")
    variables = {**variables, **SURVEY}
    check = host.playbook(playbook, variables=variables, check=True, diff=True, user="deploy")
    assert ended(check) == expected
    assert "+SystemMaxUse=70M" in check.output
    assert host.run(["ls", OWN]).code != 0
    assert ended(host.playbook(playbook, variables=variables, user="deploy")) == expected
    assert host.read(OWN).endswith(WRITTEN)
    assert limit(host) == "70M"
    before = invocation(host)
    again = ended(host.playbook(playbook, variables=variables, user="deploy"))
    assert again == {call: "ok" if how == "changed" else how for call, how in expected.items()}
    assert invocation(host) == before


def test_the_namespaces_of_the_services_are_set_up_with_them(host):
    host.check("rm -rf /etc/systemd/journald@*.conf.d")
    for playbook in ("stability.baseline.apply", ROLE):
        run = host.playbook(playbook, variables={"stability_services": [{**SERVICE, "log_namespace": "app"}]})
        assert run.code == 0, run.output
    assert host.check("ls -d /etc/systemd/journald@*.conf.d") == "/etc/systemd/journald@app.conf.d\n"
    run = host.playbook("stability.baseline.apply", variables={"stability_services": [SERVICE]})
    assert "journald@app" in str([task["result"].get("actions") for task in run.tasks])
    assert host.run("ls -d /etc/systemd/journald@*.conf.d").code != 0


def test_a_host_without_lists_is_left_alone(host):
    apply(host, state="absent")
    for playbook in ("stability.baseline.apply", ROLE):
        run = host.playbook(playbook, variables=SURVEY)
        assert set(ended(run).values()) == {"skipped"}
    assert host.run(["ls", OWN]).code != 0
