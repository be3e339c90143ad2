# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What control groups and processes have in use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.memory_usage import GroupUse, group_use, process_use

MIB = 1024**2
#: Takes 64 MiB of its own, has three more threads and five more open files.
PROGRAM = """
import sys, threading, time
held = bytearray(b"x") * (64 << 20)
for _number in range(3):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
files = [open("/dev/null") for _number in range(5)]
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def running() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    yield process.pid
    process.kill()
    process.wait()


def put(root: Path, group: str, **files: str) -> None:
    folder = root / group
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_process(running: int) -> None:
    found, bare = process_use(running), process_use(os.getpid())
    assert found is not None and bare is not None
    assert 64 * MIB < found.anonymous < 100 * MIB and found.resident > found.anonymous
    assert (found.threads, found.files) == (4, 8)
    assert found.started >= bare.started


def test_a_process_that_is_gone(tmp_path: Path) -> None:
    assert process_use(1, str(tmp_path)) is None
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "stat").write_text("1 (x) Z 0")
    assert process_use(1, str(tmp_path)) is None


@pytest.mark.parametrize(
    ("base", "memory", "files"),
    [
        ("", "", {"memory__current": "500", "memory__stat": "anon 300\nfile 100\n"}),
        ("systemd/", "memory/", {"memory__usage_in_bytes": "500", "memory__stat": "rss 1\ntotal_rss 300\n"}),
        ("unified/", "memory/", {"memory__usage_in_bytes": "500", "memory__stat": "total_rss 300\n"}),
    ],
)
def test_what_the_kernel_accounts_for(
    tmp_path: Path, running: int, base: str, memory: str, files: dict[str, str]
) -> None:
    put(tmp_path, f"{base}system.slice/api.service", cgroup__procs="")
    put(tmp_path, f"{base}system.slice/api.service/worker", cgroup__procs=f"{running}\n999999999\n")
    put(tmp_path, f"{memory}system.slice/api.service", **files)
    found = group_use("/system.slice/api.service", str(tmp_path))
    assert isinstance(found, GroupUse) and (found.used, found.anonymous) == (500, 300)
    assert [one.pid for one in found.processes] == [running]


def test_without_an_account_the_processes_are_added_up(tmp_path: Path, running: int) -> None:
    put(tmp_path, "systemd/system.slice/api.service", cgroup__procs=f"{running}\n")
    found = group_use("/system.slice/api.service", str(tmp_path))
    assert found is not None and found.used == found.processes[0].resident > 64 * MIB
    assert found.anonymous == found.processes[0].anonymous


@pytest.mark.parametrize("group", ["", "/system.slice/down.service"])
def test_where_nothing_runs_nothing_is_in_use(tmp_path: Path, group: str) -> None:
    assert group_use(group, str(tmp_path)) is None
