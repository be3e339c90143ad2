# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark: what its samples become, when a bar is missed, and what it does not let pass."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import measure
import report
from contestants import EMPTY, IDIOMATIC, OURS, SCRIPT, ContestantError, Timed
from host import Unit
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
        measure.Sample(contestant.name, 50, run, value, 1 if contestant.play else None)
        for (contestant, run), values in seconds.items()
        for value in values
    ]


@pytest.mark.parametrize(
    ("first", "unchanged", "kept"),
    [(7.0, 1.4, [True, True]), (7.01, 1.4, [True, False]), (7.0, 1.41, [False, True])],
)
def test_the_bars_are_judged_by_medians(first, unchanged, kept):
    assert [each.passed for each in report.bars(samples(first, unchanged))] == kept


def test_a_row_has_the_median_and_its_ratio_to_the_floor():
    ours = next(row for row in report.rows(samples(7.0, 1.3)) if (row.contestant, row.run) == ("ours", "unchanged"))
    assert (ours.median_s, ours.ratio_to_floor, ours.module_calls, ours.repetitions) == (1.3, 1.3, 1, 3)
    assert (ours.min_s, ours.max_s) == (0.0, 99.0)


def test_contestants_take_turns_and_the_first_one_changes():
    plan = measure.Plan((OURS, EMPTY, IDIOMATIC), (1, 50), ("first",), 3, {})
    turns = [[(size, one.name) for size, one in plan.blocks(repetition)] for repetition in range(2)]
    assert turns == [
        [(size, name) for size in (1, 50) for name in ("ours", "empty", "idiomatic")],
        [(size, name) for size in (1, 50) for name in ("empty", "idiomatic", "ours")],
    ]


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
    measure._check_units(OURS, TEXTS, UNITS)
    wrong = {**UNITS, "bench-01.service": replace(UNITS["bench-01.service"], **change)}
    with pytest.raises(ContestantError, match=complaint):
        measure._check_units(OURS, TEXTS, wrong)
    with pytest.raises(ContestantError, match="is not the one that all shall write"):
        measure._check_units(OURS, TEXTS, {"bench-00.service": UNITS["bench-00.service"]})


def test_a_restart_that_nobody_asked_for_is_told():
    restarted = {**UNITS, "bench-01.service": replace(UNITS["bench-01.service"], pid="another")}
    unchanged, changed = Timed(1.0, {"changed": 0}), Timed(1.0, {"changed": 1})
    measure._check_run(OURS, "unchanged", unchanged, UNITS, UNITS)
    measure._check_run(OURS, "one_changed", changed, UNITS, restarted)
    for run, timed, after in (
        ("unchanged", unchanged, restarted),
        ("unchanged", changed, UNITS),
        ("one_changed", changed, UNITS),
    ):
        with pytest.raises(ContestantError):
            measure._check_run(OURS, run, timed, UNITS, after)
