# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a unit counts as up, from what systemd and the service itself say."""

from __future__ import annotations

import http.server
import os
import pwd
import socket
import threading
import time
from contextlib import suppress

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import health, settle
from ansible_collections.stability.baseline.plugins.module_utils.health import Health, ask
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services

ME = pwd.getpwuid(os.geteuid()).pw_name
UP = {
    "ActiveState": "active",
    "SubState": "running",
    "MainPID": "7",
    "NRestarts": "0",
    "ExecMainCode": "0",
    "ExecMainStatus": "0",
    "ActiveEnterTimestampMonotonic": "100000000",
}
DEAD = {**UP, "ActiveState": "activating", "SubState": "auto-restart", "ExecMainCode": "1", "ExecMainStatus": "3"}


def watch(**keys: object) -> settle._Watch:
    service = parse_services([{"name": "a", "user": "a", "exec_start": ["/a"], **keys}])[0]
    return settle._Watch("a.service", service, since=100.0)


#: (the states of a unit and the time of each look, what the last look says).
PLAIN = {
    "up long enough": ([(UP, 108.0)], "done"),
    "not yet": ([(UP, 107.9)], "pending"),
    "still starting": ([({**UP, "ActiveState": "activating", "SubState": "start"}, 150.0)], "pending"),
    "ended with a status": ([(UP, 101.0), (DEAD, 102.0)], "did not stay up: its process exited with status 3"),
    "ended by a signal": (
        [({**DEAD, "ExecMainCode": "2", "ExecMainStatus": "9"}, 101.0)],
        "did not stay up: its process was ended by SIGKILL",
    ),
    "never started": ([({**DEAD, "ExecMainCode": "0"}, 101.0)], "did not stay up: no process could be started"),
    "restarted between two looks": (
        [({**UP, "NRestarts": "1"}, 101.0)],
        "did not stay up: its main process ended and was started again",
    ),
    "another process": (
        [(UP, 101.0), ({**UP, "MainPID": "8"}, 102.0)],
        "did not stay up: its main process ended and was started again",
    ),
}


@pytest.mark.parametrize("case", PLAIN)
def test_a_plain_daemon(case):
    looks, expected = PLAIN[case]
    one = watch()
    for state, now in looks:
        settle._judge_plain(one, state, now)
    assert (one.failure or ("done" if one.done else "pending")) == expected


def test_a_daemon_that_need_not_settle_is_done_at_once():
    one = watch(settle_sec=0)
    settle._judge_plain(one, UP, 100.0)
    assert one.done


HEALTH = {
    "answered twice, a second apart": ([(UP, "", 101.0), (UP, "", 102.1)], "done"),
    "answered twice too fast": ([(UP, "", 101.0), (UP, "", 101.5)], "pending"),
    "another process answered": ([(UP, "", 101.0), ({**UP, "MainPID": "8"}, "", 102.1)], "pending"),
    "failed in between": ([(UP, "", 101.0), (UP, "refused", 101.5), (UP, "", 102.1)], "pending"),
    "a restart is allowed until the time is up": ([(DEAD, None, 101.0), (UP, "", 105.0), (UP, "", 106.1)], "done"),
    "answered first when the time was nearly up": ([(UP, "", 129.9), (UP, "", 131.0)], "done"),
    "each process answered once, the time is up": (
        [(UP, "", 126.0), (DEAD, None, 129.0), ({**UP, "MainPID": "8"}, "", 131.0)],
        "did not become healthy within 30 s (tcp a:1): its process exited with status 3",
    ),
    "never answered": (
        [(UP, "refused", 131.0)],
        "did not become healthy within 30 s (tcp a:1): refused",
    ),
    "never up": (
        [(DEAD, None, 131.0)],
        "did not become healthy within 30 s (tcp a:1): its process exited with status 3",
    ),
}


@pytest.mark.parametrize("case", HEALTH)
def test_a_daemon_with_a_health_check(case):
    looks, expected = HEALTH[case]
    one = watch(health={"tcp": "a:1"})
    for state, complaint, now in looks:
        settle._judge_health(one, one.service.health, state, complaint, now)
    assert (one.failure or ("done" if one.done else "pending")) == expected


def test_an_answer_of_somebody_else_must_go_on_for_longer():
    one = watch(health={"tcp": "a:1"})
    for now in (101.0, 104.0, 108.9):
        settle._judge_health(one, one.service.health, UP, "", now, apart=8.0)
        assert one.pending
    settle._judge_health(one, one.service.health, UP, "", 109.0, apart=8.0)
    assert one.done


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def port():
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "answer"), [(200, ""), (302, ""), (404, "answered with status 404"), (503, "answered with status 503")]
)
def test_http(port, status, answer):
    assert ask(Health(http=f"http://127.0.0.1:{port}/{status}"), ME) == answer


def test_tcp(port):
    assert ask(Health(tcp=("127.0.0.1", port)), ME) == ""


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        taken = free.getsockname()[1]
    assert "refused" in ask(Health(tcp=("127.0.0.1", taken)), ME)
    assert "refused" in ask(Health(http=f"http://127.0.0.1:{taken}/"), ME)


def test_a_server_that_sends_a_byte_now_and_then_does_not_hold_the_run(monkeypatch):
    monkeypatch.setattr(health, "_TRY", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip():
            with suppress(OSError), listening.accept()[0] as connection:
                while True:
                    connection.send(b"H")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        assert ask(Health(http=url), ME) == "gave no whole answer within 1 s"
    assert time.monotonic() - began < 3


def test_a_command_that_leaves_a_process_behind_does_not_hold_the_run(monkeypatch):
    monkeypatch.setattr(health, "_COMMAND_TRY", 1.0)
    began = time.monotonic()
    command = ("/bin/sh", "-c", "setsid sleep 8 & exit 0")
    assert ask(Health(command=command), ME) == ""
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (("/bin/true",), ""),
        (("/bin/false",), "/bin/false ended with status 1"),
        (("/bin/missing",), f"/bin/missing cannot be run as {ME}: No such file or directory"),
    ],
)
def test_command(command, answer):
    assert ask(Health(command=command), ME) == answer
