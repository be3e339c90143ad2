# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gate: the defaults of every role are those of its argument specs, and both say the same of each variable."""

from __future__ import annotations

import json
from typing import Any

from .findings import Finding, Tree
from .sources import Options, load_yaml, role_options, roles

_PREFIX = "stability_"
_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "dict": (dict,),
    "float": (float, int),
    "int": (int,),
    "list": (list,),
    "path": (str,),
    "str": (str,),
}


def check(tree: Tree) -> list[Finding]:
    """Return every difference between ``defaults/main.yml`` and ``meta/argument_specs.yml``, and between roles."""
    findings: list[Finding] = []
    seen: dict[str, tuple[str, Any]] = {}
    for role in roles(tree):
        path = f"roles/{role}/defaults/main.yml"
        specification = role_options(tree, role)
        if specification is None:
            remedy = "Describe every variable of the role there"
            findings.append(
                Finding(f"roles/{role}/meta/argument_specs.yml", 1, "no such file", "argument specs", remedy)
            )
            continue
        defaults, lines = load_yaml(path, tree.text(path)) if path in tree.paths else ({}, {})
        defaults = defaults or {}
        where = {name: lines[name,] for name in defaults}
        findings += _undefined(path, defaults, specification)
        for name, value in defaults.items():
            findings += _variable(path, where[name], name, value, specification)
            other, common = seen.setdefault(name, (path, value))
            if not _same(common, value):
                expected = f"{_show(common)}, as in {other}"
                findings.append(
                    Finding(path, where[name], f"{name}: {_show(value)}", expected, "Give it one default in all roles")
                )
    return sorted(findings)


def _undefined(path: str, defaults: dict[str, Any], specification: Options) -> list[Finding]:
    findings = []
    for name, option in specification.options.items():
        line = specification.lines[name]
        if not name.startswith(_PREFIX):
            expected = f"public variables named {_PREFIX}*"
            findings.append(Finding(specification.path, line, f"the option {name}", expected, "Rename it"))
        if "default" in option and name not in defaults:
            expected = f"{name}: {_show(option['default'])}, the default of its argument specs"
            findings.append(Finding(path, 1, f"no {name}", expected, "Add it to the role's defaults"))
    return findings


def _variable(path: str, line: int, name: str, value: Any, specification: Options) -> list[Finding]:
    option = specification.options.get(name)
    if option is None:
        return [
            Finding(path, line, f"the variable {name}", f"only options of {specification.path}", "Describe it there")
        ]
    kind = option.get("type", "str")
    if not _is_of_type(value, kind):
        return [
            Finding(path, line, f"{name}: {_show(value)}", f"a value of type {kind}", "Correct the value or the type")
        ]
    if "default" not in option:
        remedy = f"Add the default to {specification.path}"
        return [Finding(path, line, f"{name}: {_show(value)}", "a default that the argument specs name, too", remedy)]
    if not _same(option["default"], value):
        expected = f"{_show(option['default'])}, the default of its argument specs"
        return [Finding(path, line, f"{name}: {_show(value)}", expected, "Make the two one")]
    return []


def _is_of_type(value: Any, kind: str) -> bool:
    if kind not in _TYPES:
        return True
    return isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and _show(one) == _show(other)


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
