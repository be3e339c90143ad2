# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugins that take part when a module of the collection runs: its faces, and what these import, directly or not."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PLUGINS = "plugins"
CORE = f"{PLUGINS}/module_utils"
#: What is sent to the host.
ON_HOST = ("modules/{name}.py",)
#: What ansible itself reads for a module, whatever it imports.
_FACES = (*ON_HOST, "action/{name}.py", "doc_fragments/*", "plugin_utils/*")


def closure(root: Path, modules: Iterable[str], faces: Iterable[str] = _FACES) -> list[str]:
    """Return the paths (and patterns) of the plugins that ``modules`` consist of, sorted; of all their ``faces``, or of some.

    Raises:
        ValueError: there is no such module.
    """
    found: set[str] = set()
    for name in modules:
        if not (root / PLUGINS / "modules" / f"{name}.py").is_file():
            raise ValueError(f"{name} is no module of {PLUGINS}/modules")
        named = [f"{PLUGINS}/{face.format(name=name)}" for face in faces]
        found.update(face for face in named if "*" in face or (root / face).is_file())
    waiting = [path for path in found if path.endswith(".py")]
    while waiting:
        new = _imported(root, waiting.pop()) - found
        found |= new
        waiting += new
    return sorted(found)


@cache
def _imported(root: Path, path: str) -> frozenset[str]:
    """Return the files of the core that a file imports, wherever in it; many rules stand on the same ones."""
    return frozenset(_imports(root, path))


def _imports(root: Path, path: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").rpartition("module_utils")[2].strip(".")
            for name in [module] if module else [alias.name for alias in node.names]:
                if (root / CORE / f"{name}.py").is_file():
                    yield f"{CORE}/{name}.py"
