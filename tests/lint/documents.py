# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gate: the tables of the documents have one row for each key, option and variable that the code has, with its default.

A table belongs to what the code says by its file and by the head of its first column: ``key`` in a guide is the list that
the guide is about, ``option`` the module, ``variable`` the role, ``name`` in the README everything public. What is said to be
tested is what the records of the tests say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.stability.baseline.plugins.module_utils import (
    environments,
    journal_settings,
    preflight,
    service_keys,
)

from ..matrix import matrix, page, records
from . import markdown
from .findings import Finding, Tree
from .sources import Options, module_options, modules, role_options, roles

#: The guide of each role, and the module whose options it lists (empty: none).
GUIDES = {
    "service": ("docs/services.md", ""),
    "packages": ("docs/packages.md", "pip_pinned"),
    "journald": ("docs/journald.md", "journald"),
    "leakwatch": ("docs/leakwatch.md", "leakwatch"),
    "audit": ("docs/audit.md", ""),
    "adopt": ("docs/adopt.md", ""),
}
_HEADS = ("key", "option", "variable")
_COLLECTION = "stability.baseline"


@dataclass(frozen=True)
class Row:
    """What one row must show: code spans that its cells ``default`` and ``directive`` hold; empty: anything."""

    defaults: tuple[str, ...] = ()
    directive: str = ""


Rows = dict[str, Row]


def check(tree: Tree) -> list[Finding]:
    """Return every row that is missing, too many, or says another default than the code."""
    findings: list[Finding] = []
    expected = expected_tables(tree)
    for path in tree.matching("*.md"):
        for table in markdown.tables(tree.text(path)):
            head = table.head[0].lower()
            rows = expected.pop((path, head), None)
            if rows is not None:
                findings += compare(path, table, rows)
            elif head in _HEADS:
                found = f"a table headed `{head}` that belongs to nothing"
                remedy = "Give it another head, or add it to tests/lint/documents.py"
                findings.append(
                    Finding(path, table.line, found, "one table for each list of keys, options or variables", remedy)
                )
    findings += tested(tree)
    for path, head in expected:
        remedy = f"Add one with a row for each {head}"
        findings.append(Finding(path, 1, "no such table", f"a table whose first column is headed `{head}`", remedy))
    return sorted(findings)


def tested(tree: Tree) -> list[Finding]:
    """Return where the page of the test matrix and the README say other things than the records of the tests."""
    found, known = records.load(tree.root / records.PATH), matrix.load()
    if not found:
        return []
    findings = []
    shown = tree.text(str(page.PATH)) if str(page.PATH) in tree.paths else ""
    if shown != page.render(known, found):
        expected = f"what is made of {records.PATH}"
        findings.append(Finding(str(page.PATH), 1, "another text", expected, "Run tests/matrix/run page"))
    claim = page.claim(known, found)
    if " ".join(claim.split()) not in " ".join(tree.text("README.md").split()):
        findings.append(Finding("README.md", 1, "another sentence, or none, on what is tested", claim, "Write that"))
    return findings


def compare(path: str, table: markdown.Table, rows: Rows) -> list[Finding]:
    """Return where a table differs from the rows that it must have."""
    findings = []
    head = table.head[0].lower()
    seen: set[str] = set()
    for line, cells in table.rows:
        name = next(iter(markdown.code_spans(cells[0])), cells[0])
        if name not in rows:
            findings.append(
                Finding(path, line, f"a row for {name}", f"only what the code has as {head}", "Remove or rename it")
            )
        elif name in seen:
            findings.append(Finding(path, line, f"a second row for {name}", "one row", "Make one of the two"))
        else:
            findings += _wrong_cells(path, line, table, cells, rows[name])
        seen.add(name)
    for name in rows:
        if name not in seen:
            findings.append(Finding(path, table.line, f"no row for {name}", f"one row for each {head}", "Add it"))
    return findings


def _wrong_cells(path: str, line: int, table: markdown.Table, cells: tuple[str, ...], row: Row) -> list[Finding]:
    findings = []
    for column, needed in (("default", row.defaults), ("directive", (row.directive,) if row.directive else ())):
        if column not in table.head or not needed:
            continue
        index = table.head.index(column)
        cell = cells[index] if index < len(cells) else ""
        spans = markdown.code_spans(cell)
        for value in needed:
            if value not in spans:
                expected = f"`{value}`, as in the code"
                findings.append(
                    Finding(path, line, f"{cells[0]}: {column} {cell!r}", expected, "Correct the row or the code")
                )
    return findings


def expected_tables(tree: Tree) -> dict[tuple[str, str], Rows]:
    """Return what each table must show, by its file and head."""
    expected: dict[tuple[str, str], Rows] = {}
    for role in roles(tree):
        options = role_options(tree, role)
        variables = _option_rows(options) if options else {}
        if role == "journald":
            variables = {name: replace(row, directive=_journal_directive(name)) for name, row in variables.items()}
        expected[f"roles/{role}/README.md", "variable"] = variables
        guide, module = GUIDES.get(role, ("", ""))
        if guide:
            expected[guide, "variable"] = variables
            keys = {"service": service_rows, "packages": environment_rows}.get(role)
            if keys:
                expected[guide, "key"] = keys()
        if module:
            expected[guide, "option"] = _option_rows(module_options(tree, module))
    if "README.md" in tree.paths:
        expected["README.md", "name"] = dict.fromkeys(public_names(tree), Row())
    return expected


def public_names(tree: Tree) -> list[str]:
    """Return the full names of all roles, modules and playbooks."""
    playbooks = [path.split("/")[1].rsplit(".", 1)[0] for path in tree.matching("playbooks/*.yml")]
    return [f"{_COLLECTION}.{name}" for name in sorted({*roles(tree), *modules(tree), *playbooks})]


def _option_rows(options: Options) -> Rows:
    return {
        name: Row((_shown(option["default"]),) if option.get("default", "") != "" else ())
        for name, option in options.options.items()
    }


def _journal_directive(variable: str) -> str:
    """Return the directive that a variable of the role journald writes; empty for one that writes none."""
    written = {f"{preflight.JOURNAL_PREFIX}{each.name}": f"{each.directive}=" for each in journal_settings.SETTINGS}
    return written.get(variable, "")


def service_rows() -> Rows:
    """Return the rows of the keys of a service."""
    rows = {"name": Row()}
    for name, key in service_keys.KEYS.items():
        both = (key.daemon, None if key.kind == service_keys.DAEMON else key.job)
        shown = tuple(dict.fromkeys(_shown(value) for value in both if value not in (None, {})))
        rows[name] = Row(shown, f"{key.directive}=" if key.directive else "")
    return rows


def environment_rows() -> Rows:
    """Return the rows of the keys of an environment."""
    fields = environments.Environment.__dataclass_fields__
    defaults = {
        name: field.default
        for name, field in fields.items()
        if isinstance(field.default, (bool, str)) and field.default != ""
    }
    return {
        name: Row((_shown(defaults[name]),) if name in defaults else ())
        for name in environments.KEYS
        if name not in environments.MODULE_KEYS
    }


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
