# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One round over the services of a host: what each has in use, and what somebody has to know of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Optional

from . import leak_kills as kills
from . import leak_units as units
from .leak_alerts import (
    INTERVAL,
    RESTARTS,
    WORKERS,
    Alert,
    memory_grows,
    restarts_again_and_again,
    restarts_often,
    workers_die,
)
from .leak_settings import Settings
from .leak_state import State, Watched
from .leak_textfile import Row
from .leak_told import key_of
from .leak_workers import ended, workers_of
from .memory_store import Store, Usage
from .memory_trend import HOUR
from .memory_usage import GroupUse, group_use

#: Rounds after which systemd is asked about a unit anew, and after which the trend of one is judged anew.
_ASKED, _JUDGED = 30, 60
#: Seconds that a trend looks back.
_LOOKS_BACK = 26.5 * HOUR
_NEVER = float("inf")


class Moment(NamedTuple):
    """Now: in seconds since the epoch, and in ticks since the boot; ``ticks_a_second`` are those of the host."""

    seconds: int
    ticks: float
    ticks_a_second: float


class Round(NamedTuple):
    """What a round has found: the new samples, what is known now, and each finding with the run that it is about."""

    usages: list[Usage]
    watched: dict[str, Watched]
    found: list[tuple[Alert, str]]


def due(last: Mapping[str, int], rounds: int, settings: Settings, now: int) -> list[str]:
    """Return whose turn it is when each has one in so many rounds: those that wait for the longest, and about as many in each round."""
    waiting = sorted(
        (moment, name) for name, moment in last.items() if now - moment >= (rounds - 0.5) * settings.interval
    )
    return [name for _moment, name in waiting[: len(last) // rounds + 1]]


def look(store: Store, state: State, settings: Settings, now: Moment) -> Round:
    """Look at all services.

    Raises :class:`~.leak_commands.CommandFailed`, :class:`OSError` and :class:`ValueError` when the host does not tell.
    """
    runs = units.runs_now()
    names = units.watched_units(runs)
    known = {name: state.units.get(name, Watched()) for name in names}
    asked = _facts(known, runs, settings, now.seconds)
    answers = {**{name: one.facts for name, one in known.items()}, **asked}
    records = _records(known, answers, state.moment)
    judged = set(
        due({name: known[name].judged for name in names if _has_trend(answers[name])}, _JUDGED, settings, now.seconds)
    )
    turn = Round([], {}, [])
    for name in names:
        before = known[name]._replace(seen=runs.get(name, ""), asked=now.seconds) if name in asked else known[name]
        _look_at(
            turn, _Unit(name, before, answers[name]), records, _Looking(store, state, settings, now, name in judged)
        )
    return turn


class _Unit(NamedTuple):
    name: str
    before: Watched
    facts: units.Facts


class _Looking(NamedTuple):
    store: Store
    state: State
    settings: Settings
    now: Moment
    is_judged: bool


def _has_trend(facts: units.Facts) -> bool:
    return facts.is_up and not facts.is_job


def _facts(
    known: Mapping[str, Watched], runs: Mapping[str, str], settings: Settings, now: int
) -> dict[str, units.Facts]:
    """Ask systemd about what has changed, and about some of the others."""
    changed = {
        name for name, one in known.items() if not one.asked or runs.get(name, "") != one.seen or one.facts.is_changing
    }
    others = {name: one.asked for name, one in known.items() if name not in changed}
    return units.ask(sorted({*changed, *due(others, _ASKED, settings, now)}))


def _has_ended(before: Watched, facts: units.Facts) -> bool:
    """Whether systemd has restarted a service since the round before."""
    return bool(before.facts.run) and facts.run != before.facts.run and facts.restarts > before.begun


def _records(known: Mapping[str, Watched], facts: Mapping[str, units.Facts], since: int) -> Optional[dict[str, int]]:
    """Return what systemd has told of runs that have ended; it is asked only where it can know."""
    ended_runs = [name for name, one in known.items() if one.is_unified and _has_ended(one, facts[name])]
    return kills.records_since(since - 1) if ended_runs else None


def _look_at(turn: Round, unit: _Unit, records: Optional[dict[str, int]], looking: _Looking) -> None:
    name, before, facts = unit
    now = looking.now
    if not facts.is_up:
        turn.watched[name] = Watched(facts, before.seen, before.asked, facts.restarts)
        return
    is_same = facts.run == before.facts.run
    last = before if is_same else Watched(facts, before.seen, before.asked, facts.restarts, judged=before.judged)
    group = group_use(facts.control_group)
    counted = kills.counters_of(facts.control_group) if group else None
    workers = tuple(workers_of(facts.main, group.processes)) if group else ()
    gap = (now.seconds - looking.state.moment) * now.ticks_a_second
    deaths = ended(last.workers, workers, now.ticks, gap) if is_same and group else 0
    usage = _usage(unit, group, now.seconds, deaths)
    turn.usages.append(usage)
    found: list[Optional[Alert]] = [_killed(unit, counted if is_same else None, records)]
    after = last._replace(
        facts=facts,
        used=usage.used or last.used,
        peak=max(last.peak, counted.peak if counted else 0, usage.used),
        kills=counted.kills if counted else last.kills,
        is_unified=counted.is_unified if counted else last.is_unified,
        workers=workers,
    )
    if not facts.is_job:
        after = _judge(found, usage, after, looking)
    turn.watched[name] = after
    turn.found.extend(
        (alert, before.facts.run if alert.kind == kills.KILLED else facts.run) for alert in found if alert
    )


def _usage(unit: _Unit, group: Optional[GroupUse], now: int, deaths: int) -> Usage:
    """Return the sample; what waits for its restart has nothing in use."""
    if group is None:
        return Usage(unit.name, now, unit.facts.run, unit.facts.restarts, 0, 0)
    processes = group.processes
    threads, files = sum(one.threads for one in processes), sum(one.files or 0 for one in processes)
    figures = (group.used, group.anonymous, len(processes), threads, files, deaths)
    return Usage(unit.name, now, unit.facts.run, unit.facts.restarts, *figures)


def _killed(unit: _Unit, counted: Optional[kills.Counters], records: Optional[dict[str, int]]) -> Optional[Alert]:
    before, facts = unit.before, unit.facts
    if counted and counted.kills > before.kills:
        return kills.killed_within(unit.name, counted.kills - before.kills, max(before.peak, counted.peak), facts.cap)
    if not _has_ended(before, facts):
        return None
    ended_run = kills.Run(unit.name, before.facts.run, before.used, before.peak, before.facts.cap, before.is_unified)
    return kills.ended_by_memory(ended_run, records)


def _judge(found: list[Optional[Alert]], usage: Usage, watched: Watched, looking: _Looking) -> Watched:
    """Add what the samples show; return what is known then."""
    interval, now = looking.settings.interval, looking.now.seconds
    if looking.is_judged:
        samples = list(_thinned([*looking.store.of(usage.unit, int(now - _LOOKS_BACK)), usage]))
        watched = watched._replace(
            judged=now, grows=memory_grows(samples, watched.facts.cap) if usage.processes else None
        )
        often = restarts_often(samples)
    else:
        often = None
    recent = [*looking.store.of(usage.unit, int(now - 6 * interval)), usage]
    found += [restarts_again_and_again(recent, interval) or often, workers_die(recent, interval), watched.grows]
    return watched


def _thinned(samples: Iterable[Usage]) -> Iterator[Usage]:
    """Yield one sample a minute, and the last one: more say nothing more about hours."""
    last: Optional[Usage] = None
    for sample in samples:
        if last is not None and sample.moment // INTERVAL != last.moment // INTERVAL:
            yield last
        last = sample
    if last is not None:
        yield last


def rows(turn: Round, told: Mapping[str, tuple[str, int, int]], now: int) -> list[Row]:
    """Return the metrics of the services that run."""
    return [Row(usage.unit, _values(usage, turn.watched[usage.unit], told, now)) for usage in turn.usages]


def _values(usage: Usage, watched: Watched, told: Mapping[str, object], now: int) -> dict[str, float]:
    numbers = watched.grows.numbers if watched.grows else {}
    left = numbers.get("seconds_to_cap", _NEVER)
    return {
        "memory_bytes": usage.used,
        "memory_anonymous_bytes": usage.anonymous,
        "memory_peak_bytes": watched.peak,
        "memory_cap_bytes": watched.facts.cap or _NEVER,
        "memory_slope_bytes_per_second": numbers.get("bytes_per_hour", 0) / HOUR,
        "memory_time_to_cap_seconds": max(0.0, left - (now - watched.judged)),
        "restarts_total": usage.restarts,
        "processes": usage.processes,
        "threads": usage.threads,
        "open_files": usage.files,
        "crash_loop": any(key_of(usage.unit, kind) in told for kind in (RESTARTS, WORKERS)),
        "memory_kills": key_of(usage.unit, kills.KILLED) in told,
    }
