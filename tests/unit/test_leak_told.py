# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a finding reaches somebody: in the journal once, as metrics, as the start of a unit, as a restart."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.leak_alerts import Alert
from ansible_collections.stability.baseline.plugins.module_utils.leak_journal import WARNING_ID, datagram, send, warning
from ansible_collections.stability.baseline.plugins.module_utils.leak_restart import (
    Due,
    due,
    is_between,
    is_free,
    shown,
)
from ansible_collections.stability.baseline.plugins.module_utils.leak_settings import Settings
from ansible_collections.stability.baseline.plugins.module_utils.leak_state import Watched
from ansible_collections.stability.baseline.plugins.module_utils.leak_textfile import _HELP, Row, metrics
from ansible_collections.stability.baseline.plugins.module_utils.leak_told import (
    Told,
    alert_unit_for,
    to_show,
    to_start,
    to_tell,
)
from ansible_collections.stability.baseline.plugins.module_utils.leak_units import Facts
from ansible_collections.stability.baseline.plugins.module_utils.memory_store import Usage

HOUR, MIB = 3600, 1024**2


def alert(kind: str, unit: str = "a.service") -> Alert:
    return Alert(unit, kind, f"{unit} {kind}", {})


def moments(kind: str, seen: list[tuple[int, str]]) -> list[int]:
    """Return at which of the moments a finding is told that is seen then about a run."""
    told: Told = {}
    found = []
    for moment, run in seen:
        news, told = to_tell([(alert(kind), run)] if run else [], told, moment)
        found += [moment] if news else []
    return found


@pytest.mark.parametrize(
    ("kind", "seen", "expected"),
    [
        ("memory", [(minute * 60, "r") for minute in range(0, 700)], [0, 6 * HOUR]),
        ("memory", [(0, "r"), (60, "r"), (120, "s"), (180, "s")], [0, 120]),
        ("restarts", [(minute * 60, f"r{minute}") for minute in range(0, 100)], [0]),
        # It rests for a while, and for longer.
        ("restarts", [(0, "r"), (1800, "s"), (1800 + HOUR, ""), (1860 + HOUR, "t")], [0, 1860 + HOUR]),
        ("restarts", [(0, "r"), (1800, ""), (3000, "s")], [0]),
    ],
)
def test_a_finding_is_told_once_and_again_after_hours(
    kind: str, seen: list[tuple[int, str]], expected: list[int]
) -> None:
    assert moments(kind, seen) == expected


def test_kinds_and_units_are_told_apart() -> None:
    news, told = to_tell([(alert("memory"), "r"), (alert("workers"), "r"), (alert("memory", "b.service"), "r")], {}, 5)
    assert len(news) == 3 and set(told) == {"a.service memory", "a.service workers", "b.service memory"}


def test_those_who_look_on_see_what_is_there_and_kills_for_a_day() -> None:
    shown = to_show([(alert("killed"), "r1"), (alert("memory"), "r2")], "", 10)
    assert shown == [
        ("a.service", "killed", "r1", 10, "a.service killed"),
        ("a.service", "memory", "r2", 10, "a.service memory"),
    ]
    # Growth is found again in each round while it goes on.
    later = to_show([(alert("killed", "b.service"), "r3")], json.dumps(shown), 10 + 24 * HOUR)
    assert [one[:2] for one in later] == [("b.service", "killed"), ("a.service", "killed")]
    assert to_show([(alert("killed"), "r4")], json.dumps(later), 20)[0][2] == "r4"
    assert len(to_show([(alert("killed"), "r4")], json.dumps(later), 20)) == 2
    assert to_show([], json.dumps(shown), 11 + 24 * HOUR) == []


def test_an_alert_unit_is_started_once_an_hour() -> None:
    assert alert_unit_for("alert.service", "a.service") == "alert.service"
    assert alert_unit_for("alert@.service", "worker@x.service") == "alert@worker@x.service"
    assert to_start(["x", "x", "y"], {"x": 100}, 100 + HOUR - 1) == (["y"], ["x"])
    assert to_start(["x"], {"x": 100}, 100 + HOUR) == (["x"], [])


def test_a_record_of_the_journal(tmp_path: Path) -> None:
    found = Alert("a.service", "memory", "it grows", {"bytes": 7, "hours": 4.5})
    assert warning(found, "r1") == {
        "MESSAGE": "it grows",
        "MESSAGE_ID": WARNING_ID,
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "stability-leakwatch",
        "OBJECT_SYSTEMD_UNIT": "a.service",
        "STABILITY_UNIT": "a.service",
        "STABILITY_INVOCATION": "r1",
        "STABILITY_KIND": "memory",
        "STABILITY_BYTES": "7",
        "STABILITY_HOURS": "4.5",
    }
    assert datagram({"A": "x=é", "B": "y\nz"}) == "A=x=é\n".encode() + b"B\n\x03\0\0\0\0\0\0\0y\nz\n"
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        send({"A": "1"}, path)
        assert listening.recv(99) == b"A=1\n"


def test_the_metrics() -> None:
    text = metrics(
        [Row('odd"\\.service', {**dict.fromkeys(_HELP, 0.0), "memory_bytes": 2**40, "memory_cap_bytes": float("inf")})],
        5,
    )
    lines = text.splitlines()
    assert lines[2] == "stability_leakwatch_last_round_timestamp_seconds 5"
    assert 'stability_service_memory_bytes{unit="odd\\"\\\\.service"} 1099511627776' in lines
    assert 'stability_service_memory_cap_bytes{unit="odd\\"\\\\.service"} +Inf' in lines
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) == len(_HELP) + 1 and text.endswith("\n")
    # A collector refuses a file in which the lines of one metric do not stand together.
    kept = [line.partition("{")[0].split()[-1 if line[0] != "#" else 2] for line in lines[3:]]
    assert kept == [name for name in names[1:] for _line in range(3)]


def growing(slope: float, left: float | None, state: str = "active") -> Watched:
    numbers = {"bytes_per_hour": slope, **({"seconds_to_cap": left} if left is not None else {})}
    return Watched(Facts(state, run="r"), judged=1000, grows=Alert("x", "memory", "", numbers))


@pytest.mark.parametrize(
    ("settings", "minute", "expected"),
    [
        (Settings(), 0, ""),
        (Settings(restart_time_to_cap=2 * HOUR), 0, "soon"),
        (Settings(restart_time_to_cap=10.0), 0, ""),
        (Settings(restart_slope=50.0 * MIB), 0, "bare"),
        (Settings(restart_slope=5.0 * MIB), 0, "soon"),
        (Settings(restart_time_to_cap=2 * HOUR, restart_not_between=((480, 1080),)), 600, ""),
        (Settings(restart_time_to_cap=2 * HOUR, restart_not_between=((480, 1080),)), 1080, "soon"),
    ],
)
def test_which_service_is_restarted_first(settings: Settings, minute: int, expected: str) -> None:
    units = {
        "later": growing(10 * MIB, 9 * HOUR),
        "soon": growing(10 * MIB, HOUR),
        "bare": growing(90 * MIB, None),
        "down": growing(90 * MIB, 1, "activating"),
        "rests": Watched(Facts("active")),
    }
    found = due(units, settings, 1000 + 60, minute)
    assert (found.unit if found else "") == expected
    if expected == "soon" and settings.restart_time_to_cap:
        assert found == Due("soon", "r", "MemoryMax= is reached in 1.0 hours, and restart_time_to_cap is 2.0")


def test_hours_of_the_day_and_over_midnight() -> None:
    assert [is_between(minute, [(1320, 360)]) for minute in (1319, 1320, 0, 359, 360)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert is_between(1439, [(0, 1440)]) and not is_between(5, [])


def test_one_service_at_a_time() -> None:
    up, other, down = Facts("active", run="r"), Facts("active", run="s"), Facts("activating", run="s")
    assert is_free((), {"a": up}) and not is_free((), {"a": up, "b": down})
    assert is_free((), {"a": up, "job": Facts("activating", "oneshot")})
    assert not is_free((), {"a": Facts("active", run="r", has_job=True)})
    # It has not begun to go down yet; it is up again; it is gone; it did not come back.
    assert not is_free(("a", "r"), {"a": up}) and is_free(("a", "r"), {"a": other}) and is_free(("b", "r"), {"a": up})
    assert not is_free(("a", "r"), {"a": Facts("failed", run="s")})


def test_the_samples_that_are_shown_before() -> None:
    samples = [Usage("a", 60 * minute, "r", 0, 2 * MIB, MIB, 1, 2, 3) for minute in range(1000)]
    lines = shown(samples).splitlines()
    assert 20 < len(lines) < 30
    assert lines[-1] == "0 min: 1.0 MiB anonymous, 2.0 MiB in all, 1 processes, 2 threads, 3 open files"
