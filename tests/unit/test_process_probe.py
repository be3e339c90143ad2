# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running processes are asked about themselves: a real Python with the runtime, and what may stand in its place."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import process_probe
from ansible_collections.stability.baseline.plugins.module_utils.process_probe import Answer, ask_all
from ansible_collections.stability.baseline.plugins.module_utils.runtime_files import files

IDLE = "import time\nprint('up', flush=True)\ntime.sleep(60)\n"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runtime")
    for path, text in files().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "probe"
    found.mkdir()
    return found


@contextmanager
def running(runtime, folder, program, lines=1):
    """Run a program with the runtime; yield the words of the first lines that it prints."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(runtime), "STABILITY_PROBE": str(folder)}
    started = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield started, [started.stdout.readline().split() for _line in range(lines)]
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


def ask(folder, pids, question="logging"):
    return ask_all(str(folder), pids, question, "token-1")


def test_a_process_shows_its_loggers(runtime, folder):
    program = f"import logging\nlogging.basicConfig(level='ERROR')\nlogging.getLogger('a.b').propagate = False\n{IDLE}"
    with running(runtime, folder, program) as (started, _lines):
        (answer,) = ask(folder, [started.pid])
    assert answer.pid == started.pid
    root, one = answer.content["loggers"]
    assert (root["name"], root["level"], [handler["level"] for handler in root["handlers"]]) == ("root", 40, [0])
    assert (one["name"], one["propagate"]) == ("a.b", False)
    assert answer.content["last_resort"] == 30


def test_a_process_makes_a_record_at_each_level_of_each_logger(runtime, folder):
    program = (
        "import logging, sys\nlogging.basicConfig(level='INFO', stream=sys.stdout)\n"
        f"logging.getLogger('quiet').setLevel('ERROR')\nlogging.getLogger('of.nobody')\n{IDLE}"
    )
    with running(runtime, folder, program) as (started, _lines):
        (answer,) = ask(folder, [started.pid], "canary")
        shown = [started.stdout.readline().strip() for _line in range(6)]
    levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    assert answer.content["records"] == [["logging", name, level, ""] for name in ("root", "quiet") for level in levels]
    assert shown == [
        f"{level}:{name}:stability canary token-1-{started.pid}: {level} of {name}; this is a test of logging, nothing is wrong"
        for name, level in [*(("root", level) for level in levels[1:]), *(("quiet", level) for level in levels[3:])]
    ]


def test_what_a_filter_raises_is_told(runtime, folder):
    program = f"import logging\nlogging.root.addFilter(lambda record: 1 / 0)\nlogging.root.setLevel('ERROR')\n{IDLE}"
    with running(runtime, folder, program) as (started, _lines):
        (answer,) = ask(folder, [started.pid], "canary")
    assert [row[2:] for row in answer.content["records"]] == [
        *(["DEBUG", ""], ["INFO", ""], ["WARNING", ""]),
        *(["ERROR", "ZeroDivisionError"], ["CRITICAL", "ZeroDivisionError"]),
    ]


def test_each_process_after_a_fork_has_its_own_socket_which_only_its_user_can_open(runtime, folder):
    program = f"import os\nchild = os.fork()\nprint('pid', os.getpid(), flush=True)\n{IDLE}"
    with running(runtime, folder, program, 4) as (_started, lines):
        pids = [int(words[1]) for words in lines if words[0] == "pid"]
        assert {int(path.name) for path in folder.iterdir()} == set(pids)
        assert [answer.pid for answer in ask(folder, pids) if answer.content] == pids
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        assert ask(folder, pids[1:2]) != [] and ask(folder, [1]) == []


def test_a_process_that_closes_all_descriptors_keeps_its_own(runtime, folder):
    program = (
        "import os, socket, time\nos.closerange(3, 64)\nours, other = socket.socketpair()\n"
        "print('up', flush=True)\ntime.sleep(2)\nother.setblocking(False)\n"
        "try:\n    print(repr(other.recv(9)), flush=True)\nexcept BlockingIOError:\n    print('nothing', flush=True)\n"
    )
    with running(runtime, folder, program) as (started, _lines):
        for _try in range(3):
            deadline = time.monotonic() + 10
            # It makes a new socket after the first answer.
            while not ask(folder, [started.pid]):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert started.stdout.readline() == "nothing\n"


def test_sockets_of_processes_that_are_gone_are_removed(runtime, folder):
    with running(runtime, folder, IDLE) as (first, _lines):
        pass
    assert [path.name for path in folder.iterdir()] == [str(first.pid)]
    assert ask(folder, [first.pid]) == []
    with running(runtime, folder, IDLE) as (second, _lines):
        assert [path.name for path in folder.iterdir()] == [str(second.pid)]


def test_without_its_folder_the_program_goes_on(runtime, tmp_path):
    environment = {"PYTHONPATH": str(runtime), "STABILITY_PROBE": str(tmp_path / "missing")}
    done = subprocess.run(
        [sys.executable, "-c", "print(1)"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "1\n"
    assert done.stderr.startswith("stability: this process cannot be asked: FileNotFoundError: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("sent", "trouble"),
    [
        (b"", "it has gone away before it answered"),
        (b"{\n", "what it answers is no JSON"),
        (b"[1]\n", "it answers: [1]"),
        (b"[" * 100_000 + b"\n", "what it answers is no JSON"),
        (b'{"error": "KeyError: 1"}\n', "it answers: KeyError: 1"),
        (None, "it does not answer"),
    ],
)
def test_what_is_no_answer_is_told(folder, monkeypatch, sent, trouble):
    monkeypatch.setattr(process_probe, "PATIENCE", 0.3)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / str(os.getpid())))
        listening.listen()

        def serve():
            asked, _address = listening.accept()
            with asked:
                asked.recv(4096)
                if sent is None:
                    time.sleep(0.6)
                else:
                    asked.sendall(sent)

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask(folder, [os.getpid()]) == [Answer(os.getpid(), None, trouble)]
        thread.join()


def test_what_stands_in_place_of_a_socket_is_left_alone(folder, tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        (folder / "17").symlink_to(tmp_path / "other")
        (folder / "18").write_text("")
        assert ask(folder, [17, 18, 19]) == []
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_question_that_nobody_knows_is_told(runtime, folder):
    with running(runtime, folder, IDLE) as (started, _lines):
        assert ask(folder, [started.pid], "weather") == [Answer(started.pid, None, "it answers: KeyError")]
