# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples to rows, bars, and the two documents."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from string import Template

import ansible.release

from case import Bar, Case, Contestant, Medians
from measure import Sample


@dataclass(frozen=True)
class Row:
    """The result of one contestant at one size in one run; times in wall seconds."""

    case: str
    contestant: str
    size: int
    run: str
    median_s: float
    ratio_to_floor: float
    module_calls: int | None
    repetitions: int
    min_s: float
    max_s: float


@dataclass(frozen=True)
class Result:
    """What one case has brought."""

    case: Case
    contestants: Sequence[Contestant]
    samples: Sequence[Sample]


def _groups(samples: Sequence[Sample]) -> dict[tuple[str, int, str], list[Sample]]:
    groups: dict[tuple[str, int, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.contestant, sample.size, sample.run), []).append(sample)
    return groups


def medians(samples: Sequence[Sample]) -> Medians:
    """Return the median seconds of the samples of a case."""
    return {key: median(sample.seconds for sample in group) for key, group in _groups(samples).items()}


def rows(case: Case, samples: Sequence[Sample]) -> list[Row]:
    """Return the medians with their ratio to the floor, which is measured at the same size."""
    middles = medians(samples)
    found = []
    for (contestant, size, run), group in _groups(samples).items():
        seconds = [sample.seconds for sample in group]
        calls = {sample.module_calls for sample in group}
        if len(calls) != 1:
            raise RuntimeError(f"{contestant}, {size}, {run}: the number of module calls changes: {calls}")
        middle = middles[contestant, size, run]
        ratio = round(middle / middles[case.floor, size, "unchanged"], 2)
        times = [round(value, 3) for value in (middle, min(seconds), max(seconds))]
        found.append(
            Row(case.name, contestant, size, run, times[0], ratio, calls.pop(), len(seconds), times[1], times[2])
        )
    return sorted(found, key=lambda row: (row.contestant, row.size, list(case.runs).index(row.run)))


def bars(result: Result) -> list[Bar]:
    """Return the limits of a case with what was measured."""
    return list(result.case.bars(medians(result.samples)))


def _first_match(pattern: str, path: str) -> str:
    found = re.search(pattern, Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1).strip() if found else "unknown"


def machine(load: float) -> dict[str, str]:
    """Return what the measurement ran on; ``load`` is the machine's load (1 minute) before it."""
    memory = int(_first_match(r"^MemTotal:\s+(\d+)", "/proc/meminfo")) / 1024**2
    cores = len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE))
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": _first_match(r"^model name\s*:(.*)$", "/proc/cpuinfo"),
        "cores": str(cores),
        "memory": f"{memory:.0f} GB",
        "kernel": _first_match(r"^([\d.]+)", "/proc/sys/kernel/osrelease"),
        "controller": _first_match(r'^PRETTY_NAME="(.*)"', "/etc/os-release"),
        "controller_python": platform.python_version(),
        "ansible_core": ansible.release.__version__,
        "load_before": f"{load:.2f}",
    }


def table(result: Result) -> str:
    """Return the result as a table in Markdown: a line for each contestant and size."""
    case = result.case
    found = rows(case, result.samples)
    by_key = {(row.contestant, row.size, row.run): row for row in found}
    titles = ["what", case.unit, *case.runs.values(), "unchanged, times the floor", "module calls", "repetitions"]
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    for contestant in result.contestants:
        for size in sorted({row.size for row in found if row.contestant == contestant.name}):
            cells = {run: by_key.get((contestant.name, size, run)) for run in case.runs}
            present = [row for row in cells.values() if row]
            unchanged = cells["unchanged"]
            texts = [f"{row.median_s:.2f}" if row else "" for row in cells.values()]
            texts.append(f"{unchanged.ratio_to_floor:.2f}" if unchanged else "")
            texts.append(_several([str(row.module_calls) for row in present if row.module_calls is not None]))
            texts.append(_several([str(row.repetitions) for row in present]))
            lines.append(f"| {' | '.join([contestant.title, str(size), *texts])} |")
    return "\n".join(lines)


def _several(values: Sequence[str]) -> str:
    """Return one value for all columns, or that of each."""
    return values[0] if len(set(values)) == 1 else " / ".join(values)


def write(folder: Path, results: Sequence[Result], facts: Mapping[str, str], seconds: float) -> None:
    """Write ``benchmarks.json`` and ``benchmarks.md`` into ``folder``; the whole measurement took ``seconds``."""
    limits = [each for result in results for each in bars(result)]
    content = {
        "measured": dict(facts),
        "bars": [{**asdict(each), "passed": each.passed} for each in limits],
        "rows": [asdict(row) for result in results for row in rows(result.case, result.samples)],
    }
    (folder / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    page = Template((Path(__file__).parent / "benchmarks.md.in").read_text(encoding="utf-8"))
    kept = {True: "yes", False: "**no**"}
    lines = [f"| {each.text} | {each.measured_s:.2f} | {each.allowed_s:.2f} | {kept[each.passed]} |" for each in limits]
    tables = {result.case.name: table(result) for result in results}
    text = page.substitute(facts, tables, bars="\n".join(lines), minutes=f"{seconds / 60:.0f}")
    (folder / "benchmarks.md").write_text(text, encoding="utf-8")
