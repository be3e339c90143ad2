# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same facts in every format of a report, and what they mean for the run."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from ansible_collections.stability.baseline.plugins.module_utils.audit_rules import BY_ID
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.report import build
from ansible_collections.stability.baseline.plugins.module_utils.report_formats import to_json, to_junit, to_sarif
from ansible_collections.stability.baseline.plugins.module_utils.report_table import WIDTH, table
from ansible_collections.stability.baseline.plugins.module_utils.report_verdict import (
    check_fail_on,
    statistics,
    verdict,
)
from hypothesis import given
from hypothesis import strategies as st
from report_data import FIRST, LATER, MEND, RESULTS, WAIVED, finding, result, service

ROOT = Path(__file__).resolve().parents[2]
REPORT = build(RESULTS, LATER, build({"web": result(finding("SB101"), finding("SB201"))}, FIRST))


def facts(report: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    """Return host, rule, subject and evidence of every finding."""
    return {
        (host["host"], one["id"], one["subject"], one["seen"]) for host in report["hosts"] for one in host["findings"]
    }


def test_json_is_the_report() -> None:
    assert json.loads(to_json(REPORT)) == REPORT
    assert len(facts(REPORT)) == 5


def cases_of(text: str) -> tuple[ElementTree.Element, list[ElementTree.Element]]:
    root = ElementTree.fromstring(text)
    return root, list(root.iter("testcase"))


def test_junit_has_every_finding() -> None:
    root, cases = cases_of(to_junit(REPORT))
    for host, identifier, subject, seen in facts(REPORT):
        (case,) = [
            one
            for one in cases
            if one.get("classname") == f"{host}.{subject}" and str(one.get("name")).startswith(f"{identifier} ")
        ]
        assert f"Seen: {seen}" in "".join(case.itertext())
    kinds = {(case.get("classname"), str(case.get("name"))[:5]): [child.tag for child in case] for case in cases}
    assert kinds[("web.api.service", "SB101")] == ["failure"]
    assert kinds[("web.api.service", "SB304")] == ["system-out"]
    assert kinds[("web.api.service", "SB107")] == ["skipped"]
    assert kinds[("gone", "audit")] == ["error"]
    assert kinds[("fine.api.service", "basel")] == [] and kinds[("fine./opt/api/venv", "basel")] == []
    assert {name: root.get(name) for name in ("tests", "failures", "errors")} == {
        **{"tests": "9", "failures": "3"},
        **{"errors": "1"},
    }
    assert sum(int(str(suite.get("skipped"))) for suite in root) == 2
    text = to_junit(REPORT)
    assert "waived until 2027-01-31: it goes in January" in text and "Where: /opt/my api/app.py:3" in text
    assert json.dumps(MEND) in "".join(root.itertext()) and "Since the report before: known" in text


def test_junit_has_no_attribute_that_the_schema_of_jenkins_does_not_know() -> None:
    known = {
        "testsuites": {"name", "time", "tests", "failures", "disabled", "errors"},
        "testsuite": {
            "name",
            "tests",
            "failures",
            "errors",
            "skipped",
            "timestamp",
            "time",
            "hostname",
            "id",
            "package",
        },
        "testcase": {"name", "assertions", "time", "classname", "status"},
        **{kind: {"type", "message"} for kind in ("error", "failure", "skipped")},
        "system-out": set(),
    }
    root, _cases = cases_of(to_junit(REPORT))
    assert {element.tag for element in root.iter()} == set(known)
    for element in root.iter():
        assert set(element.attrib) <= known[element.tag]


def test_junit_has_no_two_cases_of_one_name() -> None:
    several = build({"web": result(*(finding("SB402", seen=f"{name}: gone") for name in "abc"))}, FIRST)
    names = [case.get("name") for case in cases_of(to_junit(several))[1] if case.find("failure") is not None]
    title = BY_ID["SB402"].title
    assert names == [f"SB402 {title}", f"SB402 {title} (2)", f"SB402 {title} (3)"]


@given(st.text())
def test_junit_holds_any_text(text: str) -> None:
    hostile = build({text: result(finding(subject=text, seen=text), unseen=[text], services=[service(text)])}, FIRST)
    _root, cases = cases_of(to_junit(hostile))
    assert len(cases) >= 2


def test_sarif_has_every_finding_and_its_place() -> None:
    sarif = json.loads(to_sarif(REPORT))
    assert sarif["version"] == "2.1.0"
    (run,) = sarif["runs"]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    driver = run["tool"]["driver"]
    assert (driver["version"], driver["informationUri"]) == (galaxy["version"], galaxy["repository"])
    headings = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8").splitlines()
    for rule in driver["rules"]:
        assert f"### {rule['id']}" in headings and rule["helpUri"].endswith(f"/docs/findings.md#{rule['id'].lower()}")
    by_rule = {one["ruleId"]: one for one in run["results"]}
    assert len(run["results"]) == 5
    for host, identifier, subject, seen in facts(REPORT):
        (location,) = by_rule[identifier]["locations"]
        assert location["logicalLocations"][0]["fullyQualifiedName"] == f"{host}/{subject}"
        assert by_rule[identifier]["message"]["text"].endswith(f": {seen}")
        assert run["tool"]["driver"]["rules"][by_rule[identifier]["ruleIndex"]]["id"] == identifier
    assert by_rule["SB402"]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "file:///opt/my%20api/app.py"},
        "region": {"startLine": 3},
    }
    assert {name: one["level"] for name, one in by_rule.items()} == {
        **{"SB101": "error", "SB402": "error", "SB107": "warning"},
        **{"SB202": "warning", "SB304": "note"},
    }
    assert (by_rule["SB101"]["baselineState"], by_rule["SB402"]["baselineState"]) == ("unchanged", "new")
    (suppression,) = by_rule["SB107"]["suppressions"]
    assert suppression["justification"] == f"{WAIVED['reason']} (until {WAIVED['until']})"
    assert [one["executionSuccessful"] for one in run["invocations"]] == [False, True, True]


def test_the_table_shows_the_worst_first() -> None:
    assert table(REPORT) == [
        "host  errors  warnings  worst findings",
        "gone       -         -  not audited: Failed to connect to the host",
        "web        2         1  SB101 api.service: Restart=no",
        "                        SB402 /opt/api/venv: flask 3.0.3: app.py",
        "                        SB202 api.service: no -u",
        "fine       0         0  -",
        "",
        "2 of 3 hosts, 2 services: 2 errors, 1 warning, 1 to know, 1 waived",
        f"Since {FIRST.text}: 3 new, 1 fixed, 1 still there",
    ]
    assert table(build({"bare": result(services=[], environments=[])}, FIRST))[1].endswith("no Python service here")


@given(st.text(), st.text(), st.text())
def test_the_table_fits_any_terminal(host: str, subject: str, seen: str) -> None:
    found = build({host: result(finding(subject=subject, seen=seen)), "gone": {"msg": seen}}, FIRST)
    for line in table(found):
        wide = sum(
            0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
            for letter in line
        )
        assert wide <= WIDTH
        assert not [letter for letter in line if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp")]


@pytest.mark.parametrize(
    ("results", "fail_on", "said"),
    [
        ({"a": result(finding())}, "none", ""),
        ({"a": result(finding("SB202"))}, "error", ""),
        ({"a": result(finding(waived=WAIVED)), "b": result(finding("SB304"))}, "warning", ""),
        ({"a": result(finding()), "b": result(finding())}, "error", "2 hosts have errors: a, b."),
        ({"a": result(finding("SB202"))}, "warning", "1 host has errors or warnings: a."),
        ({"a": {"msg": "no"}}, "error", "1 host could not be audited: a."),
        (
            {f"h{index:02}": result(finding()) for index in range(12)},
            "error",
            "12 hosts have errors: h00, h01, h02, h03, h04, h05, h06, h07, h08, h09 and 2 more.",
        ),
    ],
)
def test_what_fails_the_run(results: dict[str, Any], fail_on: str, said: str) -> None:
    remedy = " Mend what the report names, or waive it with stability_waivers until a date."
    assert verdict(build(results, FIRST), fail_on) == (said + remedy if said else "")


def test_when_a_run_fails_is_one_of_three() -> None:
    assert [check_fail_on(value) for value in (None, "", "none", "warning")] == ["none", "none", "none", "warning"]
    with pytest.raises(InvalidInput) as raised:
        check_fail_on("info")
    assert str(raised.value) == 'fail_on: found "info"; expected one of none, error, warning. Choose one of them.'


def test_what_is_handed_on() -> None:
    handed = statistics(REPORT, ["/tmp/report.html"])
    assert handed == {
        **REPORT["summary"],
        **{"new": 3, "fixed": 1, "unseen": 0},
        "files": ["/tmp/report.html"],
        "bad_hosts": ["gone", "web"],
    }
