# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a round of the sampler asks, finds and remembers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import leak_units, manifest
from ansible_collections.stability.baseline.plugins.module_utils.leak_alerts import Alert, restarts_often
from ansible_collections.stability.baseline.plugins.module_utils.leak_kills import (
    Counters,
    Run,
    counters_of,
    ended_by_memory,
    killed_in,
    killed_within,
)
from ansible_collections.stability.baseline.plugins.module_utils.leak_round import due
from ansible_collections.stability.baseline.plugins.module_utils.leak_settings import Settings, settings_in
from ansible_collections.stability.baseline.plugins.module_utils.leak_state import State, Watched, state_in
from ansible_collections.stability.baseline.plugins.module_utils.leak_units import (
    Facts,
    facts_in,
    runs_now,
    watched_units,
)
from ansible_collections.stability.baseline.plugins.module_utils.leak_workers import ended
from ansible_collections.stability.baseline.plugins.module_utils.memory_store import Usage

MIB = 1024**2
SHOWN = """\
ActiveState=active
Type=exec
ControlGroup=/system.slice/api.service
NRestarts=3
InvocationID=0a1b
MemoryMax=536870912
MainPID=77
Result=success
Job=0

ActiveState=activating
Type=oneshot
ControlGroup=
NRestarts=0
InvocationID=
MemoryMax=infinity
MainPID=0
Result=exit-code
Job=1234
"""
#: As systemd writes them on cgroup v2 (its sd-messages.h): a service that was killed for its memory, by one that says its peak and by
#: an older one, and services that have ended otherwise.
RECORDS = """\
{"__CURSOR":"s=1","UNIT":"fills.service","INVOCATION_ID":"aa","MESSAGE_ID":"fe6faa94e7774663a0da52717891d8ef"}
{"__CURSOR":"s=2","UNIT":"fills.service","INVOCATION_ID":"aa","UNIT_RESULT":"oom-kill","MESSAGE_ID":"d9b373ed55a64feb8242e02dbe79a49c"}
{"__CURSOR":"s=3","UNIT":"fills.service","INVOCATION_ID":"aa","MEMORY_PEAK":"67108864","MESSAGE_ID":"ae8f7b866b0347b9af31fe1c80b127c0"}
{"__CURSOR":"s=4","UNIT":"api.service","INVOCATION_ID":"bb","MEMORY_PEAK":"9","MESSAGE_ID":"ae8f7b866b0347b9af31fe1c80b127c0"}
{"__CURSOR":"s=5","UNIT":"api.service","INVOCATION_ID":"cc","UNIT_RESULT":"exit-code","MESSAGE_ID":"d9b373ed55a64feb8242e02dbe79a49c"}
{"__CURSOR":"s=6","UNIT":"old.service","INVOCATION_ID":"dd","UNIT_RESULT":"oom-kill","MESSAGE_ID":"d9b373ed55a64feb8242e02dbe79a49c"}
"""


def test_the_place_of_the_list_is_that_of_the_deployment() -> None:
    assert leak_units.MANIFEST == manifest.MANIFEST


def test_what_systemd_shows() -> None:
    found = facts_in(SHOWN, ["api.service", "nightly.service"])
    assert found["api.service"] == Facts(
        "active", "exec", "/system.slice/api.service", 3, "0a1b", 512 * MIB, 77, "success", False
    )
    nightly = found["nightly.service"]
    assert (nightly.cap, nightly.main, nightly.is_job, nightly.is_up, nightly.is_changing) == (0, 0, True, True, True)
    assert not Facts("failed").is_up and not found["api.service"].is_changing


def test_services_templates_and_drop_ins_are_watched(tmp_path: Path) -> None:
    folder = tmp_path / "units"
    folder.mkdir()
    for unit, run in (
        ("worker@mail.service", "a"),
        ("worker@x.timer", "b"),
        ("other.service", "c"),
        ("api.service", "d"),
    ):
        (folder / f"invocation:{unit}").symlink_to(run)
    (folder / "log-level-max:api.service").symlink_to("6")
    runs = runs_now(str(folder))
    assert runs == {"worker@mail.service": "a", "other.service": "c", "api.service": "d"}
    path = tmp_path / "units.json"
    assert watched_units(runs, str(path)) == []
    names = ["api.service", "worker@.service", "worker@bill.service", "nightly.timer", "nightly.service"]
    path.write_text(json.dumps({"units": {name: {} for name in [*names, "redis.service.d/50-stability.conf"]}}))
    assert watched_units(runs, str(path)) == [
        *("api.service", "nightly.service", "redis.service", "worker@bill.service", "worker@mail.service")
    ]
    path.write_text("[]")
    with pytest.raises(ValueError, match="cannot be understood"):
        watched_units(runs, str(path))


def test_each_has_its_turn_and_no_round_has_them_all() -> None:
    last = {f"s{number}": 0 for number in range(50)}
    settings, turns = Settings(), []
    for moment in range(600, 600 + 60 * 120, 60):
        turn = due(last, 60, settings, moment + 3600)
        last.update(dict.fromkeys(turn, moment + 3600))
        turns.append(len(turn))
    assert max(turns) == 1 and sum(turns[:50]) == 50 and 90 <= sum(turns) <= 101


@pytest.mark.parametrize(
    ("before", "now", "ticks", "number"),
    [
        ([], [(2, 900)], 1000, 0),
        ([(2, 100), (3, 100)], [(2, 100), (4, 990)], 1000, 1),
        # None is left, but what is there lives long enough to be seen again.
        ([(2, 100)], [(3, 5000)], 6100, 1),
        # Two that are a second old on the average, after a minute: each lives for two.
        ([(2, 1), (3, 1)], [(8, 5950), (9, 5850)], 6000, 60),
        ([(2, 100), (3, 100)], [], 1000, 2),
        # The number of a process comes back with another one.
        ([(2, 100)], [(2, 200)], 6100, 1),
    ],
)
def test_how_many_workers_have_ended(
    before: list[tuple[int, int]], now: list[tuple[int, int]], ticks: float, number: int
) -> None:
    assert ended(before, now, ticks, 6000) == number


def test_what_systemd_has_told_of_memory() -> None:
    assert killed_in(RECORDS.split("\n")) == {"aa": 64 * MIB, "dd": 0}


@pytest.mark.parametrize(
    ("run", "records", "said"),
    [
        (
            Run("a.service", "aa", 10 * MIB, 50 * MIB, 64 * MIB, True),
            {"aa": 64 * MIB},
            "a.service was killed by the kernel, out of memory (at most 64 MiB in use, MemoryMax= is 64 MiB); it was restarted",
        ),
        # An older systemd does not tell the peak.
        (
            Run("a.service", "aa", 10 * MIB, 50 * MIB, 64 * MIB, True),
            {"aa": 0},
            "a.service was killed by the kernel, out of memory (MemoryMax= is 64 MiB); 10 MiB in its last sample; it was restarted",
        ),
        (Run("a.service", "bb", 63 * MIB, 63 * MIB, 64 * MIB, True), {"aa": 0}, ""),
        (
            Run("a.service", "bb", 58 * MIB, 60 * MIB, 64 * MIB, False),
            None,
            "a.service was probably killed because of its memory: it ended with 58 MiB in use in its last sample, and MemoryMax= is "
            "64 MiB; it was restarted",
        ),
        (Run("a.service", "bb", 57 * MIB, 60 * MIB, 64 * MIB, False), None, ""),
        (Run("a.service", "bb", 57 * MIB, 60 * MIB, 0, False), None, ""),
    ],
)
def test_a_run_that_memory_has_ended(run: Run, records: dict[str, int] | None, said: str) -> None:
    found = ended_by_memory(run, records)
    assert (found.text if found else "") == said
    assert found is None or ("probable" in found.numbers) is not run.is_unified


def test_what_the_kernel_has_counted(tmp_path: Path) -> None:
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "memory.events").write_text("low 0\nhigh 3\nmax 8\noom 2\noom_kill 2\noom_group_kill 0\n")
    (tmp_path / "memory" / "v1").mkdir(parents=True)
    (tmp_path / "memory" / "v1" / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    (tmp_path / "memory" / "v1" / "memory.max_usage_in_bytes").write_text("4096\n")
    assert counters_of("/v2", str(tmp_path)) == Counters(2, 0, True)
    (tmp_path / "v2" / "memory.peak").write_text("8192\n")
    assert counters_of("/v2", str(tmp_path)) == Counters(2, 8192, True)
    assert counters_of("/v1", str(tmp_path)) == Counters(1, 4096, False)
    assert counters_of("/gone", str(tmp_path)) is None
    alert = killed_within("a.service", 2, 8 * MIB, 0)
    assert alert.text == "2 processes of a.service killed by the kernel, out of memory (at most 8 MiB in use)"


def test_a_slow_loop_is_one() -> None:
    def samples(every: int, until: int = 60) -> list[Usage]:
        return [
            Usage("a.service", 60 * minute, f"r{minute // every}", min(minute, until) // every, 1, 1)
            for minute in range(61)
        ]

    found = restarts_often(samples(5))
    assert found is not None and found.text == "a.service was restarted 12 times within an hour, and is again and again"
    assert restarts_often(samples(20)) is None
    # It was one, and is over.
    assert restarts_often(samples(4, 30)) is None


def test_what_is_remembered_comes_back() -> None:
    grows = Alert("a.service", "memory", "text", {"bytes_per_hour": 3})
    watched = Watched(Facts("active", run="r"), "r", 5, workers=((1, 2), (3, 4)), judged=9, grows=grows)
    state = State(7, {"a.service": watched}, {"a.service memory": ("r", 1, 2)}, {"x": 3}, ("y",), ("a.service", "r"))
    assert state_in(state.text) == state
    assert state_in("") == state_in("[]") == state_in("[1, {}]") == State(0, {}, {}, {}, (), ())
    settings = Settings(restart_not_between=((1, 2), (3, 4)), alert_unit="alert@.service")
    assert settings_in(settings.text) == settings and settings_in("{}") == Settings()
    for text in ("", "[]", '{"more": 1}'):
        with pytest.raises(ValueError, match="cannot be understood"):
            settings_in(text)
