# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a test runs: on a Debian release, with a Python of its own for the services, or on the controller alone.

A test that uses the fixture ``host`` or ``release`` is about the host, and can run on each release. A test with the parameter
``interpreter`` is at ``python<version>``. Without an option everything runs, but of the releases only the default one;
``--at`` chooses places, ``--sample`` adds some tests on each other release, drawn by the seed, takes three of the Pythons, and of a
test with the mark ``drawn(number)`` so many of its parameters.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.tests.matrix import matrix

from releases import DEFAULT_RELEASE, RELEASES

CONTROLLER = "controller"
DRAWN = "drawn"


def add_options(parser: pytest.Parser) -> None:
    """Add the options of this file to those of pytest."""
    group = parser.getgroup("places", "where the tests run")
    group.addoption(
        "--at", action="append", metavar="PLACE", help="a release, python<version>, or controller; may be repeated"
    )
    sample = matrix.load().sample.host_tests
    text = f"{sample} tests about the host on each other release, too, drawn by the seed"
    group.addoption("--sample", action="store_const", const=sample, default=0, help=text)
    group.addoption(
        "--places", type=Path, metavar="FILE", help="write the places of each test file as JSON; run nothing"
    )


def place(item: pytest.Item) -> str:
    """Return where a test runs."""
    parameters: Mapping[str, str] = getattr(getattr(item, "callspec", None), "params", {})
    if "interpreter" in parameters:
        return f"python{parameters['interpreter']}"
    return parameters.get("release", CONTROLLER)


def places(items: Iterable[pytest.Item], root: Path) -> dict[str, list[str]]:
    """Return the places of each test file, by its path below ``root``."""
    found: dict[str, set[str]] = {}
    for item in items:
        found.setdefault(item.path.relative_to(root).as_posix(), set()).add(place(item))
    return {path: sorted(at) for path, at in sorted(found.items())}


def chosen(items: Sequence[pytest.Item], at: Sequence[str] | None, sample: int, seed: int) -> list[pytest.Item]:
    """Return the tests to run, in their order.

    Args:
        items: all tests, each at all of its places.
        at: the places that are asked for; ``None``: all but the releases that are not the default one.
        sample: how many tests run on each of these releases all the same; with any, a service runs on three Pythons only.
        seed: what the sample is drawn by.
    """
    if at is not None:
        return [item for item in items if place(item) in at]
    others = [name for name in RELEASES if name != DEFAULT_RELEASE]
    drawn: set[pytest.Item] = set()
    for name in others:
        candidates = [item for item in items if place(item) == name]
        drawn.update(random.Random(f"{seed} {name}").sample(candidates, min(sample, len(candidates))))
    others += _left_out_pythons({place(item) for item in items}, seed) if sample else []
    resting = _left_out_parameters(items, seed) if sample else set()
    return [item for item in items if (place(item) not in others or item in drawn) and item not in resting]


def _left_out_pythons(at: Iterable[str], seed: int) -> list[str]:
    """Return the Pythons that a sample leaves out: all but the oldest one, the newest one and one that is drawn."""
    found = sorted(
        (name for name in at if name.startswith(matrix.PYTHON)), key=lambda name: int(name.rpartition(".")[2])
    )
    between = found[1:-1]
    kept = random.Random(f"{seed} {matrix.PYTHON}").choice(between) if between else ""
    return [name for name in between if name != kept]


def _left_out_parameters(items: Iterable[pytest.Item], seed: int) -> set[pytest.Item]:
    """Return what a sample leaves out of the tests of which only some parameters are drawn."""
    parameters: dict[str, list[pytest.Item]] = {}
    numbers: dict[str, int] = {}
    for item in items:
        mark = item.get_closest_marker(DRAWN)
        if mark is not None:
            name = item.nodeid.partition("[")[0]
            parameters.setdefault(name, []).append(item)
            numbers[name] = mark.args[0]
    left_out: set[pytest.Item] = set()
    for name, own in parameters.items():
        kept = random.Random(f"{seed} {name}").sample(own, min(numbers[name], len(own)))
        left_out.update(set(own) - set(kept))
    return left_out


def choose(config: pytest.Config, items: list[pytest.Item], seed: int) -> None:
    """Leave in ``items`` what the options ask for; with ``--places`` write that file, and leave nothing."""
    kept = []
    if config.getoption("--places"):
        text = json.dumps(places(items, config.rootpath), indent=2)
        config.getoption("--places").write_text(text + "\n", encoding="utf-8")
    else:
        kept = chosen(items, config.getoption("--at"), config.getoption("--sample"), seed)
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept
