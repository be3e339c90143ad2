# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gate: every example is good YAML, uses options that exist, and its lists and settings of the journal are valid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.stability.baseline.plugins.module_utils.preflight import JOURNAL_PREFIX, check_lists
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput

from . import markdown
from .findings import Finding, GateError, Tree
from .sources import Place, load_yaml, module_options, module_strings, modules

_COLLECTION = "stability.baseline."
_LISTS = ("services", "environments")


def check(tree: Tree) -> list[Finding]:
    """Return what is wrong in the ``EXAMPLES`` of the modules and in the YAML blocks of the documents."""
    findings: list[Finding] = []
    for module in modules(tree):
        path = f"plugins/modules/{module}.py"
        text, line = module_strings(tree, module).get("EXAMPLES", ("", 1))
        if not text.strip():
            findings.append(Finding(path, line, "no EXAMPLES", "at least one task", "Show how the module is used"))
        findings += _snippet(tree, path, line, text)
    for path in tree.matching("*.md"):
        for block in markdown.blocks(tree.text(path)):
            if block.language in ("yaml", "yml"):
                findings += _snippet(tree, path, block.line, block.text)
    return sorted(findings)


def _snippet(tree: Tree, path: str, begin: int, text: str) -> list[Finding]:
    """Check one piece of YAML whose first line is line ``begin`` of the file."""
    try:
        data, lines = load_yaml(path, text)
    except GateError as error:
        found = " ".join(str(error).split())
        return [Finding(path, begin, found, "YAML", "Correct the example")]
    findings = []
    for place, value in _mappings(data, ()):
        for key in value:
            line = begin + lines[(*place, key)] - 1
            if isinstance(key, str) and key.startswith(_COLLECTION):
                findings += _task(tree, path, line, place, data, key)
        findings += _lists(path, begin, place, value, lines)
    return findings


def _mappings(value: Any, place: Place) -> Iterator[tuple[Place, dict[Any, Any]]]:
    if isinstance(value, dict):
        yield place, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from _mappings(member, (*place, key))


def _task(tree: Tree, path: str, line: int, place: Place, data: Any, key: str) -> list[Finding]:
    """Check a task of one of our modules: it has a name, and options that the module has."""
    module = key[len(_COLLECTION) :]
    if module not in modules(tree):
        return [Finding(path, line, key, "a module of this collection", "Correct the name")]
    task = data
    for step in place:
        task = task[step]
    findings = []
    if "name" not in task:
        findings.append(
            Finding(path, line, f"a task of {key} without name", "a task with a name", "Say what it is for")
        )
    known = module_options(tree, module).options
    given = task[key] or {}
    for option in given:
        if option not in known:
            findings.append(Finding(path, line, f"{key}: {option}", f"one of {', '.join(known)}", "Correct the option"))
    for option, described in known.items():
        if described.get("required") and option not in given:
            findings.append(Finding(path, line, f"{key} without {option}", "all required options", f"Add {option}"))
    return findings


def _lists(path: str, begin: int, place: Place, value: dict[Any, Any], lines: dict[Place, int]) -> list[Finding]:
    """Check the lists of services and environments and the settings of the journal by the core, as the collection does."""
    given = {name: value.get(f"stability_{name}", value.get(name)) for name in _LISTS}
    given = {name: members for name, members in given.items() if isinstance(members, list)}
    settings = {key: each for key, each in value.items() if str(key).startswith(JOURNAL_PREFIX)}
    if not given and not settings:
        return []
    first = next(key for key in value if key in settings or str(key).rsplit("_", maxsplit=1)[-1] in given)
    line = begin + lines[(*place, first)] - 1
    journal = {key[len(JOURNAL_PREFIX) :]: each for key, each in settings.items()}
    try:
        check_lists(given.get("services"), given.get("environments"), journal)
    except InvalidInput as invalid:
        return [
            Finding(path, line, "an invalid list", "one that the collection takes", str(problem).rstrip("."))
            for problem in invalid.problems
        ]
    return []
