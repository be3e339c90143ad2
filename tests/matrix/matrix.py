# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix of tests, as ``matrix.yml`` has it, and its cells: one test at one place each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from .closure import PLUGINS, closure

FILE = Path(__file__).with_name("matrix.yml")
CORE = "core-"
"""How a place begins that is a release of ansible-core."""
PYTHON = "python"
"""How a place begins that is a Python."""


@dataclass(frozen=True)
class Core:
    """A release series of ansible-core: what is installed, and on which Pythons it may be, the best first."""

    pins: tuple[str, ...]
    pythons: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """What ``make test`` runs on ``release``, a share of some files; and on others: scenarios, a number of tests, and single cells.

    ``shares`` holds, by patterns of names of test files, how many of a hundred tests are drawn; all of those that fit none.
    """

    release: str
    shares: Mapping[str, int]
    scenarios: tuple[str, ...]
    host_tests: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Module:
    """The Pythons with which a module and what it makes are tested, and the tests."""

    pythons: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """What holds for the cells that fit one of ``match``: the patterns of the files they cover, and seconds."""

    match: tuple[str, ...]
    covers: tuple[str, ...]
    budget: int


@dataclass(frozen=True)
class Cell:
    """One test at one place.

    Attributes:
        kind: ``molecule``, ``integration``, ``unit`` or ``sanity``.
        name: the scenario, or the test file below ``tests/integration`` without its suffix; empty for the other kinds.
        place: a release, ``python<version>``, ``core-<version>`` or ``controller``.
        covers: patterns of files, as :func:`covered` reads them.
        budget: seconds that it may take.
    """

    kind: str
    name: str
    place: str
    covers: tuple[str, ...]
    budget: int

    @property
    def id(self) -> str:
        """Its name in records and on the command line."""
        return "/".join(filter(None, (self.kind, self.name, self.place)))

    @property
    def test(self) -> str:
        """Its name without the place."""
        return "/".join(filter(None, (self.kind, self.name)))


@dataclass(frozen=True)
class Matrix:
    """The content of ``matrix.yml``."""

    releases: Mapping[str, str]
    scenarios: tuple[str, ...]
    cores: Mapping[str, Core]
    playbooks: tuple[str, ...]
    interpreters: tuple[str, ...]
    module: Module
    sample: Sample
    rules: tuple[Rule, ...]

    def cell(self, kind: str, name: str, place: str) -> Cell:
        """Return a cell with what its rule says.

        Raises:
            KeyError: no rule fits it.
        """
        bare = Cell(kind, name, place, (), 0)
        for rule in self.rules:
            if any(fnmatchcase(bare.id, pattern) for pattern in rule.match):
                covers = tuple(pattern.format(name=name) for pattern in rule.covers)
                return Cell(kind, name, place, covers, rule.budget)
        raise KeyError(f"{bare.id} fits no rule of {FILE.name}")

    def cells(self, places: Mapping[str, Sequence[str]]) -> list[Cell]:
        """Return all cells, those that take longest last.

        Args:
            places: the places of each integration test, by its name (see ``tests/integration/places.py``).
        """
        at_cores = [f"{CORE}{version}" for version in self.cores]
        found = [self.cell("unit", "", place) for place in at_cores]
        found += [self.cell("integration", name, place) for name in self.playbooks for place in at_cores]
        found += [self.cell("integration", name, place) for name, at in places.items() for place in at]
        found += [
            self.cell("integration", name, f"{PYTHON}{version}")
            for name in self.module.tests
            for version in self.module.pythons
        ]
        found += [self.cell("molecule", name, place) for place in self.releases for name in self.scenarios]
        return found + [self.cell("sanity", "", place) for place in at_cores]


def covered(path: str, patterns: Iterable[str]) -> bool:
    """Return whether a path fits: ``*`` stands for any characters, slashes as well; the last pattern that fits decides."""
    fits = False
    for pattern in patterns:
        if fnmatchcase(path, pattern.removeprefix("!")):
            fits = not pattern.startswith("!")
    return fits


def load(text: str = "") -> Matrix:
    """Return the matrix of ``text``, or that of this checkout."""
    data = yaml.safe_load(text or FILE.read_text(encoding="utf-8"))
    return Matrix(
        releases=data["releases"],
        scenarios=tuple(data["scenarios"]),
        cores={version: Core(tuple(core["pins"]), tuple(core["pythons"])) for version, core in data["cores"].items()},
        playbooks=tuple(data["playbooks"]),
        interpreters=tuple(data["interpreters"]),
        module=Module(tuple(data["module"]["pythons"]), tuple(data["module"]["tests"])),
        sample=Sample(
            data["sample"]["release"],
            data["sample"]["shares"],
            tuple(data["sample"]["scenarios"]),
            data["sample"]["host_tests"],
            tuple(data["sample"]["cells"]),
        ),
        rules=tuple(_rule(rule) for rule in data["cells"]),
    )


def _rule(data: Mapping[str, Any]) -> Rule:
    plugins = closure(FILE.parents[2], data["modules"]) if "modules" in data else [f"{PLUGINS}/*"]
    return Rule(tuple(data["match"]), (*plugins, *_flat(data["covers"])), data["budget"])


def _flat(members: Any) -> Iterable[str]:
    """Return the texts in a list whose members may be lists, which is what an anchor of YAML gives."""
    return [members] if isinstance(members, str) else [text for member in members for text in _flat(member)]
