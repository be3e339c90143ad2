# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the timer runs: one round, its samples and its warnings."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable

from . import leak_journal as journal
from . import leak_told as tell
from .files import remove_file, write_file
from .leak_alerts import Alert
from .leak_commands import CommandFailed, output
from .leak_round import Moment, Round, look, rows
from .leak_settings import FILE, FOUND, JOURNALS, METRICS, STORE, Settings, settings_in
from .leak_state import State, state_in
from .leak_textfile import metrics
from .memory_store import Store

_STATE = "state"


def _moment() -> Moment:
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    return Moment(int(time.time()), time.clock_gettime(time.CLOCK_BOOTTIME) * ticks_a_second, ticks_a_second)


def _is_damaged(error: Exception) -> bool:
    """Whether the samples cannot be read any more; that they cannot be written now is another error of SQLite's."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)


def _begin_anew() -> None:
    """Remove the samples: they are no more than those of some days."""
    sys.stderr.write(f"{STORE} is damaged, and is begun anew\n")
    for path in (STORE, *JOURNALS):
        remove_file(path)


def _opened(settings: Settings) -> Store:
    try:
        return Store(STORE, settings.days, settings.size)
    except sqlite3.DatabaseError as error:
        if not _is_damaged(error):
            raise
        _begin_anew()
        return Store(STORE, settings.days, settings.size)


def _restarted(store: Store, state: State, settings: Settings, now: int) -> State:
    """Restart one service where that is asked for and due, and return what is known then."""
    if not (settings.restart_time_to_cap or settings.restart_slope):
        return state
    # Imported here: it is off on most hosts.
    from . import leak_restart as restart
    from .leak_units import ask

    local = time.localtime(now)
    due = restart.due(state.units, settings, now, 60 * local.tm_hour + local.tm_min)
    if due is None:
        return state
    with restart.deployments_locked_out() as is_alone:
        if not is_alone or not restart.is_free(state.restarting, ask(state.units)):
            return state
        samples = restart.shown([one for one in store.of(due.unit) if one.run == due.run])
        grows = state.units[due.unit].grows
        text = f"{due.unit} is restarted: {due.reason}. {grows.text if grows else ''}"
        journal.send(journal.evidence(due.unit, due.run, text, samples))
        output(["systemctl", "restart", "--no-block", "--", due.unit])
    return state._replace(restarting=(due.unit, due.run))


class Sampler:
    """One round, step by step: what cannot be done in one of them does not keep the others from being done."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store, self.now = settings, store, _moment()
        self.state = state_in(store.note(_STATE))
        if self.state.moment > self.now.seconds:
            self.state = state_in("")
            store.forget_after(self.now.seconds)
        self.turn = Round([], {}, [])
        self.news: list[Alert] = []

    def look(self) -> None:
        """Look at the services."""
        self.turn = look(self.store, self.state, self.settings, self.now)
        self.state = self.state._replace(moment=self.now.seconds, units=self.turn.watched)

    def tell(self) -> None:
        """Write warnings into the journal. Who is killed before these are kept writes them once more."""
        news, told = tell.to_tell(self.turn.found, self.state.told, self.now.seconds)
        runs = {tell.key_of(alert.unit, alert.kind): run for alert, run in self.turn.found}
        for alert in news:
            journal.send(journal.warning(alert, runs[tell.key_of(alert.unit, alert.kind)]))
        self.state, self.news = self.state._replace(told=told), news

    def call(self) -> None:
        """Start the alert units."""
        name, now = self.settings.alert_unit, self.now.seconds
        wanted = [*self.state.owed, *(tell.alert_unit_for(name, alert.unit) for alert in self.news)] if name else []
        may, wait = tell.to_start(wanted, self.state.started, now)
        recent = {unit: at for unit, at in self.state.started.items() if now - at < tell.PAUSE}
        self.state = self.state._replace(owed=tuple(wait), started={**recent, **dict.fromkeys(may, now)})
        if may:
            output(["systemctl", "start", "--no-block", "--", *may])

    def restart(self) -> None:
        """Restart a service."""
        self.state = _restarted(self.store, self.state, self.settings, self.now.seconds)

    def keep(self) -> None:
        """Keep the samples and what was told."""
        shown = tell.to_show(self.turn.found, self.store.note(FOUND), self.now.seconds)
        self.store.add(self.turn.usages, {_STATE: self.state.text, FOUND: json.dumps(shown)})

    def publish(self) -> None:
        """Write the metrics."""
        if self.settings.textfile_dir:
            text = metrics(rows(self.turn, self.state.told, self.now.seconds), self.now.seconds)
            write_file(f"{self.settings.textfile_dir}/{METRICS}", text.encode())


def _is_done(steps: Iterable[Callable[[], object]]) -> bool:
    """Whether all steps could be done; what keeps one from it is printed."""
    done = True
    for step in steps:
        try:
            step()
        except (CommandFailed, OSError, ValueError, sqlite3.Error) as error:
            sys.stderr.write(_complaint(error))
            done = False
            if _is_damaged(error):
                _begin_anew()
    return done


def _complaint(error: Exception) -> str:
    told = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    return f"{told}\n"


def main() -> int:
    """Run one round; return the exit status."""
    try:
        with open(FILE, encoding="utf-8") as stream:
            settings = settings_in(stream.read())
        if not os.path.isdir(os.path.dirname(STORE)):
            # There are no services: everything was taken away, and stays so.
            return 0
        sampler = Sampler(settings, _opened(settings))
    except (OSError, ValueError, sqlite3.Error) as error:
        sys.stderr.write(_complaint(error))
        return 1
    if not _is_done([sampler.look]):
        return 1
    return 0 if _is_done((sampler.tell, sampler.call, sampler.restart, sampler.keep, sampler.publish)) else 1
