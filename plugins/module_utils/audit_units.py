# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about a unit: whether it comes back, where its output goes, how its memory is bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Optional

from . import python_command
from . import values as v
from .audit_boot import REVERSE
from .audit_model import RECENTLY, Finding, Unit
from .audit_processes import ENOUGH_DEATHS, WATCHED
from .audit_rules import INFO
from .problems import HIDDEN

#: Less is a delay at which a crash loop burns the CPU.
SHORTEST_DELAY = 1.0
#: So many restarts within ``RECENTLY`` are a loop.
LOOP = 3
#: Seconds within which a file and the start of a process count as one.
_AT_ONCE = 1.0
#: Workers that are all younger, under a master that is older, are new ones.
_NEW_WORKER = 30.0
#: Seconds after which what was a loop is none any more: it has been mended.
_CALM = 60.0
_TO_JOURNAL = ("journal", "journal+console", "inherit", "syslog", "syslog+console", "kmsg", "kmsg+console")
_STREAMS = {"StandardOutput": "standard output", "StandardError": "standard error"}
_LEGACY_LIMIT = re.compile(r"^\s*(StartLimitInterval)\s*=", re.MULTILINE)
#: Directives whose values are words of somebody else, any of which may be a secret.
_HOLDS_ANYTHING = re.compile(
    rf"(?:{v.MAY_HOLD_SECRET.pattern})|LogExtraFields|StandardInput|SyslogIdentifier|Description"
)
_INFINITY = ("", "infinity", "18446744073709551615")
#: The share of ``MemoryHigh=`` at which the kernel holds a service back.
_HELD_BACK = 0.97


def seconds_of(properties: Mapping[str, str], name: str) -> float:
    """Return a time span as ``systemctl show`` prints it, in seconds; infinite where it says so."""
    text = properties.get(name, "")
    return float("inf") if text == "infinity" else v.seconds(text or "0")


def bytes_of(properties: Mapping[str, str], name: str) -> Optional[int]:
    """Return a number of bytes; ``None`` where there is no limit, or systemd does not know."""
    text = properties.get(name, "")
    return None if text in _INFINITY or not text.isdigit() else int(text)


def _restart(unit: Unit) -> str:
    return unit.properties.get("Restart", "no")


def _writes_no(unit: Unit) -> bool:
    """Whether ``Restart=no`` is written out, so that it is meant."""
    written = [
        line for file in unit.files for line in re.findall(r"^\s*Restart\s*=\s*(\S*)\s*$", file.text, re.MULTILINE)
    ]
    return bool(written) and written[-1] == "no"


def _is_bounded(unit: Unit) -> bool:
    return (
        int(unit.properties.get("StartLimitBurst") or 0) > 0
        and seconds_of(unit.properties, "StartLimitIntervalUSec") > 0
    )


def comes_back(unit: Unit) -> Iterator[Finding]:
    """SB101."""
    restart = _restart(unit)
    if unit.is_job:
        fine = (restart == "on-failure" and _is_bounded(unit)) or (restart == "no" and _writes_no(unit))
        if not fine:
            bound = "" if restart == "no" or _is_bounded(unit) else " without a bound"
            yield Finding("SB101", unit.name, f"Restart={restart}{bound}, of a job", unit.entry(retries=3))
    elif unit.is_daemon and restart != "always":
        yield Finding("SB101", unit.name, f"Restart={restart}", unit.entry(restart="always"))


def waits(unit: Unit) -> Iterator[Finding]:
    """SB102."""
    delay = seconds_of(unit.properties, "RestartUSec")
    if _restart(unit) != "no" and delay < SHORTEST_DELAY:
        yield Finding(
            "SB102", unit.name, f"RestartSec={unit.properties.get('RestartUSec')}", unit.entry(restart_sec="5s")
        )


def is_never_given_up(unit: Unit) -> Iterator[Finding]:
    """SB103; a limit that was turned off under its old name is only told."""
    limit, burst = (
        seconds_of(unit.properties, "StartLimitIntervalUSec"),
        int(unit.properties.get("StartLimitBurst") or 0),
    )
    delay = seconds_of(unit.properties, "RestartUSec")
    if unit.is_daemon and _restart(unit) != "no" and limit > 0 and burst > 0 and burst * delay < limit:
        shown = unit.properties.get("StartLimitIntervalUSec")
        seen = f"StartLimitBurst={burst} within StartLimitIntervalSec={shown}, at RestartSec={unit.properties.get('RestartUSec')}"
        yield Finding("SB103", unit.name, seen, unit.entry(start_limit_interval_sec=0))


def _without_secret(line: str, unit: Unit) -> str:
    """Return a diagnostic without what it quotes of a line in which there may be a secret."""
    for file in unit.files:
        number = line[len(file.path) + 1 :].partition(":")[0] if line.startswith(f"{file.path}:") else ""
        lines = file.text.split("\n")
        if number.isdigit() and 0 < int(number) <= len(lines):
            directive, equals, _value = _whole(lines, int(number) - 1).partition("=")
            if not equals or _HOLDS_ANYTHING.match(directive.strip()):
                return f"{file.path}:{number}: {directive.strip()}= with {HIDDEN}" if equals else _unquoted(line)
            return line
    return _unquoted(line)


def _whole(lines: Sequence[str], index: int) -> str:
    """Return the directive to which the line at ``index`` belongs, from its first line on: systemd names the last one."""
    first = index
    while first > 0 and lines[first - 1].endswith("\\"):
        first -= 1
    return "\n".join(lines[first : index + 1])


def _unquoted(line: str) -> str:
    """Return a diagnostic without the text of a file that it ends with."""
    what, ignoring, _text = line.partition("ignoring: ")
    return f"{what}{ignoring}{HIDDEN}" if ignoring else line


def is_understood(unit: Unit) -> Iterator[Finding]:
    """SB104."""
    for line in unit.diagnostics:
        yield Finding("SB104", unit.name, _without_secret(line, unit))
    for file in unit.files:
        if _LEGACY_LIMIT.search(file.text):
            seen = (
                f"{file.path}: StartLimitInterval= is the old name of StartLimitIntervalSec=, which belongs into [Unit]"
            )
            yield Finding("SB104", unit.name, seen, severity=INFO)


def is_loaded(unit: Unit) -> Iterator[Finding]:
    """SB105."""
    if unit.properties.get("NeedDaemonReload") == "yes":
        yield Finding("SB105", unit.name, "a file of the unit has changed and is not loaded (NeedDaemonReload=yes)")
        return
    if unit.unloaded:
        yield Finding("SB105", unit.name, f"not loaded as it is on the disk: {', '.join(unit.unloaded)}")
        return
    process = unit.process
    if process is None or not unit.is_daemon:
        return
    newer = [file.path for file in unit.files if file.age + _AT_ONCE < process.age_of_main and not file.is_our_drop_in]
    if newer:
        yield Finding("SB105", unit.name, f"the process is older than {', '.join(newer)}")


def is_at_rest(unit: Unit) -> Iterator[Finding]:
    """SB106."""
    calm = unit.process is not None and unit.process.age_of_main > _CALM
    if unit.restarts >= LOOP and not calm:
        seen = f"{unit.restarts} restarts within {RECENTLY // 60} minutes, and it says {unit.properties.get('ActiveState')}"
        yield Finding("SB106", unit.name, seen)
        return
    process = unit.process
    if process is None or not process.deaths:
        return
    all_new = all(worker.age < _NEW_WORKER for worker in process.workers)
    if process.deaths >= ENOUGH_DEATHS or all_new:
        yield Finding(
            "SB106",
            unit.name,
            f"{process.deaths} of its workers ended within {WATCHED:.0f} s under a master of {process.age:.0f} s, and those that "
            f"ended took {process.spent_by_dead:.0f} s of CPU time",
        )


def comes_back_after_a_reboot(unit: Unit) -> Iterator[Finding]:
    """SB107."""
    state = unit.properties.get("UnitFileState", "")
    enabled = state.startswith("enabled") or state in ("generated", "alias", "indirect")
    pulled_in = any(unit.properties.get(name) for name in REVERSE)
    by_itself = unit.name not in unit.stranded and (enabled or pulled_in)
    started = any(
        name not in unit.stranded and (one.startswith("enabled") or one in ("static", "generated"))
        for name, one in unit.triggers.items()
    )
    if not (unit.is_up or unit.triggers) or by_itself or started:
        return
    told = [f"{name} is {one or 'not there'}{_stranded(unit, name)}" for name, one in unit.triggers.items()]
    seen = ", ".join(told) or f"it is {state or 'transient'}{_stranded(unit, unit.name)}"
    mend = unit.entry(enabled=True)
    if unit.stranded:
        # Over somebody else's unit a drop-in has no say in this.
        wanted_by = "timers.target" if unit.is_job else "multi-user.target"
        mend = unit.entry(wanted_by=[wanted_by], enabled=True) if unit.is_ours else None
    yield Finding("SB107", unit.name, seen, mend)


def _stranded(unit: Unit, name: str) -> str:
    into = unit.stranded.get(name)
    return f", and what would start it, {' or '.join(into)}, no boot reaches" if into else ""


def speaks_to_the_journal(unit: Unit) -> Iterator[Finding]:
    """SB201."""
    wrong = [name for name in ("StandardOutput", "StandardError") if not _reaches_journal(unit, name)]
    astray = {name: path for name, path in (unit.process.astray if unit.process else {}).items() if name not in wrong}
    if not unit.is_daemon and "StandardError" not in astray:
        # What a job writes to a file may be what it is there for.
        astray = {}
    if wrong or astray:
        seen = [f"{name}={unit.properties[name]}" for name in wrong]
        seen += [f"{_STREAMS[name]} of the process goes to {path}" for name, path in astray.items()]
        mend = unit.entry(directives={"Service": dict.fromkeys(wrong, "journal")}) if wrong else None
        yield Finding("SB201", unit.name, ", ".join(seen), mend)


def _reaches_journal(unit: Unit, name: str) -> bool:
    return unit.properties.get(name, "journal") in _TO_JOURNAL


def is_unbuffered(unit: Unit) -> Iterator[Finding]:
    """SB202."""
    process = unit.process
    if process is None or process.variables is None:
        return
    command = python_command.parse(process.argv)
    if "u" not in command.options and not command.is_set("PYTHONUNBUFFERED", process.variables):
        yield Finding(
            "SB202",
            unit.name,
            "the process has neither PYTHONUNBUFFERED nor -u",
            unit.entry(environment={"PYTHONUNBUFFERED": "1"}),
        )


def is_capped(unit: Unit) -> Iterator[Finding]:
    """SB304."""
    if bytes_of(unit.properties, "MemoryMax") is None:
        yield Finding("SB304", unit.name, "MemoryMax=infinity")


def has_fitting_limits(unit: Unit) -> Iterator[Finding]:
    """SB305."""
    high, limit = bytes_of(unit.properties, "MemoryHigh"), bytes_of(unit.properties, "MemoryMax")
    now = bytes_of(unit.properties, "MemoryCurrent")
    if high is None:
        return
    if limit is not None and high >= limit:
        yield Finding("SB305", unit.name, f"MemoryHigh={high} is not below MemoryMax={limit}")
    elif now is not None and now >= _HELD_BACK * high:
        yield Finding("SB305", unit.name, f"it has {now} bytes and is held back at MemoryHigh={high}")


RULES: dict[str, Callable[[Unit], Iterator[Finding]]] = {
    "SB101": comes_back,
    "SB102": waits,
    "SB103": is_never_given_up,
    "SB104": is_understood,
    "SB105": is_loaded,
    "SB106": is_at_rest,
    "SB107": comes_back_after_a_reboot,
    "SB201": speaks_to_the_journal,
    "SB202": is_unbuffered,
    "SB304": is_capped,
    "SB305": has_fitting_limits,
}


def judge(unit: Unit) -> list[Finding]:
    """Return everything that the rules find in a unit, in their order."""
    return [finding for rule in RULES.values() for finding in rule(unit)]
