# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the host can judge about services, with a host that says what the test wants."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import systemd_host
from ansible_collections.stability.baseline.plugins.module_utils.commands import Output
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_checks import (
    checked_directives,
    counted_starts,
    missing_paths,
    retry_windows,
)

KNOWN = {"Unit": {"After"}, "Service": {"Nice", "MemoryHigh"}, "Install": {"WantedBy"}}
IGNORED = ".{} (a): found a directive that systemd ignores there; expected a directive that systemd knows in [{}]. {}."


def service(**keys):
    return parse_services([{"name": "a", "user": "root", "exec_start": ["/bin/sh"], **keys}])[0]


def left_out(section, directive, needed, version):
    return (
        f"a: [{section}] {directive}= needs {needed}, this host has {version}; it was left out. "
        "Take it out of stability_services or upgrade the host."
    )


@pytest.mark.parametrize(
    ("section", "directive", "version", "warning", "remedy"),
    [
        ("Service", "Nice", 247, "", ""),
        ("Service", "ExecReloadPost", 258, "systemd 259", ""),
        ("Unit", "OnSuccess", 247, "systemd 249", ""),
        ("Timer", "RandomizedOffsetSec", 257, "systemd 258", ""),
        ("Install", "UpheldBy", 252, "a systemd newer than 252", ""),
        ("Service", "StartupMemoryHigh", 254, "a systemd newer than 254", ""),
        # In the wrong section it is refused, on an old host and on a new one.
        ("Unit", "RestartMode", 247, "", "It belongs into [Service]"),
        ("Service", "After", 247, "", "It belongs into [Unit]"),
        # A systemd that should have it was built without it.
        ("Service", "RestartMode", 254, "", "See systemd.directives(7)"),
        ("Service", "MemoryHihg", 247, "", "Did you mean MemoryHigh="),
    ],
)
def test_a_directive_is_written_left_out_or_refused(monkeypatch, section, directive, version, warning, remedy):
    monkeypatch.setattr(systemd_host, "known_directives", lambda: KNOWN)
    given = {"directives": {section: {directive: "x"}}}
    job = {"on_calendar": "daily"} if section == "Timer" else {}
    (kept,), warnings, problems = checked_directives([service(**given, **job)], version)
    assert warnings == ([left_out(section, directive, warning, version)] if warning else [])
    place = f"directives.{section}.{directive}"
    expected = [f"stability_services[0]{IGNORED.format(place, section, remedy)}"] if remedy else []
    assert [str(problem) for problem in problems] == expected
    assert (directive in kept.values["directives"][section]) is not bool(warning)


def test_without_an_answer_of_systemd_only_what_is_surely_too_new_is_left_out(monkeypatch):
    monkeypatch.setattr(systemd_host, "known_directives", dict)
    names = {"ExecReloadPost": "a", "StartupMemoryHigh": "1G", "Foolish": "x"}
    (kept,), warnings, problems = checked_directives([service(directives={"Service": names})], 254)
    assert (warnings, problems) == ([left_out("Service", "ExecReloadPost", "systemd 259", 254)], [])
    assert list(kept.values["directives"]["Service"]) == ["StartupMemoryHigh", "Foolish"]


def test_a_pattern_of_environment_files_stands_for_what_matches(tmp_path):
    (tmp_path / "a.env").write_text("A=b")
    given = [f"{tmp_path}/*.env", f"{tmp_path}/*.missing", f"-{tmp_path}/*.missing"]
    assert [str(problem) for problem in missing_paths([service(environment_files=given)], [])] == [
        f'stability_services[0].environment_files[1] (a): found "{tmp_path}/*.missing", which is not there; '
        "expected a file that matches. Put it there before this run, or correct the path."
    ]


AGAIN = {"OnActiveSec": "1s", "OnUnitActiveSec": ["", "2s"]}
OWN_LIMIT = {"start_limit_interval_sec": "1h", "start_limit_burst": 9}
#: (directives of the timer, further keys, keys that are refused, the remedy that a warning names, whether there is a window).
BESIDE = [
    ({}, {"retries": 3}, [], "", True),
    ({"AccuracySec": "1s", "OnBootSec": "", "OnClockChange": "no"}, {"retries": 3}, [], "", True),
    (AGAIN, {}, [], "or retries: 0.", False),
    ({"OnClockChange": "yes"}, {}, [], "or retries: 0.", False),
    (AGAIN, {"retries": 0}, [], "", False),
    (AGAIN, {"restart": "no", "start_limit_interval_sec": "0"}, [], "", False),
    (AGAIN, {"retries": 2, "restart_sec": "1s"}, ["retries", "restart_sec"], "", False),
    (AGAIN, {"start_limit_interval_sec": "1h"}, ["start_limit_interval_sec"], "or retries: 0.", False),
    (AGAIN, OWN_LIMIT, [], "or take start_limit_burst out.", True),
]


@pytest.mark.parametrize(("timer", "keys", "refused", "remedy", "has_window"), BESIDE)
def test_a_job_that_starts_beside_its_calendar_has_its_own_start_limit_or_none(
    monkeypatch, timer, keys, refused, remedy, has_window
):
    monkeypatch.setattr(systemd_host, "calendar", lambda *_: Output(0, "Normalized form: daily\n", ""))
    one = service(on_calendar="daily", directives={"Timer": timer}, **keys)
    windows, problems = retry_windows([one])
    assert [str(problem).partition(" ")[0] for problem in problems] == [
        f"stability_services[0].{key}" for key in refused
    ]
    assert bool(windows) is has_window
    assert [warning.endswith(remedy) for warning in counted_starts([one])] == ([True] if remedy else [])


def test_a_job_that_starts_beside_its_calendar_is_told_why_it_has_no_retries():
    one = service(on_calendar="daily", directives={"Timer": AGAIN}, retries=2)
    (problem,) = retry_windows([one])[1]
    assert str(problem) == (
        "stability_services[0].retries (a): found 2; expected no retries beside OnActiveSec=, OnUnitActiveSec= in "
        "directives.Timer: each of those starts, good or bad, would count as a try. Write all times in on_calendar, or take it out."
    )
