# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: exactly what differs is done, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.accounts import Account
from ansible_collections.stability.baseline.plugins.module_utils.manifest import Entry, Manifest, Started, digest_text
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import RetryWindow, render
from ansible_collections.stability.baseline.plugins.module_utils.unit_plan import is_own, plan_units
from ansible_collections.stability.baseline.plugins.module_utils.unit_run import diff, masked_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_state import Observed
from unit_data import UP

VENV = "/srv/api/venv"
API = {
    "name": "api",
    "user": "api",
    "exec_start": [f"{VENV}/bin/serve"],
    "virtualenv": VENV,
    "environment_files": ["/etc/api.env"],
    "environment": {"DB_PASSWORD": "s3cret"},
}
JOB = {"name": "job", "user": "api", "exec_start": ["/bin/true"], "on_calendar": ["daily"]}
GONE = {**UP, "ActiveState": "inactive", "SubState": "dead", "FragmentPath": ""}
SERVICES = parse_services([API, JOB])
RENDERED = {service.name: render(service, 252, RetryWindow(82080.0, 3)) for service in SERVICES}
TEXTS = {file.name: file.text for result in RENDERED.values() for file in result.files}
UNITS = ("api.service", "job.service", "job.timer")
NEW = Observed(
    version=252,
    units=dict.fromkeys(UNITS, GONE),
    files=dict.fromkeys(UNITS),
    links=dict.fromkeys(UNITS, frozenset()),
    manifest=Manifest(),
    digests={"/etc/api.env": "one"},
    generations={VENV: "g1"},
    own_units=frozenset(),
    accounts=(Account("user", "api", "", "/nonexistent"),),
    strays=(),
    kept=frozenset(),
    packaged=frozenset(),
    staged=(),
    triggers={},
    later={},
    now=1000.0,
)
DEPLOYED = replace(
    NEW,
    units={**dict.fromkeys(UNITS, UP), "job.service": {**UP, "Type": "oneshot", "SubState": "start"}},
    files=TEXTS,
    links={
        "api.service": frozenset({"multi-user.target.wants"}),
        "job.service": frozenset(),
        "job.timer": frozenset({"timers.target.wants"}),
    },
    manifest=Manifest(
        {
            "api.service": Entry("api", Started(digest_text(TEXTS["api.service"]), {"/etc/api.env": "one"}, "g1")),
            "job.service": Entry("job"),
            "job.timer": Entry("job", Started(digest_text(TEXTS["job.timer"]), {}, "")),
        }
    ),
    accounts=(),
)


def with_unit(unit: str, **properties: str) -> Observed:
    return replace(DEPLOYED, units={**DEPLOYED.units, unit: {**UP, **properties}})


def with_file(unit: str, text: str | None) -> Observed:
    return replace(DEPLOYED, files={**DEPLOYED.files, unit: text})


def actions(observed: Observed, pending: tuple[str, ...] = ()) -> list[str]:
    return plan_units(SERVICES, RENDERED, observed, pending).actions()


def test_a_first_deployment_does_everything_once():
    assert actions(NEW) == [
        "make user api",
        "create /etc/systemd/system/api.service",
        "create /etc/systemd/system/job.service",
        "create /etc/systemd/system/job.timer",
        "enable api.service",
        "enable job.timer",
        "daemon-reload",
        "start api.service: first start by the baseline",
        "start job.timer: first start by the baseline",
    ]


def test_an_unchanged_host_is_left_alone():
    plan = plan_units(SERVICES, RENDERED, DEPLOYED)
    assert plan.actions() == []
    assert not plan.changed
    assert diff(plan) == []


PUT_RIGHT = ["replace /etc/systemd/system/api.service", "daemon-reload", "restart api.service: unit file"]
#: (what the host looks like, what is done).
DIFFERENCES = {
    "unit changed by hand": (with_file("api.service", TEXTS["api.service"] + "Nice=5\n"), PUT_RIGHT),
    "schedule changed by hand": (
        with_file("job.timer", TEXTS["job.timer"].replace("daily", "weekly")),
        ["replace /etc/systemd/system/job.timer", "daemon-reload", "restart job.timer: unit file"],
    ),
    "unit removed by hand": (
        with_file("api.service", None),
        ["create /etc/systemd/system/api.service", "daemon-reload"],
    ),
    "environment file changed": (
        replace(DEPLOYED, digests={"/etc/api.env": "two"}),
        ["restart api.service: /etc/api.env"],
    ),
    "environment changed, run killed before the restart": (
        replace(DEPLOYED, generations={VENV: "g2"}),
        ["restart api.service: virtual environment"],
    ),
    "killed before the start was seen to be good": (
        replace(
            DEPLOYED,
            manifest=DEPLOYED.manifest.with_entry(
                "api.service", replace(DEPLOYED.manifest.entries["api.service"], unfinished=True)
            ),
        ),
        ["daemon-reload", "restart api.service: its last start by the baseline was not finished"],
    ),
    "killed before the daemon-reload": (with_unit("job.service", NeedDaemonReload="yes"), ["daemon-reload"]),
    "not running": (
        with_unit("api.service", ActiveState="failed", SubState="failed"),
        ["start api.service: it was failed (failed)"],
    ),
    "in a crash loop": (
        with_unit("api.service", ActiveState="activating", SubState="auto-restart"),
        ["restart api.service: it was activating (auto-restart)"],
    ),
    "disabled by hand": (
        replace(DEPLOYED, links={**DEPLOYED.links, "api.service": frozenset()}),
        ["enable api.service", "daemon-reload"],
    ),
    "job's service enabled by hand": (
        replace(DEPLOYED, links={**DEPLOYED.links, "job.service": frozenset({"multi-user.target.wants"})}),
        ["disable job.service", "daemon-reload"],
    ),
    "timer stopped": (
        with_unit("job.timer", ActiveState="inactive", SubState="dead"),
        ["start job.timer: it was inactive (dead)"],
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_exactly_what_differs_is_done(case):
    observed, expected = DIFFERENCES[case]
    assert actions(observed) == expected


def test_a_job_that_changed_is_not_restarted_but_its_timer_is_when_the_schedule_changed():
    services = parse_services([API, {**JOB, "on_calendar": ["weekly"], "exec_start": ["/bin/false"]}])
    rendered = {service.name: render(service, 252, RetryWindow(82080.0, 3)) for service in services}
    plan = plan_units(services, rendered, DEPLOYED)
    assert plan.actions() == [
        "replace /etc/systemd/system/job.service",
        "replace /etc/systemd/system/job.timer",
        "daemon-reload",
        "restart job.timer: unit file",
    ]
    assert [switch.new_schedule for switch in plan.switches] == [True]


def test_an_absent_service_is_stopped_disabled_and_removed():
    services = parse_services([API, {"name": "job", "state": "absent"}])
    assert plan_units(services, RENDERED, DEPLOYED).actions() == [
        "stop job.service: it is removed",
        "stop job.timer: it is removed",
        "disable job.timer",
        "remove /etc/systemd/system/job.service",
        "remove /etc/systemd/system/job.timer",
        "daemon-reload",
    ]


def test_an_absent_service_gives_the_unit_from_before_back():
    services = parse_services([{"name": "api", "state": "absent"}, JOB])
    entries = {**DEPLOYED.manifest.entries, "api.service": Entry("api", replaced=True)}
    kept = frozenset({"api.service"})
    plan = plan_units(services, RENDERED, replace(DEPLOYED, manifest=Manifest(entries), kept=kept))
    assert "remove /etc/systemd/system/api.service (the unit file from before is put back)" in plan.actions()


def test_an_absent_service_that_is_gone_changes_nothing():
    services = parse_services([{"name": "gone", "state": "absent"}, API, JOB])
    assert plan_units(services, RENDERED, DEPLOYED).actions() == []


def test_a_unit_is_not_removed_from_inside_itself():
    services = parse_services([{"name": "api", "state": "absent"}, JOB])
    plan = plan_units(services, RENDERED, replace(DEPLOYED, own_units=frozenset({"api.service"})))
    assert plan.actions() == []
    assert plan.warnings == [
        "api.service is not removed, because this run takes place inside it. Remove it from elsewhere."
    ]


def test_a_daemon_that_becomes_a_job_is_stopped():
    services = parse_services([{**API, "on_calendar": ["daily"]}])
    rendered = {"api": render(services[0], 252, RetryWindow(82080.0, 3))}
    units = {**DEPLOYED.units, "api.timer": GONE}
    observed = replace(
        DEPLOYED, units=units, files={**TEXTS, "api.timer": None}, links={**DEPLOYED.links, "api.timer": frozenset()}
    )
    assert plan_units(services, rendered, observed).actions() == [
        "stop api.service: it becomes a scheduled job",
        "disable api.service",
        "replace /etc/systemd/system/api.service",
        "create /etc/systemd/system/api.timer",
        "enable api.timer",
        "daemon-reload",
        "start api.timer: first start by the baseline",
    ]


FORMER = {
    "a hand-written daemon": (None, {}, True),
    "a hand-written oneshot unit that stays active": (None, {"Type": "oneshot", "SubState": "exited"}, True),
    "a hand-written job that runs": (None, {"Type": "oneshot", "SubState": "start"}, False),
    "a daemon of ours whose first run was killed": (Entry("job", unfinished=True), {}, True),
    "a daemon that a killed run was about to stop": (Entry("job", unfinished=True), {"SubState": "stop"}, True),
    "a job that runs, after a run that was killed at its end": (
        Entry("job", unfinished=True),
        {"Type": "oneshot", "SubState": "start"},
        False,
    ),
    "a job of ours that runs": (Entry("job"), {"Type": "oneshot", "SubState": "start"}, False),
}


@pytest.mark.parametrize("case", FORMER.values(), ids=FORMER)
def test_what_ran_under_the_name_of_a_job_ends_unless_it_is_a_job_that_runs(case):
    entry, properties, ends = case
    observed = with_unit("job.service", **properties)
    entries = {unit: kept for unit, kept in DEPLOYED.manifest.entries.items() if unit != "job.service"}
    known = Manifest({**entries, **({"job.service": entry} if entry else {})})
    assert ("stop job.service: it becomes a scheduled job" in actions(replace(observed, manifest=known))) == ends


def test_a_job_that_becomes_a_daemon_loses_its_timer():
    daemon = {name: value for name, value in JOB.items() if name != "on_calendar"}
    services = parse_services([API, daemon])
    rendered = {**RENDERED, "job": render(services[1], 252)}
    units = {**DEPLOYED.units, "job.service": GONE}
    assert plan_units(services, rendered, replace(DEPLOYED, units=units)).actions() == [
        "stop job.timer: it is removed",
        "disable job.timer",
        "remove /etc/systemd/system/job.timer",
        "replace /etc/systemd/system/job.service",
        "enable job.service",
        "daemon-reload",
        "start job.service: first start by the baseline",
    ]


def test_a_changed_value_restarts_its_service_only():
    services = parse_services([{**API, "memory_max": "512M"}, JOB])
    rendered = {**RENDERED, "api": render(services[0], 252)}
    plan = plan_units(services, rendered, DEPLOYED)
    assert plan.actions() == PUT_RIGHT


def test_an_environment_that_check_mode_would_change_restarts_its_services():
    assert actions(DEPLOYED, (VENV,)) == ["restart api.service: virtual environment"]


def test_a_foreign_unit_is_kept_and_restarted_under_the_baseline():
    foreign = replace(DEPLOYED, manifest=Manifest({}), files={**TEXTS, "api.service": "[Service]\nExecStart=/bin/x\n"})
    lines = actions(foreign)
    assert lines[0] == "replace /etc/systemd/system/api.service (the unit file that was there is kept)"
    assert "restart api.service: first start by the baseline" in lines


def test_the_header_marks_our_file_when_the_manifest_is_lost():
    lost = replace(DEPLOYED, manifest=Manifest({}), files={**TEXTS, "api.service": TEXTS["api.service"] + "Nice=5\n"})
    assert actions(lost)[0] == "replace /etc/systemd/system/api.service"


def test_a_unit_is_not_stopped_from_inside_itself():
    services = parse_services([{**API, "state": "stopped"}, JOB])
    plan = plan_units(services, RENDERED, replace(DEPLOYED, own_units=frozenset({"api.service"})))
    assert plan.actions() == []
    assert plan.warnings == [
        "api.service is not stopped, because this run takes place inside it. Stop it from elsewhere."
    ]


def test_a_daemon_does_not_become_a_job_under_the_run_that_takes_place_in_it():
    services = parse_services([{**API, "on_calendar": ["daily"]}])
    rendered = {"api": render(services[0], 252, RetryWindow(82080.0, 3))}
    observed = replace(
        DEPLOYED,
        units={**DEPLOYED.units, "api.timer": GONE},
        files={**TEXTS, "api.timer": None},
        links={**DEPLOYED.links, "api.timer": frozenset()},
        own_units=frozenset({"api.service"}),
    )
    plan = plan_units(services, rendered, observed)
    assert not [line for line in plan.actions() if line.startswith("stop")]
    assert plan.warnings[:1] == [
        "api.service goes on as a daemon, because this run takes place inside it. Stop it from elsewhere."
    ]


@pytest.mark.parametrize(
    ("unit", "names", "own", "expected"),
    [
        ("api.service", "", {"api.service"}, True),
        ("api.service", "alias.service api.service", {"alias.service"}, True),
        ("api@.service", "", {"api@b.service"}, True),
        ("api@a.service", "", {"api@b.service"}, False),
        ("api.service", "", {"other.service"}, False),
    ],
)
def test_a_run_takes_place_in_a_unit_by_any_of_its_names(unit, names, own, expected):
    observed = replace(NEW, units={unit: {**UP, "Names": names}}, own_units=frozenset(own))
    assert is_own(unit, observed) is expected


def test_a_unit_is_not_restarted_from_inside_itself():
    observed = replace(DEPLOYED, digests={"/etc/api.env": "two"}, own_units=frozenset({"api.service"}))
    plan = plan_units(SERVICES, RENDERED, observed)
    assert plan.actions() == []
    assert plan.warnings == [
        "api.service is not restarted, because this run takes place inside it; it goes on as it was started (/etc/api.env). "
        "Restart it from elsewhere."
    ]


@pytest.mark.parametrize(("state", "expected"), [("active", ["stop api.service: state is stopped"]), ("inactive", [])])
def test_a_stopped_service_is_stopped_once(state, expected):
    services = parse_services([{**API, "state": "stopped"}, JOB])
    plan = plan_units(services, RENDERED, with_unit("api.service", ActiveState=state))
    assert plan.actions() == expected


def test_a_unit_that_came_back_short_ago_is_watched():
    fresh = with_unit("api.service", NRestarts="7", ActiveEnterTimestampMonotonic=str(998 * 1000000))
    settled = with_unit("api.service", NRestarts="7", ActiveEnterTimestampMonotonic=str(900 * 1000000))
    assert plan_units(SERVICES, RENDERED, fresh).watch == ["api.service"]
    assert plan_units(SERVICES, RENDERED, settled).watch == []


def test_a_foreign_drop_in_is_told():
    observed = with_unit(
        "api.service", DropInPaths="/etc/systemd/system/api.service.d/override.conf /usr/lib/a/service.d/b.conf"
    )
    assert plan_units(SERVICES, RENDERED, observed).warnings == [
        "/etc/systemd/system/api.service.d/override.conf changes api.service and is not of this collection. Move what it says "
        "into stability_services and remove it, or leave it if it is meant."
    ]


def test_a_vendor_unit_of_the_same_name_is_told():
    observed = with_unit("api.service", FragmentPath="/lib/systemd/system/api.service")
    assert plan_units(SERVICES, RENDERED, observed).warnings == [
        "/lib/systemd/system/api.service of a package is overridden by the unit file of the same name. "
        "Rename the service if both are needed."
    ]


def test_a_service_that_left_the_list_is_an_orphan():
    plan = plan_units([SERVICES[1]], RENDERED, DEPLOYED)
    assert plan.orphans == ["api"]
    assert plan.warnings == [
        "No longer listed, but still on the host: api. Put each back into stability_services, with state: absent if it is to go."
    ]


def test_the_diff_shows_every_file_and_action_but_no_secret():
    parts = diff(plan_units(SERVICES, RENDERED, NEW))
    assert [part.get("after_header") for part in parts] == [f"/etc/systemd/system/{unit}" for unit in UNITS] + [None]
    assert "s3cret" not in str(parts)
    assert "DB_PASSWORD=********" in parts[0]["after"]
    assert parts[-1]["prepared"].splitlines()[0] == "! make user api"


def test_a_changed_secret_still_makes_a_diff():
    before = TEXTS["api.service"].replace("s3cret", "older")
    part = diff(plan_units(SERVICES, RENDERED, with_file("api.service", before)))[0]
    assert part["before"] != part["after"]
    assert "older" not in str(part)


@pytest.mark.parametrize(
    "line",
    [
        "Environment=A=1 DB_PASSWORD=s3cret",
        "Environment='DB_PASSWORD=s3cret'",
        "  Environment=DB_PASSWORD=s3cret",
        ' Environment = "A=1" "DB_PASSWORD=no s3cret"',
        "Environment=A=1 \\\n  DB_PASSWORD=s3cret",
        "Environment=A=1 \\\n# a note\n DB_PASSWORD=s3cret",
        "SetCredential=db:s3cret",
        "ExecStart=/usr/bin/env DB_PASSWORD=s3cret /bin/serve",
    ],
)
def test_the_diff_shows_no_secret_of_somebody_elses_unit(line):
    foreign = with_file("api.service", f"[Service]\n{line}\nExecStart=/bin/theirs\n")
    before = diff(plan_units(SERVICES, RENDERED, replace(foreign, manifest=Manifest())))[0]["before"]
    assert "s3cret" not in before
    assert "********\nExecStart=/bin/theirs" in before


def test_no_environment_is_shown_whatever_its_form():
    members = [{"environment": {"A": "s3cret"}}, {"environment": ["A=s3cret"]}, {"environment": "A=s3cret"}, "other"]
    mask = "********"
    assert masked_services(members) == [
        {"environment": {"A": mask}}, {"environment": mask}, {"environment": mask}, "other",
    ]  # fmt: skip


def test_nothing_that_may_be_a_secret_is_shown_of_other_keys():
    shown = {
        "credentials": {"password": "s3cret"},
        "health": {"http": "http://me:s3cret@127.0.0.1/"},
        "enviroment": {"PASSWORD": "s3cret"},
        "name": "api",
    }
    (masked,) = masked_services([shown])
    assert "s3cret" not in str(masked)
    assert (masked["name"], masked["credentials"], masked["enviroment"]) == (
        "api",
        {"password": "********"},
        "********",
    )


def test_a_unit_that_is_just_ending_is_started_again():
    ending = with_unit("api.service", ActiveState="deactivating", SubState="stop-sigterm")
    assert actions(ending) == ["restart api.service: it was deactivating (stop-sigterm)"]


@pytest.mark.parametrize(
    ("sub_state", "change", "expected", "watched"),
    [
        ("start", {}, [], ["api.service"]),
        ("start-post", {}, [], ["api.service"]),
        ("start", {"digests": {"/etc/api.env": "two"}}, ["restart api.service"], []),
        ("auto-restart", {}, ["restart api.service"], []),
    ],
)
def test_a_unit_that_is_still_starting_is_left_to_it_and_watched(sub_state, change, expected, watched):
    starting = replace(with_unit("api.service", ActiveState="activating", SubState=sub_state), **change)
    plan = plan_units(SERVICES, RENDERED, starting)
    assert [action.partition(":")[0] for action in plan.actions()] == expected
    assert plan.watch == watched


@pytest.mark.parametrize(
    ("links", "enabled"), [({"a.target.wants", "b.target.wants"}, False), ({"a.target.wants"}, True)]
)
def test_what_a_specifier_in_wanted_by_stands_for_is_left_to_systemd(links, enabled):
    service = {**API, "directives": {"Install": {"WantedBy": ["a.target", "%p.target"]}}}
    services = parse_services([service])
    rendered = {"api": render(services[0], 252)}
    files = {file.name: file.text for file in rendered["api"].files}
    observed = replace(DEPLOYED, files=files, links={"api.service": frozenset(links)})
    assert bool(plan_units(services, rendered, observed).enable) is enabled
