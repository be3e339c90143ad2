# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs pytest for ``make test``, with itself as a plugin: of some files a share of the tests, drawn by the seed, the longest files first.

``make prove`` runs every test, and its records say how long each file takes.
"""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import pytest

from . import matrix, records

FOLDER = "tests/integration"


def _name(item: pytest.Item) -> str:
    """Return the name of a test's file, as cells have it."""
    return item.path.relative_to(item.config.rootpath / FOLDER).with_suffix("").as_posix()


def share(name: str, shares: Mapping[str, int]) -> int:
    """Return how many of a hundred tests of a file are drawn, by the first pattern that fits its name."""
    return next((percent for pattern, percent in shares.items() if fnmatchcase(name, pattern)), 100)


def drawn(names: Sequence[str], percent: int, seed: str) -> set[str]:
    """Return that share of names, at least one of them; the same for the same seed."""
    number = math.ceil(len(names) * percent / 100)
    return set(random.Random(seed).sample(sorted(names), number))


def durations(found: Mapping[str, records.Record], release: str) -> dict[str, int]:
    """Return the seconds that each file took at the places of a sample when it was last proved."""
    seconds: dict[str, int] = {}
    for cell, record in found.items():
        kind, _slash, rest = cell.partition("/")
        name, _slash, place = rest.rpartition("/")
        if kind == "integration" and place in (release, "controller"):
            seconds[name] = seconds.get(name, 0) + record.seconds
    return seconds


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the drawn tests of each file, and put the files in their order; the tests of other releases are drawn already."""
    sample = matrix.load().sample
    by_file: dict[str, list[pytest.Item]] = {}
    for item in items:
        by_file.setdefault(_name(item), []).append(item)
    kept: set[str] = set()
    for name, own in by_file.items():
        elsewhere = {item.nodeid for item in own if _release(item) not in (None, sample.release)}
        here = [item.nodeid for item in own if item.nodeid not in elsewhere]
        kept |= elsewhere | drawn(here, share(name, sample.shares), f"{os.environ.get('STABILITY_SEED')} {name}")
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
    seconds = durations(records.load(config.rootpath / records.PATH), sample.release)
    # What was never proved may take long.
    takes = {name: seconds.get(name, math.inf) * share(name, sample.shares) for name in by_file}
    places = {name: (-takes[name], number) for number, name in enumerate(by_file)}
    items[:] = sorted((item for item in items if item.nodeid in kept), key=lambda item: places[_name(item)])


def _release(item: pytest.Item) -> str | None:
    parameters: Mapping[str, str] = getattr(getattr(item, "callspec", None), "params", {})
    return parameters.get("release")


if __name__ == "__main__":
    # By it this file was found; pytest hands the path on to its workers, and nothing that a test starts shall have it.
    del os.environ["PYTHONPATH"]
    sys.exit(pytest.main(["-p", __spec__.name, *sys.argv[1:]]))
