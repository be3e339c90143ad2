# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gate: ``docs/findings.md`` says of every rule of the audit what the rule itself says. Run as a program, it writes the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.stability.baseline.plugins.module_utils.audit_rules import RULES, Rule

from .findings import Finding, Tree

PAGE = "docs/findings.md"
_HEAD = """\
# What the audit finds

`make findings` writes this page from the rules themselves (`plugins/module_utils/audit_rules.py`). [The guide](audit.md) tells how to run the
audit, how to read its report, and how to waive a finding until a date.

An *error* will cost a service or its data sooner or later; a *warning* hides what goes wrong, or makes it worse; *info* is only told.
"""
_CHAPTERS = {
    "SB0": "The audit itself",
    "SB1": "Processes come back",
    "SB2": "Logs reach the journal",
    "SB3": "Memory comes back",
    "SB4": "Dependencies stay put",
}


def render() -> str:
    """Return the page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "| id | severity | finding |"
    yield "| --- | --- | --- |"
    for rule in RULES:
        yield f"| [{rule.id}](#{rule.id.lower()}) | {rule.severity} | {rule.title} |"
    for start, chapter in _CHAPTERS.items():
        yield f"\n## {chapter}"
        for rule in RULES:
            if rule.id.startswith(start):
                yield from _section(rule)


def _section(rule: Rule) -> Iterator[str]:
    yield f"\n### {rule.id}\n"
    yield f"**{rule.title}** ({rule.severity}). {rule.reason}\n"
    yield f"- Seen by: {rule.evidence}"
    yield f"- Decided by: {rule.experiment}"
    yield f"- Mend it: {rule.remedy}"
    yield f"- Waive it: {rule.waive or 'never.'}"


def check(tree: Tree) -> list[Finding]:
    """Return a finding when the page is missing, or is another one."""
    if PAGE not in tree.paths:
        found = "no such file"
    elif tree.text(PAGE) != f"{render()}\n":
        found = "another text"
    else:
        return []
    return [Finding(PAGE, 1, found, "what the rules say", "Run make findings")]


if __name__ == "__main__":
    Path(PAGE).write_text(f"{render()}\n", encoding="utf-8")
