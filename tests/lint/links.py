# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gate: every relative link of the documents leads somewhere, and the README's map names the folders that are there."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

from . import markdown
from .findings import Finding, Tree

_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def check(tree: Tree) -> list[Finding]:
    """Return every dead link, dead anchor, and difference between the map and the folders."""
    findings: list[Finding] = []
    folders = {parent for path in tree.paths for parent in _parents(path)}
    anchors = {path: markdown.anchors(tree.text(path)) for path in tree.matching("*.md")}
    for path in anchors:
        for line, target in markdown.links(tree.text(path)):
            if not _ELSEWHERE.match(target):
                findings += _link(tree, path, line, target, folders, anchors)
    if "README.md" in tree.paths:
        findings += _map(tree, folders)
    return sorted(findings)


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _link(
    tree: Tree, path: str, line: int, target: str, folders: set[str], anchors: dict[str, set[str]]
) -> list[Finding]:
    place, _hash, anchor = unquote(target).partition("#")
    aim = posixpath.normpath(posixpath.join(posixpath.dirname(path), place)) if place else path
    if aim not in tree.paths and aim not in folders:
        return [Finding(path, line, f"a link to {target}", "a file or folder of the project", "Correct the link")]
    if anchor and anchor not in anchors.get(aim, set()):
        return [Finding(path, line, f"a link to {target}", f"a heading of {aim} with this anchor", "Correct the link")]
    return []


def _map(tree: Tree, folders: set[str]) -> list[Finding]:
    """Compare the README's table headed ``folder`` with the top-level folders, hidden ones left out."""
    present = {name for name in folders if "/" not in name and not name.startswith(".")}
    maps = [table for table in markdown.tables(tree.text("README.md")) if table.head[0].lower() == "folder"]
    if len(maps) != 1:
        return [
            Finding("README.md", 1, f"{len(maps)} tables headed `folder`", "one map of the folders", "Write one table")
        ]
    rows = {cells[0].strip("`").rstrip("/"): line for line, cells in maps[0].rows}
    findings = [
        Finding("README.md", line, f"the folder {name}", "folders that exist", "Remove the row")
        for name, line in rows.items()
        if name not in present
    ]
    findings += [
        Finding("README.md", maps[0].line, f"no row for {name}/", "a row for each top-level folder", "Add it")
        for name in sorted(present - set(rows))
    ]
    return findings
