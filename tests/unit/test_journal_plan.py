# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for the journal: exactly what differs is done, journald is restarted for what it has not taken over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.journal_config import Configuration
from ansible_collections.stability.baseline.plugins.module_utils.journal_plan import describe, diff, plan_absence
from ansible_collections.stability.baseline.plugins.module_utils.journal_settings import parse_settings, render
from journal_hosts import CHANGED, NEW, OWN, STARTED, TEXT, UNIT, WEB, WEB_UNIT, actions, host, instance, plan

LATER = ("/etc/systemd/journald.conf.d/99-x.conf", "[Journal]\nLineMax=1K\n")


def test_a_host_that_has_all_is_left_alone():
    found, problems = plan(host())
    assert (found.changed, found.actions(), found.warnings, problems) == (False, [], [], [])
    assert diff(found) == []


def test_a_new_host_with_a_volatile_journal():
    observed = host(NEW, has_folder=False, is_stored=False, is_left=True)
    found, _problems = plan(observed)
    assert describe(found) == {
        "changed": True,
        "actions": [
            f"create {OWN}",
            "create /var/log/journal",
            f"restart {UNIT}: its configuration changes",
            "flush the journal to /var/log/journal: there are records in /run/log/journal",
        ],
        "restarted": [UNIT],
    }
    shown = diff(found)
    assert shown[0] == {"before_header": f"{OWN} (not there)", "after_header": OWN, "before": "", "after": TEXT}
    assert shown[1]["prepared"].splitlines() == [f"! {line}" for line in found.actions()[1:]]


REMARK = f"# a remark\n{TEXT}"
OTHER = TEXT.replace("256K", "1K")
BY_HAND = "restart systemd-journald.service: its configuration was changed since its start"
CHANGES = "restart systemd-journald.service: its configuration changes"
OLDER = "restart systemd-journald.service: it is older than its configuration"
UNKNOWN = {"taken": None}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(instance(text=OTHER), [f"replace {OWN}", CHANGES], id="our drop-in was changed and taken over"),
        pytest.param(
            replace(instance(text=OTHER), taken=instance().taken), [f"replace {OWN}"], id="changed, not taken over"
        ),
        pytest.param(replace(instance(), taken=instance(text=OTHER).taken), [BY_HAND], id="killed before the restart"),
        pytest.param(
            replace(instance(text=REMARK), taken=instance().taken), [f"replace {OWN}"], id="only a remark differs"
        ),
        pytest.param(
            instance(configuration=replace(instance().configuration, newest=STARTED + 9)),
            [],
            id="a clock set back, or a touched file: what it was started with counts",
        ),
        pytest.param(
            instance(configuration=replace(instance().configuration, files=(*instance().configuration.files, LATER))),
            [BY_HAND],
            id="somebody else's drop-in",
        ),
        pytest.param(instance(**UNKNOWN), [], id="a process of unknown start, newer than all"),
        pytest.param(instance(invocation="i2"), [], id="restarted by somebody else, newer than all"),
        pytest.param(
            instance(invocation="i2", started=CHANGED - 1), [OLDER], id="restarted by somebody else, then changed"
        ),
        pytest.param(instance(moment="m2"), [], id="reloaded by somebody else, newer than all"),
        pytest.param(
            instance(moment="m2", started=CHANGED - 1), [OLDER], id="reloaded by somebody else, then set back"
        ),
        pytest.param(instance(text=OTHER, **UNKNOWN), [f"replace {OWN}", CHANGES], id="unknown, and a change"),
        pytest.param(instance(text=REMARK, **UNKNOWN), [f"replace {OWN}", CHANGES], id="unknown, and a remark"),
        pytest.param(
            instance(active=False, invocation="", started=0.0),
            ["restart systemd-journald.service: it does not run"],
            id="it does not run",
        ),
    ],
)
def test_a_restart_is_owed_when_what_is_in_effect_differs_from_what_it_was_started_with(found, expected):
    assert actions(host(found)) == expected


def test_a_namespace_is_set_up_and_restarted_only_where_it_runs():
    new = instance("web", text=None, taken=None)
    wanted = [f"create {WEB}", f"restart {WEB_UNIT}: its configuration changes"]
    assert actions(host(instance(), new), namespaces=["web"]) == wanted
    idle = replace(new, active=False, invocation="", started=0.0)
    assert actions(host(instance(), idle), namespaces=["web"]) == wanted[:1]
    assert actions(host(instance(), instance("web")), namespaces=["web"]) == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            instance("web"),
            [
                f"remove {WEB}",
                f"restart {WEB_UNIT}: its configuration changes",
                "remove /etc/systemd/journald@web.conf.d",
            ],
        ),
        (instance("web", alone=False), [f"remove {WEB}", f"restart {WEB_UNIT}: its configuration changes"]),
        (
            instance("web", active=False),
            [f"remove {WEB}", "remove /etc/systemd/journald@web.conf.d"],
        ),
        # A run was killed after it had removed the drop-in.
        (
            replace(instance("web", text=None, folder=True), taken=instance("web").taken),
            [
                f"restart {WEB_UNIT}: its configuration was changed since its start",
                "remove /etc/systemd/journald@web.conf.d",
            ],
        ),
        # And after the restart.
        (instance("web", text=None, folder=True), ["remove /etc/systemd/journald@web.conf.d"]),
    ],
)
def test_a_namespace_that_no_service_uses_any_longer_goes(found, expected):
    assert actions(host(instance(), found)) == expected
    assert [line for line in plan_absence(host(NEW, found)).actions() if "@" in line] == expected


def test_absence_takes_our_drop_ins_away_and_touches_no_journal():
    observed = host(instance(), is_left=True, is_stored=False)
    assert plan_absence(observed).actions() == [
        f"remove {OWN}",
        f"restart {UNIT}: its configuration changes",
        "remove /etc/systemd/journald.conf.d",
        "remove /var/lib/stability/journald.json",
    ]
    assert plan_absence(host(NEW)).actions() == ["remove /var/lib/stability/journald.json"]
    assert not plan_absence(host(NEW, remembers=False)).changed


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(replace(NEW, configuration=replace(NEW.configuration, newest=STARTED + 9)), id="a pending edit"),
        pytest.param(replace(NEW, folder=True), id="an empty folder"),
        pytest.param(replace(NEW, active=False, invocation="", started=0.0), id="it does not run"),
    ],
)
def test_absence_leaves_a_host_alone_that_the_baseline_never_came_to(found):
    web = replace(found, namespace="web", folder=True)
    assert plan_absence(host(found, web, remembers=False)).actions() == []
    # A killed removal has left what tells that it was ours.
    assert plan_absence(host(replace(found, folder=True))).actions()[0] == "remove /etc/systemd/journald.conf.d"


@pytest.mark.parametrize(
    ("storage", "values", "expected"),
    [
        ("persistent", {"is_stored": False}, ["it is not written there"]),
        ("persistent", {"is_left": True}, ["there are records in /run/log/journal"]),
        ("auto", {"has_folder": False, "is_left": True}, []),
        ("auto", {"is_left": True}, ["there are records in /run/log/journal"]),
        ("volatile", {"is_left": True, "is_stored": False}, []),
    ],
)
def test_a_stored_journal_is_flushed_when_something_is_not_there(storage, values, expected):
    text = render(parse_settings({"storage": storage}), 252).text
    found = actions(host(instance(text=text), **values), {"storage": storage})
    assert found == [f"flush the journal to /var/log/journal: {reason}" for reason in expected]


def test_a_journald_that_knows_another_machine_id_is_restarted():
    moved = {"is_stored": False, "is_elsewhere": True}
    flush = "flush the journal to /var/log/journal: it is not written there"
    assert actions(host(**moved)) == [f"restart {UNIT}: the machine-id was changed since its start", flush]
    assert actions(host(NEW, **moved)) == [f"create {OWN}", CHANGES, flush]
    volatile = render(parse_settings({"storage": "volatile"}), 252).text
    assert actions(host(instance(text=volatile), **moved), {"storage": "volatile"}) == []


@pytest.mark.parametrize(("version", "stored"), [(252, True), (258, True), (259, True)])
def test_where_the_journal_is_kept_when_a_later_file_says_nothing(version, stored):
    reset = instance(
        configuration=Configuration((("/etc/systemd/journald.conf.d/99-x.conf", "[Journal]\nStorage=\n"),))
    )
    assert plan(host(reset, version=version))[0].stored is stored
    without = host(reset, version=version, has_folder=False)
    assert plan(without)[0].stored is (version >= 259)


def test_a_later_file_and_a_setting_from_the_future_are_told():
    later = replace(NEW, configuration=Configuration((LATER,)))
    found, _problems = plan(host(later), {"max_level_socket": "info"})
    assert found.warnings == [
        "max_level_socket: MaxLevelSocket= needs systemd 256 and this host has 252; it is left out.",
        f"{LATER[0]} sets LineMax=1K and sorts after 50-stability.conf: it takes the place of line_max (256K). "
        "Remove the line there, or the setting here.",
    ]
