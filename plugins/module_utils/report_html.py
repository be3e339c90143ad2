# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs nothing else: no network, no other file, and no script to be read.

Everything in a report comes from hosts and is text to this page, never markup. Thousands of findings are in one page, so markup is
terse: :data:`report_page.STYLE` says what the classes of one letter mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional

from .audit_rules import ERROR, INFO, SEVERITIES, WARNING
from .report_charts import chart, size
from .report_page import ICON, SCRIPT, STYLE, policy, shown, shown_lines
from .report_records import records
from .yaml_lines import yaml_lines

Json = Mapping[str, Any]

#: Severity to its class, its sign, and what it is called; a colour never stands alone.
_MARKS: Mapping[Optional[str], tuple[str, str, str]] = {
    ERROR: ("e", "✕", "error"),
    WARNING: ("w", "▲", "warning"),
    INFO: ("i", "●", "info"),
    None: ("o", "✓", "nothing found"),
}
_ORDER = (*SEVERITIES, None)
#: Hosts are unfolded, from the worst on, until so many findings are in sight.
_UNFOLDED = 40
#: A list is folded when it has more members.
_FOLDED = 12
#: So many hosts are named in the line; of more the number is told, and the names are folded.
_NAMED = 4
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d)?(?:\+00:00|Z)")


def html(report: Json) -> str:
    """Return the page of a report as :func:`report.build` makes it."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Json) -> Iterator[str]:
    hosts = report["hosts"]
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
    yield f"<title>Stability report, {_plain_time(report['created'])}</title>"
    yield f'<link rel="icon" href="{ICON}"><style>{STYLE}</style></head><body>'
    yield '<a class=skip href="#findings">Skip to the findings</a>'
    yield "<header><div class=wrap><h1>Stability report</h1>"
    yield f"<p>Made {_time(report['created'])} by <code>stability.baseline.audit</code></p>"
    yield '<nav aria-label="Sections"><ul><li><a href="#matrix">Hosts and services</a><li><a href="#findings">Findings by host</a>'
    yield '<li><a href="#packages">Packages on all hosts</a></ul></nav></div></header><main class=wrap>'
    yield from _summary(report)
    yield from _tools(report)
    yield from _matrix(hosts)
    yield '<section aria-labelledby="findings"><h2 id="findings" tabindex=-1>Findings by host</h2>'
    yield from _hosts(report)
    yield "</section>"
    yield from _packages(report)
    yield "</main><footer class=wrap><p>What each rule looks at, and the experiment behind it, is in the collection's "
    yield f"document <code>findings.md</code>. Nothing was changed on any host.</p></footer><script>{SCRIPT}</script></body></html>"


def _plain_time(text: str) -> str:
    found = _ISO.fullmatch(text)
    return f"{found[1]} {found[2]} UTC" if found else shown(text)


def _time(text: str) -> str:
    return f'<time datetime="{shown(text)}">{_plain_time(text)}</time>'


def _number(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def _badge(severity: Optional[str], identifier: str = "") -> str:
    kind, sign, name = _MARKS[severity]
    told = f"{sign} {name} {shown(identifier)}" if identifier else f"{sign} {name}"
    return f'<span class="b {kind}">{told}</span>'


def _summary(report: Json) -> Iterator[str]:
    summary = report["summary"]
    missed = summary["hosts"] - summary["audited"]
    tiles = [
        ("e" if missed else "", "Hosts", summary["hosts"], f"{missed} not audited" if missed else "all audited"),
        ("", "Services", summary["services"], ""),
        ("", "Environments", summary["environments"], ""),
        ("e", "✕ Errors", summary[ERROR], ""),
        ("w", "▲ Warnings", summary[WARNING], ""),
        ("i", "● Info", summary[INFO], ""),
        ("", "Waived", summary["waived"], ""),
    ]
    yield '<section aria-labelledby="summary"><h2 id="summary" class=vh>Summary</h2><dl class=tiles>'
    for kind, name, number, note in tiles:
        # An empty number needs no colour, whatever it counts.
        kind = kind if number else ""
        told = f" <small>{note}</small>" if note else ""
        yield f'<div class="{kind}"><dt>{name}</dt><dd>{number}{told}</dd></div>'
    yield "</dl>"
    yield from _compared(report["compared"])
    yield "</section>"


def _compared(compared: Optional[Json]) -> Iterator[str]:
    if compared is None:
        yield "<p class=note>There was no earlier report to compare with.</p>"
        return
    fixed, unseen = compared["fixed"], compared["unseen"]
    yield f"<p class=since>Since the report of {_time(compared['with'])}: <strong>{compared['new']} new</strong>, "
    left = f", <strong>{len(unseen)} not seen this time</strong>" if unseen else ""
    yield f"<strong>{len(fixed)} fixed</strong>, {compared['known']} still there{left}.</p>"
    yield from _former("fixed", "fixed", fixed)
    yield from _former("unseen", "not seen this time", unseen)


def _former(name: str, what: str, findings: Sequence[Json]) -> Iterator[str]:
    """Yield findings of the earlier report, each with why it could not be judged."""
    if not findings:
        return
    unfolded = " open" if len(findings) <= _FOLDED else ""
    yield f"<details class=box id={name}{unfolded}><summary>{_number(len(findings), 'finding')} {what}</summary><ul>"
    for one in findings:
        why = f": {shown(one['why'])}" if "why" in one else ""
        yield f"<li>{_badge(one['severity'], one['id'])} {shown(one['title'])}: <strong>{shown(one['host'])}"
        yield f"</strong> <code>{shown(one['subject'])}</code> <span class=note>{shown(one['seen'])}</span>{why}</li>"
    yield "</ul></details>"


def _tools(report: Json) -> Iterator[str]:
    """Yield what the script filters by; without a script it stays hidden."""
    yield '<div class=tools id=tools role=search aria-label="Filter" hidden><label class=find>Find '
    yield '<input type=search id=find autocomplete=off spellcheck=false placeholder="host, service or rule"></label>'
    yield "<fieldset><legend class=vh>Kinds of findings</legend>"
    for kind, name in (("e", "✕ Errors"), ("w", "▲ Warnings"), ("i", "● Info"), ("x", "Waived")):
        yield f"<label><input type=checkbox name=kind value={kind} checked> {name}</label>"
    yield "</fieldset>"
    if report["compared"]:
        yield "<label><input type=checkbox id=fresh> New only</label>"
    yield "<button type=button id=reset>Show all</button><p id=told role=status aria-live=polite></p></div>"


def _matrix(hosts: Sequence[Json]) -> Iterator[str]:
    yield '<section aria-labelledby="matrix"><h2 id="matrix">Hosts and services</h2>'
    if not hosts:
        yield "<p class=note>No host was asked for.</p></section>"
        return
    # Small screens show rows as blocks, which takes the meaning of a table from it unless the roles are written out.
    yield "<table class=matrix role=table><thead role=rowgroup><tr role=row>"
    for name, kind in (("Host", ""), ("Errors", "num"), ("Warnings", "num"), ("Info", "num"), ("Services", "last")):
        yield f'<th role=columnheader scope=col class="{kind}">{name}</th>'
    yield "</tr></thead><tbody role=rowgroup>"
    for number, host in enumerate(hosts):
        yield from _row(number, host)
    legend = "".join(f"<li>{_badge(severity)}</li>" for severity in _ORDER)
    yield f"</tbody></table><ul class=legend>{legend}<li>dashed: not a service</li></ul></section>"


def _row(number: int, host: Json) -> Iterator[str]:
    yield f"<tr role=row data-h=h{number}><th role=rowheader scope=row><a href=#h{number}>{shown(host['host'])}</a></th>"
    if not host["audited"]:
        yield f"<td role=cell aria-colspan=4 class=wide><span class='b e'>✕ not audited</span> {shown(host['problem'])}</td></tr>"
        return
    for severity, name in zip(SEVERITIES, ("errors", "warnings", "info")):
        count = host["counts"][severity]
        kind = _MARKS[severity if count else None][0]
        yield f'<td role=cell class="num {kind}" data-of={name}>{count}</td>'
    yield '<td role=cell class="chips">'
    for place, unit in enumerate(_units(host)):
        kind, sign, name = _MARKS[unit["worst"]]
        title = shown(unit["name"])
        text = title[: -len(".service")] if title.endswith(".service") else title
        kind = f'"c {kind}"' if unit["service"] else f'"c {kind} v"'
        yield f'<a class={kind} href=#h{number}-{place} aria-label="{name}: {title}">{sign} {text}</a>'
    if not host["services"]:
        yield "<span class=note>no Python service here</span>"
    yield "</td></tr>"


def _units(host: Json) -> list[dict[str, Any]]:
    """Return the services of a host, and what else its findings are about, each with its own; what hurts most comes first."""
    units = {
        one["unit"]: {"name": one["unit"], "service": one, "worst": one["worst"], "findings": []}
        for one in host["services"]
    }
    for finding in host["findings"]:
        if not finding["waived"]:
            about = {"name": finding["subject"], "service": None, "worst": None, "findings": []}
            unit = units.setdefault(finding["subject"], about)
            unit["findings"].append(finding)
            unit["worst"] = min(unit["worst"], finding["severity"], key=_ORDER.index)
    for unit in units.values():
        unit["findings"].sort(key=lambda finding: SEVERITIES.index(finding["severity"]))
    return sorted(units.values(), key=lambda unit: _ORDER.index(unit["worst"]))


def _packages(report: Json) -> Iterator[str]:
    """Yield what is wrong with packages on all hosts together: the same conflict is one line, however many hosts have it."""
    yield '<section aria-labelledby="packages"><h2 id="packages">Packages on all hosts</h2>'
    found: dict[str, dict[tuple[str, str], list[tuple[int, str]]]] = {}
    severities: dict[str, str] = {}
    for number, host in enumerate(report["hosts"]):
        for one in host["findings"]:
            if one["id"].startswith("SB4") and not one["waived"]:
                severities[one["id"]] = min(severities.get(one["id"], INFO), one["severity"], key=_ORDER.index)
                what = found.setdefault(one["id"], {}).setdefault((one["subject"], one["seen"]), [])
                what.append((number, host["host"]))
    if not found and not report["drift"]:
        yield "<p class=note>Nothing is wrong with the packages, and hosts have the same ones at the same places.</p>"
    for identifier in sorted(found, key=lambda one: (_ORDER.index(severities[one]), one)):
        lines = found[identifier]
        rule = report["rules"][identifier]
        unfolded = " open" if len(lines) <= _FOLDED else ""
        yield f"<details class=box{unfolded}><summary>{_badge(severities[identifier], identifier)} "
        yield f"<strong>{shown(rule['title'])}</strong> <span class=note>{_number(len(lines), 'case')}</span></summary>"
        yield f"<p class=note>{shown(rule['reason'])}</p><ul>"
        for (subject, seen), where in lines.items():
            links = (f"<a href=#h{number}>{shown(name)}</a>" for number, name in where)
            yield f"<li><code>{shown(subject)}</code> {shown(seen)} on {_named(list(links))}</li>"
        yield "</ul></details>"
    yield from _drift(report["drift"])
    yield "</section>"


def _named(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"<details class=more><summary>{len(names)} hosts</summary>{', '.join(names)}</details>"


def _drift(drift: Sequence[Json]) -> Iterator[str]:
    if not drift:
        return
    unfolded = " open" if len(drift) <= _FOLDED else ""
    yield f"<details class=box id=drift{unfolded}><summary><strong>Hosts differ</strong> <span class=note>"
    yield f"{_number(len(drift), 'distribution')} with more than one version at the same path</span></summary><ul>"
    for one in drift:
        versions = "; ".join(
            f"<strong>{shown(version)}</strong> <span class=note>on</span> {_named([shown(host) for host in hosts])}"
            for version, hosts in one["versions"].items()
        )
        yield f"<li><code>{shown(one['virtualenv'])}</code> {shown(one['project'])}: {versions}</li>"
    yield "</ul></details>"


def _hosts(report: Json) -> Iterator[str]:
    in_sight = 0
    missed = {one["host"]: one for one in report["missed"]}
    for number, host in enumerate(report["hosts"]):
        in_sight += len(host["findings"]) + (not host["audited"])
        hurts = bool(host["counts"][ERROR] or host["counts"][WARNING] or not host["audited"])
        unfolded = hurts and (not number or in_sight <= _UNFOLDED)
        yield from _host(number, host, missed.get(host["host"]), report["rules"], unfolded)


def _host(number: int, host: Json, missed: Optional[Json], rules: Json, unfolded: bool) -> Iterator[str]:
    problem = "" if host["audited"] else " data-problem"
    yield f"<details class=h id=h{number}{' open' if unfolded else ''}{problem}><summary><h3>{shown(host['host'])}</h3>"
    yield f"{_counts(host)}</summary><div>"
    if not host["audited"]:
        yield f"<p class=alarm>{shown_lines(host['problem'])}</p>"
        if missed:
            count = _number(len(missed["findings"]), "finding")
            yield f"<p class=facts>Last looked at {_time(missed['seen'])}, with {count}</p>"
    else:
        yield f"<p class=facts>{_facts_of_host(host)}</p>"
    if host["unseen"]:
        seen = "".join(f"<li>{shown_lines(one)}</li>" for one in host["unseen"])
        yield f"<div class=unseen><h4>What could not be seen</h4><ul>{seen}</ul></div>"
    units = _units(host)
    for place, unit in enumerate(units):
        if unit["findings"]:
            yield from _unit(f"h{number}-{place}", unit, rules)
    yield from _waived([one for one in host["findings"] if one["waived"]], rules)
    fine = [(place, unit) for place, unit in enumerate(units) if not unit["findings"]]
    if fine:
        yield "<div class=fine data-rest>"
        for place, unit in fine:
            yield f"<section data-u id=h{number}-{place}><h4>{shown(unit['name'])}</h4><p class=facts>{_facts(unit['service'])}</p>"
            yield f"{_badge(None)}{chart(unit['service'])}{records(unit['service'].get('canary'))}</section>"
        yield "</div>"
    yield from _environments(host["environments"])
    yield "</div></details>"


def _counts(host: Json) -> str:
    if not host["audited"]:
        return '<span class="b e">✕ not audited</span>'
    told = [
        f'<span class="b {_MARKS[severity][0]}">{_MARKS[severity][1]} {_number(host["counts"][severity], one, more)}</span>'
        for severity, one, more in zip(SEVERITIES, ("error", "warning", "info"), ("errors", "warnings", "info"))
        if host["counts"][severity]
    ]
    if host["counts"]["waived"]:
        told.append(f'<span class="b x">{host["counts"]["waived"]} waived</span>')
    return " ".join(told or [_badge(None)])


def _facts_of_host(host: Json) -> str:
    systemd = "no systemd" if host["systemd"] is None else f"systemd {shown(host['systemd'])}"
    facts = [systemd, _number(len(host["services"]), "service"), _number(len(host["environments"]), "environment")]
    if not host["root"]:
        facts.append("looked at without root")
    return " · ".join(facts)


def _facts(service: Json) -> str:
    facts = [shown(service["state"])]
    if service["memory"] is not None:
        facts.append(size(service["memory"]))
    facts.append(_number(service["restarts"], "restart"))
    if service["virtualenv"]:
        facts.append(shown(service["virtualenv"]))
    return " · ".join(facts)


def _unit(anchor: str, unit: Json, rules: Json) -> Iterator[str]:
    service = unit["service"]
    yield f"<section class=u data-u id={anchor}><h4>{shown(unit['name'])}</h4>"
    if service:
        yield f"<p class=facts>{_facts(service)}</p>"
        yield chart(service)
        yield records(service.get("canary"))
    yield f"{_findings(unit['findings'], rules)}</section>"


def _waived(findings: Sequence[Json], rules: Json) -> Iterator[str]:
    if findings:
        yield f"<details class=waived><summary>{len(findings)} waived</summary><section data-u><h4 class=vh>Waived</h4>"
        yield f"{_findings(findings, rules)}</section></details>"


def _findings(findings: Iterable[Json], rules: Json) -> str:
    return f"<ul>{''.join(_finding(finding, rules[finding['id']]) for finding in findings)}</ul>"


def _finding(finding: Json, rule: Json) -> str:
    """Return a finding; HTML needs no end tags of its paragraphs and its own."""
    waived, location = finding["waived"], finding["location"]
    # What is waived is no news, whenever it came.
    status = None if waived else finding["status"]
    kind = "x" if waived else _MARKS[finding["severity"]][0]
    known = f" {status}" if status in ("new", "known") else ""
    mark = " <b class=n>new</b>" if status == "new" else ""
    about = f" <code>{shown(finding['subject'])}</code>" if waived else ""
    parts = [
        f'<li class="f {kind}{known}"><h5>{_badge(finding["severity"], finding["id"])} {shown(finding["title"])}{about}{mark}</h5>'
        f"<p class=s>{shown_lines(finding['seen'])}"
    ]
    if location:
        parts.append(f"<p class=p>{shown(location['file'])}:{shown(location['line'])}")
    if waived:
        parts.append(f"<p class=q>until {shown(waived['until'])}: {shown(waived['reason'])}")
    parts.append(f"<p class=y>{shown(rule['reason'])}<p class=d>{shown(rule['remedy'])}")
    if finding["mend"]:
        parts.append(f"<pre>{shown_lines(chr(10).join(yaml_lines(finding['mend'])))}</pre>")
    return "".join(parts)


def _environments(environments: Iterable[Json]) -> Iterator[str]:
    lines = [
        f"<li><code>{shown(one['virtualenv'])}</code> Python {shown(one['python'])}, "
        f"{_number(len(one['distributions']), 'distribution')}</li>"
        for one in environments
    ]
    if lines:
        yield f"<div class=envs><h4>Environments</h4><ul>{''.join(lines)}</ul></div>"
