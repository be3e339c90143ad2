# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units that stop before an environment is switched and start after it.

What is stopped is written down on the host before, in ``/var/lib/stability/stopped/``: a run that finds that there was killed in
between, and starts what nobody has started since.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from .commands import EnvironmentFailure
from .environment_lock import environment_key
from .environment_outcome import Outcome
from .files import remove_file, write_file
from .problems import Problem, show
from .unit_names import template_of

FOLDER = "/var/lib/stability/stopped"
#: Seconds to wait for the end of a running job.
WAIT = 60.0
_PAUSE = 0.2
_PROPERTIES = ("Names", "LoadState", "ActiveState", "Type", "InvocationID")
_DOWN = ("inactive", "failed")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.(service|timer)\Z")


def check_units(units: Sequence[str], option: str, problems: list[Problem]) -> None:
    """Add a problem for each member of ``option`` that is not the name of a service or a timer."""
    for index, unit in enumerate(units):
        if not _UNIT.match(unit):
            expected = "the full name of a service or timer, such as api.service"
            problems.append(Problem(f"{option}[{index}]", show(unit), expected, "Write it with its suffix"))


def _is_job(unit: str, state: Mapping[str, str]) -> bool:
    return unit.endswith(".service") and state["Type"] == "oneshot"


def _runs(unit: str, state: Mapping[str, str]) -> bool:
    """Whether a unit has a process or waits for its next start; a oneshot unit that says active has none."""
    return state["ActiveState"] not in _DOWN and not (_is_job(unit, state) and state["ActiveState"] == "active")


class Pause:
    """The time during which ``units`` do not run, since the environment at ``target`` is switched.

    ``resumed`` maps each unit that a killed run had stopped, and that was started for it, to its invocation.
    """

    def __init__(self, target: str, units: Sequence[str]) -> None:
        if units and os.geteuid() != 0:
            raise EnvironmentFailure("stop_units: only root can stop units. Let the task become root.")
        self.target = target
        self.units = list(dict.fromkeys(units))
        self.path = os.path.join(FOLDER, f"{environment_key(target)}.json")
        self.resumed: dict[str, str] = {}

    def resume(self, check_mode: bool) -> None:
        """Start what a killed run has left stopped; in check mode, only see what that would be."""
        stopped = self._stopped()
        states = _states(list(stopped))
        # Another invocation than the one that was stopped: somebody has started the unit since, and stopped it again.
        owed = [
            unit
            for unit, state in states.items()
            if state["LoadState"] == "loaded"
            and state["ActiveState"] in _DOWN
            and state["InvocationID"] in ("", stopped[unit])
        ]
        if check_mode:
            self.resumed = dict.fromkeys(owed, "")
            return
        for unit in owed:
            _act("start", [unit])
        self.resumed = _invocations(owed)
        remove_file(self.path)

    def tell(self, outcome: Outcome) -> None:
        """Add what was started for a killed run to what a run has to report."""
        outcome.started = {**self.resumed, **outcome.started}
        outcome.changed = outcome.changed or bool(self.resumed)

    def predict(self, outcome: Outcome) -> None:
        """Tell what a run would stop and start."""
        outcome.stopped = list(self._running(outcome))
        outcome.started = dict.fromkeys(outcome.stopped, "")

    @contextmanager
    def held(self, outcome: Outcome) -> Iterator[None]:
        """Keep the units stopped; whatever happens meanwhile, those that ran are started afterwards.

        Timers stop first, so that they start no job; a running job is never interrupted but waited for, and the others stop
        in the reverse order of ``units`` after that. Raises :class:`EnvironmentFailure`.
        """
        running = self._running(outcome)
        if not running:
            yield
            return
        jobs = [unit for unit, state in running.items() if _is_job(unit, state)]
        outcome.stopped = [unit for unit in running if unit not in jobs]
        self._write_down({unit: running[unit]["InvocationID"] for unit in outcome.stopped})
        begun = time.monotonic()
        try:
            _stop([unit for unit in outcome.stopped if unit.endswith(".timer")])
            _wait_for(jobs)
            begun = time.monotonic()
            _stop([unit for unit in reversed(outcome.stopped) if unit.endswith(".service")])
            yield
        finally:
            for unit in outcome.stopped:
                complaint = _act("start", [unit])
                if complaint:
                    outcome.warnings.append(f"{unit} was stopped and did not start again: {complaint}")
            outcome.started = _invocations(outcome.stopped)
            outcome.downtime = round(time.monotonic() - begun, 2)
            remove_file(self.path)

    def _running(self, outcome: Outcome) -> dict[str, Mapping[str, str]]:
        running = {unit: state for unit, state in _states(self.units).items() if _runs(unit, state)}
        own = _own_units() if running else set()
        inside = [unit for unit, state in running.items() if own & {unit, *state["Names"].split()}]
        outcome.warnings += [
            f"{unit} is not stopped, because this run takes place inside it. Restart it from elsewhere."
            for unit in inside
        ]
        return {unit: state for unit, state in running.items() if unit not in inside}

    def _stopped(self) -> dict[str, str]:
        """Return what a killed run wrote down: units, and the invocations that it was about to stop."""
        damaged = (ValueError, KeyError, TypeError, AttributeError)
        with suppress(FileNotFoundError, *damaged), open(self.path, encoding="utf-8") as stream:
            return {str(unit): str(invocation) for unit, invocation in json.load(stream)["units"].items()}
        return {}

    def _write_down(self, units: Mapping[str, str]) -> None:
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)
        content = {"virtualenv": self.target, "units": units}
        write_file(self.path, (json.dumps(content, indent=1) + "\n").encode(), 0o600)


def _states(units: Sequence[str]) -> dict[str, Mapping[str, str]]:
    if not units:
        return {}
    # Imported here and below: most runs stop nothing, and compile all that they import.
    from . import systemd_host

    try:
        return systemd_host.show(units, _PROPERTIES)
    except systemd_host.HostError as error:
        raise EnvironmentFailure(str(error)) from None


def _invocations(units: Sequence[str]) -> dict[str, str]:
    return {unit: state["InvocationID"] for unit, state in _states(units).items()}


def _own_units() -> set[str]:
    from . import systemd_host

    return {name for unit in systemd_host.own_units() for name in (unit, template_of(unit))}


def _act(verb: str, units: Sequence[str]) -> str:
    from . import systemd_host

    try:
        return systemd_host.act(verb, units)
    except systemd_host.HostError as error:
        raise EnvironmentFailure(str(error)) from None


def _stop(units: Sequence[str]) -> None:
    complaint = _act("stop", units) if units else ""
    if complaint:
        raise EnvironmentFailure(f"systemctl stop failed: {complaint}")


def _wait_for(jobs: Sequence[str]) -> None:
    deadline = time.monotonic() + WAIT
    while True:
        running = [unit for unit, state in _states(jobs).items() if _runs(unit, state)]
        if not running:
            return
        if time.monotonic() > deadline:
            raise EnvironmentFailure(
                f"{', '.join(running)}: a running job is not interrupted, and it did not end within {WAIT:.0f} seconds. "
                "Run again once it has ended."
            )
        time.sleep(_PAUSE)
