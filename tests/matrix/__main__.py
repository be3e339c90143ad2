# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``tests/matrix/run``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from . import check, page, records
from .checkout import Checkout
from .execution import NO_TESTS, TOOLS, execute
from .matrix import Cell, Matrix, load
from .prove import FOLDER, Prover, Refused, alone, line
from .records import FAILED

TESTS = "tests/integration"


def places() -> dict[str, list[str]]:
    """Return the places of each integration test, by its name.

    Raises:
        Refused: pytest cannot collect the tests.
    """
    with tempfile.TemporaryDirectory(prefix="stability-places-") as folder:
        path = Path(folder, "places")
        command = [str(TOOLS), "-m", "pytest", "-q", TESTS, f"--places={path}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != NO_TESTS:
            raise Refused(f"pytest cannot collect {TESTS}:\n{done.stdout}")
        found = json.loads(path.read_text(encoding="utf-8"))
    return {name.removeprefix(f"{TESTS}/").removesuffix(".py"): at for name, at in found.items()}


def _wanted(cells: Sequence[Cell], patterns: Sequence[str]) -> list[Cell]:
    wanted = [cell for cell in cells if any(fnmatchcase(cell.id, pattern) for pattern in patterns or ["*"])]
    if not wanted:
        raise Refused(f"no cell fits {' or '.join(patterns)}; `tests/matrix/run list` names them all")
    return wanted


def _prove(options: argparse.Namespace, matrix: Matrix) -> int:
    with alone():
        cells = matrix.cells(places())
        prover = Prover(Checkout(Path.cwd()), matrix)
        wanted = _wanted(cells, options.cells)
        owed = prover.owed(wanted)
        print(
            f"prove: {len(wanted)} cells, {len(wanted) - len(owed)} of them proved already; logs in {FOLDER}",
            flush=True,
        )
        begun = time.monotonic()
        prover.forget(cells)
        failed = prover.prove(owed, options.jobs)
    print(f"prove: {len(owed) - len(failed)} done, {len(failed)} failed in {time.monotonic() - begun:.0f} s")
    for name in failed:
        print(f"prove: failed: {name}; see {FOLDER / name.replace('/', '-') / 'log'}")
    return 1 if failed else 0


def _try(options: argparse.Namespace, matrix: Matrix) -> int:
    failed = 0
    for cell in _wanted(matrix.cells(places()), options.cells or matrix.sample.cells):
        folder = FOLDER / f"try-{cell.id.replace('/', '-')}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        outcome = execute(cell, matrix, folder, {})
        print(f"matrix: {line(cell, outcome)}", flush=True)
        if outcome.result == FAILED:
            failed += 1
            log = folder / "log"
            print(log.read_text(encoding="utf-8", errors="replace") if log.exists() else "")
    return 1 if failed else 0


def _check(_options: argparse.Namespace, matrix: Matrix) -> int:
    checkout, found = Checkout(Path.cwd()), records.load()
    lines, bad = check.proofs(matrix.cells(places()), found, checkout)
    problems = check.release(Path.cwd(), matrix, found, checkout)
    for text in lines:
        print(f"release-check: {text}")
    for problem in problems:
        print(f"release-check: PROBLEM: {problem}")
    print(f"release-check: {len(lines) - len(bad)} of {len(lines)} proofs hold, {len(problems)} other problems")
    if bad:
        print("release-check: `make prove` runs what does not hold, and nothing else")
    return 1 if bad or problems else 0


def _page(_options: argparse.Namespace, matrix: Matrix) -> int:
    found = records.load()
    page.PATH.write_text(page.render(matrix, found), encoding="utf-8")
    print(f"matrix: wrote {page.PATH}; the README must say:\n{page.claim(matrix, found)}")
    return 0


def _list(options: argparse.Namespace, matrix: Matrix) -> int:
    for cell in _wanted(matrix.cells(places()), options.cells):
        print(cell.id)
    return 0


def main() -> int:
    """Run one command; return 0 when all is well, 1 when something failed, 2 when nothing was run."""
    parser = argparse.ArgumentParser(prog="tests/matrix/run", description="The matrix of tests.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, function, text in (
        ("prove", _prove, "run at full size what is not proved for this commit's code, and record it"),
        ("try", _try, "run cells at the size of the sample, and record nothing; without names, those of the sample"),
        (
            "check",
            _check,
            "say of each proof whether it is as new as the code it covers, and what else keeps from a release",
        ),
        ("page", _page, "write docs/matrix.md from docs/proofs.json"),
        ("list", _list, "name the cells"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=function)
        if function in (_prove, _try, _list):
            command.add_argument(
                "cells", nargs="*", metavar="CELL", help="such as molecule/*/trixie; all when none is named"
            )
        if function is _prove:
            command.add_argument("--jobs", type=int, default=1, help="cells at a time (default: 1)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(options.run(options, load()))
    except Refused as refused:
        print(f"matrix: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        # The threads that wait for programs are not waited for: each program is asked to end when this process ends.
        print("matrix: stopped; the next run goes on", file=sys.stderr, flush=True)
        os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
