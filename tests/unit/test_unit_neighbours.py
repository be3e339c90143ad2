# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of somebody else starts a unit of ours, and what becomes of what it did."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import unit_apply
from ansible_collections.stability.baseline.plugins.module_utils.manifest import Entry, Manifest
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_neighbours import warnings_about
from ansible_collections.stability.baseline.plugins.module_utils.unit_plan import Plan
from ansible_collections.stability.baseline.plugins.module_utils.unit_state import Observed

STATE = {"DropInPaths": "", "FragmentPath": "", "LoadState": "loaded", "ActiveState": "active", "Type": "exec"}
DAEMON = {"name": "a", "user": "a", "exec_start": ["/a"]}
JOB = {**DAEMON, "on_calendar": ["daily"]}


def observed(entries=(), **properties):
    units = {unit: {**STATE, **properties} for unit in ("a.service", "a.timer")}
    manifest = Manifest({name: Entry("x") for name in entries})
    nothing = frozenset()
    return Observed(252, units, {}, {}, manifest, {}, {}, nothing, (), (), nothing, nothing, (), {}, {}, 0.0)


@pytest.mark.parametrize(
    ("service", "starters", "entries", "told"),
    [
        (DAEMON, "", [], []),
        (DAEMON, "a.timer", [], ["a.timer"]),
        (DAEMON, "a.socket b.timer c.timer", [], ["b.timer", "c.timer"]),
        # Ours: the timer of a job that becomes a daemon, one of a service with Unit=, and that of a job itself.
        (DAEMON, "a.timer", ["a.timer"], []),
        (JOB, "a.timer b.timer", ["b.timer"], []),
    ],
)
def test_a_timer_of_somebody_else_is_told(service, starters, entries, told):
    state = observed(entries, TriggeredBy=starters)
    units = {"a.service": state.units["a.service"], "a.timer": STATE}
    assert list(warnings_about(parse_services([service])[0], replace(state, units=units))) == [
        f"{timer} starts a.service at times of its own and is not of this collection. "
        f"Run systemctl disable --now {timer}, or leave it if it is meant."
        for timer in told
    ]


@pytest.mark.parametrize(
    ("state", "is_active"),
    [
        ({}, True),
        ({"ActiveState": "activating"}, True),
        ({"ActiveState": "deactivating"}, False),
        ({"Type": "oneshot"}, True),
        ({"Type": "oneshot", "ActiveState": "activating", "RemainAfterExit": "yes"}, True),
        # A job that happens to run is over by itself; begun again after a removal it would run once more.
        ({"Type": "oneshot", "ActiveState": "activating", "RemainAfterExit": "no"}, False),
    ],
)
def test_what_is_remembered_as_running_stays_up_by_itself(monkeypatch, state, is_active):
    monkeypatch.setattr(unit_apply, "links_to", lambda _unit: ())
    found = unit_apply.Run(Plan(), [], observed(**state))._found("a.service")
    assert found is not None and found.active is is_active
