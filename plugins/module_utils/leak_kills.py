# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service was killed because of its memory.

The kernel counts it (cgroup v2 and v1), but the counter goes with the control group when the service ends. systemd looks at it before
that on cgroup v2 and writes it into the journal; on v1 it does not, and what is left are the last samples.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple, Optional

from .leak_alerts import Alert
from .leak_commands import output
from .memory_usage import CGROUP

KILLED = "killed"
#: A service that has ended with this share of its cap in use was probably killed.
_PROBABLE = 0.9
_MIB = 1024.0**2
#: The records of systemd of a unit that was killed for its memory, that has failed, and of what it has used (sd-messages.h).
_OUT_OF_MEMORY, _FAILED, _USED = (
    "fe6faa94e7774663a0da52717891d8ef",
    "d9b373ed55a64feb8242e02dbe79a49c",
    "ae8f7b866b0347b9af31fe1c80b127c0",
)
_FIELDS = "MESSAGE_ID,UNIT,UNIT_RESULT,INVOCATION_ID,MEMORY_PEAK"


class Counters(NamedTuple):
    """What the kernel has counted in a control group: processes killed for memory, the most memory that was in use (0: not told),
    and whether systemd looks at it."""

    kills: int
    peak: int
    is_unified: bool


class Run(NamedTuple):
    """A run that has ended: what it had in use in its last sample, the most that was seen of it, and its ``MemoryMax=`` (0: none)."""

    unit: str
    run: str
    used: int
    peak: int
    cap: int
    is_unified: bool


def _value(path: str, name: str = "") -> Optional[int]:
    """Return the number in a file, or the one behind a name in it."""
    with suppress(OSError, ValueError), open(path, encoding="ascii") as stream:
        if not name:
            return int(stream.read())
        return next((int(line.split()[1]) for line in stream if line.startswith(f"{name} ")), None)
    return None


def counters_of(control_group: str, root: str = CGROUP) -> Optional[Counters]:
    """Return what the kernel has counted; ``None`` where it does not count, or the control group is gone."""
    for folder, kills, peak in (
        (f"{root}{control_group}", "memory.events", "memory.peak"),
        (f"{root}/memory{control_group}", "memory.oom_control", "memory.max_usage_in_bytes"),
    ):
        found = _value(f"{folder}/{kills}", "oom_kill")
        if found is not None:
            return Counters(found, _value(f"{folder}/{peak}") or 0, kills == "memory.events")
    return None


def records_since(moment: int) -> dict[str, int]:
    """Return the runs that systemd has seen killed for their memory, by invocation, with the most memory that they had (0: not told).

    Raises :class:`~.leak_commands.CommandFailed`.
    """
    argv = ["journalctl", "--quiet", "--no-pager", f"--since=@{moment}", "--output=json", f"--output-fields={_FIELDS}"]
    matches = (f"MESSAGE_ID={_OUT_OF_MEMORY}", f"MESSAGE_ID={_FAILED}", f"MESSAGE_ID={_USED}")
    return killed_in(output([*argv, "_PID=1", *matches]).split("\n"))


def killed_in(lines: Iterable[str]) -> dict[str, int]:
    """Return the same from lines of journalctl's JSON."""
    killed: set[str] = set()
    peaks: dict[str, int] = {}
    for line in filter(None, lines):
        record = json.loads(line)
        run, peak = str(record.get("INVOCATION_ID", "")), str(record.get("MEMORY_PEAK", ""))
        if record.get("MESSAGE_ID") == _OUT_OF_MEMORY or record.get("UNIT_RESULT") == "oom-kill":
            killed.add(run)
        if peak.isdigit():
            peaks[run] = int(peak)
    return {run: peaks.get(run, 0) for run in killed}


def killed_within(unit: str, number: int, peak: int, cap: int) -> Alert:
    """Return that processes of a service were killed; it goes on, or is about to end because of it."""
    text = f"{number} process{'es' if number > 1 else ''} of {unit} killed by the kernel, out of memory{_bounds(peak, cap)}"
    return Alert(unit, KILLED, text, {"processes": number, **_numbers(peak, cap)})


def ended_by_memory(ended: Run, records: Optional[dict[str, int]]) -> Optional[Alert]:
    """Return that a run has ended because of its memory; ``None`` when there is no sign of it.

    Args:
        ended: systemd has restarted the service after it.
        records: what :func:`records_since` has found; ``None``: it was not asked for.
    """
    unit = ended.unit
    if records is not None and ended.run in records:
        # What was sampled before that may be far from it; systemd tells the peak since 255, and the kernel only while it runs.
        peak = records[ended.run]
        sampled = "" if peak else f"; {ended.used / _MIB:.0f} MiB in its last sample"
        text = f"{unit} was killed by the kernel, out of memory{_bounds(peak, ended.cap)}{sampled}; it was restarted"
        return Alert(unit, KILLED, text, {**({} if peak else {"bytes": ended.used}), **_numbers(peak, ended.cap)})
    if ended.is_unified or not ended.cap or ended.used < _PROBABLE * ended.cap:
        return None
    text = (
        f"{unit} was probably killed because of its memory: it ended with {ended.used / _MIB:.0f} MiB in use in its last sample, "
        f"and MemoryMax= is {ended.cap / _MIB:.0f} MiB; it was restarted"
    )
    return Alert(unit, KILLED, text, {"probable": 1, "bytes": ended.used, **_numbers(ended.peak, ended.cap)})


def _bounds(peak: int, cap: int) -> str:
    parts = [f"at most {peak / _MIB:.0f} MiB in use"] if peak else []
    parts += [f"MemoryMax= is {cap / _MIB:.0f} MiB"] if cap else []
    return f" ({', '.join(parts)})" if parts else ""


def _numbers(peak: int, cap: int) -> dict[str, int]:
    return {name: value for name, value in (("peak", peak), ("cap", cap)) if value}
