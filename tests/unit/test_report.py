# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of an audit over all hosts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.stability.baseline.plugins.module_utils.report import (
    MOST_SAMPLES,
    NoReport,
    build,
    check_report,
)
from ansible_collections.stability.baseline.plugins.module_utils.report_comparison import MOST_MISSED
from report_data import FIRST, LATER, RESULTS, environment, finding, records, result, service

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))


def host_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [host for host in report["hosts"] if host["host"] == name]
    return dict(found)


def test_what_hurts_most_comes_first() -> None:
    report = build({**RESULTS, "warned": result(finding("SB202"))}, FIRST)
    assert [host["host"] for host in report["hosts"]] == ["gone", "web", "warned", "fine"]
    services = [service("b.service"), service("a.service"), service("c.service")]
    told = build({"one": result(finding("SB304", "c.service"), services=services)}, FIRST)
    assert [one["unit"] for one in told["hosts"][0]["services"]] == ["c.service", "a.service", "b.service"]


def test_waived_findings_count_apart() -> None:
    report = build(RESULTS, FIRST)
    expected = {"error": 2, "warning": 1, "info": 1, "waived": 1}
    assert host_of(report, "web")["counts"] == expected
    assert report["summary"] == {"hosts": 3, "audited": 2, "services": 2, "environments": 2, **expected}
    assert host_of(report, "gone")["problem"] == "Failed to connect to the host"
    assert set(report["rules"]) == {"SB101", "SB107", "SB202", "SB304", "SB402"}


def test_nothing_is_compared_the_first_time() -> None:
    report = build(RESULTS, FIRST)
    assert report["compared"] is None
    assert {one["status"] for one in host_of(report, "web")["findings"]} == {None}


def test_an_earlier_report_says_what_is_new_fixed_and_still_there() -> None:
    before = build(
        {
            "web": result(
                finding("SB106", seen="4 restarts within 10 minutes"), finding("SB201", seen="StandardError=null")
            ),
            "gone": result(finding()),
            "fine": result(finding("SB202", waived={"until": "2027-01-31", "reason": "known"})),
        },
        FIRST,
    )
    now = {
        **RESULTS,
        "web": result(finding("SB106", seen="7 restarts within 10 minutes"), finding("SB101")),
        "fine": result(finding("SB202")),
    }
    report = build(now, LATER, check_report(json.loads(json.dumps(before))))
    status = {one["id"]: one["status"] for one in host_of(report, "web")["findings"]}
    assert status == {"SB106": "known", "SB101": "new"}
    # What was waived and is so no longer is news; what cannot be looked at is not called fixed.
    assert host_of(report, "fine")["findings"][0]["status"] == "new"
    assert report["compared"]["with"] == FIRST.text
    assert (report["compared"]["new"], report["compared"]["known"]) == (2, 1)
    assert [(one["host"], one["id"]) for one in report["compared"]["fixed"]] == [("web", "SB201")]


def test_memory_and_restarts_are_remembered_from_report_to_report() -> None:
    report = build({"web": result(services=[service(memory=100, restarts=1)])}, FIRST)
    for memory in range(200, 200 + MOST_SAMPLES):
        report = build({"web": result(services=[service(memory=memory, restarts=2)])}, LATER, report)
    history = report["hosts"][0]["services"][0]["history"]
    assert len(history) == MOST_SAMPLES
    assert history[0] == [LATER.seconds, 200, 2] and history[-1] == [LATER.seconds, 199 + MOST_SAMPLES, 2]


def test_what_a_host_has_seen_by_itself_comes_between_what_is_older_and_now() -> None:
    before = build({"web": result(services=[service(memory=100, restarts=1)])}, FIRST)
    samples = [[FIRST.seconds + 60 * one, 110 + one if one else None, 1] for one in range(3)]
    # A clock that was ahead is no reason for a line that goes back.
    samples.append([LATER.seconds + 60, 900, 9])
    report = build({"web": result(services=[service(memory=200, restarts=2, samples=samples)])}, LATER, before)
    jsonschema.validate(report, SCHEMA)
    (found,) = report["hosts"][0]["services"]
    assert found["history"] == [*samples[:3], [LATER.seconds, 200, 2]] and "samples" not in found
    samples = [[FIRST.seconds + 60, 120, 1]]
    report = build({"web": result(services=[service(memory=200, restarts=2, samples=samples)])}, LATER, before)
    assert report["hosts"][0]["services"][0]["history"] == [
        [FIRST.seconds, 100, 1],
        *samples,
        [LATER.seconds, 200, 2],
    ]


@pytest.mark.parametrize("away", [{}, {"web": {"unreachable": True, "msg": "Failed to connect to the host"}}])
def test_a_host_that_was_missed_once_is_compared_with_what_was_seen_before(away: dict[str, Any]) -> None:
    before = result(finding("SB101"), finding("SB202"), services=[service(memory=100, restarts=1)])
    report = build({"web": before, "fine": result()}, FIRST)
    report = build({"fine": result(), **away}, LATER, report)
    assert report["compared"]["fixed"] == []
    report = build({"web": result(finding("SB101"), services=[service(memory=200, restarts=1)])}, LATER, report)
    jsonschema.validate(report, SCHEMA)
    web = host_of(report, "web")
    assert web["findings"][0]["status"] == "known"
    assert [one["id"] for one in report["compared"]["fixed"]] == ["SB202"]
    assert [sample[1] for sample in web["services"][0]["history"]] == [100, 200]
    assert [(one["host"], one["reports"]) for one in report["missed"]] == [("fine", 1)]


@pytest.mark.parametrize(
    ("rule", "before", "now", "status", "fixed"),
    [
        ("SB403", ["a==1, b==1"], ["a==1, b==1, c==1"], ["known"], []),
        ("SB401", ["requires lib2"], ["requires lib3"], ["new"], ["requires lib2"]),
        ("SB401", ["requires lib2", "requires lib3"], ["requires lib3"], ["known"], ["requires lib2"]),
        ("SB401", ["one"], ["two", "three"], ["new", "new"], ["one"]),
        ("SB401", [], ["one"], ["new"], []),
        # One error is mended, and another one of the same kind has come.
        ("SB404", ["flask is 3.0.0, and 3.1.0 is pinned"], ["django is 4.2, and 5.1 is pinned"], ["new"],
         ["flask is 3.0.0, and 3.1.0 is pinned"]),
        ("SB404", ["flask is 3.0.0, and 3.1.0 is pinned"], ["flask is 3.0.1, and 3.1.0 is pinned"], ["known"], []),
        ("SB402", ["flask 3.0.3: app.py"], ["django 5.1: urls.py"], ["new"], ["flask 3.0.3: app.py"]),
        ("SB406", ["a.py:3: os.gone"], ["b.py:7: sys.gone"], ["new"], ["a.py:3: os.gone"]),
    ],
)  # fmt: skip
def test_what_says_something_else_than_before(
    rule: str, before: list[str], now: list[str], status: list[str], fixed: list[str]
) -> None:
    earlier = build({"web": result(*(finding(rule, "/opt/api/venv", seen) for seen in before))}, FIRST)
    report = build({"web": result(*(finding(rule, "/opt/api/venv", seen) for seen in now))}, LATER, earlier)
    assert [one["status"] for one in host_of(report, "web")["findings"]] == status
    assert [one["seen"] for one in report["compared"]["fixed"]] == fixed


POINT = [[FIRST.seconds, 1, 0]]


@pytest.mark.parametrize(
    ("rule", "subject", "before", "now", "why"),
    [
        ("SB208", "api.service", {"services": [service(canary=[])]}, {},
         "it was not asked to make records (stability_audit_live)"),
        ("SB208", "api.service", {"services": [service(canary=[])]}, {"services": [service(canary=[])]}, ""),
        ("SB202", "api.service", {}, {"root": False}, "the host was looked at without root"),
        ("SB202", "api.service", {"root": False}, {"root": False}, ""),
        ("SB202", "api.service", {"root": False},
         {"root": False, "unseen": ["the process of api.service (more rights are needed)"]},
         "not seen: the process of api.service (more rights are needed)"),
        ("SB101", "api.service", {}, {"unseen": ["the process of api.service (more rights are needed)"]}, ""),
        ("SB202", "api.service", {}, {"unseen": ["the process of my-api.service (gone)"]}, ""),
        ("SB401", "/opt/api/venv", {}, {"environments": [], "unseen": ["/opt/api/venv (it is no virtual environment)"]},
         "not seen: /opt/api/venv (it is no virtual environment)"),
        ("SB101", "api.service", {}, {"services": []}, "it is not there any more, or no list names it"),
        ("SB401", "/opt/api/venv", {}, {"environments": []}, "it is not there any more, or no list names it"),
        ("SB101", "api.service", {}, {"services": [], "systemd": None}, "systemd could not be asked"),
        ("SB106", "api.service", {}, {"unseen": ["restarts, and messages that were dropped (the journal may not be read)"]},
         "not seen: restarts, and messages that were dropped (the journal may not be read)"),
        ("SB101", "api.service", {}, {"services": [service(load_state="bad-setting")]},
         "systemd does not load its unit (LoadState=bad-setting)"),
        ("SB101", "api.service", {}, {"services": [service(load_state="loaded")]}, ""),
        ("SB202", "api.service", {}, {"services": [service(age=None)]}, "it does not run"),
        ("SB101", "api.service", {}, {"services": [service(age=None)]}, ""),
        # A job does not run at most times.
        ("SB202", "api.service", {"services": [service(age=None)]}, {"services": [service(age=None)]}, ""),
        ("SB306", "api.service", {"services": [service(samples=POINT)]}, {}, "leakwatch has no samples of it"),
        ("SB306", "api.service", {"services": [service(samples=POINT)]}, {"services": [service(samples=POINT)]}, ""),
        ("SB001", "SB101 api.service", {}, {}, ""),
    ],
)  # fmt: skip
def test_only_what_was_judged_is_fixed(
    rule: str, subject: str, before: dict[str, Any], now: dict[str, Any], why: str
) -> None:
    earlier = build({"web": result(finding(rule, subject), **before)}, FIRST)
    report = build({"web": result(**now)}, LATER, check_report(json.loads(json.dumps(earlier))))
    jsonschema.validate(report, SCHEMA)
    assert [one["why"] for one in report["compared"]["unseen"]] == [why] * bool(why)
    assert [one["id"] for one in report["compared"]["fixed"]] == [rule] * (not why)


def test_what_could_not_be_judged_for_a_while_is_known_when_it_is_seen_again() -> None:
    report = build({"web": result(finding("SB202"))}, FIRST)
    for number in (1, 2):
        report = build({"web": result(root=False)}, LATER, check_report(report))
        assert [one["reports"] for one in report["compared"]["unseen"]] == [number]
    # Then the host is away once.
    report = build({}, LATER, check_report(report))
    jsonschema.validate(report, SCHEMA)
    report = build({"web": result(finding("SB202"))}, LATER, check_report(report))
    assert host_of(report, "web")["findings"][0]["status"] == "known"


def test_what_is_down_for_long_stays_unseen() -> None:
    report = build({"web": result(finding("SB202"))}, FIRST)
    for number in (1, 2):
        report = build({"web": result(services=[service(age=None)])}, LATER, check_report(report))
        assert [one["reports"] for one in report["compared"]["unseen"]] == [number]
    report = build({"web": result()}, LATER, check_report(report))
    assert [one["id"] for one in report["compared"]["fixed"]] == ["SB202"] and not report["compared"]["unseen"]


def test_what_nobody_can_judge_any_more_is_forgotten() -> None:
    report = build({"web": result(finding("SB208"), services=[service(canary=[])])}, FIRST)
    for number in range(1, MOST_MISSED + 1):
        report = build({"web": result()}, LATER, report)
        assert [one["reports"] for one in report["compared"]["unseen"]] == [number]
    assert build({"web": result()}, LATER, report)["compared"]["unseen"] == []
    # What was taken away is told once.
    report = build({"web": result(finding("SB101"))}, FIRST)
    report = build({"web": result(services=[])}, LATER, report)
    assert len(report["compared"]["unseen"]) == 1
    report = build({"web": result(services=[])}, LATER, report)
    assert report["compared"]["unseen"] == report["compared"]["fixed"] == []


def test_a_host_that_is_gone_for_good_is_forgotten() -> None:
    report = build({"web": result(finding())}, FIRST)
    for _report in range(MOST_MISSED):
        report = build({"fine": result()}, LATER, report)
        jsonschema.validate(report, SCHEMA)
        assert report["missed"][0]["findings"][0]["id"] == finding()["id"]
    assert build({"fine": result()}, LATER, report)["missed"] == []


def test_distributions_that_differ_between_hosts_are_drift() -> None:
    alike = {"flask": "3.0.3", "click": "8.1.7"}
    results = {
        "a": result(environments=[environment(**alike, jinja2="3.1.4")]),
        "b": result(environments=[environment(**alike, jinja2="3.1.5")]),
        "c": result(environments=[environment(**alike, jinja2="3.1.4")]),
        "d": result(environments=[{**environment(jinja2="2.0"), "virtualenv": "/opt/other"}]),
    }
    assert build(results, FIRST)["drift"] == [
        {"virtualenv": "/opt/api/venv", "project": "jinja2", "versions": {"3.1.4": ["a", "c"], "3.1.5": ["b"]}}
    ]


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ({"findings": [finding() | {"id": "SB999"}]}, "findings"),
        ({"findings": [finding() | {"mend": "x"}]}, "findings"),
        ({"findings": [finding() | {"more": 1}]}, "findings"),
        ({"services": [service(memory="a lot")]}, "services"),
        ({"services": [service(restarts=True)], "unseen": [1]}, "unseen, services"),
        ({"services": [service(canary=[records(arrived={"INFO": "6"})])]}, "services"),
        ({"services": [service(canary={}, more=1)]}, "services"),
        ({"environments": [environment() | {"distributions": {"flask": 3}}]}, "environments"),
        ({"systemd": "252", "root": "yes"}, "systemd, root"),
    ],
)
def test_a_host_that_returns_something_else_spoils_no_other_ones_report(keys: dict[str, Any], wrong: str) -> None:
    report = build({"odd": result(**keys), "web": result(finding())}, FIRST)
    odd, web = report["hosts"]
    assert odd["problem"] == f"What it returned is no result of baseline_info ({wrong})."
    assert (odd["audited"], odd["findings"], odd["services"]) == (False, [], []) and web["audited"]


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        (None, "It gave no result."),
        ({}, "It gave no result."),
        ("Killed", "What it returned is no result of baseline_info (it is no mapping)."),
        ([finding()], "What it returned is no result of baseline_info (it is no mapping)."),
        ([], "What it returned is no result of baseline_info (it is no mapping)."),
        (
            {"findings": None},
            "What it returned is no result of baseline_info (systemd, root, unseen, services, environments, findings).",
        ),
    ],
)
def test_a_host_whose_result_is_none_at_all(returned: Any, problem: str) -> None:
    report = build({"odd": returned, "web": result()}, FIRST)
    jsonschema.validate(report, SCHEMA)
    assert [(one["host"], one["problem"]) for one in report["hosts"]] == [("odd", problem), ("web", None)]


LIVE = result(services=[service(canary=[records(), records(library="loguru", logger="loguru", repeated=["INFO"])])])


@pytest.mark.parametrize(
    "results", [RESULTS, {}, {"gone": {}}, {"live": LIVE, "asked": result(services=[service(canary=None)])}]
)
def test_a_report_fits_its_schema(results: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    first = build(results, FIRST)
    for report in (first, build(results, LATER, first)):
        jsonschema.validate(report, SCHEMA)
        broken = copy.deepcopy(report)
        broken["summary"].pop("error")
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "it is no report of the audit"),
        ({"report": "other"}, "it is no report of the audit"),
        ({"report": "stability.baseline.report", "version": 0}, "it is a report of version 0, not 1"),
    ],
)
def test_what_is_no_report_is_not_compared_with(value: Any, message: str) -> None:
    with pytest.raises(NoReport, match=message):
        check_report(value)


KNOWN = {name: finding()[name] for name in ("id", "severity", "subject", "title", "seen")}
MISSED = {
    "host": "old",
    "seen": FIRST.text,
    "reports": 1,
    "findings": [KNOWN],
    "services": [{"unit": "api.service", "history": [[1, None, 0]]}],
}
HOST = {"host": "web", "audited": True, "findings": [finding()], "services": [{"unit": "a.service", "history": []}]}
WHOLE = {
    "report": "stability.baseline.report",
    "version": 1,
    "created": FIRST.text,
    "hosts": [HOST],
    "missed": [MISSED],
}


def histories(*samples: Any) -> list[dict[str, Any]]:
    return [{"unit": "api.service", "history": list(samples)}]


@pytest.mark.parametrize(
    ("keys", "flaws"),
    [
        ({}, ""),
        ({"created": None}, "created"),
        ({"hosts": None, "missed": "x"}, "hosts, missed"),
        ({"hosts": {}}, "hosts"),
        ({"hosts": [{}]}, "hosts"),
        ({"hosts": [None]}, "hosts"),
        ({"hosts": [HOST, {**HOST, "audited": "yes"}]}, "hosts"),
        ({"hosts": [{**HOST, "findings": [KNOWN]}]}, "hosts"),
        ({"hosts": [{**HOST, "findings": [{**finding(), "id": None}]}]}, "hosts"),
        ({"hosts": [{**HOST, "findings": [{**finding(), "severity": "fatal"}]}]}, "hosts"),
        ({"hosts": [{**HOST, "services": [{"unit": "api.service"}]}]}, "hosts"),
        ({"hosts": [{**HOST, "services": histories([1, 2])}]}, "hosts"),
        ({"hosts": [{**HOST, "services": histories([1, 2, 3], ["1", 2, 3])}]}, "hosts"),
        ({"hosts": [{**HOST, "services": histories([1, "2M", 3])}]}, "hosts"),
        ({"hosts": [{**HOST, "services": histories([1.5, None, 3])}]}, "hosts"),
        ({"hosts": [{**HOST, "services": histories({})}]}, "hosts"),
        ({"missed": [{}]}, "missed"),
        ({"missed": [{**MISSED, "reports": None}]}, "missed"),
        ({"missed": [{**MISSED, "more": 1}]}, "missed"),
        ({"missed": [{**MISSED, "findings": [finding()]}]}, "missed"),
    ],
)
def test_what_is_no_whole_report_is_not_compared_with(keys: dict[str, Any], flaws: str) -> None:
    value = json.loads(json.dumps({**WHOLE, **keys}))
    if not flaws:
        jsonschema.validate(build(RESULTS, LATER, check_report(value)), SCHEMA)
        return
    with pytest.raises(NoReport) as raised:
        check_report(value)
    assert str(raised.value) == f"it is no whole report, look at {flaws}"


@pytest.mark.parametrize("key", ["created", "hosts", "missed"])
def test_each_key_that_a_comparison_reads_must_be_there(key: str) -> None:
    with pytest.raises(NoReport, match=f"look at {key}$"):
        check_report({name: value for name, value in WHOLE.items() if name != key})


def test_a_report_can_be_compared_with_whatever_was_in_it() -> None:
    report = build(RESULTS, FIRST)
    for results in ({"fine": result()}, {"odd": None}, RESULTS):
        report = build(results, LATER, check_report(json.loads(json.dumps(report))))
