# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sampler has seen over hours becomes points of a chart and findings, and nothing is written for it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_leakwatch import (
    Watched,
    judge,
    read_watched,
)
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Unit
from ansible_collections.stability.baseline.plugins.module_utils.leak_settings import FOUND
from ansible_collections.stability.baseline.plugins.module_utils.memory_history import MOST_POINTS, Point
from ansible_collections.stability.baseline.plugins.module_utils.memory_store import Store, Usage

NOW = 1_780_000_000
MIB = 1024**2


def usage(moment: int, used: int, restarts: int = 0, unit: str = "api.service", processes: int = 1) -> Usage:
    return Usage(unit, moment, "a1", restarts, used, used, processes)


def told(unit: str = "api.service", kind: str = "memory", run: str = "a1", text: str = "it grows") -> list[object]:
    return [unit, kind, run, NOW, text]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "samples?#%.sqlite")


def filled(path: str, *usages: Usage, found: object = ()) -> str:
    store = Store(path, 7, 64 * MIB)
    store.add(usages, {FOUND: found if isinstance(found, str) else json.dumps(found)})
    store.close()
    return path


def seen(path: str) -> Watched:
    unseen: list[str] = []
    watched = read_watched(unseen, path)
    assert unseen == []
    return watched


def test_a_chart_has_the_most_memory_of_each_part_of_the_time(path: str) -> None:
    week = [usage(NOW + 600 * one, 100 + one % 144, one // 500) for one in range(1008)]
    watched = seen(filled(path, *week, usage(NOW, 7, unit="web.service")))
    points = watched.points["api.service"]
    assert len(points) == MOST_POINTS and points[-1] == Point(NOW + 600 * 1007, max(one.used for one in week[-50:]), 2)
    assert [point.moment for point in points] == sorted({point.moment for point in points})
    # A peak between two points is in one of them.
    assert max(point.used or 0 for point in points) == 243
    assert watched.points["web.service"] == [Point(NOW, 7, 0)]


def test_memory_is_not_known_while_nothing_ran(path: str) -> None:
    watched = seen(filled(path, usage(NOW, 5), usage(NOW + 60, 0, 3, processes=0)))
    assert watched.points["api.service"] == [Point(NOW, 5, 0), Point(NOW + 60, None, 3)]


def test_the_file_stays_as_it_is(path: str) -> None:
    filled(path, usage(NOW, 5))
    before = Path(path).read_bytes(), sorted(Path(path).parent.iterdir())
    seen(path)
    assert (Path(path).read_bytes(), sorted(Path(path).parent.iterdir())) == before


def test_there_need_be_no_sampler(path: str) -> None:
    assert seen(path) == Watched({}, [])


def test_what_another_version_has_written_is_left_alone(path: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
    assert seen(path) == Watched({}, [])


@pytest.mark.parametrize("content", [b"no database, but long enough to be looked at" * 100, None])
def test_what_cannot_be_read_is_said(path: str, content: bytes | None) -> None:
    if content is None:
        Path(path).symlink_to("/dev/null")
    else:
        Path(path).write_bytes(content)
    unseen: list[str] = []
    assert read_watched(unseen, path) == Watched({}, [])
    (line,) = unseen
    assert line.startswith(f"what leakwatch has seen ({path}: ")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([told()], [("SB306", "it grows")]),
        # That of an earlier run is over.
        ([told(run="a0")], []),
        ([told(kind="killed", run="a0", text="killed")], [("SB309", "killed")]),
        ([told(kind="killed", text="killed"), told()], [("SB309", "killed"), ("SB306", "it grows")]),
        # A loop is found by what there is now.
        ([told(kind="restarts"), told(kind="of a later version"), told("web.service")], []),
        ("no list", []),
        ([["api.service", "memory"]], []),
        ([None], []),
    ],
)
def test_what_was_found(path: str, found: object, expected: list[tuple[str, str]]) -> None:
    watched = seen(filled(path, usage(NOW, 5), found=found))
    findings = judge(Unit("api.service", {"InvocationID": "a1"}), watched)
    assert [(one.id, one.seen) for one in findings] == expected
