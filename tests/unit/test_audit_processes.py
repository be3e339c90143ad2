# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as the audit sees them: real ones, started here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_processes import (
    is_python,
    members,
    read_process,
    runs_python,
)

#: A master that starts a worker, lets another one work and end, and says so.
MASTER = """
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
subprocess.run([sys.executable, "-c", "import time\\nend = time.process_time() + 0.3\\nwhile time.process_time() < end: pass"])
print(worker.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def master() -> Iterator[tuple[int, int]]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TOKEN": "secret"}
    with subprocess.Popen([sys.executable, "-B", "-c", MASTER], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        yield process.pid, worker
        os.kill(worker, 9)
        process.kill()


def test_a_process_its_workers_and_what_its_dead_children_took(master: tuple[int, int]) -> None:
    main, worker = master
    found = read_process(main, [main, worker, os.getpid()])
    assert found is not None
    assert found.argv[1:] == ("-B", "-c", MASTER)
    assert found.variables is not None and found.variables["PYTHONUNBUFFERED"] == "1" and "TOKEN" not in found.variables
    assert [one.pid for one in found.workers] == [worker]
    assert 0.25 < found.spent_by_dead < 5
    assert 0 <= found.workers[0].age <= found.age < 30
    time.sleep(0.2)
    later = read_process(main, [])
    assert later is not None and later.age >= found.age + 0.1 and later.workers == ()
    assert runs_python(main)


def test_a_process_that_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    assert read_process(process.pid, []) is None and runs_python(process.pid) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"#!/opt/api/venv/bin/python\nimport sys\n", True),
        (b"#!/usr/bin/env python3\n", True),
        (b"#!/usr/bin/env -S python3 -u\n", True),
        (b"#! /usr/bin/python3.11 -I\n", True),
        (b"#!/bin/sh\n'''exec' /opt/a/very/long/path/bin/python \"$0\" \"$@\"\n' '''\n", True),
        (b"#!/bin/sh\nexec python3 app.py\n", False),
        (b"#!/usr/bin/pythonic\n", False),
        (b"\x7fELF", False),
    ],
)
def test_programs_that_a_python_runs(tmp_path: Path, text: bytes, expected: bool) -> None:
    program = tmp_path / "program"
    program.write_bytes(text)
    assert is_python(str(program)) is expected


def test_a_link_to_a_python_is_one(tmp_path: Path) -> None:
    (tmp_path / "venv-python").symlink_to(os.path.realpath(sys.executable))
    assert is_python(str(tmp_path / "venv-python"))
    assert not is_python(str(tmp_path / "nothing")) and not is_python("/bin/sh")


def test_the_members_of_a_control_group(tmp_path: Path) -> None:
    for hierarchy in ("", "systemd"):
        folder = tmp_path / hierarchy / f"system.slice/{hierarchy or 'v2'}.service"
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").write_text("11\n12\n")
    assert members("/system.slice/v2.service", str(tmp_path)) == [11, 12]
    assert members("/system.slice/systemd.service", str(tmp_path)) == [11, 12]
    assert members("/system.slice/none.service", str(tmp_path)) == []
