# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics for the textfile collector of node_exporter (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

_HELP = {
    "memory_bytes": ("gauge", "Memory of the control group of the service."),
    "memory_anonymous_bytes": ("gauge", "The part of it that no file backs."),
    "memory_peak_bytes": ("gauge", "The most memory of its control group that was seen in this run."),
    "memory_cap_bytes": ("gauge", "MemoryMax= of the service, +Inf without one."),
    "memory_slope_bytes_per_second": ("gauge", "How fast memory that only grows does so, 0 when it does not."),
    "memory_time_to_cap_seconds": ("gauge", "When MemoryMax= is reached at that slope, +Inf for never."),
    "restarts_total": ("counter", "Restarts by systemd (NRestarts) since somebody has started the service."),
    "processes": ("gauge", "Processes of the service."),
    "threads": ("gauge", "Threads of its processes."),
    "open_files": ("gauge", "Open files of its processes."),
    "crash_loop": ("gauge", "1 while it, or its workers, end again and again."),
    "memory_kills": ("gauge", "1 for an hour after it, or a process of it, was killed because of its memory."),
}
_PREFIX = "stability_service_"
_LAST = "stability_leakwatch_last_round_timestamp_seconds"


class Row(NamedTuple):
    """The metrics of one service, each by its name without what all names begin with."""

    unit: str
    values: Mapping[str, float]


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else f"{value:.10g}" if value % 1 else f"{value:.0f}"


def metrics(rows: Sequence[Row], now: int) -> str:
    """Return the text of the file: the values are those of this moment, a collector has no older ones."""
    lines = [f"# HELP {_LAST} When the services were looked at last.", f"# TYPE {_LAST} gauge", f"{_LAST} {now}"]
    for name, (kind, text) in _HELP.items():
        lines += [f"# HELP {_PREFIX}{name} {text}", f"# TYPE {_PREFIX}{name} {kind}"]
        lines += [f'{_PREFIX}{name}{{unit="{_label(row.unit)}"}} {_number(row.values[name])}' for row in rows]
    return "\n".join(lines) + "\n"
