# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the findings of an earlier report: still there, fixed, or not to be seen this time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

Json = dict[str, Any]

#: So many reports running keep what none of them could look at: it may be gone for good.
MOST_MISSED = 30
#: What changes in a finding from one look to the next although it is the same one.
#: Numbers by themselves: those of names, such as that of lib2, belong to these.
_NUMBERS = re.compile(r"(?<![\w.-])\d+(?:\.\d+)*(?![\w-])")
#: What a later report must know of a finding to compare its own with it.
_FINDING_KEYS = ("id", "severity", "subject", "title", "seen")
#: Rules that say all that they find of a subject in one finding. What they say may become something else, such as a list that grows.
_ONE_FINDING = {
    *("SB101", "SB102", "SB103", "SB106", "SB107", "SB201", "SB202", "SB208", "SB304", "SB305", "SB306", "SB309"),
    *("SB403", "SB405", "SB407"),
}
#: Rules about what runs, which takes rights to see.
_OF_PROCESSES = {"SB104", "SB105", "SB106", "SB201", "SB202", "SB208", "SB405", "SB408"}
#: Of these all that a process shows is gone with it.
_OF_RUNNING = {"SB105", "SB106", "SB201", "SB202", "SB405", "SB408"}
_OF_JOURNAL = {"SB106", "SB207"}
_OF_SAMPLES = {"SB306", "SB309"}
#: Rules about directives, of which systemd shows none that it has read when it refuses a unit.
_OF_DIRECTIVES = {"SB101", "SB102", "SB103", "SB304", "SB305"}
_UNREAD_JOURNAL = "restarts, and messages"
#: Whoever has taken it away needs to be told once.
_GONE = "it is not there any more, or no list names it"
_NO_ROOT = "the host was looked at without root"
_DOWN = "it does not run"
_UNIT = re.compile(r"\S+\.service")


def _brief(finding: Mapping[str, Any]) -> Json:
    return {name: finding[name] for name in _FINDING_KEYS}


def _key(host: str, finding: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return host, finding["id"], finding["subject"], _NUMBERS.sub("#", finding["seen"])


class Earlier:
    """An earlier report, as far as the new one is compared with it.

    A host that it could not look at is in it as it was seen before that, and so is a finding that it could not judge.
    """

    def __init__(self, report: Optional[Json]) -> None:
        self.report = report
        self._seen = _seen(report) if report else []
        self._findings = {
            _key(one["host"], finding): (one["host"], finding) for one in self._seen for finding in one["findings"]
        }
        self._history: dict[tuple[str, str], list[list[Any]]] = {
            (one["host"], service["unit"]): service["history"] for one in self._seen for service in one["services"]
        }
        self._as_root = {one["host"] for one in report["hosts"] if one.get("root")} if report else set()
        self._running = {
            (one["host"], service["unit"])
            for one in (report["hosts"] if report else ())
            for service in one["services"]
            if service.get("age") is not None
        }
        self._unseen = {_key(one["host"], one): one for one in _unseen_in(report)} if report else {}

    def missed(self, hosts: Iterable[Json]) -> list[Json]:
        """Return what is known of each host that was seen before and could not be looked at this time, or was left out."""
        looked_at = {host["host"] for host in hosts if host["audited"]}
        away = [{**one, "reports": one["reports"] + 1} for one in self._seen if one["host"] not in looked_at]
        return [one for one in away if one["reports"] <= MOST_MISSED]

    def history(self, host: str, unit: str) -> list[list[Any]]:
        """Return the samples of a service."""
        return self._history.get((host, unit), [])

    def judged(self, host: str, findings: Sequence[Mapping[str, Any]]) -> list[Json]:
        """Return findings that say whether they are ``new`` or ``known``; neither when waived, or nothing was there before."""
        changed = self._changed(host, findings)
        found = []
        for finding in findings:
            is_known = _key(host, finding) in self._findings or (finding["id"], finding["subject"]) in changed
            status = "known" if is_known else "new"
            found.append({**finding, "status": status if self.report and not finding["waived"] else None})
        return found

    def _changed(self, host: str, findings: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
        """Return rule and subject of findings that say something else than before: they are one each."""
        there = {_key(host, finding): (finding["id"], finding["subject"]) for finding in findings}
        before = {key: (one["id"], one["subject"]) for key, (place, one) in self._findings.items() if place == host}
        come = Counter(about for key, about in there.items() if key not in before)
        gone = Counter(about for key, about in before.items() if key not in there)
        return {about for about, number in come.items() if number == gone[about] == 1 and about[0] in _ONE_FINDING}

    def compared(self, hosts: Iterable[Json]) -> Optional[Json]:
        """Return what became of the earlier findings on hosts that could be looked at this time."""
        if self.report is None:
            return None
        looked_at = {host["host"]: host for host in hosts if host["audited"]}
        current = [(host["host"], finding) for host in looked_at.values() for finding in host["findings"]]
        there = {_key(host, finding) for host, finding in current}
        changed = {name: self._changed(name, host["findings"]) for name, host in looked_at.items()}
        open_findings = [finding for _host, finding in current if not finding["waived"]]
        fixed, unseen = [], []
        for key, (name, finding) in self._findings.items():
            if name not in looked_at or key in there or (finding["id"], finding["subject"]) in changed[name]:
                continue
            unseen_before = self._unseen.get(key, {"reports": 0, "why": ""})
            reports = unseen_before["reports"] + 1
            had_root = name in self._as_root or unseen_before["why"] == _NO_ROOT
            ran = (name, finding["subject"]) in self._running or unseen_before["why"] == _DOWN
            why = _NO_ROOT if had_root and not looked_at[name]["root"] else _why_unseen(looked_at[name], finding, ran)
            if not why:
                fixed.append({"host": name, **_brief(finding)})
            elif reports <= (1 if why == _GONE else MOST_MISSED):
                unseen.append({"host": name, **_brief(finding), "why": why, "reports": reports})
        return {
            "with": self.report["created"],
            "new": sum(finding["status"] == "new" for finding in open_findings),
            "known": sum(finding["status"] == "known" for finding in open_findings),
            "fixed": fixed,
            "unseen": unseen,
        }


def _why_unseen(host: Json, finding: Mapping[str, Any], ran: bool) -> str:
    """Return why it cannot be told whether a finding is still there; empty where it can, and it is not.

    ``ran`` is whether its service was running when it was found.
    """
    rule, subject = finding["id"], finding["subject"]
    service = next((one for one in host["services"] if one["unit"] == subject), None)
    if service and rule == "SB208" and service.get("canary") is None:
        return "it was not asked to make records (stability_audit_live)"
    if service and ran and rule in _OF_RUNNING and service["age"] is None:
        return _DOWN
    if service and rule in _OF_DIRECTIVES and service.get("load_state", "loaded") != "loaded":
        return f"systemd does not load its unit (LoadState={service['load_state']})"
    if service and rule in _OF_SAMPLES and not service["sampled"]:
        return "leakwatch has no samples of it"
    is_listed = service is not None or subject in {one["virtualenv"] for one in host["environments"]}
    about = re.compile(rf"(?<![\w.@/-]){re.escape(subject)}(?![\w.@-])")
    for line in host["unseen"]:
        if rule in _OF_JOURNAL and line.startswith(_UNREAD_JOURNAL):
            return f"not seen: {line}"
        if about.search(line) and (not is_listed or service is None or rule in _OF_PROCESSES):
            return f"not seen: {line}"
    if is_listed or not (_UNIT.fullmatch(subject) or subject.startswith("/")):
        return ""
    return "systemd could not be asked" if host["systemd"] is None and not subject.startswith("/") else _GONE


def _unseen_in(report: Json) -> list[Json]:
    compared = report.get("compared") or {}
    return list(compared.get("unseen", []))


def _seen(report: Json) -> list[Json]:
    """Return what a report knows of each host that it has looked at, and after that of those that it has missed."""
    unseen = _unseen_in(report)
    looked_at = [
        {
            "host": host["host"],
            "seen": report["created"],
            "reports": 0,
            "findings": [
                *(_brief(finding) for finding in host["findings"] if not finding["waived"]),
                *(_brief(finding) for finding in unseen if finding["host"] == host["host"]),
            ],
            "services": [{"unit": one["unit"], "history": one["history"]} for one in host["services"]],
        }
        for host in report["hosts"]
        if host["audited"]
    ]
    return [*looked_at, *report.get("missed", [])]
