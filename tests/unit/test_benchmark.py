# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark: what its samples become, when a bar is missed, and what it does not let pass."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import case_packages
import case_services
import measure
import report
from case import ContestantError, Timed
from case_services import EMPTY, IDIOMATIC, OURS, SCRIPT
from host import Unit
from wheels import FILES, project, write_wheels
from workload import directives, services, unit_texts

TEXTS = unit_texts(services(2), 252)
UNITS = {name: Unit(directives(text), "active", "enabled", name) for name, text in TEXTS.items()}


def samples(ours_first: float, ours_unchanged: float) -> list[measure.Sample]:
    """Return what makes the floor 1 s and the script's first run 2 s, with one run of each that is far off."""
    seconds = {
        (EMPTY, "unchanged"): (1.0, 0.9, 9.0),
        (SCRIPT, "first"): (2.0, 0.1, 2.1),
        (SCRIPT, "unchanged"): (0.2, 0.2, 0.2),
        (OURS, "first"): (ours_first, 0.0, 99.0),
        (OURS, "unchanged"): (ours_unchanged, 0.0, 99.0),
    }
    return [
        measure.Sample("services", contestant.name, 50, run, value, 1 if contestant.play else None)
        for (contestant, run), values in seconds.items()
        for value in values
    ]


@pytest.mark.parametrize(
    ("first", "unchanged", "kept"),
    [(7.0, 1.4, [True, True]), (7.01, 1.4, [True, False]), (7.0, 1.41, [False, True])],
)
def test_the_bars_are_judged_by_medians(first, unchanged, kept):
    result = report.Result(case_services.CASE, (OURS,), samples(first, unchanged))
    assert [each.passed for each in report.bars(result)] == kept


def test_a_row_has_the_median_and_its_ratio_to_the_floor():
    ours = next(
        row
        for row in report.rows(case_services.CASE, samples(7.0, 1.3))
        if (row.contestant, row.run) == ("ours", "unchanged")
    )
    assert (ours.median_s, ours.ratio_to_floor, ours.module_calls, ours.repetitions) == (1.3, 1.3, 1, 3)
    assert (ours.min_s, ours.max_s) == (0.0, 99.0)


def test_contestants_take_turns_and_the_first_one_changes():
    plan = measure.Plan((OURS, EMPTY, IDIOMATIC), (1, 50), ("first",), 3, {})
    turns = [[(size, one.name) for size, one in plan.blocks(repetition)] for repetition in range(2)]
    assert turns == [
        [(size, name) for size in (1, 50) for name in ("ours", "idiomatic")],
        [(size, name) for size in (1, 50) for name in ("idiomatic", "ours")],
    ], "what takes no part in a run has no turn"


def test_only_the_named_run_is_repeated_less():
    plan = measure.Plan((OURS, IDIOMATIC), (1, 50), ("first", "one_changed"), 3, {("idiomatic", 50, "one_changed"): 2})
    assert [plan.due(repetition, IDIOMATIC, 50) for repetition in (1, 2)] == [["first", "one_changed"], ["first"]]
    assert plan.due(2, IDIOMATIC, 1) == plan.due(2, OURS, 50) == ["first", "one_changed"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"directives": ["[Service]"]}, "is not the one that all shall write"),
        ({"active": "failed"}, "is failed and enabled"),
        ({"enabled": "disabled"}, "is active and disabled"),
    ],
)
def test_a_contestant_that_did_not_do_its_job_is_told(change, complaint):
    case_services.check_units(OURS, TEXTS, UNITS)
    wrong = {**UNITS, "bench-01.service": replace(UNITS["bench-01.service"], **change)}
    with pytest.raises(ContestantError, match=complaint):
        case_services.check_units(OURS, TEXTS, wrong)
    with pytest.raises(ContestantError, match="is not the one that all shall write"):
        case_services.check_units(OURS, TEXTS, {"bench-00.service": UNITS["bench-00.service"]})


def test_a_restart_that_nobody_asked_for_is_told():
    restarted = {**UNITS, "bench-01.service": replace(UNITS["bench-01.service"], pid="another")}
    unchanged, changed = Timed(1.0, {"changed": 0}), Timed(1.0, {"changed": 1})
    case_services.check_run(OURS, "unchanged", unchanged, UNITS, UNITS)
    case_services.check_run(OURS, "one_changed", changed, UNITS, restarted)
    for run, timed, after in (
        ("unchanged", unchanged, restarted),
        ("unchanged", changed, UNITS),
        ("one_changed", changed, UNITS),
    ):
        with pytest.raises(ContestantError):
            case_services.check_run(OURS, run, timed, UNITS, after)


#: What keeps each bar of the packages by nothing.
PACKAGES = {
    ("metadata", 100, "unchanged"): 1.0,
    ("ours_uv", 100, "unchanged"): 1.2,
    ("ours_uv", 100, "unhashed"): 3.2,
    ("ours_uv", 300, "unchanged"): 1.56,
    ("ours_uv", 100, "changed"): 4.0,
    ("uv_command", 100, "changed"): 4.0,
    ("ours_pip", 100, "changed"): 9.5,
    ("ours_pip", 100, "one_changed"): 3.5,
    ("pip_bare", 100, "changed"): 8.0,
    ("pip_bare", 100, "one_changed"): 2.0,
}


@pytest.mark.parametrize(
    ("slower", "missed"),
    [
        (None, []),
        (("ours_uv", 100, "unchanged"), [0]),
        (("ours_uv", 100, "unhashed"), [1]),
        (("ours_uv", 300, "unchanged"), [2]),
        (("ours_uv", 100, "changed"), [3]),
        (("ours_pip", 100, "changed"), [4]),
        (("ours_pip", 100, "one_changed"), [5]),
    ],
)
def test_each_bar_of_the_packages_can_be_missed(slower, missed):
    seconds = {key: value + (0.01 if key == slower else 0.0) for key, value in PACKAGES.items()}
    assert [index for index, each in enumerate(case_packages.bars(seconds)) if not each.passed] == missed


def test_the_large_size_is_measured_where_a_bar_needs_it():
    plan = case_packages.plan(5, quick=False, full=False)
    large = [one.name for size, one in plan.blocks(0) if size == case_packages.LARGE]
    assert sorted(large) == ["metadata", "ours_uv"]
    assert plan.due(0, case_packages.OURS_UV, case_packages.LARGE) == ["unchanged"]
    assert plan.due(0, case_packages.OURS_UV, case_packages.SIZE) == list(case_packages.RUNS)


def test_another_version_than_the_wanted_one_is_told():
    right = case_packages.wanted(3, "one_changed")
    assert right == {project(0): "2.0", project(1): "1.0", project(2): "1.0"}
    case_packages.check_versions(case_packages.PIP_BARE, "one_changed", 3, right)
    for wrong in ({**right, project(0): "1.0"}, {**right, project(3): "1.0"}, {}):
        with pytest.raises(ContestantError, match="distributions are wrong"):
            case_packages.check_versions(case_packages.PIP_BARE, "one_changed", 3, wrong)


def test_an_untrue_report_of_ours_is_told():
    unchanged, changed = Timed(1.0, {"changed": 0}), Timed(1.0, {"changed": 1})
    case_packages.check_report(case_packages.OURS_UV, "unchanged", unchanged)
    case_packages.check_report(case_packages.PIP_BARE, "unchanged", changed)
    for run, timed in (("unchanged", changed), ("unhashed", changed), ("changed", unchanged)):
        with pytest.raises(ContestantError, match="it reports"):
            case_packages.check_report(case_packages.OURS_UV, run, timed)


def test_the_wheels_have_the_files_of_real_distributions(tmp_path):
    write_wheels(tmp_path / "wheels", 2, 1)
    names = sorted(path.name for path in (tmp_path / "wheels").iterdir())
    assert names == [f"bench_dist_{name}-py3-none-any.whl" for name in ("000-1.0", "000-2.0", "001-1.0")]
    with zipfile.ZipFile(tmp_path / "wheels" / names[2]) as archive:
        # The installer adds INSTALLER.
        assert len(archive.namelist()) == FILES - 1
        assert "Requires-Dist: bench-dist-000>=1" in archive.read("bench_dist_001-1.0.dist-info/METADATA").decode()


def test_a_table_has_a_line_for_each_contestant_and_size():
    result = report.Result(case_services.CASE, (OURS, SCRIPT), samples(7.0, 1.3))
    assert report.table(result).split("\n")[2:] == [
        "| `stability.baseline.apply` | 50 | 7.00 | 1.30 |  | 1.30 | 1 | 3 |",
        "| shell script over SSH | 50 | 2.00 | 0.20 |  | 0.20 |  | 3 |",
    ]
