# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the quality gates side by side, says how each ended, and shows what the failing ones found."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from . import artifact, defaults, documents, examples, layers, limits, links, rules, sanity, tools
from .context import Context, Outcome
from .findings import Finding, GateError, Tree

Gate = Callable[[Context], Outcome]


def _own(check: Callable[[Tree], list[Finding]]) -> Gate:
    return lambda context: Outcome.of_findings(check(context.tree))


#: Every gate by its name; the longest come first, so that none is waited for alone.
GATES: dict[str, Gate] = {
    "sanity": sanity.sanity,
    "importer": artifact.importer,
    "tarball": artifact.tarball,
    "ansible-lint": tools.ansible_lint,
    "mypy": tools.mypy,
    "yamllint": tools.yamllint,
    "shellcheck": tools.shellcheck,
    "changelog": tools.changelog,
    "ruff": tools.ruff,
    "ruff-format": tools.ruff_format,
    "defaults": _own(defaults.check),
    "documents": _own(documents.check),
    "examples": _own(examples.check),
    "layers": _own(layers.check),
    "limits": _own(limits.check),
    "links": _own(links.check),
    "rules": _own(rules.check),
}


def _cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stability-baseline"
    folder = Path(os.environ.get("STABILITY_CACHE") or default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _timed(name: str, context: Context) -> tuple[float, Outcome]:
    begun = time.monotonic()
    context.work.mkdir()
    try:
        outcome = GATES[name](context)
    except GateError as error:
        outcome = Outcome(False, output=str(error))
    return time.monotonic() - begun, outcome


def run(names: Sequence[str]) -> list[tuple[str, Outcome]]:
    """Run the named gates, print a line for each as it ends, and return those that failed."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="stability-lint-") as work, ThreadPoolExecutor(os.cpu_count()) as pool:
        tree = Tree.of_checkout(Path.cwd())
        cache = _cache()
        running = {pool.submit(_timed, name, Context(tree, Path(work) / name, cache)): name for name in names}
        for ended in as_completed(running):
            name = running[ended]
            seconds, outcome = ended.result()
            print(
                f"lint: {name:13}{seconds:6.1f} s  {'ok' if outcome.good else 'FAILED':7} {outcome.note}".rstrip(),
                flush=True,
            )
            if not outcome.good:
                failed.append((name, outcome))
    return failed


def main() -> int:
    """Return 0 when every gate that ran is content, 1 when one is not."""
    parser = argparse.ArgumentParser(prog="tests/lint/run", description=__doc__)
    parser.add_argument("gates", nargs="*", metavar="GATE", help="a gate to run; without one, all")
    parser.add_argument("--list", action="store_true", help="print the names of the gates")
    options = parser.parse_args()
    if options.list:
        print("\n".join(GATES))
        return 0
    unknown = [name for name in options.gates if name not in GATES]
    if unknown:
        parser.error(f"no such gate: {', '.join(unknown)}; the gates are {', '.join(GATES)}")
    try:
        return _report(run(options.gates or list(GATES)))
    except GateError as error:
        print(f"lint: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Nobody reads on; without this the interpreter complains once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _report(failed: Sequence[tuple[str, Outcome]]) -> int:
    for name, outcome in failed:
        print(f"\n--- {name} ---\n{outcome.output.rstrip()}")
    if failed:
        print(f"\nlint: failed: {' '.join(name for name, _outcome in failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
