# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a finding is told: once, and again when it is about another run, or after some hours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from .leak_alerts import RESTARTS, Alert
from .leak_kills import KILLED
from .memory_trend import HOUR

#: Seconds after which a finding that is still there is told again, and after which one that was not seen any more is forgotten.
AGAIN, FORGOTTEN = 6 * HOUR, HOUR
#: An alert unit is started once in so many seconds at most.
PAUSE = HOUR
#: Seconds for which those who look on are told that a service was killed; all else they are told while it is there.
SHOWN = 24 * HOUR
Told = dict[str, tuple[str, int, int]]
#: What those who look on are told: unit, kind, run, when it was seen last, and a line for people.
Shown = list[tuple[str, str, str, int, str]]


def key_of(unit: str, kind: str) -> str:
    """Return what stands for a kind of finding of a unit."""
    return f"{unit} {kind}"


def to_tell(
    found: Iterable[tuple[Alert, str]], told: Mapping[str, tuple[str, int, int]], now: int
) -> tuple[list[Alert], Told]:
    """Return the findings that are to be told now, and what is then remembered of all.

    Args:
        found: each finding, with the run that it is about. In a loop of restarts each run is another one: that is one finding.
        told: what was remembered.
        now: this moment.
    """
    news: list[Alert] = []
    kept = {key: entry for key, entry in told.items() if now - entry[2] <= FORGOTTEN}
    for alert, run in found:
        key = key_of(alert.unit, alert.kind)
        before, at, _seen = kept.get(key, ("", 0, 0))
        is_new = key not in kept or now - at >= AGAIN or (before != run and alert.kind != RESTARTS)
        if is_new:
            news.append(alert)
        kept[key] = (run, now if is_new else at, now)
    return news, kept


def to_show(found: Iterable[tuple[Alert, str]], before: str, now: int) -> Shown:
    """Return what those who look on are told now; ``before`` is what they were told, as JSON."""
    shown = [(alert.unit, alert.kind, run, now, alert.text) for alert, run in found]
    again = {one[:2] for one in shown}
    return shown + [
        (unit, kind, run, seen, text)
        for unit, kind, run, seen, text in json.loads(before or "[]")
        if kind == KILLED and (unit, kind) not in again and now - seen <= SHOWN
    ]


def alert_unit_for(alert_unit: str, unit: str) -> str:
    """Return the unit to be started for a finding about a unit; of a template the instance that has its name."""
    return alert_unit.replace("@.", f"@{unit.rpartition('.')[0]}.", 1)


def to_start(wanted: Iterable[str], started: Mapping[str, int], now: int) -> tuple[list[str], list[str]]:
    """Return which of the wanted alert units may be started now, and which have to wait."""
    unique = list(dict.fromkeys(wanted))
    may = [name for name in unique if now - started.get(name, 0) >= PAUSE]
    return may, [name for name in unique if name not in may]
