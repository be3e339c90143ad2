# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which share of the integration tests a sample takes, and in which order."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.tests.matrix import matrix, records, sampling

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
def pytest_generate_tests(metafunc):
    if "release" in metafunc.fixturenames:
        metafunc.parametrize("release", ["bookworm", "trixie"], scope="session")
"""
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(10))
def test_here(number): pass
@pytest.mark.parametrize("number", range(5))
def test_there(release, number): pass
"""


def _record(seconds: int) -> records.Record:
    return records.Record("passed", "2026-11-28", "c", "d", 1, seconds, 60)


def test_the_first_pattern_that_fits_says_the_share():
    shares = {"packages/test_one": 100, "packages/*": 50}
    found = {name: sampling.share(name, shares) for name in ("packages/test_one", "packages/test_two", "test_three")}
    assert found == {"packages/test_one": 100, "packages/test_two": 50, "test_three": 100}


@pytest.mark.parametrize(
    ("number", "percent", "expected"), [(10, 50, 5), (3, 50, 2), (1, 10, 1), (4, 100, 4), (0, 50, 0)]
)
def test_a_share_is_drawn_by_the_seed(number, percent, expected):
    names = [f"test_{one}" for one in range(number)]
    assert len(sampling.drawn(names, percent, "1")) == expected
    assert sampling.drawn(names, percent, "1") == sampling.drawn(list(reversed(names)), percent, "1")


def test_different_seeds_draw_different_tests():
    names = [f"test_{one}" for one in range(10)]
    assert len({frozenset(sampling.drawn(names, 50, str(seed))) for seed in range(9)}) > 1


def test_durations_are_those_of_the_places_of_a_sample():
    found = {
        "integration/test_one/bookworm": _record(3),
        "integration/test_one/controller": _record(4),
        "integration/test_one/trixie": _record(100),
        "integration/packages/test_two/controller": _record(5),
        "molecule/services/bookworm": _record(6),
        "sanity/core-2.16": _record(7),
    }
    assert sampling.durations(found, "bookworm") == {"test_one": 7, "packages/test_two": 5}


def test_a_share_runs_the_longest_files_first_and_other_releases_are_left_as_they_are(pytester, monkeypatch):
    folder = pytester.path / sampling.FOLDER
    (folder / "packages").mkdir(parents=True)
    (pytester.path / "docs").mkdir()
    (folder / "conftest.py").write_text(CONFTEST)
    for name in ("test_short", "packages/test_long", "test_new"):
        (folder / f"{name}.py").write_text(TESTS)
    known = {"integration/test_short/bookworm": _record(1), "integration/packages/test_long/controller": _record(9)}
    records.save(known, pytester.path / records.PATH)
    pytester.makeini("[pytest]")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}/.cache/collections")
    monkeypatch.setenv("STABILITY_SEED", "7")
    command = [sys.executable, "-P", "-m", sampling.__name__, "-v", "-p", "no:cacheprovider", "-n1", "--dist=loadfile"]
    result = pytester.run(*command, "--no-loadscope-reorder", sampling.FOLDER)
    passed = [line.partition(" PASSED ")[2] for line in result.outlines]
    files = [Path(name.partition("::")[0]).stem for name in passed if name]
    assert list(dict.fromkeys(files)) == ["test_new", "test_long", "test_short"]
    assert (files.count("test_new"), files.count("test_short")) == (20, 20)
    # A share of the ten at the controller and the five on Debian 12, and all five on the other release.
    assert files.count("test_long") == math.ceil(15 * matrix.load().sample.shares["packages/*"] / 100) + 5 < 20
