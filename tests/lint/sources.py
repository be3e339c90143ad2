# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading YAML with line numbers, and what modules and roles say about their own options."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from .findings import GateError, Tree

Place = tuple[Any, ...]


def load_yaml(path: str, text: str) -> tuple[Any, dict[Place, int]]:
    """Return the data of one YAML document, and the line of each key and list member by its place (``("a", 0, "b")``).

    Raises:
        GateError: the text is no YAML.
    """
    try:
        return yaml.safe_load(text), dict(_places(yaml.compose(text, yaml.SafeLoader), ()))
    except yaml.YAMLError as error:
        raise GateError(f"{path} is no YAML: {error}") from error


def _places(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        members = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        members = [(index, value, value) for index, value in enumerate(node.value)]
    else:
        return
    for name, start, value in members:
        yield (*place, name), start.start_mark.line + 1
        yield from _places(value, (*place, name))


@dataclass(frozen=True)
class Options:
    """The documented options of a role or module by name, and where: ``lines`` is the line of each."""

    path: str
    options: dict[str, dict[str, Any]]
    lines: dict[str, int] = field(default_factory=dict)


def roles(tree: Tree) -> list[str]:
    """Return the names of the roles."""
    return sorted({path.split("/")[1] for path in tree.matching("roles/*/*")})


def modules(tree: Tree) -> list[str]:
    """Return the names of the modules."""
    return [path.rsplit("/", 1)[1][: -len(".py")] for path in tree.matching("plugins/modules/*.py")]


def role_options(tree: Tree, role: str) -> Options | None:
    """Return the options of all entry points of a role, or ``None`` when it has no argument specs."""
    path = f"roles/{role}/meta/argument_specs.yml"
    if path not in tree.paths:
        return None
    data, lines = load_yaml(path, tree.text(path))
    options: dict[str, dict[str, Any]] = {}
    where: dict[str, int] = {}
    for entry, specification in (data or {}).get("argument_specs", {}).items():
        for name, option in (specification.get("options") or {}).items():
            options[name] = option or {}
            where[name] = lines["argument_specs", entry, "options", name]
    return Options(path, options, where)


def _strings(body: Iterable[ast.stmt]) -> dict[str, tuple[str, int]]:
    """Return the documentation among statements by its variable, each with the line where its text begins."""
    strings = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
                    strings[target.id] = (node.value.value, node.value.lineno)
    return strings


def module_strings(tree: Tree, module: str) -> dict[str, tuple[str, int]]:
    """Return ``DOCUMENTATION``, ``EXAMPLES`` and ``RETURN`` of a module, each with the line where its text begins."""
    path = f"plugins/modules/{module}.py"
    return _strings(ast.parse(tree.text(path), path).body)


def _fragment_options(tree: Tree, name: str) -> dict[str, dict[str, Any]]:
    """Return the options of a documentation fragment of ours, by its full name."""
    path = f"plugins/doc_fragments/{name.rpartition('.')[2]}.py"
    classes = [node for node in ast.parse(tree.text(path), path).body if isinstance(node, ast.ClassDef)]
    texts = [_strings(node.body).get("DOCUMENTATION", ("", 1))[0] for node in classes]
    return {name: option for text in texts for name, option in (load_yaml(path, text)[0].get("options") or {}).items()}


def module_options(tree: Tree, module: str) -> Options:
    """Return the options of a module's ``DOCUMENTATION``, those of the fragments that it names included."""
    path = f"plugins/modules/{module}.py"
    text, begin = module_strings(tree, module).get("DOCUMENTATION", ("", 1))
    data, lines = load_yaml(path, text)
    data = data or {}
    options = {name: option or {} for name, option in (data.get("options") or {}).items()}
    where = {name: begin + lines["options", name] - 1 for name in options}
    for index, fragment in enumerate(data.get("extends_documentation_fragment") or ()):
        for name, option in _fragment_options(tree, fragment).items():
            options[name] = option or {}
            where[name] = begin + lines["extends_documentation_fragment", index] - 1
    return Options(path, options, where)
