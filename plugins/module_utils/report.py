# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of an audit over all hosts: one data model, from which every format is made.

``docs/report.schema.json`` describes it for programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from .audit_rules import BY_ID, SEVERITIES
from .report_comparison import Earlier
from .report_input import fault_of, flaws_of

KIND = "stability.baseline.report"
#: It grows when a key changes its meaning or goes.
VERSION = 1
#: So many points in time are kept of the memory and the restarts of a service.
MOST_SAMPLES = 30
_RULE_KEYS = ("severity", "title", "reason", "evidence", "remedy", "waive")

Json = dict[str, Any]


class NoReport(ValueError):
    """What shall be compared with is no report of this version; the text says so."""


@dataclass(frozen=True)
class Moment:
    """When a report was made: seconds since 1970, and the same for people (ISO 8601, UTC)."""

    seconds: int
    text: str


def check_report(value: object) -> Json:
    """Return ``value`` when it is a report that can be compared with; raises :class:`NoReport`."""
    if not isinstance(value, dict) or value.get("report") != KIND:
        raise NoReport("it is no report of the audit")
    if value.get("version") != VERSION:
        raise NoReport(f"it is a report of version {value.get('version')}, not {VERSION}")
    flaws = flaws_of(value)
    if flaws:
        raise NoReport(f"it is no whole report, look at {', '.join(flaws)}")
    return value


def build(results: Mapping[str, Any], moment: Moment, earlier: Optional[Json] = None) -> Json:
    """Return the report of the results of ``baseline_info`` by host; a host that has none says why in ``msg``.

    ``earlier`` is a report to compare with, as :func:`check_report` returns it.
    """
    before = Earlier(earlier)
    hosts = sorted((_host(name, result, moment, before) for name, result in results.items()), key=_pain)
    findings = [finding for host in hosts for finding in host["findings"]]
    found_rules = sorted({finding["id"] for finding in findings})
    return {
        "report": KIND,
        "version": VERSION,
        "created": moment.text,
        "summary": _summary(hosts, findings),
        "compared": before.compared(hosts),
        "rules": {one: {key: getattr(BY_ID[one], key) for key in _RULE_KEYS} for one in found_rules},
        "drift": _drift(hosts),
        "hosts": hosts,
        "missed": before.missed(hosts),
    }


def counts(findings: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the number of findings of each severity, and of those that are waived, which count nowhere else."""
    found = dict.fromkeys((*SEVERITIES, "waived"), 0)
    for finding in findings:
        found["waived" if finding["waived"] else finding["severity"]] += 1
    return found


def worst(findings: Iterable[Mapping[str, Any]]) -> Optional[str]:
    """Return the highest severity among findings that are not waived."""
    severities = {finding["severity"] for finding in findings if not finding["waived"]}
    return next((severity for severity in SEVERITIES if severity in severities), None)


def at_least(severity: str, limit: str) -> bool:
    """Whether a severity is ``limit`` or a higher one."""
    return SEVERITIES.index(severity) <= SEVERITIES.index(limit)


def _summary(hosts: Sequence[Json], findings: Sequence[Json]) -> Json:
    return {
        "hosts": len(hosts),
        "audited": sum(host["audited"] for host in hosts),
        "services": sum(len(host["services"]) for host in hosts),
        "environments": sum(len(host["environments"]) for host in hosts),
        **counts(findings),
    }


def _pain(host: Json) -> tuple[Any, ...]:
    """Order hosts by what hurts most: those that could not be looked at, then those with the most errors."""
    return (host["audited"], *(-host["counts"][severity] for severity in SEVERITIES), host["host"])


def _host(name: str, returned: Any, moment: Moment, before: Earlier) -> Json:
    problem = fault_of(returned)
    result: Mapping[str, Any] = {} if problem else returned
    findings = before.judged(name, result.get("findings", []))
    services = [_service(name, service, findings, moment, before) for service in result.get("services", [])]
    order = (*SEVERITIES, None)
    services.sort(key=lambda one: (order.index(one["worst"]), one["unit"]))
    return {
        "host": name,
        "audited": not problem,
        "problem": problem or None,
        "systemd": result.get("systemd"),
        "root": bool(result.get("root")),
        "unseen": list(result.get("unseen", [])),
        "counts": counts(findings),
        "services": services,
        "environments": list(result.get("environments", [])),
        "findings": findings,
    }


def _service(host: str, service: Mapping[str, Any], findings: Sequence[Json], moment: Moment, before: Earlier) -> Json:
    own = [finding for finding in findings if finding["subject"] == service["unit"]]
    sample = [moment.seconds, service["memory"], service["restarts"]]
    # What a host has seen by itself is denser than one sample for each report; what is older stays as it was.
    seen = [list(one) for one in service.get("samples") or () if one[0] < moment.seconds]
    older = [one for one in before.history(host, service["unit"]) if not seen or one[0] < seen[0][0]]
    told = {key: value for key, value in service.items() if key != "samples"}
    known = {"sampled": bool(service.get("samples")), "worst": worst(own)}
    return {**told, **known, "history": [*older, *seen, sample][-MOST_SAMPLES:]}


def _drift(hosts: Iterable[Json]) -> list[Json]:
    """Return the distributions that are not the same on all hosts that have an environment at the same path."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for host in hosts:
        for environment in host["environments"]:
            for project, version in environment["distributions"].items():
                versions = found.setdefault((environment["virtualenv"], project), {})
                versions.setdefault(version, []).append(host["host"])
    return [
        {"virtualenv": path, "project": project, "versions": dict(sorted(versions.items()))}
        for (path, project), versions in sorted(found.items())
        if len(versions) > 1
    ]
