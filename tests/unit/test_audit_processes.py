# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as the audit sees them: real ones, started here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_processes
from ansible_collections.stability.baseline.plugins.module_utils.audit_processes import (
    is_python,
    members,
    pythons_below,
    read_main_process,
    read_process,
    runs_python,
    shows_output,
    watch_workers,
)
from ansible_collections.stability.baseline.plugins.module_utils.runtime_place import FOLDER

#: A master that forks a worker, lets another one work and end, has a helper of another kind, and says so.
MASTER = """
import os, subprocess, sys, time
worker = os.fork() or time.sleep(60)
dead = os.fork()
if not dead:
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    os._exit(0)
os.waitpid(dead, 0)
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(worker, helper.pid, flush=True)
time.sleep(60)
"""
#: Starts a worker by multiprocessing again and again, each of which ends at once.
LOOP = """
import multiprocessing, os, time
def work():
    time.sleep(0.3)
    os._exit(1)
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    print("begun", flush=True)
    while True:
        worker = multiprocessing.Process(target=work)
        worker.start()
        worker.join()
"""


@pytest.fixture
def master() -> Iterator[tuple[int, int, int]]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TOKEN": "secret", "PYTHONPATH": f"/srv:{FOLDER}"}
    with subprocess.Popen([sys.executable, "-B", "-c", MASTER], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        worker, helper = map(int, process.stdout.readline().split())
        yield process.pid, worker, helper
        for pid in (worker, helper, process.pid):
            os.kill(pid, 9)


def test_a_process_its_workers_and_what_its_dead_children_took(master: tuple[int, int, int]) -> None:
    main, worker, helper = master
    found = read_process(main, [main, worker, helper, os.getpid()])
    assert found is not None
    assert found.argv[1:] == ("-B", "-c", MASTER)
    assert found.variables is not None and found.variables["PYTHONUNBUFFERED"] == "1" and "TOKEN" not in found.variables
    assert found.variables["PYTHONPATH"] == "/srv"
    assert [one.pid for one in found.workers] == [worker]
    assert 0.25 < found.spent_by_dead < 5
    assert 0 <= found.workers[0].age <= found.age < 30
    time.sleep(0.2)
    later = read_process(main, [])
    assert later is not None and later.age >= found.age + 0.1 and later.workers == ()
    assert runs_python(main)


def test_workers_that_die_are_counted_until_it_is_sure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def children(control_group: str) -> list[int]:
        listed = subprocess.run(
            ["ps", "--ppid", control_group, "-o", "pid="], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in listed.stdout.split()]

    monkeypatch.setattr(audit_processes, "members", children)
    program = tmp_path / "loop.py"
    program.write_text(LOOP)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        begun = time.monotonic()
        assert watch_workers({process.pid: str(process.pid)}) == {process.pid: 2}
        assert time.monotonic() - begun < audit_processes.WATCHED
        process.kill()


def test_workers_that_live_are_watched_to_the_end(
    master: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    main, worker, helper = master
    monkeypatch.setattr(audit_processes, "members", lambda _group: [worker, helper])
    monkeypatch.setattr(audit_processes, "WATCHED", 0.5)
    assert watch_workers({main: ""}) == {main: 0}
    assert watch_workers({}) == {}


@pytest.mark.parametrize(
    ("title", "alike"),
    [("gunicorn: worker [app]", True), ("celery: worker", False), ("sh", False), ("", False)],
)
def test_a_worker_may_have_a_title_of_its_own(tmp_path: Path, title: str, alike: bool) -> None:
    fields = "S {parent} " + "0 " * 17 + "0"
    for pid, parent, words in ((1, 0, "gunicorn: master [app]"), (2, 1, title)):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (x) {fields.format(parent=parent)}")
        (folder / "cmdline").write_text(f"{words}\0" if words else "")
        (folder / "environ").write_text("")
    found = read_process(1, [1, 2], str(tmp_path))
    assert found is not None and [one.pid for one in found.workers] == ([2] if alike else [])


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


@pytest.mark.parametrize(
    ("redirected", "expected"),
    [
        ("", {}),
        (">> {log} 2>&1", {"StandardOutput": "{log}", "StandardError": "{log}"}),
        ("2> /dev/null", {"StandardError": "/dev/null"}),
        ("2> {log}", {"StandardError": "{log}"}),
        ("2>&1", {}),
        ("2>&-", {}),
        ("2> {fifo}", {}),
    ],
)
def test_where_the_output_of_a_process_goes(tmp_path: Path, redirected: str, expected: dict[str, str]) -> None:
    names = {"log": str(tmp_path / "api.log"), "fifo": str(tmp_path / "fifo")}
    os.mkfifo(names["fifo"])
    reader = os.open(names["fifo"], os.O_RDONLY | os.O_NONBLOCK)
    line = f"exec sleep 60 {redirected.format(**names)}"
    with subprocess.Popen(["/bin/sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            wait_until(lambda: has_become(process.pid, "sleep"))
            # While a program starts it opens files of its own, which take the number of what is closed.
            wait_until(lambda: astray(process.pid) == {name: path.format(**names) for name, path in expected.items()})
        finally:
            process.kill()
    os.close(reader)


def astray(pid: int) -> Any:
    found = read_process(pid, [])
    return found and found.astray


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def has_become(pid: int, program: str) -> bool:
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as stream:
        return stream.read().startswith(f"{program}\0")


def children_of(pid: int) -> list[int]:
    """Return the processes below one, over all steps."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(deeper for child in found for deeper in children_of(child))]


#: A Python that says when it runs, and what a shell does that has started one and goes on behind it.
PROGRAM = 'python -c "import time; print(1, flush=True); time.sleep(60)"'


@pytest.mark.parametrize(
    "script",
    [
        f"{PROGRAM}; true",
        f"sleep 60 & {PROGRAM}; true",
        f"cd /; ( {PROGRAM}; true ); true",
        f"/bin/sh -c '{PROGRAM}; true'; true",
        f"{PROGRAM} | cat; true",
        f"exec timeout 60 {PROGRAM}",
        f"exec flock -n lock {PROGRAM}",
        f"flock -n lock {PROGRAM}; true",
    ],
)
def test_the_python_below_a_shell(tmp_path: Path, script: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "PYTHONUNBUFFERED": "x"}
    started = {"cwd": str(tmp_path), "env": environment, "stdout": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(["/bin/sh", "-c", script], **started) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"1\n"
        pids = [process.pid, *children_of(process.pid)]
        found, child = read_main_process(process.pid, pids), pythons_below(process.pid, pids)
        alone = read_main_process(process.pid, [process.pid])
        os.killpg(process.pid, 9)
    assert found is not None and [found.pid] == child[:1] and found.pid in pids[1:]
    assert found.argv[:2] == (str(tmp_path / "bin" / "python"), "-c")
    assert found.folder == ("/" if script.startswith("cd") else str(tmp_path))
    assert found.variables == {"PYTHONUNBUFFERED": "x"}
    assert found.shell is not None and found.age_of_main == found.shell >= found.age
    assert alone is not None and (alone.pid, alone.shell) == (process.pid, None)


def test_a_relative_path_starts_where_the_script_has_gone(tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    script = f"cd {tmp_path}; ./venv/bin/{PROGRAM}; true"
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        found = read_main_process(process.pid, [process.pid, *children_of(process.pid)])
        os.killpg(process.pid, 9)
    assert found is not None and found.argv[0] == str(tmp_path / "venv" / "bin" / "python")


@pytest.mark.parametrize(
    ("argv", "path"),
    [
        (["/usr/bin/env", "python"], "{bin}:/usr/bin:/bin"),
        (["/usr/bin/env", "PATH={bin}:/bin", "python"], "/usr/bin:/bin"),
        (["/usr/bin/env", "bin/python"], "/usr/bin:/bin"),
        (["/usr/bin/env", "python"], "bin:/usr/bin"),
    ],
)
def test_a_python_that_env_has_looked_for(tmp_path: Path, argv: list[str], path: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    given = [word.format(bin=tmp_path / "bin") for word in argv]
    started = {"cwd": str(tmp_path), "env": {"PATH": path.format(bin=tmp_path / "bin")}, "stdout": subprocess.PIPE}
    program = "import time; print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([*given, "-c", program], **started) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"1\n"
        found = read_main_process(process.pid, [process.pid])
        process.kill()
    assert found is not None and found.argv == (str(tmp_path / "bin" / "python"), "-c", program)
    assert (found.shell, found.folder) == (None, "")


@pytest.mark.parametrize(
    ("title", "program"),
    [
        ("gunicorn: master [a/b]", "gunicorn: master [a/b]"),
        ("cat", "/bin/cat"),
        ("/opt/python", "/opt/python"),
        ("", None),
    ],
)
def test_a_title_is_no_program(tmp_path: Path, title: str, program: str | None) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "stat").write_text("1 (x) S 0 " + "0 " * 18)
    (folder / "cmdline").write_text(f"{title}\0" if title else "")
    (folder / "environ").write_text("PATH=/bin\0")
    (folder / "cwd").symlink_to("/")
    found = read_main_process(1, [1], str(tmp_path))
    assert found is not None and found.argv == ((program,) if program else ())


@pytest.mark.parametrize(
    ("started", "found"),
    [
        ("/opt/venv/bin/python3.11", True),
        ("python", True),
        ("/bin/sh", False),
        ("gunicorn: master [a]", None),
        ("", None),
    ],
)
def test_without_rights_what_a_process_was_started_by_tells_whether_it_is_a_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: str, found: bool | None
) -> None:
    def refused(_path: str) -> str:
        raise PermissionError

    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "cmdline").write_text(f"{started}\0" if started else "")
    assert runs_python(1, str(tmp_path)) is None
    monkeypatch.setattr(audit_processes.os, "readlink", refused)
    assert runs_python(1, str(tmp_path)) is found


def test_where_output_goes_can_be_seen_of_processes_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shows_output(os.getpid()) and shows_output(1, str(tmp_path))

    def refused(_path: str) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(audit_processes.os, "listdir", refused)
    assert not shows_output(1)


def test_what_a_python_starts_is_not_below_a_shell(master: tuple[int, int, int]) -> None:
    main, worker, helper = master
    assert pythons_below(main, [main, worker, helper]) == []
    found = read_main_process(main, [main, worker, helper])
    assert found is not None and (found.pid, found.shell, found.folder) == (main, None, "")
