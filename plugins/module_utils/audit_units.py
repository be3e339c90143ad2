# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about a unit: whether it comes back, where its output goes, how its memory is bounded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional

from . import python_command
from . import values as v
from .audit_model import RECENTLY, Finding, Unit
from .audit_processes import ENOUGH_DEATHS, WATCHED
from .audit_refused import is_refused
from .audit_rules import INFO, WARNING
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
_QUOTE = "'"
#: What a diagnostic begins with when it is about a line of a file.
_PLACE = re.compile(r"/[^:]+:\d+: ")
#: Directives whose values are words of somebody else, any of which may be a secret.
_HOLDS_ANYTHING = re.compile(
    rf"(?:{v.MAY_HOLD_SECRET.pattern})|LogExtraFields|StandardInput|SyslogIdentifier|Description"
)
#: How a line begins that systemd leaves out, and what the name of a directive is.
_COMMENT = ("#", ";")
_DIRECTIVE = re.compile(r"[A-Za-z]+\Z")
#: What systemd says of a line that is in effect, and what it never says of one.
_ADVICE = re.compile(r"please|\bnot safe\b|\bunsafe\b|\bobsolete\b|\bdeprecated\b|Proceeding anyway", re.IGNORECASE)
_NO_ADVICE = re.compile(
    r"ignor|unknown|invalid|failed|fatal|refus|neither|cannot|not (?:executable|found|absolute)", re.IGNORECASE
)
#: Programs that start another one without the variables that systemd has given to them.
_CLEANERS = ("sudo", "su", "doas", "pkexec")
_INFINITY = ("", "infinity", "18446744073709551615")
#: The share of ``MemoryHigh=`` from which on the kernel finds hardly anything else to take back.
_HELD_BACK = 0.9


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


def _is_given_up(unit: Unit) -> bool:
    """Whether so many starts as the start limit allows fit into its window, at the restart delay: else it never acts."""
    limit, burst = seconds_of(unit.properties, "StartLimitIntervalUSec"), _burst(unit)
    return limit > 0 and burst > 0 and _time_of_restarts(unit, burst) < limit


def _steps(unit: Unit) -> int:
    """Return in how many steps the restart delay rises; 0 where it stays as it is (systemd.service(5), ``RestartSteps=``)."""
    delay, longest = (seconds_of(unit.properties, name) for name in ("RestartUSec", "RestartMaxDelayUSec"))
    rises = 0 < delay < longest < float("inf")
    return int(unit.properties.get("RestartSteps") or 0) if rises else 0


def _time_of_restarts(unit: Unit, number: int) -> float:
    """Return how long systemd waits before the first ``number`` restarts together; before all later ones it waits longer."""
    delay, steps = seconds_of(unit.properties, "RestartUSec"), _steps(unit)
    if not steps:
        return number * delay
    longest = seconds_of(unit.properties, "RestartMaxDelayUSec")
    rising, factor = min(number, steps), (longest / delay) ** (1 / steps)
    risen = delay * ((factor**rising - 1) / (factor - 1) if factor > 1 else rising)
    return risen + (number - rising) * longest


def _burst(unit: Unit) -> int:
    return int(unit.properties.get("StartLimitBurst") or 0)


def _never_waits_out(unit: Unit) -> bool:
    """Whether the restart delay has no end."""
    return _restart(unit) != "no" and seconds_of(unit.properties, "RestartUSec") == float("inf")


def comes_back(unit: Unit) -> Iterator[Finding]:
    """SB101."""
    if unit.is_job:
        yield from _job_comes_back(unit)
    elif unit.is_daemon:
        yield from _daemon_comes_back(unit)


def _job_comes_back(unit: Unit) -> Iterator[Finding]:
    restart = _restart(unit)
    if _never_waits_out(unit):
        mend = unit.entry(retries=3, restart_sec="1min")
        yield Finding("SB101", unit.name, f"Restart={restart} at RestartSec=infinity, of a job", mend)
    elif not ((restart == "on-failure" and _is_given_up(unit)) or (restart == "no" and _writes_no(unit))):
        bound = "" if restart == "no" or _is_given_up(unit) else " without a bound"
        yield Finding("SB101", unit.name, f"Restart={restart}{bound}, of a job", unit.entry(retries=3))


def _daemon_comes_back(unit: Unit) -> Iterator[Finding]:
    restart, prevented = _restart(unit), unit.properties.get("RestartPreventExitStatus", "")
    seen = f"Restart={restart}"
    keys: dict[str, Any] = {} if restart == "always" else {"restart": "always"}
    service: dict[str, str] = {}
    if unit.properties.get("RemainAfterExit") == "yes":
        seen += "" if restart == "no" else ", but for the ends that RemainAfterExit=yes takes for none"
        service["RemainAfterExit"] = "no"
    if prevented:
        seen += "" if restart == "no" else f", but for the ends of RestartPreventExitStatus={prevented}"
        # An empty value takes out those of the files before.
        service["RestartPreventExitStatus"] = ""
    if _never_waits_out(unit):
        seen += ", at RestartSec=infinity"
        keys["restart_sec"] = "5s"
    if service:
        keys["directives"] = {"Service": service}
    if keys:
        yield Finding("SB101", unit.name, seen, unit.entry(**keys))


def waits(unit: Unit) -> Iterator[Finding]:
    """SB102; a delay that rises is in a loop what it rises to."""
    delay = seconds_of(unit.properties, "RestartMaxDelayUSec" if _steps(unit) else "RestartUSec")
    if _restart(unit) != "no" and delay < SHORTEST_DELAY:
        yield Finding(
            "SB102", unit.name, f"RestartSec={unit.properties.get('RestartUSec')}", unit.entry(restart_sec="5s")
        )


def is_never_given_up(unit: Unit) -> Iterator[Finding]:
    """SB103; a limit that was turned off under its old name is only told."""
    if unit.is_daemon and _restart(unit) != "no" and _is_given_up(unit):
        shown, delay = (unit.properties.get(name) for name in ("StartLimitIntervalUSec", "RestartUSec"))
        seen = f"StartLimitBurst={_burst(unit)} within StartLimitIntervalSec={shown}, at RestartSec={delay}"
        if _steps(unit):
            seen += f", which rises to {unit.properties['RestartMaxDelayUSec']} in {_steps(unit)} steps"
        yield Finding("SB103", unit.name, seen, unit.entry(start_limit_interval_sec=0))


def _without_secret(line: str, unit: Unit) -> str:
    """Return a diagnostic without what it quotes of a line in which there may be a secret."""
    for file in (*unit.files, *unit.unread):
        number = line[len(file.path) + 1 :].partition(":")[0] if line.startswith(f"{file.path}:") else ""
        lines = file.text.split("\n")
        if number.isdigit() and 0 < int(number) <= len(lines):
            directive, equals, _value = _first_line(lines, int(number) - 1).partition("=")
            if not equals or not _DIRECTIVE.match(directive.strip()):
                return _unquoted(line)
            hides = _HOLDS_ANYTHING.match(directive.strip())
            return f"{file.path}:{number}: {directive.strip()}= with {HIDDEN}" if hides else line
    return _unquoted(line)


def _first_line(lines: Sequence[str], index: int) -> str:
    """Return the line with which the directive begins whose last one is at ``index``: that one systemd names.

    systemd.syntax(7): a comment between its lines does not end it.
    """
    first = index
    for before in range(index - 1, -1, -1):
        if _goes_on(lines[before]):
            first = before
        elif not lines[before].lstrip().startswith(_COMMENT):
            break
    return lines[first]


def _goes_on(line: str) -> bool:
    """Whether a line of a unit file goes on in the next one."""
    is_comment = line.lstrip().startswith(_COMMENT)
    return not is_comment and (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _unquoted(line: str) -> str:
    """Return a diagnostic without the text of a file that it ends with."""
    what, ignoring, _text = line.partition("ignoring: ")
    what, inside, _text = what.partition(" in '")
    if inside or ignoring:
        return f"{what}{inside.rstrip(_QUOTE)}{ignoring if not inside else ''}{HIDDEN}"
    place = _PLACE.match(line)
    return f"{place[0]}{HIDDEN}" if place else line


def is_understood(unit: Unit) -> Iterator[Finding]:
    """SB104; what is in effect and only advised against is told."""
    for line in unit.diagnostics:
        said = line.partition(": ")[2]
        is_advice = _ADVICE.search(said) and not _NO_ADVICE.search(said)
        yield Finding("SB104", unit.name, _without_secret(line, unit), severity=INFO if is_advice else "")
    for file in unit.files:
        if _LEGACY_LIMIT.search(file.text):
            seen = (
                f"{file.path}: StartLimitInterval= is the old name of StartLimitIntervalSec=, which belongs into [Unit]"
            )
            yield Finding("SB104", unit.name, seen, severity=INFO)


def is_loaded(unit: Unit) -> Iterator[Finding]:
    """SB105."""
    if unit.trouble:
        if unit.is_up:
            yield Finding("SB105", unit.name, f"it runs, and {unit.trouble}")
        return
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
    """SB106; of workers a death does not tell whether they have failed or done their work."""
    calm = unit.process is not None and unit.process.age_of_main > _CALM
    # What is meant to end is tried again until its start limit ends that.
    bounded = not unit.is_daemon and _is_given_up(unit)
    if unit.restarts >= LOOP and not (calm or bounded):
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
            severity=WARNING,
        )


def _starts_at_boot(unit: Unit, name: str, state: str) -> bool:
    """Whether a boot starts the unit or a trigger of it, whose ``UnitFileState=`` is ``state``.

    ``enabled-runtime`` is for this boot alone; ``static`` and ``indirect`` say that it cannot be enabled by itself.
    """
    return name not in unit.stranded and (state in ("enabled", "generated", "alias") or name in unit.pulled_in)


def comes_back_after_a_reboot(unit: Unit) -> Iterator[Finding]:
    """SB107."""
    state = unit.properties.get("UnitFileState", "")
    started = {unit.name: state, **unit.triggers}
    by_boot = any(_starts_at_boot(unit, name, one) for name, one in started.items())
    # What systemd refuses to load is down once it has ended, and was meant to be up.
    is_meant = unit.is_up or unit.triggers or (by_boot and is_refused(unit.properties))
    if not is_meant or (unit.is_on_bus and unit.is_triggered):
        return
    if unit.trouble:
        yield Finding("SB107", unit.name, unit.trouble)
        return
    if by_boot:
        return
    told = [f"{name} is {_told(unit, name, one or 'not there')}" for name, one in unit.triggers.items()]
    seen = ", ".join(told) or f"it is {_told(unit, unit.name, state or 'transient')}"
    yield Finding("SB107", unit.name, seen, _mend_of_boot(unit, state))


def _mend_of_boot(unit: Unit, state: str) -> Optional[dict[str, Any]]:
    if unit.is_ours:
        wanted_by = {"wanted_by": ["timers.target" if unit.is_job else "multi-user.target"]} if unit.stranded else {}
        return unit.entry(**wanted_by, enabled=True)
    # Over somebody else's unit a drop-in has no say in what it is enabled into, and enables the service alone: not its timer.
    return unit.entry(enabled=True) if state == "disabled" and not (unit.triggers or unit.stranded) else None


def _told(unit: Unit, name: str, state: str) -> str:
    into = unit.stranded.get(name)
    if into:
        return f"{state}, and what would start it, {' or '.join(into)}, no boot reaches"
    return f"{state}, and nothing starts it at a boot" if state in ("static", "indirect") else state


def speaks_to_the_journal(unit: Unit) -> Iterator[Finding]:
    """SB201."""
    wrong = [name for name in ("StandardOutput", "StandardError") if not _reaches_journal(unit, name)]
    if wrong == ["StandardOutput"] and not unit.is_daemon and unit.properties["StandardOutput"].startswith(_FILES):
        wrong = []
    astray = {name: path for name, path in (unit.process.astray if unit.process else {}).items() if name not in wrong}
    if not unit.is_daemon and "StandardError" not in astray:
        # What a job writes to a file may be what it is there for.
        astray = {}
    if wrong or astray:
        seen = [f"{name}={unit.properties[name]}" for name in wrong]
        seen += [f"{_STREAMS[name]} of the process goes to {path}" for name, path in astray.items()]
        mend = unit.entry(directives={"Service": dict.fromkeys(wrong, "journal")}) if wrong else None
        yield Finding("SB201", unit.name, ", ".join(seen), mend)


#: systemd.exec(5): what a job writes there may be what it is there for.
_FILES = ("file:", "append:", "truncate:")


def _reaches_journal(unit: Unit, name: str) -> bool:
    return unit.properties.get(name, "journal") in _TO_JOURNAL


def is_unbuffered(unit: Unit) -> Iterator[Finding]:
    """SB202."""
    process = unit.process
    if process is None or process.variables is None or not process.is_python:
        return
    command = python_command.parse(process.argv)
    if "u" in command.options or command.is_set("PYTHONUNBUFFERED", process.variables):
        return
    if command.ignores_variables:
        option = min(command.options & {"E", "I"})
        seen = f"the process has no -u, and under its option -{option} PYTHONUNBUFFERED has no effect"
        yield Finding("SB202", unit.name, seen)
        return
    is_kept = not any(os.path.basename(program) in _CLEANERS for program in unit.programs)
    mend = unit.entry(environment={"PYTHONUNBUFFERED": "1"}) if is_kept else None
    yield Finding("SB202", unit.name, "the process has neither PYTHONUNBUFFERED nor -u", mend)


def is_capped(unit: Unit) -> Iterator[Finding]:
    """SB304."""
    if bytes_of(unit.properties, "MemoryMax") is None:
        yield Finding("SB304", unit.name, "MemoryMax=infinity")


def has_fitting_limits(unit: Unit) -> Iterator[Finding]:
    """SB305."""
    high, limit = bytes_of(unit.properties, "MemoryHigh"), bytes_of(unit.properties, "MemoryMax")
    # The kernel takes back the cache of files first; what is left holds the service back.
    now = bytes_of(unit.properties, "MemoryAnonymous")
    if high is None:
        return
    if limit is not None and high >= limit:
        yield Finding("SB305", unit.name, f"MemoryHigh={high} is not below MemoryMax={limit}")
    elif now is not None and now >= _HELD_BACK * high:
        yield Finding("SB305", unit.name, f"{now} bytes of it are in no file, and it is held back at MemoryHigh={high}")


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


#: Rules about what stands in the files of a unit: where there are none, what systemd shows is what it has for any unit.
_OF_FILES = ("SB101", "SB102", "SB103", "SB104", "SB304", "SB305")


#: What a rule is about: where a drop-in of somebody else says it last, no line of the inventory mends it.
_DIRECTIVES = {
    "SB101": ("Restart", "RestartSec", "RestartPreventExitStatus", "RemainAfterExit"),
    "SB102": ("RestartSec", "RestartSteps", "RestartMaxDelaySec"),
    "SB103": ("StartLimitIntervalSec", "StartLimitInterval", "StartLimitBurst"),
    "SB201": ("StandardOutput", "StandardError"),
}


def _where_it_is_said(unit: Unit, finding: Finding) -> Finding:
    path = unit.last_word(_DIRECTIVES[finding.id]) if finding.id in _DIRECTIVES else ""
    return replace(finding, seen=f"{finding.seen}; {path} has the last word", mend=None) if path else finding


def _not_judged(unit: Unit) -> tuple[str, ...]:
    if is_refused(unit.properties):
        # systemd has not read what stands behind the line that it does not take.
        return tuple(name for name in _OF_FILES if name != "SB104")
    return _OF_FILES if unit.properties.get("LoadState") in ("not-found", "masked") else ()


def judge(unit: Unit) -> list[Finding]:
    """Return everything that the rules find in a unit, in their order."""
    without = _not_judged(unit)
    found = [finding for name, rule in RULES.items() if name not in without for finding in rule(unit)]
    return [_where_it_is_said(unit, finding) for finding in found]
