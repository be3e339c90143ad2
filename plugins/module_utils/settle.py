# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether units come up and stay up: one window for all units of a run together."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass

from . import systemd_host as systemd
from .health import Health, ask, make_ready
from .listeners import is_inside, listening_groups
from .services import Service

#: Seconds between two looks at the units.
INTERVAL = 0.4
#: Seconds between the two answers that make a service healthy.
_APART = 1.0
_ASKED_AT_ONCE = 8
_PROPERTIES = (
    "ActiveState",
    "SubState",
    "Result",
    "MainPID",
    "NRestarts",
    "ExecMainCode",
    "ExecMainStatus",
    "ActiveEnterTimestampMonotonic",
    "ControlGroup",
    "User",
)
#: ``ExecMainCode`` holds the ``si_code`` of waitid(2).
_EXITED = "1"


@dataclass
class _Watch:
    """One unit inside the window; a start by this run sets systemd's count of restarts back to 0."""

    unit: str
    service: Service
    since: float
    restarts_before: int = 0
    pid: str = ""
    answered: float = 0.0
    complaint: str = "it was never active"
    done: bool = False
    failure: str = ""

    @property
    def pending(self) -> bool:
        return not (self.done or self.failure)


def ended_how(state: Mapping[str, str]) -> str:
    """Return, as a phrase, how the main process of a unit ended last."""
    status = state.get("ExecMainStatus", "0")
    if state.get("ExecMainCode") in ("0", "", None):
        return "no process could be started"
    if state.get("ExecMainCode") == _EXITED:
        return f"its process exited with status {status}"
    try:
        name = signal.Signals(int(status)).name
    except ValueError:
        name = f"signal {status}"
    return f"its process was ended by {name}"


def _judge_plain(watch: _Watch, state: Mapping[str, str], now: float) -> None:
    if state["ActiveState"] == "activating" and state["SubState"] != "auto-restart":
        return
    if state["ActiveState"] not in ("active", "reloading"):
        watch.failure = f"did not stay up: {ended_how(state)}"
        return
    watch.pid = watch.pid or state["MainPID"]
    if int(state["NRestarts"] or 0) > watch.restarts_before or state["MainPID"] != watch.pid:
        watch.failure = "did not stay up: its main process ended and was started again"
        return
    up_since = int(state["ActiveEnterTimestampMonotonic"] or 0) / 1e6
    watch.done = now - up_since >= watch.service.settle_sec


def _judge_health(
    watch: _Watch, health: Health, state: Mapping[str, str], complaint: str | None, now: float, apart: float = _APART
) -> None:
    """Judge a unit with a health check; ``complaint`` is its answer (empty: healthy), ``None`` when it was not asked.

    It must answer for ``apart`` seconds from the same main process.
    """
    if complaint == "":
        if watch.pid != state["MainPID"] or not watch.answered:
            watch.pid, watch.answered = state["MainPID"], now
        watch.done = now - watch.answered >= apart
    else:
        watch.answered = 0.0
        watch.complaint = complaint or ended_how(state)
    late = now - watch.since > health.timeout and watch.answered in (0.0, now)
    if watch.pending and (late or state["ActiveState"] in ("failed", "inactive")):
        watch.failure = f"did not become healthy within {health.timeout:.0f} s ({health}): {watch.complaint}"


def _ask_all(watches: list[_Watch], states: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Ask all the services at once; return, by unit, what was wrong, empty when it is healthy.

    Commands run as the user whom systemd names: a drop-in need not say who runs the unit.
    """
    if not watches:
        return {}
    # Imported here: most runs ask nobody.
    from concurrent.futures import ThreadPoolExecutor

    make_ready(watch.service.health for watch in watches if watch.service.health)
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        answers = {
            watch.unit: pool.submit(ask, watch.service.health, states[watch.unit]["User"] or "root")
            for watch in watches
            if watch.service.health
        }
    return {unit: answer.result() for unit, answer in answers.items()}


def _answered_by_others(watches: list[_Watch], states: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return the units whose port is not held by a process of theirs: a proxy answers, or who took the port first."""
    ports = {watch.unit: watch.service.health.port for watch in watches if watch.service.health}
    groups = listening_groups({port for port in ports.values() if port})
    return {
        unit
        for unit, port in ports.items()
        if port and not any(is_inside(group, states[unit]["ControlGroup"]) for group in groups[port])
    }


def _look(watches: list[_Watch]) -> None:
    """Look once at every pending unit."""
    states = systemd.show([watch.unit for watch in watches], _PROPERTIES)
    complaints = _ask_all(
        [watch for watch in watches if watch.service.health and states[watch.unit]["ActiveState"] == "active"], states
    )
    others = _answered_by_others([watch for watch in watches if complaints.get(watch.unit) == ""], states)
    now = time.monotonic()
    for watch in watches:
        if watch.service.health:
            apart = max(_APART, watch.service.settle_sec) if watch.unit in others else _APART
            _judge_health(watch, watch.service.health, states[watch.unit], complaints.get(watch.unit), now, apart)
        else:
            _judge_plain(watch, states[watch.unit], now)


def settle(started: Mapping[str, Service], running: Mapping[str, Service]) -> dict[str, str]:
    """Wait until each unit is up and stays up; return, by unit, why one does not.

    ``started`` maps the units that this run started to their services, ``running`` those that were up already but
    whose last start is shorter ago than their ``settle_sec``.
    """
    now = time.monotonic()
    watches: list[_Watch] = [_Watch(unit, service, now) for unit, service in started.items()]
    if running:
        before = systemd.show(list(running), ("NRestarts",))
        watches += [_Watch(unit, service, now, int(before[unit]["NRestarts"])) for unit, service in running.items()]
    pending = watches
    while pending:
        _look(pending)
        pending = [watch for watch in pending if watch.pending]
        if pending:
            time.sleep(INTERVAL)
    return {watch.unit: watch.failure for watch in watches if watch.failure}
