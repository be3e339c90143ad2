# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of proofs: made once for each state of the code, stale afterwards, resumed after a kill; what a release wants."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.tests.matrix import check, matrix, page, records
from ansible_collections.stability.baseline.tests.matrix.checkout import Checkout
from ansible_collections.stability.baseline.tests.matrix.execution import Outcome
from ansible_collections.stability.baseline.tests.matrix.matrix import Cell
from ansible_collections.stability.baseline.tests.matrix.prove import Prover, Refused, alone
from ansible_collections.stability.baseline.tests.matrix.records import FAILED, MISSING, NOT_RUN, PASSED, STALE, Record

import proofs

ONE = Cell("integration", "test_one", "bookworm", ("plugins/*", "tests/one.py"), 60)
TWO = Cell("molecule", "two", "trixie", ("plugins/*", "molecule/*"), 60)
CELLS = [ONE, TWO]
FILES = {
    "plugins/a.py": "a\n",
    "tests/one.py": "1\n",
    "molecule/two.yml": "2\n",
    "docs/a.md": "text\n",
    "galaxy.yml": "version: 0.1.0\n",
    "changelogs/changelog.yaml": "releases:\n  0.1.0: {}\n",
    ".gitignore": "/.cache/\n",
}


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def commit(**files: str) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "-m", "x")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout with one commit; it is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STABILITY_SEED", raising=False)
    git("init", "--quiet")
    commit(**FILES)
    return Checkout(tmp_path)


class Runs:
    """Runs cells without doing anything; ``outcomes`` says how they end, and is asked by name."""

    def __init__(self, **outcomes: Outcome | type[BaseException]) -> None:
        self.outcomes = outcomes
        self.ran: list[str] = []
        self.variables: list[dict[str, str]] = []

    def __call__(self, cell, known, folder, variables):
        assert folder.is_dir() and list(folder.iterdir()) == []
        (folder / "log").write_text("")
        self.ran.append(cell.name)
        self.variables.append(variables)
        outcome = self.outcomes.get(cell.name, Outcome(PASSED, 3, passed=1))
        if isinstance(outcome, Outcome):
            return outcome
        raise outcome


def prove(checkout: Checkout, runs: Runs, cells: list[Cell] | None = None) -> tuple[list[str], list[str]]:
    """Prove what is owed; return the names of the cells that ran, and those that failed."""
    prover = Prover(checkout, matrix.load(), runs, say=lambda line: None)
    failed = prover.prove(prover.owed(CELLS if cells is None else cells), jobs=1)
    return runs.ran, failed


def test_what_is_proved_is_not_run_again(checkout: Checkout) -> None:
    runs = Runs()
    assert prove(checkout, runs) == (["test_one", "two"], [])
    assert prove(checkout, Runs()) == ([], [])
    found = records.load()
    assert found[ONE.id].commit == checkout.commit() and found[ONE.id].budget == 60
    assert [each["STABILITY_PROOF"] for each in runs.variables] == ["full", "full"]
    assert found[ONE.id].seed == int(runs.variables[0]["STABILITY_SEED"]) != found[TWO.id].seed
    assert page.PATH.read_text() == page.render(matrix.load(), found)


def test_the_cell_with_the_largest_budget_runs_first(checkout: Checkout) -> None:
    assert prove(checkout, Runs(), [ONE, replace(TWO, budget=61)]) == (["two", "test_one"], [])


@pytest.mark.parametrize(
    ("path", "ran"),
    [
        ("docs/a.md", []),
        ("tests/one.py", ["test_one"]),
        ("molecule/new.yml", ["two"]),
        ("plugins/a.py", ["test_one", "two"]),
    ],
)
def test_a_proof_is_stale_when_what_it_covers_has_changed(checkout: Checkout, path: str, ran: list[str]) -> None:
    prove(checkout, Runs())
    commit(**{path: "changed\n"})
    assert prove(checkout, Runs())[0] == ran
    assert prove(checkout, Runs())[0] == []


def test_the_mode_and_the_name_of_a_file_count(checkout: Checkout) -> None:
    before = checkout.digest(ONE.covers)
    Path("plugins/a.py").chmod(0o755)
    commit()
    executable = checkout.digest(ONE.covers)
    git("mv", "plugins/a.py", "plugins/b.py")
    commit()
    assert len({before, executable, checkout.digest(ONE.covers)}) == 3


@pytest.mark.parametrize("path", ["plugins/a.py", "plugins/new.py"])
def test_changes_that_are_not_committed_are_refused(checkout: Checkout, path: str) -> None:
    Path(path).write_text("changed\n")
    runs = Runs()
    with pytest.raises(Refused, match=f"commit them first:\n  {path}$"):
        prove(checkout, runs)
    assert runs.ran == [] and not records.PATH.exists()
    commit()
    Path("docs/a.md").write_text("changed\n")
    assert prove(checkout, Runs())[0] == ["test_one", "two"]


def test_what_changed_while_it_ran_is_not_recorded(checkout: Checkout) -> None:
    def run(cell, known, folder, variables):
        Path("tests/one.py").write_text("changed\n")
        return Outcome(PASSED, 3)

    prover = Prover(checkout, matrix.load(), run, say=lambda line: None)
    assert prover.prove(CELLS, jobs=1) == [ONE.id]
    assert list(records.load()) == [TWO.id]


def test_a_run_that_was_killed_goes_on(checkout: Checkout) -> None:
    with pytest.raises(KeyboardInterrupt):
        prove(checkout, Runs(two=KeyboardInterrupt))
    assert list(records.load()) == [ONE.id]
    assert prove(checkout, Runs())[0] == ["two"]


def test_what_failed_or_could_not_run_is_tried_again(checkout: Checkout) -> None:
    over = Outcome(FAILED, 61, "over its budget of 60 s; it was stopped")
    missing = Outcome(NOT_RUN, reason="no cgroup v2")
    assert prove(checkout, Runs(test_one=over, two=missing)) == (["test_one", "two"], [ONE.id])
    found = records.load()
    assert (found[ONE.id].result, found[ONE.id].reason) == (FAILED, over.reason)
    assert (found[TWO.id].result, found[TWO.id].reason) == (NOT_RUN, "no cgroup v2")
    assert prove(checkout, Runs()) == (["test_one", "two"], [])
    assert {record.result for record in records.load().values()} == {PASSED}


def test_records_of_cells_that_are_no_more_go(checkout: Checkout) -> None:
    prove(checkout, Runs())
    Prover(checkout, matrix.load()).forget([TWO])
    assert list(records.load()) == [TWO.id]


def test_records_of_an_older_shape_count_for_nothing() -> None:
    records.PATH.write_text(json.dumps({"argv": {"cases": 5000, "result": "passed"}}))
    assert records.load() == {}


def test_one_run_at_a_time() -> None:
    with alone(), pytest.raises(Refused, match="another run"), alone():
        pass
    with alone():
        pass


def record(result: str, digest: str) -> Record:
    return Record(result, "2026-01-02", "c" * 40, digest, 7, 5, 60, reason="" if result == PASSED else "because")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, MISSING),
        (record(PASSED, "now"), PASSED),
        (record(PASSED, "then"), STALE),
        (record(FAILED, "now"), FAILED),
        (record(FAILED, "then"), FAILED),
        (record(NOT_RUN, "then"), NOT_RUN),
    ],
)
def test_the_worth_of_a_record(found: Record | None, expected: str) -> None:
    assert records.state(found, "now") == expected


def test_a_release_wants_every_proof_to_hold(checkout: Checkout) -> None:
    digest = checkout.digest(ONE.covers)
    lines, bad = check.proofs([ONE], {ONE.id: record(PASSED, digest)}, checkout)
    assert bad == [] and lines[0].endswith("passed   2026-01-02 cccccccc  as new as the code")
    assert check.proofs([ONE], {ONE.id: record(NOT_RUN, "")}, checkout)[1] == []
    for found, meaning in (
        ({}, "missing                       never proved"),
        ({ONE.id: record(PASSED, "then")}, "the code that it covers has changed since"),
        ({ONE.id: record(FAILED, digest)}, "failed when it was last run: because"),
    ):
        lines, bad = check.proofs([ONE], found, checkout)
        assert bad == [ONE.id] and lines[0].endswith(meaning)


def test_a_release_wants_its_changelog_and_nothing_left_over(checkout: Checkout, tmp_path: Path) -> None:
    known = matrix.load()

    def problems() -> str:
        return "\n".join(check.release(tmp_path, known, records.load(), checkout))

    prove(checkout, Runs())
    commit()
    assert problems() == ""
    Path("changelogs/fragments").mkdir()
    Path("changelogs/fragments/new.yml").write_text("bugfixes: []\n")
    assert (
        "fragments of no release: new.yml." in problems()
        and "not committed: changelogs/fragments/new.yml" in problems()
    )
    commit(**{"galaxy.yml": "version: 0.2.0\n", str(page.PATH): "by hand\n"})
    assert "version 0.2.0 has no entry in changelogs/changelog.yaml" in problems()
    assert "docs/matrix.md is not what docs/proofs.json says" in problems()


def test_a_proof_has_two_sizes_and_a_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STABILITY_REPORT", str(tmp_path / "report"))
    sizes = {"sample": 2, "full": 50}
    for size, cases in sizes.items():
        monkeypatch.setenv("STABILITY_PROOF", size)
        with proofs.proof("argv", sizes, seed=7) as number:
            assert number == cases
    told = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
    assert [(line["proof"], line["cases"], line["seed"]) for line in told] == [("argv", 2, 7), ("argv", 50, 7)]
    with (
        pytest.raises(AssertionError, match="argv: over its budget: 50 cases took"),
        proofs.proof("argv", sizes, budget={"sample": 60, "full": -1}),
    ):
        pass
    assert len((tmp_path / "report").read_text().splitlines()) == 2
