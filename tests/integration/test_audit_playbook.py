# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook audit from end to end: one report of all hosts, from which no secret can be read."""

from __future__ import annotations

import html
import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

AUDIT = "stability.baseline.audit"
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
FORMATS = ("report.html", "report.json", "report.sarif", "report.xml")
VENV = "/opt/reported/venv"
#: Each is planted in another place, and none may be in any report or in what the run prints.
SECRETS = {
    "environment": "s3cret-environment",
    "command": "s3cret-command",
    "credential": "s3cret-credential",
    "index": "s3cret-index",
    "token": "s3cretTokenOfAnIndex0123456789",
    "requirement": "s3cret-requirement",
    "origin": "s3cret-origin",
    "drop-in": "s3cret-drop-in",
    "unit": "s3cret-in-a-line-that-is-ignored",
    "address": "s3cret-in-an-address-that-is-quoted",
}
SERVICE = {
    "name": "reported",
    "user": "reported",
    "virtualenv": VENV,
    "exec_start": [f"{VENV}/bin/python", "-c", "import time; time.sleep(10**6)", "--token", SECRETS["command"]],
    "environment": {"APP_PASSWORD": SECRETS["environment"]},
    "directives": {"Service": {"SetCredential": f"key:{SECRETS['credential']}"}},
    "restart": "on-failure",
    "settle_sec": 0,
}
DROP_IN = f"""[Unit]
Documentation=nothing://user:{SECRETS["address"]}@packages.example.org/
[Service]
Environment=TOKEN={SECRETS["drop-in"]}
Passwort={SECRETS["unit"]}
Environment=BAD='{SECRETS["drop-in"]}
"""
METADATA = f"""Metadata-Version: 2.1
Name: planted
Version: 1
Requires-Dist: other @ https://user:{SECRETS["requirement"]}@packages.example.org/other.whl
Requires-Dist: missing>=2
"""
ORIGIN = json.dumps({"url": f"https://user:{SECRETS['origin']}@packages.example.org/planted.whl", "archive_info": {}})
ENVIRONMENT = {
    "virtualenv": VENV,
    "pins": ["planted==2"],
    "index_url": f"https://user:{SECRETS['index']}@packages.example.org/{SECRETS['token']}/simple",
}
VARIABLES = {"stability_services": [SERVICE], "stability_environments": [ENVIRONMENT]}


@pytest.fixture(scope="module")
def reported(host):
    """The host with a service and an environment in which secrets are planted, and something is wrong with both."""
    host.check(f"mkdir -p /opt/reported && /usr/bin/python3 -m venv --without-pip {VENV}")
    site = host.check(f"echo {VENV}/lib/python3*/site-packages").strip()
    host.put(f"{site}/planted-1.dist-info/METADATA", METADATA)
    host.put(f"{site}/planted-1.dist-info/direct_url.json", ORIGIN)
    host.put(f"{site}/planted-1.dist-info/RECORD", "planted.py,sha256=x,1\n")
    result = host.module("systemd_units", {"services": [SERVICE]})
    assert not result.get("failed"), result["msg"]
    host.put("/etc/systemd/system/reported.service.d/theirs.conf", DROP_IN)
    host.check("systemctl daemon-reload")
    yield host
    host.check("systemctl stop reported && rm -r /etc/systemd/system/reported.service.d && systemctl daemon-reload")


def audit(host, folder, *, variables=None, **options):
    extra = {"stability_report_dir": str(folder), **options.pop("extra", {})}
    return host.playbook(AUDIT, variables=VARIABLES if variables is None else variables, extra=extra, **options)


def report_in(folder):
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, SCHEMA)
    return report


@pytest.mark.parametrize("live", [False, True])
def test_no_secret_is_in_any_report(reported, tmp_path, live):
    run = audit(reported, tmp_path / "report", arguments=["-vvv", "--diff"], extra={"stability_audit_live": live})
    assert run.code == 0, run.output
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == list(FORMATS)
    (host,) = report_in(tmp_path / "report")["hosts"]
    found = {one["id"] for one in host["findings"]}
    assert {"SB101", "SB104", "SB401", "SB402", "SB404"} <= found
    # A process has made records with the same secrets in its environment.
    assert [bool(one["canary"]) for one in host["services"]] == [live]
    assert [one for one in host["findings"] if "****@packages.example.org" in one["seen"]]
    everything = {name: (tmp_path / "report" / name).read_text(encoding="utf-8") for name in FORMATS}
    everything["journal"] = reported.check("journalctl --no-pager -o cat -t ansible-stability.baseline.baseline_info")
    assert "Invoked" in everything["journal"]
    everything["process"] = reported.check("journalctl --no-pager -u 'stability-canary-*'; true")
    everything["output"] = run.output
    leaks = [(what, name) for what, secret in SECRETS.items() for name, text in everything.items() if secret in text]
    assert leaks == []


def test_the_same_facts_are_in_every_format(reported, tmp_path):
    run = audit(reported, tmp_path)
    assert run.code == 0, run.output
    (host,) = report_in(tmp_path)["hosts"]
    cases = ElementTree.fromstring((tmp_path / "report.xml").read_text(encoding="utf-8")).iter("testcase")
    junit = "\n".join("".join(case.itertext()) for case in cases)
    sarif = json.loads((tmp_path / "report.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]
    page = html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    told = {(one["ruleId"], one["message"]["text"], one["properties"]["mend"] is None) for one in sarif}
    assert len(sarif) == len(host["findings"]) > 4
    for finding in host["findings"]:
        assert f"Seen: {finding['seen']}" in junit
        assert (finding["id"], f"{finding['title']}: {finding['seen']}", finding["mend"] is None) in told
        assert finding["seen"] in page and finding["id"] in page
    assert "SB101 reported.service: Restart=on-failure" in run.output
    assert all(len(line) <= 100 for line in run.tasks[2]["result"]["table"])


def test_what_fails_the_play_and_what_is_waived(reported, tmp_path):
    failed = audit(reported, tmp_path, extra={"stability_fail_on": "error"})
    assert failed.code == 2
    report = failed.tasks[2]
    assert report["status"] == "ok" and report["result"]["ansible_stats"]["data"]["stability_audit"]["error"] > 0
    assert "1 host has errors: " in failed.tasks[3]["result"]["msg"]
    waivers = [
        {"id": f"SB{number}", "subject": "*", "until": "2999-12-31", "reason": "planted"}
        for number in (101, 103, 201, 401, 402, 404, 407)
    ]
    waived = audit(
        reported, tmp_path, variables={**VARIABLES, "stability_waivers": waivers}, extra={"stability_fail_on": "error"}
    )
    assert waived.code == 0, waived.output
    (host,) = report_in(tmp_path)["hosts"]
    assert host["counts"]["error"] == 0 and host["counts"]["waived"] >= 4
    expired = [{**waivers[0], "until": "2020-01-01"}]
    audit(reported, tmp_path, variables={**VARIABLES, "stability_waivers": expired})
    (host,) = report_in(tmp_path)["hosts"]
    assert [one["subject"] for one in host["findings"] if one["id"] == "SB001"] == ["SB101 *"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"stability_waivers": [{"id": "SB1"}]}, 'stability_waivers[0].id: found "SB1"; expected the id of a rule.'),
        (
            {"stability_waivers": [{"id": "SB101", "subject": "*", "until": "2027-13-31", "reason": "x"}]},
            'stability_waivers[0].until: found "2027-13-31"; expected a date',
        ),
        ({"stability_environments": [{"virtualenv": "venv", "pins": []}]}, "stability_environments[0].virtualenv: "),
        ({"stability_services": [{"name": "api"}]}, "stability_services[0]"),
        ({"stability_services": "{{ nobody_knows }}"}, "nobody_knows"),
    ],
)
def test_a_mistake_of_the_inventory_fails_the_play_before_a_host_is_looked_at(reported, tmp_path, variables, message):
    (tmp_path / "report.json").write_text("kept", encoding="utf-8")
    inventory = tmp_path / "fine.yml"
    inventory.write_text("all: {hosts: {aaa-fine: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n", encoding="utf-8")
    refused = audit(reported, tmp_path, variables=variables, arguments=["-i", str(inventory)])
    assert refused.code == 2 and message in refused.output.replace('\\"', '"')
    assert {task["task"] for task in refused.tasks} == {refused.tasks[0]["task"]}
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == "kept"


def test_nothing_is_written_in_check_mode_and_nothing_is_changed(reported, tmp_path):
    listing = "ls -lR --time-style=full-iso /etc/systemd/system /var/lib/stability /opt/reported"
    before = reported.check(listing)
    run = audit(reported, tmp_path / "report", check=True)
    assert run.code == 0, run.output
    assert "SB101 reported.service" in run.output
    assert not (tmp_path / "report").exists() and reported.check(listing) == before


def test_a_host_that_is_not_there_is_in_the_report_and_the_next_report_says_what_is_new(reported, tmp_path):
    inventory = tmp_path / "gone.yml"
    inventory.write_text("all: {hosts: {aaa-gone: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n", encoding="utf-8")
    arguments = ["-i", str(inventory)]
    run = audit(reported, tmp_path / "report", arguments=arguments)
    assert run.code == 0, run.output
    first = report_in(tmp_path / "report")
    assert [host["audited"] for host in first["hosts"]] == [False, True] and first["compared"] is None
    assert "Failed to connect" in first["hosts"][0]["problem"]
    reported.put("/etc/systemd/system/reported.service.d/theirs.conf", "[Service]\nRestart=always\n")
    reported.check("systemctl daemon-reload && systemctl restart reported")
    try:
        audit(reported, tmp_path / "report", arguments=arguments)
    finally:
        reported.put("/etc/systemd/system/reported.service.d/theirs.conf", DROP_IN)
        reported.check("systemctl daemon-reload")
    second = report_in(tmp_path / "report")
    fixed = {one["id"] for one in second["compared"]["fixed"]}
    assert {"SB101", "SB104"} <= fixed and second["compared"]["known"] > 0
    assert len(second["hosts"][1]["services"][0]["history"]) == 2
    failed = audit(reported, tmp_path / "report", arguments=arguments, extra={"stability_fail_on": "error"})
    assert failed.code == 2 and "1 host could not be audited: aaa-gone." in failed.output


def test_a_mistake_in_what_becomes_of_the_report_is_told_before_any_host_is_looked_at(reported, tmp_path):
    extra = {"stability_fail_on": "Error", "stability_compare_with": str(tmp_path / "nowhere.json")}
    failed = audit(reported, tmp_path / "report", extra=extra)
    assert failed.code != 0 and not (tmp_path / "report").exists()
    assert 'stability_fail_on: found "Error"' in failed.output and "stability_compare_with: found" in failed.output
    assert "baseline_info" not in {task["action"].rpartition(".")[2] for task in failed.tasks}


def test_a_host_that_an_earlier_play_has_lost_is_in_the_report(reported, tmp_path):
    inventory = tmp_path / "gone.yml"
    inventory.write_text("all: {hosts: {aaa-gone: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n", encoding="utf-8")
    plays = (
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n"
        "- ansible.builtin.import_playbook: stability.baseline.audit\n"
    )
    extra = {"stability_report_dir": str(tmp_path / "report")}
    run = reported.playbook(plays, variables=VARIABLES, extra=extra, arguments=["-i", str(inventory)])
    gone, there = report_in(tmp_path / "report")["hosts"]
    assert (gone["host"], gone["audited"], there["audited"]) == ("aaa-gone", False, True), run.output
    assert gone["problem"].startswith("It was not reached.")


def test_without_root_it_sees_less_and_says_so(reported, tmp_path):
    reported.put(
        "/etc/systemd/system/behind.service", "[Service]\nUser=reported\nExecStart=/bin/sh /opt/reported/run.sh\n"
    )
    reported.put("/opt/reported/run.sh", f"{VENV}/bin/python -c 'import time; time.sleep(1000)'\necho it has ended\n")
    reported.check("systemctl daemon-reload && systemctl start behind && sleep 1")
    run = audit(reported, tmp_path, user="deploy", variables={"stability_become": False})
    reported.check("systemctl stop behind && rm /etc/systemd/system/behind.service && systemctl daemon-reload")
    assert run.code == 0, run.output
    (host,) = report_in(tmp_path)["hosts"]
    assert (host["audited"], host["root"]) == (True, False)
    assert any("reported.service" in what and "more rights are needed" in what for what in host["unseen"])
    assert "SB101" in {one["id"] for one in host["findings"] if one["subject"] == "reported.service"}
    # What a process was started by may be seen.
    assert {one["unit"]: one["virtualenv"] for one in host["services"]}["behind.service"] == VENV


def test_a_host_without_systemd_and_without_services_gets_a_clean_answer(make_host):
    bare = make_host("bare")
    result = bare.module("baseline_info", {})
    assert (result["services"], result["environments"], result["findings"]) == ([], [], [])
    bare.check("mv /usr/bin/systemctl /usr/bin/systemctl.away")
    result = bare.module("baseline_info", {})
    assert not result.get("failed"), result["msg"]
    assert (result["systemd"], result["services"], result["findings"]) == (None, [], []) and result["unseen"]
