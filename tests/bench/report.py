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

from contestants import RUNS, Contestant
from measure import CASE, Sample

UNCHANGED_FACTOR = 1.4
FIRST_FACTOR = 3
#: The size at which the bars hold.
BAR_SIZE = 50


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
class Bar:
    """One limit: what it says, what was measured, what is allowed (both wall seconds)."""

    text: str
    measured_s: float
    allowed_s: float

    @property
    def passed(self) -> bool:
        """Whether it was kept."""
        return self.measured_s <= self.allowed_s

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        return f"{verdict}: {self.text}: {self.measured_s:.2f} s of {self.allowed_s:.2f} s allowed"


def rows(samples: Sequence[Sample]) -> list[Row]:
    """Return the medians; the floor is the play with one empty module, measured at the same size."""
    groups: dict[tuple[str, int, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.contestant, sample.size, sample.run), []).append(sample)
    medians = {key: median(sample.seconds for sample in group) for key, group in groups.items()}
    found = []
    for (contestant, size, run), group in groups.items():
        seconds = [sample.seconds for sample in group]
        calls = {sample.module_calls for sample in group}
        if len(calls) != 1:
            raise RuntimeError(f"{contestant}, {size}, {run}: the number of module calls changes: {calls}")
        middle = medians[contestant, size, run]
        ratio = round(middle / medians["empty", size, "unchanged"], 2)
        times = [round(value, 3) for value in (middle, min(seconds), max(seconds))]
        found.append(Row(CASE, contestant, size, run, times[0], ratio, calls.pop(), len(seconds), times[1], times[2]))
    return sorted(found, key=lambda row: (row.contestant, row.size, RUNS.index(row.run)))


def bars(samples: Sequence[Sample]) -> list[Bar]:
    """Return the limits of the collection's speed with what was measured."""
    seconds = {(row.contestant, row.run): row.median_s for row in rows(samples) if row.size == BAR_SIZE}
    floor = seconds["empty", "unchanged"]
    return [
        Bar(
            f"{BAR_SIZE} services unchanged, at most {UNCHANGED_FACTOR} times the play with one empty module",
            seconds["ours", "unchanged"],
            UNCHANGED_FACTOR * floor,
        ),
        Bar(
            f"{BAR_SIZE} services new, at most that play and {FIRST_FACTOR} times the shell script",
            seconds["ours", "first"],
            floor + FIRST_FACTOR * seconds["script", "first"],
        ),
    ]


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


def table(found: Sequence[Row], contestants: Sequence[Contestant]) -> str:
    """Return the result as a table in Markdown: a line for each contestant and size."""
    by_key = {(row.contestant, row.size, row.run): row for row in found}
    lines = [
        "| what | services | first | unchanged | one changed | unchanged, times the floor "
        "| module calls, first / unchanged | repetitions |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for contestant in contestants:
        for size in sorted({row.size for row in found}):
            cells = [by_key.get((contestant.name, size, run)) for run in RUNS]
            present = [row for row in cells if row]
            calls = [str(row.module_calls) for row in cells[:2] if row and row.module_calls is not None]
            times = " | ".join(f"{row.median_s:.2f}" if row else "" for row in cells)
            ratio = f"{cells[1].ratio_to_floor:.2f}" if cells[1] else ""
            counts = [str(row.repetitions) for row in present]
            repetitions = counts[0] if len(set(counts)) == 1 else " / ".join(counts)
            lines.append(f"| {contestant.title} | {size} | {times} | {ratio} | {' / '.join(calls)} | {repetitions} |")
    return "\n".join(lines)


def write(
    folder: Path, samples: Sequence[Sample], contestants: Sequence[Contestant], facts: Mapping[str, str], seconds: float
) -> None:
    """Write ``benchmarks.json`` and ``benchmarks.md`` into ``folder``; the whole measurement took ``seconds``."""
    found = rows(samples)
    limits = bars(samples)
    content = {
        "measured": dict(facts),
        "bars": [{**asdict(each), "passed": each.passed} for each in limits],
        "rows": [asdict(row) for row in found],
    }
    (folder / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    page = Template((Path(__file__).parent / "benchmarks.md.in").read_text(encoding="utf-8"))
    kept = {True: "yes", False: "**no**"}
    lines = [f"| {each.text} | {each.measured_s:.2f} | {each.allowed_s:.2f} | {kept[each.passed]} |" for each in limits]
    text = page.substitute(facts, bars="\n".join(lines), table=table(found, contestants), minutes=f"{seconds / 60:.0f}")
    (folder / "benchmarks.md").write_text(text, encoding="utf-8")
