# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `tests/bench/run`: measures, prints the bars, writes the two documents."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from contestants import CHECKOUT, EMPTY, IDIOMATIC, OURS, RUNS, SCRIPT, ContestantError, Runner
from host import bench_host
from measure import Plan, Sample, measure
from report import BAR_SIZE, bars, machine, rows, table, write

REPETITIONS = 5
#: What takes long and is no part of a bar is repeated less, so that the whole stays below a quarter of an hour.
FEWER = {(IDIOMATIC.name, BAR_SIZE, "one_changed"): 2}
#: The quick run repeats so often at least, unless the machine is slow, and while a bar is missed, for so many seconds.
QUICK_LEAST, QUICK_MOST, QUICK_SECONDS = 3, 9, 45.0


def _plan(options: argparse.Namespace) -> Plan:
    if options.quick:
        return Plan((OURS, EMPTY, SCRIPT), (1, BAR_SIZE), ("first", "unchanged"), QUICK_MOST, {})
    fewer = {} if options.full else FEWER
    return Plan((OURS, EMPTY, SCRIPT, IDIOMATIC), (1, 10, BAR_SIZE), RUNS, options.repetitions, fewer)


def _enough(options: argparse.Namespace, begun: float) -> Callable[[list[Sample], int], bool]:
    def enough(samples: list[Sample], repetitions: int) -> bool:
        if not options.quick:
            return False
        settled = repetitions >= QUICK_LEAST and all(each.passed for each in bars(samples))
        return settled or time.monotonic() - begun > QUICK_SECONDS

    return enough


def _say(line: str) -> None:
    print(line, flush=True)


def _run(options: argparse.Namespace) -> int:
    begun = time.monotonic()
    load = os.getloadavg()[0]
    plan = _plan(options)
    with tempfile.TemporaryDirectory(prefix="stability-bench-") as temporary:
        folder = Path(temporary)
        with bench_host(f"bench-{os.getpid()}", folder) as host:
            _say(f"bench: load before: {load:.2f}; host {host.name} is up")
            samples = measure(Runner(host, folder), plan, _say, _enough(options, begun))
            facts = {**machine(load), **host.facts()}
    limits = bars(samples)
    _say("\n" + table(rows(samples), plan.contestants) + "\n")
    for each in limits:
        _say(str(each))
    if not (options.quick or options.no_documents):
        write(CHECKOUT / "docs", samples, plan.contestants, facts, time.monotonic() - begun)
        _say("bench: wrote docs/benchmarks.md and docs/benchmarks.json")
    return 0 if all(each.passed for each in limits) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests/bench/run",
        description="Measure the collection beside other ways to deploy the same services. Ends with 1 when a bar is missed.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the bars only, in a minute; writes no documents")
    size.add_argument("--full", action="store_true", help="repeat everything equally often (twenty minutes)")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="of the long run (default: %(default)s)")
    parser.add_argument("--no-documents", action="store_true", help="leave docs/ as it is")
    return parser


def main() -> int:
    """Measure and return the exit code: 1 for a missed bar or a contestant that failed."""
    options = _parser().parse_args()
    # Ended by SIGTERM, the host must be removed, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _run(options)
    except ContestantError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
