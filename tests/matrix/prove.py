# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the cells of the matrix that are not proved yet for the code as it is, and record each as soon as it has ended."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from . import page, records
from .checkout import Checkout
from .execution import Outcome, execute
from .matrix import Cell, Matrix
from .records import FAILED, NOT_RUN, PASSED, Record

FOLDER = Path(".cache/prove")
Run = Callable[[Cell, Matrix, Path, Mapping[str, str]], Outcome]


def _print(text: str) -> None:
    print(text, flush=True)


class Refused(Exception):
    """Nothing is run; the text says why and what to do."""


class Prover:
    """Proves cells and keeps the records.

    Args:
        checkout: whose code is proved; it is the working directory.
        matrix: what there is to prove.
        run: runs one cell.
        say: takes each line of progress.
    """

    def __init__(
        self, checkout: Checkout, matrix: Matrix, run: Run = execute, say: Callable[[str], None] = _print
    ) -> None:
        self.checkout = checkout
        self.matrix = matrix
        self.run = run
        self.say = say
        self.writing = threading.Lock()

    def owed(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells that are not proved for the code as it is.

        Raises:
            Refused: files that they cover have changes that are not committed.
        """
        changed = sorted({path for cell in cells for path in self.checkout.uncommitted(cell.covers)})
        if changed:
            shown = "".join(f"\n  {path}" for path in changed)
            raise Refused(f"these files differ from the commit that a record would name; commit them first:{shown}")
        found = records.load()
        return [
            cell for cell in cells if records.state(found.get(cell.id), self.checkout.digest(cell.covers)) != PASSED
        ]

    def prove(self, cells: Sequence[Cell], jobs: int) -> list[str]:
        """Run cells, ``jobs`` at a time, and return the names of those that failed.

        Those with the largest budgets come first, so that none of them is left to run alone at the end.
        """
        failed = []
        pool = ThreadPoolExecutor(jobs)
        try:
            longest_first = sorted(cells, key=lambda cell: -cell.budget)
            futures = {pool.submit(self._proved, cell): cell for cell in longest_first}
            for count, future in enumerate(as_completed(futures), 1):
                cell, outcome = futures[future], future.result()
                self.say(f"prove: {count:3} of {len(cells)}  {line(cell, outcome)}")
                if outcome.result == FAILED:
                    failed.append(cell.id)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return failed

    def forget(self, cells: Sequence[Cell]) -> None:
        """Drop the records of cells that are no more, and write the page anew."""
        known = {cell.id for cell in cells}
        self._write({name: record for name, record in records.load().items() if name in known})

    def _proved(self, cell: Cell) -> Outcome:
        commit, digest = self.checkout.commit(), self.checkout.digest(cell.covers)
        seed = int(os.environ.get("STABILITY_SEED") or random.SystemRandom().randrange(2**32))
        folder = FOLDER / cell.id.replace("/", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        outcome = self.run(cell, self.matrix, folder, {"STABILITY_PROOF": "full", "STABILITY_SEED": str(seed)})
        if self.checkout.uncommitted(cell.covers) or self.checkout.digest(cell.covers) != digest:
            return Outcome(FAILED, outcome.seconds, "not recorded: files that it covers have changed while it ran")
        day = datetime.now(UTC).date().isoformat()
        fields = asdict(outcome)
        record = Record(date=day, commit=commit, digest=digest, seed=seed, budget=cell.budget, **fields)
        with self.writing:
            self._write({**records.load(), cell.id: record})
        return outcome

    def _write(self, found: Mapping[str, Record]) -> None:
        records.save(found)
        page.PATH.write_text(page.render(self.matrix, found), encoding="utf-8")


def line(cell: Cell, outcome: Outcome) -> str:
    """Return what people read about a cell that has ended."""
    shown = f"{cell.id:48} {outcome.result.upper() if outcome.result == FAILED else outcome.result:8}"
    if outcome.result != NOT_RUN:
        shown += f"{outcome.seconds:5} s of {cell.budget}"
    if outcome.reason:
        shown += f"  {outcome.reason}"
    return shown + "".join(f"\n{'':14}not run: {test}: {reason}" for test, reason in outcome.not_run.items())


@contextmanager
def alone() -> Iterator[None]:
    """Be the only one that proves in this checkout.

    Raises:
        Refused: another process does so.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("another run proves this checkout at the moment; wait for it") from None
        yield
