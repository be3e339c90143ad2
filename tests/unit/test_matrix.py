# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix of tests: its cells and what they cover, how one is run and judged, what people read of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.tests.matrix import cores, execution, matrix, page
from ansible_collections.stability.baseline.tests.matrix.closure import closure
from ansible_collections.stability.baseline.tests.matrix.execution import judged
from ansible_collections.stability.baseline.tests.matrix.matrix import Cell, covered
from ansible_collections.stability.baseline.tests.matrix.records import FAILED, NOT_RUN, PASSED, Record

from releases import DEFAULT_RELEASE, RELEASES

ROOT = Path(__file__).resolve().parents[2]
PLACES = {"test_a": ["bookworm", "controller"], "packages/test_b": ["controller"], "test_interpreters": ["python3.8"]}
CELL = Cell("integration", "test_a", "trixie", ("plugins/*",), 60)


def test_the_matrix_fits_the_project() -> None:
    known = matrix.load()
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert list(known.releases) == list(RELEASES) and known.sample.release == DEFAULT_RELEASE
    assert set(known.scenarios) == {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    assert set(known.sample.scenarios) <= set(known.scenarios)
    for name in known.playbooks:
        assert f"tests/integration/{name}.py" in listed
    cells = known.cells({name: ["bookworm"] for name in known.playbooks})
    assert set(known.sample.cells) <= {cell.id for cell in cells}
    for cell in cells:
        for pattern in cell.covers:
            assert any(covered(path, [pattern.removeprefix("!")]) for path in listed), (cell.id, pattern)
        modules = [path for path in listed if path.startswith("plugins/modules/") and covered(path, cell.covers)]
        assert {*modules} & {"plugins/modules/pip_pinned.py", "plugins/modules/systemd_units.py"}, cell.id
        assert not covered("docs/proofs.json", cell.covers) and not covered("docs/matrix.md", cell.covers), cell.id


def test_a_module_stands_for_all_that_it_imports() -> None:
    found = closure(ROOT, ["journald", "preflight"])
    expected = {
        "modules/journald.py", "modules/preflight.py", "action/preflight.py", "doc_fragments/*",
        "module_utils/journal_run.py", "module_utils/journal_plan.py",
        # Imported by functions, and by what is imported.
        "module_utils/journal_apply.py", "module_utils/files.py",
    }  # fmt: skip
    assert {f"plugins/{name}" for name in expected} <= set(found)
    assert "plugins/module_utils/environment_change.py" not in found and "plugins/modules/pip_pinned.py" not in found
    with pytest.raises(ValueError, match="journal is no module of plugins/modules"):
        closure(ROOT, ["journal"])


def test_what_covers_some_modules_only_runs_no_other() -> None:
    for name in sorted(path.stem for path in (ROOT / "tests/integration").glob("test_*.py")):
        covers = matrix.load().cell("integration", name, "bookworm").covers
        if not covered("plugins/modules/pip_pinned.py", covers):
            text = (ROOT / "tests/integration" / f"{name}.py").read_text()
            assert not re.search("pip_pinned|stability_environments|apply.yml|baseline.apply", text), name


def test_each_test_is_a_cell_at_each_of_its_places() -> None:
    cells = {cell.id: cell for cell in matrix.load().cells(PLACES)}
    for name in (
        "integration/test_a/bookworm", "integration/test_a/controller", "integration/packages/test_b/controller",
        "integration/test_interpreters/python3.8", "molecule/services/forky", "unit/core-2.16", "sanity/core-2.21",
        "integration/test_preflight/core-2.18",
    ):  # fmt: skip
        assert name in cells
    own = cells["integration/test_a/bookworm"].covers
    assert covered("tests/integration/test_a.py", own) and not covered("tests/integration/test_c.py", own)
    assert covered("tests/integration/remote.py", own) and covered("tests/integration/packages/conftest.py", own)
    assert not covered("molecule/foreign/molecule.yml", cells["molecule/services/forky"].covers)
    with pytest.raises(KeyError, match="bench/bookworm"):
        matrix.load().cell("bench", "", "bookworm")


@pytest.mark.parametrize(
    ("path", "patterns", "expected"),
    [
        ("plugins/a/b.py", ["plugins/*"], True),
        ("docs/a.md", ["plugins/*"], False),
        ("tests/test_a.py", ["tests/*", "!tests/test_*.py"], False),
        ("tests/test_a.py", ["tests/*", "!tests/test_*.py", "tests/test_a.py"], True),
        ("tests/test_a.py", [], False),
    ],
)
def test_the_last_pattern_that_fits_decides(path: str, patterns: list[str], expected: bool) -> None:
    assert covered(path, patterns) is expected


@pytest.mark.parametrize(
    ("code", "lines", "result", "reason"),
    [
        (0, [{"passed": 3}], PASSED, ""),
        (0, [{"passed": 3, "not_run": {"t": "no memory"}}], PASSED, ""),
        (0, [], FAILED, "no test was run"),
        (0, [{"passed": 0, "not_run": {"t": "no memory"}}], FAILED, "no test was run"),
        (5, [{"passed": 0, "not_run": {"t": "no 3.8", "u": "no 3.8"}}], NOT_RUN, "no 3.8"),
        (5, [{"passed": 0, "not_run": {}}], FAILED, "ended with 5: last"),
        (1, [{"passed": 3}], FAILED, "ended with 1: last"),
        (None, [{"passed": 3}], FAILED, "over its budget of 60 s; it was stopped"),
    ],
)
def test_how_a_cell_ended(code: int | None, lines: list[dict[str, object]], result: str, reason: str) -> None:
    outcome = judged(CELL, code, 7, lines, {"systemd": "257"}, "last")
    assert (outcome.result, outcome.reason, outcome.seconds) == (result, reason, 7)


def test_what_the_processes_of_a_cell_told_is_put_together() -> None:
    lines = [
        {"passed": 2, "not_run": {"t": "no memory"}},
        {"proof": "argv", "cases": 5000, "seed": 1},
        {"versions": {"service python": "3.8.18"}},
        {"passed": 3, "not_run": {}},
    ]
    outcome = judged(CELL, 0, 7, lines, {"systemd": "257"}, "")
    assert (outcome.passed, outcome.not_run, outcome.proofs) == (5, {"t": "no memory"}, {"argv": 5000})
    assert outcome.versions == {"systemd": "257", "service python": "3.8.18"}
    assert judged(Cell("sanity", "", "core-2.16", (), 60), 0, 7, [], {}, "").result == PASSED


def run(program: str, budget: float, folder: Path) -> tuple[int | None, float]:
    begun = time.monotonic()
    with (folder / "log").open("wb") as log:
        code = execution.run([sys.executable, "-c", program], os.environ, log.fileno(), budget)
    return code, time.monotonic() - begun


def test_a_program_is_stopped_when_its_budget_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("raise SystemExit(3)", 30, tmp_path)[0] == 3
    tidy = "import pathlib, time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: pathlib.Path('tidy').touch()"
    monkeypatch.chdir(tmp_path)
    code, seconds = run(tidy, 1, tmp_path)
    assert code is None and seconds < 20 and Path("tidy").exists()
    monkeypatch.setattr(execution, "PATIENCE", 0.5)
    deaf = "import os, signal, subprocess, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint(os.getpid(), flush=True)\n"
    code, seconds = run(f"{deaf}subprocess.run(['sleep', '60'])", 1, tmp_path)
    assert code is None and seconds < 20
    group = (tmp_path / "log").read_text().split()[0]
    left = subprocess.run(
        ["ps", "-o", "stat=", "-g", group], capture_output=True, text=True, check=False
    ).stdout.split()
    assert [state for state in left if not state.startswith("Z")] == []


def test_a_program_ends_when_the_one_that_started_it_is_killed(tmp_path: Path) -> None:
    child = f"import time, pathlib\ntry: time.sleep(60)\nexcept KeyboardInterrupt: pathlib.Path({str(tmp_path / 'ended')!r}).touch()"
    parent = (
        "import os, sys; from ansible_collections.stability.baseline.tests.matrix import execution\n"
        f"execution.run([sys.executable, '-c', {child!r} + '\\n#'], os.environ, 1, 60)"
    )
    path = f"{ROOT / '.cache/collections'}:{ROOT / 'tests/hosts'}"
    started = subprocess.Popen([sys.executable, "-c", parent], env={**os.environ, "PYTHONPATH": path})
    time.sleep(1.5)
    started.kill()
    started.wait()
    deadline = time.monotonic() + 10
    while not (tmp_path / "ended").exists():
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.1)


def test_a_core_without_its_python_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    core = matrix.Core(("ansible-core==2.16.1",), ("3.11", "3.12"))
    monkeypatch.setattr(cores.pythons, "find", lambda version: {"3.12": "/usr/bin/python3.12"}.get(version, ""))
    assert (cores.python_for(core), cores.obstacle("2.16", core)) == ("/usr/bin/python3.12", "")
    monkeypatch.setattr(cores.pythons, "find", lambda version: "")
    assert cores.obstacle("2.16", core) == (
        "ansible-core 2.16 is tested on Python 3.11 or 3.12, which this machine does not have"
    )
    assert cores.tools("ansible-core==2.19.1 ; python_full_version < '3.12'\npytest==9.0.1\npyyaml==6.0 ; x\n") == [
        "pytest==9.0.1",
        "pyyaml==6.0",
    ]


def record(result: str = PASSED, **more: object) -> Record:
    fields = {"date": "2026-01-02", "commit": "c" * 40, "digest": "d", "seed": 7, "seconds": 5, "budget": 60, **more}
    return Record(result, **fields)


RECORDS = {
    "integration/test_a/bookworm": record(
        passed=8, proofs={"argv": 5000}, versions={"systemd": "252.1", "python3": "3.11.2", "ansible-core": "2.21.5"}
    ),
    "integration/test_a/forky": record(passed=6, not_run={"tests/a.py::test_cap[forky-20]": "no memory controller"}),
    "integration/test_a/trixie": record(FAILED, reason="ended with 1"),
    "integration/test_interpreters/python3.8": record(NOT_RUN, reason="Python 3.8 is not on this machine"),
    "integration/test_interpreters/python3.9": record(passed=1, versions={"service python": "3.9.18"}),
    "unit/core-2.16": record(passed=600),
    "sanity/core-2.16": record(),
    "sanity/core-2.18": record(FAILED),
}


def test_the_page_shows_every_cell() -> None:
    lines = page.render(matrix.load(), RECORDS).splitlines()
    for expected in (
        "| systemd |  | 252.1 |  |  |",
        "| `integration/test_a` |  | 8 passed | **failed** | 6 passed, 1 not run |",
        "| `unit` | 600 passed |  |  |  |  |",
        "| `sanity` | passed | **failed** |  |  |  |",
        "| Python |  | 3.9.18 |  |  |  |  |  |",
        "| `integration/test_interpreters` | **not run** | 1 passed |  |  |  |  |  |",
        "| argv | 5,000 | Debian 12 | 7 | 5 of 60 | 2026-01-02 |",
        "| `test_cap[forky-20]` | Debian testing | no memory controller |",
        "| `integration/test_interpreters` | Python 3.8 | Python 3.8 is not on this machine |",
    ):
        assert expected in lines


def test_only_what_passed_is_claimed() -> None:
    known = matrix.load()
    assert page.claim(known, RECORDS) == (
        "Tested on Debian 12 and testing, with ansible-core 2.16, and services on Python 3.9: "
        "[what was tested where](docs/matrix.md)."
    )
    assert page.claim(known, {}).startswith("Tested on Debian (none yet), with ansible-core (none yet)")
