# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gate: who may import whom.

The core (``plugins/module_utils``) imports the standard library, as far as every Python from 3.9 on has it, and itself.
Modules import ansible's ``module_utils`` and the core; other plugins all of ansible, the core, and what they share in
``plugins/plugin_utils``. Nobody imports modules.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass

from .findings import Finding, Tree

_COLLECTION = "ansible_collections.stability.baseline."
_CORE = f"{_COLLECTION}plugins.module_utils"
_SHARED = f"{_COLLECTION}plugins.plugin_utils"
_FACES = tuple(f"{_COLLECTION}plugins.{kind}" for kind in ("modules", "action"))
#: Not in every Python from 3.9 to 3.14, so the core must do without.
_NEWER = {"annotationlib", "compression", "tomllib"}
# fmt: off
_REMOVED = {
    "aifc", "asynchat", "asyncore", "audioop", "binhex", "cgi", "cgitb", "chunk", "crypt", "distutils",
    "formatter", "imghdr", "imp", "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "parser",
    "pipes", "smtpd", "sndhdr", "spwd", "sunau", "symbol", "telnetlib", "uu", "xdrlib",
}
# fmt: on
STANDARD_LIBRARY = set(sys.stdlib_module_names) - _NEWER - _REMOVED
#: Names of AnsibleModule's world: the core raises its own errors instead.
_FORBIDDEN_NAMES = {"AnsibleModule", "exit_json", "fail_json"}


@dataclass(frozen=True)
class Import:
    """One imported module by its full name; ``relative`` when it was written with dots."""

    line: int
    name: str
    relative: bool


def check(tree: Tree) -> list[Finding]:
    """Return every import that a layer must not make, and every circle inside the core."""
    findings: list[Finding] = []
    graph: dict[str, dict[str, int]] = {}
    for path in tree.matching("*.py"):
        syntax = ast.parse(tree.text(path), path)
        imports = _imports(syntax, path)
        findings += _imports_of_faces(path, imports)
        if path.startswith("plugins/module_utils/"):
            findings += _core_file(tree, path, syntax, imports)
            own = path.split("/")[-1][: -len(".py")]
            graph[own] = {one.name[len(_CORE) + 1 :]: one.line for one in imports if one.name.startswith(f"{_CORE}.")}
        elif path.startswith("plugins/"):
            findings += _face_file(path, imports)
    return sorted(findings + _circles(graph))


def _imports(syntax: ast.AST, path: str) -> list[Import]:
    package = (_COLLECTION + path.replace("/", ".")[: -len(".py")]).split(".")
    found = []
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            found += [Import(node.lineno, alias.name, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                [*package[: -node.level], *([node.module] if node.module else [])]
                if node.level
                else [node.module or ""]
            )
            name = ".".join(base)
            # `from . import x` and `from package import module` name modules; anything else names what is in one.
            whole = name in (_CORE, *_FACES)
            found += [
                Import(node.lineno, f"{name}.{alias.name}" if whole else name, bool(node.level))
                for alias in node.names[: None if whole else 1]
            ]
    return found


def _imports_of_faces(path: str, imports: list[Import]) -> list[Finding]:
    return [
        Finding(
            path,
            one.line,
            f"an import of {one.name}",
            "no import of a module or action",
            "Move what is shared into the core",
        )
        for one in imports
        if one.name.startswith(tuple(f"{face}." for face in _FACES))
    ]


def _core_file(tree: Tree, path: str, syntax: ast.AST, imports: list[Import]) -> list[Finding]:
    findings = []
    for one in imports:
        if one.name.startswith(f"{_CORE}."):
            target = f"plugins/module_utils/{one.name[len(_CORE) + 1 :]}.py"
            if not one.relative:
                expected = "a relative import inside the core"
                findings.append(
                    Finding(path, one.line, f"an import of {one.name}", expected, "Write `from .name import ...`")
                )
            if target not in tree.paths:
                findings.append(
                    Finding(path, one.line, f"an import of {one.name}", f"the file {target}", "Correct the name")
                )
        elif one.name.split(".")[0] not in STANDARD_LIBRARY:
            expected = "the standard library of Python 3.9 to 3.14, or the core"
            findings.append(Finding(path, one.line, f"an import of {one.name}", expected, "Do without it"))
    for node in ast.walk(syntax):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in _FORBIDDEN_NAMES:
            findings.append(
                Finding(path, node.lineno, name, "nothing of AnsibleModule in the core", "Raise a typed error")
            )
        if name in ("__import__", "import_module"):
            findings.append(Finding(path, node.lineno, name, "imports that can be read", "Import it by a statement"))
    return findings


def _face_file(path: str, imports: list[Import]) -> list[Finding]:
    of_module = path.startswith("plugins/modules/")
    allowed = "ansible.module_utils" if of_module else "ansible"
    packages = (allowed, _CORE, *_FACES, *(() if of_module else (_SHARED,)))
    return [
        Finding(
            path, one.line, f"an import of {one.name}", f"the standard library, {allowed} or the core", "Do without it"
        )
        for one in imports
        if one.name.split(".")[0] not in STANDARD_LIBRARY
        and not any(f"{one.name}.".startswith(f"{each}.") for each in packages)
    ]


def _circles(graph: dict[str, dict[str, int]]) -> list[Finding]:
    """Return one finding for each import that closes a circle."""
    findings = []
    state: dict[str, bool] = {}

    def visit(name: str, trail: list[str]) -> None:
        state[name] = False
        for target, line in sorted(graph.get(name, {}).items()):
            if target not in state:
                visit(target, [*trail, target])
            elif not state[target]:
                circle = " -> ".join([*trail[trail.index(target) :], target])
                path = f"plugins/module_utils/{name}.py"
                findings.append(
                    Finding(path, line, f"the circle {circle}", "no circles", "Move what both need into a third file")
                )
        state[name] = True

    for name in sorted(graph):
        if name not in state:
            visit(name, [name])
    return findings
