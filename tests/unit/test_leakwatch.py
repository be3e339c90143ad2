# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module leakwatch takes, plans and proposes, and that the program it installs is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import leak_files, leakwatch_plan
from ansible_collections.stability.baseline.plugins.module_utils.leak_files import program, unit_files, wanted_files
from ansible_collections.stability.baseline.plugins.module_utils.leak_settings import (
    FILE,
    FOLDER,
    SERVICE,
    STORE,
    Settings,
)
from ansible_collections.stability.baseline.plugins.module_utils.leak_state import State, Watched
from ansible_collections.stability.baseline.plugins.module_utils.leak_units import Facts
from ansible_collections.stability.baseline.plugins.module_utils.leakwatch_caps import Proposal, cap_for, proposals
from ansible_collections.stability.baseline.plugins.module_utils.leakwatch_options import settings_of
from ansible_collections.stability.baseline.plugins.module_utils.leakwatch_plan import (
    Observed,
    diff,
    plan_absence,
    plan_presence,
)
from ansible_collections.stability.baseline.plugins.module_utils.memory_store import Store, Usage
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from matrix import pythons

MIB = 1024**2
ALL = [found for found in (pythons.find(f"3.{minor}") for minor in range(9, 15)) if found] or [sys.executable]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Settings()),
        ({"interval": "", "keep_days": None, "restart_not_between": []}, Settings()),
        ({"interval": "90", "keep_days": "30", "keep_size": "1G"}, Settings(90.0, 30.0, 1024**3)),
        (
            {"restart_time_to_cap": "1h 30min", "restart_slope": "5M"},
            Settings(restart_time_to_cap=5400.0, restart_slope=5.0 * MIB),
        ),
        (
            {"restart_not_between": ["22:00-6:30", "12:00-24:00"]},
            Settings(restart_not_between=((1320, 390), (720, 1440))),
        ),
        (
            {"textfile_dir": "/srv/x/", "alert_unit": "alert@.service"},
            Settings(textfile_dir="/srv/x", alert_unit="alert@.service"),
        ),
    ],
)
def test_options(options: dict[str, object], expected: Settings) -> None:
    assert settings_of(options) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("interval", "5min", "a time span from 1s to 2min"),
        ("interval", "soon", "a time span such as 5s, 1min 30s or infinity"),
        ("keep_days", "many", "a number of days from 1 to 90"),
        ("keep_days", "nan", "a number of days from 1 to 90"),
        ("keep_size", "1K", "a size from 1M to 10G"),
        ("keep_size", "10%", "a size such as 64M"),
        ("textfile_dir", "metrics", "an absolute path"),
        ("alert_unit", "alert", "a unit name with its suffix, such as network-online.target"),
        ("alert_unit", "alert@%n.service", "the name of a unit"),
        ("restart_time_to_cap", "0", "a time span such as 2h"),
        ("restart_slope", "infinity", "a size such as 50M, which is that of an hour"),
    ],
)
def test_options_that_cannot_be_used(name: str, value: str, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        settings_of({name: value})
    (problem,) = caught.value.problems
    assert (problem.option, problem.expected) == (name, expected)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        settings_of({"interval": "1h", "restart_not_between": ["08:00-09:00", "8-9", "10:00-10:00", "12:00-24:01"]})
    places = [problem.option for problem in caught.value.problems]
    assert places == ["interval", *(f"restart_not_between[{index}]" for index in (1, 2, 3))]


@pytest.mark.parametrize("python", ALL)
def test_the_program_is_whole_and_needs_nothing_else(python: str, tmp_path: Path) -> None:
    for path, text in program().items():
        file = tmp_path / Path(path).relative_to(FOLDER)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(FOLDER, str(tmp_path)))
    done = subprocess.run([python, "-I", "-S", tmp_path / "sample.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path}/settings.json: No such file or directory\n"
    # What is imported only where it is needed.
    names = " ".join(path.stem for path in (tmp_path / leak_files.PACKAGE).glob("leak_*.py"))
    ask = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); [__import__('{leak_files.PACKAGE}.' + name) for name in {names!r}.split()]"
    subprocess.run([python, "-I", "-S", "-c", ask], check=True)


def test_the_units() -> None:
    service, timer = unit_files(Settings(interval=90.0, textfile_dir='/srv/a "b" 50%'), "/usr/bin/python3").values()
    assert f"ExecStart=/usr/bin/python3 -I -S {FOLDER}/sample.py\n" in service
    assert '"-/srv/a \\"b\\" 50%%"\n' in service and "CAP_DAC_OVERRIDE" in service
    assert "OnUnitActiveSec=90s\nAccuracySec=1s\n" in timer
    service, timer = unit_files(Settings(interval=1.0), "/usr/bin/python3").values()
    assert "CAP_DAC_OVERRIDE" not in service and "OnActiveSec=1s\nOnUnitActiveSec=1s\nAccuracySec=100ms\n" in timer


def observed(files: dict[str, str], up: bool = True, **others: object) -> Observed:
    wanted = wanted_files(Settings(), "/usr/bin/python3")
    state = {
        "ActiveState": "active" if up else "inactive",
        "NeedDaemonReload": "no",
        "LoadState": "loaded" if up else "not-found",
    }
    units = {leak_files.SERVICE: {**state, "ActiveState": "inactive"}, leak_files.TIMER: state}
    rest = {"others": (), "units": units, "is_enabled": up, "metrics": "", "samples": (), **others}
    return Observed(files={**dict.fromkeys(wanted), **files}, **rest)  # type: ignore[arg-type]


def test_nothing_is_done_twice() -> None:
    wanted = wanted_files(Settings(), "/usr/bin/python3")
    plan = plan_presence(wanted, observed({}, up=False))
    assert plan.actions()[-3:] == ["daemon-reload", f"enable {leak_files.TIMER}", f"start {leak_files.TIMER}"]
    assert [line for line in plan.actions() if line.startswith("create ")] == [f"create {path}" for path in wanted]
    shown = [part["after_header"] for part in diff(plan) if "after_header" in part]
    assert (
        shown == [FILE, *unit_files(Settings(), "")] and f"! create {FOLDER}/sample.py\n" in diff(plan)[-1]["prepared"]
    )
    assert (plan_presence(wanted, observed(wanted)).actions(), diff(plan_presence(wanted, observed(wanted)))) == (
        [],
        [],
    )


def test_only_what_differs_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = wanted_files(Settings(), "/usr/bin/python3")
    old = {**wanted, FILE: Settings(days=9.0).text}
    stray = f"{FOLDER}/stability_leakwatch/older.py"
    assert plan_presence(wanted, observed(old, others=(stray,))).actions() == [f"replace {FILE}", f"remove {stray}"]
    # No round runs by a half of each.
    other = wanted_files(Settings(textfile_dir="/srv"), "/usr/bin/python3")
    actions = plan_presence(other, observed(wanted)).actions()
    assert actions[:2] == [f"stop {leak_files.TIMER}", f"stop {SERVICE}"] and actions[-1] == f"start {leak_files.TIMER}"
    monkeypatch.setattr(leakwatch_plan.os.path, "isdir", lambda _path: True)
    absence = plan_absence(observed(wanted, samples=(STORE,)))
    assert absence.actions() == [
        f"stop {leak_files.TIMER}",
        f"disable {leak_files.TIMER}",
        *(f"remove {path}" for path in reversed(list(unit_files(Settings(), "")))),
        f"remove {STORE}",
        "daemon-reload",
        f"remove {FOLDER}",
    ]
    assert [part.get("after_header", "").endswith(" (removed)") for part in diff(absence)] == [True, True, False]


@pytest.mark.parametrize(("peak", "cap"), [(1, "16M"), (200 * MIB, "256M"), (205 * MIB, "272M"), (1024 * MIB, "1280M")])
def test_a_cap_leaves_a_quarter(peak: int, cap: str) -> None:
    assert cap_for(peak) == cap


def test_caps_are_proposed_for_what_was_seen_for_long_and_has_none(tmp_path: Path) -> None:
    path = str(tmp_path / "samples.sqlite")
    assert proposals(path) == []
    store = Store(path, 7, 100 * MIB)
    facts = {
        "bare": Facts("active"),
        "capped": Facts("active", cap=5),
        "job": Facts("active", "oneshot"),
        "down": Facts("failed"),
    }
    for unit in (*facts, "gone"):
        store.add([Usage(unit, 60 * minute, "r", 0, minute * MIB, 0, 1) for minute in range(121)])
    store.add([Usage("new", 60 * minute, "r", 0, MIB, 0, 1) for minute in range(100, 121)])
    units = {unit: Watched(found) for unit, found in {**facts, "new": Facts("active")}.items()}
    store.add([], {"state": State(0, units, {}, {}, (), ()).text})
    assert proposals(path) == [Proposal("bare", 120 * MIB, 2.0, "160M")]
    expected = "bare had at most 120 MiB in 2 hours and has no memory_max; 160M would have been enough"
    assert proposals(path)[0].result()["text"] == expected
    store.close()
    Path(path).write_text("this is no database, and long enough to be seen as none" * 20)
    assert proposals(path) == []
