# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the samples of a service show that somebody has to know."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.leak_alerts import Alert, alerts_of
from ansible_collections.stability.baseline.plugins.module_utils.memory_store import Usage

MIB = 1024**2


def samples(*rows: dict[str, int | str]) -> list[Usage]:
    """Return samples, one a minute where they say nothing else."""
    usual = {"run": "a", "restarts": 0, "used": 100 * MIB, "anonymous": 90 * MIB, "processes": 3}
    return [Usage(**{"unit": "api.service", "moment": 60 * number, **usual, **row}) for number, row in enumerate(rows)]


def told(*rows: dict[str, int | str]) -> list[tuple[str, str]]:
    return [(alert.kind, alert.text) for alert in alerts_of(samples(*rows), 0)]


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        ([{}, {"restarts": 12, "run": "b"}, {"restarts": 24, "run": "c"}], 24),
        ([{}, {}, {"restarts": 1, "run": "b"}, {"restarts": 2, "run": "c"}], 2),
        # Once, and then no more; somebody has started it anew, which sets the number back; a round is missing.
        ([{}, {"restarts": 3, "run": "b"}, {"restarts": 3, "run": "b"}], 0),
        ([{"restarts": 5}, {"restarts": 9, "run": "b"}, {"run": "c"}], 0),
        ([{}, {"restarts": 3, "run": "b", "moment": 60}, {"restarts": 6, "run": "c", "moment": 900}], 0),
        ([{}, {"restarts": 3, "run": "b"}], 0),
        ([], 0),
    ],
)
def test_a_crash_loop_is_told_after_two_samples(rows: list[dict[str, int | str]], number: int) -> None:
    text = f"api.service was restarted {number} times within 2 minutes, and is again and again"
    assert told(*rows) == ([("restarts", text)] if number else [])


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        ([{}, {"deaths": 6}, {"deaths": 9}], 15),
        ([{}, {"deaths": 6}, {"deaths": 1}], 0),
        ([{"run": "x"}, {"deaths": 6}, {"deaths": 9}], 0),
        ([{}, {"deaths": 6, "moment": 60}, {"deaths": 9, "moment": 180}], 0),
    ],
)
def test_workers_that_die_under_a_living_master_are_told(rows: list[dict[str, int | str]], number: int) -> None:
    text = f"{number} processes of api.service ended within 2 minutes, and its main process goes on"
    assert told(*rows) == ([("workers", text)] if number else [])


def test_memory_that_only_grows_is_told_with_what_is_left() -> None:
    rows = [{"anonymous": 90 * MIB + minute * MIB // 60} for minute in range(26 * 60 + 1)]
    (alert,) = alerts_of(samples({"run": "before", "anonymous": 900 * MIB, "moment": -60}, *rows)[1:], 164.0 * MIB)
    assert alert == Alert(
        "api.service",
        "memory",
        "api.service has 116 MiB, and has grown by 1.0 MiB an hour for 24 hours (1.0 to 1.0); MemoryMax= is reached in 48 hours",
        {
            "bytes": 116 * MIB,
            "bytes_per_hour": pytest.approx(MIB, rel=1e-3),
            "hours": 24,
            "seconds_to_cap": pytest.approx(172800, rel=1e-3),
        },
    )
    # What another run had is not its own.
    assert alerts_of(samples(*rows, {"run": "b"}), 0) == []
    (bare,) = alerts_of(samples(*rows), 0)
    assert "MemoryMax=" not in bare.text and "seconds_to_cap" not in bare.numbers
