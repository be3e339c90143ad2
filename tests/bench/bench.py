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
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import case_packages
import case_services
from case import Case, ContestantError
from contestants import CHECKOUT, Runner
from host import BenchHost, bench_host
from measure import Block, Plan, Sample, measure
from report import Result, bars, machine, medians, table, write

REPETITIONS = 5
#: The quick run repeats so often at least, unless the machine is slow, and while a bar is missed, for so many seconds.
QUICK_LEAST, QUICK_MOST = 3, 9


@dataclass(frozen=True)
class Benchmark:
    """One case with what it takes to measure it; its quick run lasts about ``quick_seconds`` at most."""

    case: Case
    plan: Callable[..., Plan]
    host: Callable[[str, Path], AbstractContextManager[BenchHost]]
    block: Callable[[Runner], Block]
    quick_seconds: float


BENCHMARKS = {
    "services": Benchmark(case_services.CASE, case_services.plan, bench_host, case_services.Deployment, 45.0),
    "packages": Benchmark(
        case_packages.CASE, case_packages.plan, case_packages.host, case_packages.Environments, 240.0
    ),
}


def _enough(options: argparse.Namespace, benchmark: Benchmark, begun: float) -> Callable[[list[Sample], int], bool]:
    def enough(samples: list[Sample], repetitions: int) -> bool:
        if not options.quick:
            return False
        settled = repetitions >= QUICK_LEAST and all(each.passed for each in benchmark.case.bars(medians(samples)))
        return settled or time.monotonic() - begun > benchmark.quick_seconds

    return enough


def _say(line: str) -> None:
    print(line, flush=True)


def _measure(options: argparse.Namespace, benchmark: Benchmark, folder: Path) -> tuple[Result, dict[str, str]]:
    begun = time.monotonic()
    plan = benchmark.plan(QUICK_MOST if options.quick else options.repetitions, quick=options.quick, full=options.full)
    folder.mkdir()
    with benchmark.host(f"bench-{benchmark.case.name}-{os.getpid()}", folder) as host:
        _say(f"bench: host {host.name} is up")
        block = benchmark.block(Runner(host, folder))
        samples = measure(block, plan, _say, _enough(options, benchmark, begun))
        facts = dict(host.facts())
    result = Result(benchmark.case, plan.contestants, samples)
    _say("\n" + table(result) + "\n")
    for each in bars(result):
        _say(str(each))
    return result, facts


def _run(options: argparse.Namespace) -> int:
    begun = time.monotonic()
    load = os.getloadavg()[0]
    _say(f"bench: load before: {load:.2f}")
    chosen = [BENCHMARKS[name] for name in options.case or BENCHMARKS]
    with tempfile.TemporaryDirectory(prefix="stability-bench-") as temporary:
        measured = [_measure(options, each, Path(temporary) / each.case.name) for each in chosen]
    results = [result for result, _facts in measured]
    if not (options.quick or options.case or options.no_documents):
        write(CHECKOUT / "docs", results, {**machine(load), **measured[0][1]}, time.monotonic() - begun)
        _say("bench: wrote docs/benchmarks.md and docs/benchmarks.json")
    return 0 if all(each.passed for result in results for each in bars(result)) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests/bench/run",
        description="Measure the collection beside other ways to do the same. Ends with 1 when a bar is missed.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the bars only, in minutes; writes no documents")
    size.add_argument("--full", action="store_true", help="repeat everything equally often (an hour)")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="of the long run (default: %(default)s)")
    parser.add_argument("--case", action="append", choices=BENCHMARKS, help="this one only; writes no documents")
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
