# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gate: limits of the house.

Short functions and files, nothing left for later, no test that does not run, no net for every error, nothing of one
developer's machine, no host name of a package registry.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .findings import Finding, Tree

LONGEST_FUNCTION = 50
LONGEST_MAIN = 40
LONGEST_FILE = 500
_BROAD = ("BaseException", "Exception")
_MARKS = {"expectedFailure", "importorskip", "skip", "skipIf", "skipTest", "skipUnless", "skipif", "xfail"}
_TEST_TOOLS = {"mark", "pytest", "self", "unittest"}
#: The one complaint of pylint that may be silenced in place: the core has no AnsibleModule whose run_command it could call.
_SILENCED = "ansible-bad-function"
_LICENCE = "LICENSE"


#: What no line may hold; written so that this file does not hold it either.
_TEXTS = (
    (re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b"), "nothing left for later", "Do it, or open an issue"),
    (
        re.compile(
            r"\b(?:pyp[i]|crate[s]|docke[r]|ghc[r]|qua[y]|rubygem[s])\.(?:io|org)\b"
            r"|\b(?:pythonhoste[d]|registry\.npmj[s]|(?:deb|security)\.debia[n]|proxy\.golan[g]|galaxy\.ansibl[e])\.(?:com|org)\b"
        ),
        "no host name of a package registry",
        "Let the tool's own settings name it",
    ),
    (
        re.compile(r"(?<![\w.*-])/(?:roo[t]|wor[k]|User[s]/\w+|hom[e]/\w+)/[\w.]"),
        "no path of one developer's machine",
        "Use a path that every machine has",
    ),
    (
        re.compile(rf"pylint:\s*(?:disabl[e](?:-next)?=(?!{_SILENCED}\s*$)|skip-fil[e])"),
        "no check that is silenced",
        "Mend what it found",
    ),
)


def check(tree: Tree) -> list[Finding]:
    """Return everything over a limit."""
    findings: list[Finding] = []
    shell = tree.shell_scripts()
    for path in tree.paths:
        if path == _LICENCE:
            continue
        try:
            text = tree.text(path)
        except UnicodeDecodeError:
            continue
        lines = text.splitlines()
        findings += _texts(path, lines)
        python = path.endswith(".py")
        if (python or path in shell) and len(lines) > LONGEST_FILE:
            expected = f"at most {LONGEST_FILE}"
            findings.append(Finding(path, LONGEST_FILE + 1, f"{len(lines)} lines", expected, "Split the file by topic"))
        if python:
            if "SPDX-License-Identifier: GPL-3.0-or-later" not in text:
                findings.append(Finding(path, 1, "no licence", "a header", "Copy the one of another file"))
            findings += _python(path, ast.parse(text, path))
    return sorted(findings)


def _texts(path: str, lines: list[str]) -> list[Finding]:
    return [
        Finding(path, number, match[0].strip(), expected, remedy)
        for number, line in enumerate(lines, 1)
        for pattern, expected, remedy in _TEXTS
        for match in pattern.finditer(line)
    ]


def _python(path: str, syntax: ast.AST) -> Iterator[Finding]:
    for node in ast.walk(syntax):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            limit = LONGEST_MAIN if node.name == "main" else LONGEST_FUNCTION
            if length > limit:
                expected = f"at most {limit}"
                yield Finding(
                    path, node.lineno, f"{length} lines in {node.name}()", expected, "Split it by what it does"
                )
        elif isinstance(node, ast.ExceptHandler) and (node.type is None or _names(node.type) & set(_BROAD)):
            yield Finding(path, node.lineno, "a broad except", "the errors that can happen here", "Name them")
        elif isinstance(node, ast.Call) and _last(node.func) == "suppress":
            if any(_names(argument) & set(_BROAD) for argument in node.args):
                yield Finding(path, node.lineno, "a broad suppress", "the errors that can happen here", "Name them")
        elif isinstance(node, ast.Attribute) and node.attr in _MARKS and _names(node.value) & _TEST_TOOLS:
            yield Finding(path, node.lineno, node.attr, "tests that run", "Make the test run, or remove it")
        elif isinstance(node, ast.ImportFrom) and node.module in ("pytest", "unittest"):
            for alias in node.names:
                if alias.name in _MARKS:
                    yield Finding(path, node.lineno, alias.name, "tests that run", "Make the test run, or remove it")


def _names(node: ast.AST) -> set[str]:
    """Return the names in an expression such as ``pytest.mark`` or ``(OSError, Exception)``."""
    return {_last(part) for part in ast.walk(node) if isinstance(part, (ast.Attribute, ast.Name))}


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
