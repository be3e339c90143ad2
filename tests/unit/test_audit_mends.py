# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs once, or without a unit file, and whether what mends a unit can be applied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Unit, UnitFile
from ansible_collections.stability.baseline.plugins.module_utils.audit_units import judge
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import HEADER
from unit_data import DAEMON, FILE, JOB, PROCESS, daemon, found, job

#: What systemd shows of a unit of which it has nothing but the process.
NOTHING = {"Restart": "no", "RestartUSec": "100ms", "StartLimitIntervalUSec": "10s", "MemoryMax": "infinity"}
GONE = {"LoadState": "not-found", "UnitFileState": "", **NOTHING}
MASKED = {"LoadState": "masked", "UnitFileState": "masked", **NOTHING}


@pytest.mark.parametrize(
    ("properties", "files", "why"),
    [
        (GONE, (), "its unit file is gone (LoadState=not-found)"),
        (MASKED, (), "it is masked (LoadState=masked)"),
        ({"LoadState": "bad-setting"}, (FILE,), "its unit file cannot be loaded (LoadState=bad-setting)"),
        ({"LoadState": "error"}, (FILE,), "its unit file cannot be loaded (LoadState=error)"),
    ],
)
def test_what_runs_without_a_unit_that_can_be_started(properties: Any, files: Any, why: str) -> None:
    unit = replace(daemon(**properties), files=files, pulled_in=frozenset({"api.service"}))
    assert found(unit) == [("SB105", f"it runs, and {why}"), ("SB107", why)]
    buffered = replace(unit, process=replace(PROCESS, variables={}))
    assert [(finding.id, finding.mend) for finding in judge(buffered)] == [
        (name, None) for name in ("SB105", "SB107", "SB202")
    ]


@pytest.mark.parametrize(
    ("properties", "rules"),
    [
        ({}, ["SB107"]),
        ({"UnitFileState": "disabled"}, []),
        # systemd stops reading at the line that it does not take.
        ({"Restart": "no", "RestartUSec": "100ms", "MemoryMax": "infinity"}, ["SB107"]),
    ],
)
def test_what_is_down_since_systemd_refuses_to_load_it(properties: dict[str, str], rules: list[str]) -> None:
    state = {"LoadState": "bad-setting", "ActiveState": "failed", **properties}
    assert [one for one, _seen in found(replace(daemon(**state), process=None))] == rules


def test_a_unit_file_that_was_removed_without_a_word_to_systemd() -> None:
    why = "its unit file /etc/systemd/system/api.service is gone"
    unit = replace(daemon(FragmentPath=FILE.path, NeedDaemonReload="yes"), files=(), is_gone=True)
    assert found(unit) == [("SB105", f"it runs, and {why}"), ("SB107", why)]


def test_a_drop_in_of_ours_makes_no_unit_ours() -> None:
    ours = UnitFile("/etc/systemd/system/api.service.d/50-stability.conf", HEADER, age=60)
    assert [replace(daemon(), files=files).is_ours for files in ((FILE,), (FILE, ours), (ours,), ())] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("unit", "looping"),
    [
        # Three retries of a run, and those of two runs within the ten minutes.
        (job(), False),
        (job(RestartUSec="2s", StartLimitIntervalUSec="4min"), False),
        (replace(job(), triggers={}, properties={**JOB, "UnitFileState": "enabled"}), False),
        (job(RestartUSec="3s", StartLimitIntervalUSec="10s", StartLimitBurst="5"), True),
        (job(StartLimitIntervalUSec="0"), True),
        (replace(daemon(ActiveState="activating"), process=None), True),
    ],
)
def test_retries_within_their_bound_are_no_loop(unit: Unit, looping: bool) -> None:
    rules = [finding.id for finding in judge(replace(unit, restarts=6))]
    assert ("SB106" in rules) is looping


#: What somebody wrote who knows nothing of a restart policy.
PLAIN = {
    **DAEMON,
    "Type": "simple",
    "Restart": "no",
    "RestartUSec": "100ms",
    "StartLimitIntervalUSec": "10s",
    "UnitFileState": "static",
}
FOREIGN = replace(FILE, text="[Service]\n")


def foreign(name: str, triggers: dict[str, str], **properties: str) -> Unit:
    started = frozenset(one for one, state in triggers.items() if state == "enabled")
    return Unit(name, {**PLAIN, **properties}, (FOREIGN,), triggers=triggers, pulled_in=started)


@pytest.mark.parametrize(
    ("unit", "seen"),
    [
        (foreign("scan.service", {"scan.path": "enabled"}), ""),
        (replace(foreign("conn@.service", {"conn.socket": "enabled"}), is_connection=True), ""),
        # These run without what starts them, too, and on.
        (foreign("scan.service", {"scan.path": "enabled"}, UnitFileState="enabled"), "Restart=no"),
        (foreign("scan.service", {"scan.path": "enabled"}, RemainAfterExit="yes"), "Restart=no"),
        (foreign("web.service", {"web.socket": "enabled"}), "Restart=no"),
        (foreign("web@1.service", {"web@1.socket": "enabled"}), "Restart=no"),
        (foreign("scan.service", {"scan.timer": "enabled", "scan.path": "enabled"}), "Restart=no, of a job"),
    ],
)
def test_what_runs_once_for_each_event_is_no_daemon(unit: Unit, seen: str) -> None:
    assert [told for rule, told in found(unit) if rule == "SB101"] == ([seen] if seen else [])
    assert unit.is_triggered is not bool(seen) or unit.is_job


@pytest.mark.parametrize(
    ("unit", "mend"),
    [
        (foreign("api.service", {}, UnitFileState="disabled"), {"name": "api", "drop_in": True, "enabled": True}),
        (foreign("api.service", {}, UnitFileState="static"), None),
        (foreign("api.service", {}, UnitFileState="indirect"), None),
        (foreign("api.service", {}, UnitFileState="transient"), None),
        # systemctl enable does what is disabled; what this boot alone has, it leaves.
        (foreign("api.service", {}, UnitFileState="enabled-runtime"), None),
        (foreign("api@1.service", {}, UnitFileState="disabled"), None),
        (foreign("nightly.service", {"nightly.timer": "disabled"}, UnitFileState="disabled"), None),
        (daemon(UnitFileState="disabled"), {"name": "api", "enabled": True}),
        (replace(job(), triggers={"nightly.timer": "disabled"}), {"name": "nightly", "enabled": True}),
    ],
)
def test_what_brings_it_back_after_a_reboot(unit: Unit, mend: Any) -> None:
    (told,) = [finding.mend for finding in judge(unit) if finding.id == "SB107"]
    assert told == (None if mend is None else {"stability_services": [mend]})


#: Each of these breaks all rules that mend something, or nearly.
WRONG = {
    "Restart": "on-failure",
    "RestartUSec": "100ms",
    "RestartPreventExitStatus": "0",
    "StartLimitIntervalUSec": "10s",
    "StandardError": "null",
    "UnitFileState": "disabled",
}
BUFFERED = replace(PROCESS, variables={})
FOREVER = {**WRONG, "RestartUSec": "infinity"}


@pytest.mark.parametrize("text", [HEADER, "[Service]\n"])
@pytest.mark.parametrize("name", ["api", "worker@mail", "conn@", r"we\x2drd", "-h", "a:b", "user", ".x"])
@pytest.mark.parametrize(
    "properties", [{**DAEMON, **WRONG}, {**DAEMON, **FOREVER}, {**JOB, **WRONG}, {**JOB, **FOREVER}]
)
@pytest.mark.parametrize("triggers", [{}, {"x.timer": "disabled"}, {"x.socket": "static"}, {"x.path": "disabled"}])
def test_every_mend_can_be_applied(text: str, name: str, properties: dict[str, str], triggers: dict[str, str]) -> None:
    file = replace(FILE, text=text)
    unit = Unit(f"{name}.service", properties, (file,), triggers=triggers, process=BUFFERED, restarts=9)
    for finding in judge(unit):
        items = finding.mend["stability_services"] if finding.mend else []
        for item in items:
            if item.get("drop_in"):
                parse_services([item])
                assert not item.get("enabled") or not triggers
            else:
                rest = {"on_calendar": "daily"} if unit.is_job else {}
                parse_services([{"user": "app", "exec_start": ["/bin/true"], **rest, **item}])
    # Over a unit of the system there may be a drop-in, and an instance may be one of a template of ours.
    refused = (r"we\x2drd", ".x", "user" if text == HEADER else "worker@mail")
    assert any(finding.mend for finding in judge(unit)) is (name not in refused)


def test_the_mends_that_are_tried_are_of_every_rule_that_has_some() -> None:
    unit = Unit("api.service", {**DAEMON, **WRONG}, (FOREIGN,), process=BUFFERED)
    mended = {finding.id for finding in judge(unit) if finding.mend}
    assert mended == {"SB101", "SB102", "SB103", "SB107", "SB201", "SB202"}


@pytest.mark.parametrize(
    ("name", "ours", "keys", "item"),
    [
        ("api.service", False, {"restart": "always"}, {"name": "api", "drop_in": True, "restart": "always"}),
        ("api.service", True, {"restart": "always"}, {"name": "api", "restart": "always"}),
        ("worker@mail.service", True, {"enabled": True}, {"name": "worker@", "enabled": True}),
        ("worker@mail.service", False, {"enabled": True}, None),
        ("nightly.service", False, {"retries": 3}, None),
        # One key for all connections, and for each instance of a template.
        ("conn@.service", False, {"memory_max": "1G"}, {"name": "conn@", "drop_in": True, "memory_max": "1G"}),
        ("conn@.service", False, {"enabled": True}, None),
        # Names that no service may have.
        (r"we\x2drd.service", False, {"restart": "always"}, None),
        (".hidden.service", False, {"restart": "always"}, None),
        (f"{'a' * 201}.service", False, {"restart": "always"}, None),
        ("api.service", True, {"restart": "sometimes"}, None),
    ],
)
def test_what_mends_a_unit_can_be_applied(name: str, ours: bool, keys: dict[str, Any], item: Any) -> None:
    file = replace(FILE, text=HEADER if ours else "[Service]\n")
    mend = replace(daemon(), name=name, files=(file,)).entry(**keys)
    assert mend == (None if item is None else {"stability_services": [item]})
    if item is not None and not ours:
        parse_services([item])
