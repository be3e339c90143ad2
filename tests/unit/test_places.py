# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which integration tests run where, and what is told of those that cannot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

import places
from releases import RELEASES

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
import cgroups, not_run, places
import places
from releases import RELEASES

MISSING = {missing!r}
cgroups.obstacle = lambda release: MISSING.get(release.name, "")
cgroups.lacks = lambda release: {lacks!r}.get(release.name, {{}})

def pytest_addoption(parser):
    places.add_options(parser)

def pytest_configure(config):
    config.pluginmanager.register(not_run, "not_run")
    config.addinivalue_line("markers", "drawn(number): x")

def pytest_generate_tests(metafunc):
    if "release" in metafunc.fixturenames:
        metafunc.parametrize("release", RELEASES, scope="session")

def pytest_collection_modifyitems(config, items):
    places.choose(config, items, 1)
"""
TESTS = """
import pytest

def test_one(release): pass
def test_two(release): pass
@pytest.mark.needs("memory limits")
def test_memory(release): pass
def test_alone(): pass
@pytest.mark.parametrize("interpreter", [pytest.param("3.8", marks=pytest.mark.missing("no Python 3.8")), "3.9"])
def test_python(interpreter): pass
"""
DRAWN = """
import pytest

@pytest.mark.drawn(2)
@pytest.mark.parametrize("number", range(6))
def test_drawn(number): pass
"""


@dataclass(frozen=True, eq=False)
class Item:
    """A test as far as the choice looks at it."""

    name: str
    callspec: SimpleNamespace

    def get_closest_marker(self, name: str) -> None:
        """Return no mark."""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Return a function that runs the tests above and returns their results, what was reported, and the output."""
    monkeypatch.setenv("STABILITY_REPORT", str(tmp_path / "report"))
    monkeypatch.delenv("STABILITY_RELEASE", raising=False)

    def running(*options: str, missing=None, lacks=None, tests=TESTS):
        pytester.makeconftest(CONFTEST.format(missing=missing or {}, lacks=lacks or {}))
        pytester.makepyfile(test_it=tests)
        pytester.makeini(
            f"[pytest]\npythonpath = {ROOT}/.cache/collections {ROOT}/tests/hosts {ROOT}/tests/integration\n"
        )
        (tmp_path / "report").unlink(missing_ok=True)
        result = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider", *options)
        ran = {line.split(" ")[0].partition("::")[2] for line in result.outlines if " PASSED" in line and "::" in line}
        told = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
        return ran, told, result

    return running


def test_without_an_option_the_other_releases_rest(run):
    ran, told, result = run()
    assert ran == {
        "test_one[bookworm]",
        "test_two[bookworm]",
        "test_memory[bookworm]",
        "test_alone",
        "test_python[3.9]",
    }
    left_out = {"test_it.py::test_python[3.8]": "no Python 3.8"}
    assert told == [{"passed": 5, "not_run": left_out}]
    result.stdout.fnmatch_lines(["not run: test_it.py::test_python?3.8?: no Python 3.8"])


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (["forky"], {"test_one[forky]", "test_two[forky]", "test_memory[forky]"}),
        (["controller"], {"test_alone"}),
        (["python3.9", "controller"], {"test_alone", "test_python[3.9]"}),
    ],
)
def test_places_are_chosen(run, at, expected):
    assert run(*(f"--at={place}" for place in at))[0] == expected


def test_a_sample_is_drawn_by_the_seed():
    tests = [
        Item(f"{number}[{release}]", SimpleNamespace(params={"release": release}))
        for release in RELEASES
        for number in range(9)
    ]

    def sample(size, seed):
        return {test.name for test in places.chosen(tests, None, size, seed)}

    default = sample(0, 1)
    assert default == {f"{number}[bookworm]" for number in range(9)}
    drawn = [sample(2, seed) - default for seed in (1, 2, 3)]
    expected = sorted(name for name in RELEASES if name != "bookworm" for _turn in range(2))
    assert all(sorted(name[2:-1] for name in names) == expected for names in drawn)
    assert len({frozenset(names) for names in drawn}) == 3
    assert sample(2, 2) - default == drawn[1]
    assert len(sample(99, 1)) == len(tests)


def test_a_sample_takes_some_parameters_of_a_test_that_says_so(run):
    def drawn(*options):
        return run(*options, tests=DRAWN)[0]

    assert len(drawn()) == len(drawn("--at=controller")) == 6
    assert len(drawn("--sample")) == 2


def test_a_sample_has_the_oldest_and_the_newest_python_and_one_between():
    tests = [Item(str(minor), SimpleNamespace(params={"interpreter": f"3.{minor}"})) for minor in range(8, 15)]
    assert places.chosen(tests, None, 0, 1) == tests
    drawn = [tuple(test.name for test in places.chosen(tests, None, 2, seed)) for seed in range(20)]
    assert all(len(names) == 3 and (names[0], names[-1]) == ("8", "14") for names in drawn)
    assert len(set(drawn)) > 2
    assert places.chosen(tests[:2], None, 2, 1) == tests[:2]


def test_what_cannot_run_is_told(run):
    lacking = "the controller is in use"
    ran, told, result = run("--at=forky", lacks={"forky": {"memory limits": lacking}})
    assert ran == {"test_one[forky]", "test_two[forky]"}
    assert told == [{"passed": 2, "not_run": {"test_it.py::test_memory[forky]": lacking}}]
    result.stdout.fnmatch_lines([f"not run: test_it.py::test_memory?forky?: {lacking}"])
    ran, told, result = run("--at=forky", missing={"forky": "no cgroup v2"})
    assert (ran, result.ret) == (set(), pytest.ExitCode.NO_TESTS_COLLECTED)
    assert set(told[0]["not_run"].values()) == {"no cgroup v2"}


def test_processes_that_share_the_tests_out_report_as_one(run):
    _ran, told, result = run("-n2", "-p", "xdist", missing={"forky": "no cgroup v2"})
    left_out = {"test_it.py::test_python[3.8]": "no Python 3.8"}
    assert told == [{"passed": 5, "not_run": left_out}]
    result.stdout.fnmatch_lines(["not run: test_it.py::test_python?3.8?: no Python 3.8"])
    result.assert_outcomes(passed=5)


def test_the_places_of_each_file_are_listed(run, tmp_path):
    ran, _told, _result = run(f"--places={tmp_path}/places")
    assert ran == set()
    releases = ["bookworm", "bullseye", "forky", "trixie"]
    expected = {"test_it.py": sorted([*releases, "controller", "python3.8", "python3.9"])}
    assert json.loads((tmp_path / "places").read_text()) == expected
