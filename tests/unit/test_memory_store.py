# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples are kept within their bounds, and whole, whenever the process that writes them is killed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.memory_history import read_peaks
from ansible_collections.stability.baseline.plugins.module_utils.memory_store import Store, Usage

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024**2
WRITER = """
import itertools, sys
from ansible_collections.stability.baseline.plugins.module_utils.memory_store import Store, Usage
store = Store(sys.argv[1], 1000, 10**9)
for moment in itertools.count(int(sys.argv[2])):
    store.add(Usage(f"s{number}.service", moment, "run", 0, moment, number) for number in range(30))
    print(moment, flush=True)
"""


def usage(moment: int, unit: str = "api.service", used: int = 1) -> Usage:
    return Usage(unit, moment, "a1", 2, used, 3, 4, 5, 6, 7)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "samples.sqlite")


def test_what_is_kept_comes_back(path: str) -> None:
    store = Store(path, 7, 10 * MIB)
    store.add([usage(10), usage(10, "web.service")])
    store.add([usage(70, used=9), usage(70, used=8)])
    store.add([])
    store.close()
    assert os.stat(path).st_mode & 0o777 == 0o600
    again = Store(path, 7, 10 * MIB)
    assert again.units() == ["api.service", "web.service"]
    # Two of one moment are one.
    assert list(again.of("api.service")) == [usage(10), usage(70, used=8)]
    assert list(again.of("api.service", since=11)) == [usage(70, used=8)] and list(again.of("gone.service")) == []


def test_what_is_too_old_is_forgotten_with_its_unit(path: str) -> None:
    store = Store(path, 1, 10 * MIB)
    store.add([usage(0, "gone.service"), usage(0)])
    store.add([usage(86401)])
    assert (store.units(), list(store.of("api.service"))) == (["api.service"], [usage(86401)])


def test_the_file_stays_within_its_size_and_the_newest_samples_stay(path: str) -> None:
    store = Store(path, 1000, MIB // 2)
    for moment in range(0, 60 * 1000, 60):
        store.add([usage(moment, f"service-{number}.service") for number in range(50)])
        assert os.path.getsize(path) < 1.2 * MIB // 2 or moment < 60
    kept = [one.moment for one in store.of("service-7.service")]
    assert kept[-1] == 60 * 999 and len(kept) > 50 and kept == list(range(kept[0], 60 * 1000, 60))


def test_notes_are_kept_with_a_round(path: str) -> None:
    store = Store(path, 7, MIB)
    assert store.note("state") == ""
    store.add([usage(1)], {"state": "one", "other": "x"})
    store.add([], {"state": "two"})
    assert (store.note("state"), store.note("other")) == ("two", "x")
    store.add([usage(70, used=9), Usage("down.service", 70, "a1", 2, 99, 0)])
    assert read_peaks(path) == ({"api.service": (9, 2, 69)}, "two")


def test_what_a_clock_that_was_ahead_has_left_is_forgotten(path: str) -> None:
    store = Store(path, 7, MIB)
    store.add([usage(10), usage(5000)])
    store.forget_after(20)
    assert list(store.of("api.service")) == [usage(10)]


def test_another_form_is_forgotten(path: str) -> None:
    store = Store(path, 7, MIB)
    store.add([usage(1)])
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    assert Store(path, 7, MIB).units() == []


def test_rounds_are_whole_whenever_the_writer_is_killed(path: str) -> None:
    told = 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".cache" / "collections")}
    for turn in range(8):
        command = [sys.executable, "-c", WRITER, path, str(told + 1)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert writer.stdout is not None and writer.stdout.readline()
        time.sleep(0.02 + 0.013 * turn)
        writer.kill()
        lines = writer.stdout.read().split()
        writer.wait()
        store = Store(path, 1000, 10**9)
        moments = {unit: [one.moment for one in store.of(unit)] for unit in store.units()}
        told = max(moments["s0.service"])
        assert len(moments) == 30 and all(found == list(range(1, told + 1)) for found in moments.values())
        assert not lines or told >= int(lines[-1])
        store.close()
