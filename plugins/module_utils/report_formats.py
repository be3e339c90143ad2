# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JSON, as JUnit XML for continuous integration, and as SARIF for what looks at source code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from .audit_rules import BY_ID, ERROR, INFO, WARNING

Report = Mapping[str, Any]

#: What XML 1.0 has no form for (its production ``Char``).
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: Of galaxy.yml, which is not there on a controller.
_VERSION, _HOME = "0.1.0", "https://github.com/stability/baseline"
_COUNTED = {"failure": "failures", "error": "errors", "skipped": "skipped"}
_LEVELS = {ERROR: "error", WARNING: "warning", INFO: "note"}


def to_json(report: Report) -> str:
    """Return the report as ``docs/report.schema.json`` describes it."""
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def _xml(text: object) -> str:
    """Return text without characters that XML cannot hold; what they were is shown."""
    return _NO_XML.sub(lambda found: f"\\x{ord(found[0]):02x}", str(text))


def to_junit(report: Report) -> str:
    """Return the report as JUnit XML: a suite for each host, a case for each finding and for each subject without one.

    A finding that is an error or a warning is a failure, a waived one is skipped, and what is only told passes with its text.
    A host that could not be looked at is an error.
    """
    root = ElementTree.Element("testsuites", name="stability.baseline.audit")
    for host in report["hosts"]:
        suite = ElementTree.SubElement(root, "testsuite", name=_xml(host["host"]), timestamp=report["created"])
        if not host["audited"]:
            case = _case(suite, host["host"], "audit")
            _told(case, "error", "The host could not be audited", host["problem"])
        for finding in host["findings"]:
            _finding(suite, host["host"], finding, report["rules"][finding["id"]])
        concerned = {finding["subject"] for finding in host["findings"]}
        for subject in _subjects(host):
            if subject not in concerned:
                _case(suite, f"{host['host']}.{subject}", "baseline")
        for what in host["unseen"]:
            _told(_case(suite, host["host"], f"unseen: {what}"), "skipped", what, "")
        _count(suite, ("failure", "error", "skipped"))
    # The schema that Jenkins has for this format knows no number of skipped cases here.
    _count(root, ("failure", "error"))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _subjects(host: Mapping[str, Any]) -> list[str]:
    units = [service["unit"] for service in host["services"]]
    return units + [environment["virtualenv"] for environment in host["environments"]]


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    # Where two have one name, readers such as GitLab take the first one only.
    taken = {(case.get("classname"), case.get("name")) for case in suite.iter("testcase")}
    names = (name if number == 1 else f"{name} ({number})" for number in count(1))
    free = next(one for one in names if (_xml(classname), _xml(one)) not in taken)
    return ElementTree.SubElement(suite, "testcase", classname=_xml(classname), name=_xml(free), time="0")


def _told(case: ElementTree.Element, kind: str, message: str, text: str) -> None:
    ElementTree.SubElement(case, kind, message=_xml(message)).text = _xml(text)


def _finding(suite: ElementTree.Element, host: str, finding: Mapping[str, Any], rule: Mapping[str, Any]) -> None:
    case = _case(suite, f"{host}.{finding['subject']}", f"{finding['id']} {finding['title']}")
    text = "\n".join(_lines(finding, rule))
    if finding["waived"]:
        waiver = finding["waived"]
        _told(case, "skipped", f"waived until {waiver['until']}: {waiver['reason']}", text)
    elif finding["severity"] == INFO:
        ElementTree.SubElement(case, "system-out").text = _xml(text)
    else:
        _told(case, "failure", f"{finding['title']}: {finding['seen']}", text)
        case.find("failure").set("type", finding["severity"])  # type: ignore[union-attr]


def _lines(finding: Mapping[str, Any], rule: Mapping[str, Any]) -> Iterable[str]:
    yield f"{finding['severity']}: {finding['title']}"
    yield f"Seen: {finding['seen']}"
    if finding["location"]:
        yield f"Where: {finding['location']['file']}:{finding['location']['line']}"
    yield f"Why: {rule['reason']}"
    yield f"What to do: {rule['remedy']}"
    if finding["mend"]:
        yield f"Variables that mend it: {json.dumps(finding['mend'], ensure_ascii=False)}"
    if finding["status"]:
        yield f"Since the report before: {finding['status']}"


def _count(element: ElementTree.Element, kinds: Iterable[str]) -> None:
    """Write how many cases there are, and how many of them of these kinds, as those that read JUnit want to be told."""
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for kind in kinds:
        element.set(_COUNTED[kind], str(sum(case.find(kind) is not None for case in cases)))


def to_sarif(report: Report) -> str:
    """Return the report as SARIF 2.1.0. A finding about source code has its place; others name their host and subject."""
    rules = sorted(report["rules"])
    results = [
        _result(host["host"], finding, rules.index(finding["id"]))
        for host in report["hosts"]
        for finding in host["findings"]
    ]
    invocations = [
        {"executionSuccessful": host["audited"], "properties": {"host": host["host"], "problem": host["problem"]}}
        for host in report["hosts"]
    ]
    driver = {
        "name": "stability.baseline",
        "version": _VERSION,
        "informationUri": _HOME,
        "rules": [_descriptor(identifier) for identifier in rules],
    }
    run = {"tool": {"driver": driver}, "invocations": invocations, "results": results}
    return (
        json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=1) + "\n"
    )


def _descriptor(identifier: str) -> dict[str, Any]:
    rule = BY_ID[identifier]
    return {
        "id": identifier,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.reason},
        "help": {"text": rule.remedy},
        "helpUri": f"{_HOME}/blob/main/docs/findings.md#{identifier.lower()}",
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(host: str, finding: Mapping[str, Any], index: int) -> dict[str, Any]:
    subject = {"name": finding["subject"], "fullyQualifiedName": f"{host}/{finding['subject']}"}
    location: dict[str, Any] = {"logicalLocations": [subject]}
    if finding["location"]:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _uri(finding["location"]["file"])},
            "region": {"startLine": finding["location"]["line"]},
        }
    result: dict[str, Any] = {
        "ruleId": finding["id"],
        "ruleIndex": index,
        "level": _LEVELS[finding["severity"]],
        "message": {"text": f"{finding['title']}: {finding['seen']}"},
        "locations": [location],
        "properties": {"host": host, "mend": finding["mend"]},
    }
    if finding["status"]:
        result["baselineState"] = "new" if finding["status"] == "new" else "unchanged"
    if finding["waived"]:
        waiver = finding["waived"]
        reason = f"{waiver['reason']} (until {waiver['until']})"
        result["suppressions"] = [{"kind": "external", "justification": reason}]
    return result


def _uri(path: str) -> str:
    return f"file://{quote(path)}"
