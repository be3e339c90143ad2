# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service comes back after every end; the same program under a bare unit stays dead, or is given up."""

from __future__ import annotations

import time

import pytest
from support import wait_for

from cgroups import MEMORY_LIMITS

MARGIN = 5.0
"""Seconds that a process may take from the end of ``RestartSec=`` until it answers, on a busy machine of two cores."""

SIGNALS = ("SIGKILL", "SIGSEGV", "SIGABRT", "SIGTERM")
STATUSES = ("exit 0", "exit 1")
DAEMONS = ("web", "worker", "crasher", "capped")
ASK_WEB = "/usr/bin/python3 -c \"import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/healthz').read())\""


def end(node, unit, ending):
    if ending in SIGNALS:
        node.kill(unit, ending)
    else:
        node.tell(unit, ending)


@pytest.mark.parametrize("ending", [*SIGNALS, *STATUSES])
def test_it_comes_back_after_every_end(node, control, ending):
    bare = control("bare.service")
    pid, restarts = node.show("worker.service", "MainPID", "NRestarts")
    for unit in ("worker.service", bare):
        end(node, unit, ending)
    node.comes_back("worker.service", int(pid), 1.0 + MARGIN)
    assert node.show("worker.service", "NRestarts") == [str(int(restarts) + 1)]
    assert node.pid(bare) == 0
    assert node.state(bare) == ("inactive" if ending in ("SIGTERM", "exit 0") else "failed")


def test_the_web_service_answers_again_after_the_default_pause(node):
    pid = node.pid("web.service")
    node.kill("web.service", "SIGKILL")
    killed = time.monotonic()
    wait_for("the web service answers", lambda: node.host.run(ASK_WEB).rc == 0, 5.0 + MARGIN)
    assert time.monotonic() - killed > 5.0
    assert node.pid("web.service") not in (0, pid)


@pytest.mark.needs(MEMORY_LIMITS)
def test_an_allocation_over_the_cap_ends_it_and_it_comes_back(node):
    capped, uncapped = node.pid("capped.service"), node.pid("worker.service")
    assert node.tell("worker.service", "allocate 128") == uncapped
    assert node.tell("capped.service", "allocate 16") == capped
    assert node.tell("capped.service", "allocate 128") == 0
    node.comes_back("capped.service", capped, 1.0 + MARGIN)
    assert node.pid("worker.service") == uncapped


def killed_again_and_again(node, unit):
    """Kill a unit eight times, each time as soon as it is back; return how often it came back and the seconds."""
    count, seconds = node.run("/usr/bin/python3 /opt/shop/src/kill_again.py %s 8", unit).split()
    return int(count), float(seconds)


def test_the_start_limit_is_off(node, control):
    limited, since = "limited.service", node.now()
    came_back, seconds = killed_again_and_again(node, "crasher.service")
    assert came_back == 8
    assert seconds < 10, "too slow for systemd's own limit of five starts in ten seconds, which this is about"
    # systemd counts from the first start on, and anew ten seconds later: each try begins with a start. On a machine that is busy
    # with other hosts it may come back too slowly for the limit; then once more.
    tries = (killed_again_and_again(node, control(limited)) for _try in range(3))
    assert next((count for count, seconds in tries if count < 8 or seconds < 10), None) in range(5)
    assert node.state(limited) == "failed"
    assert any("Start request repeated too quickly" in line for line in node.records(since, f"UNIT={limited}"))


@pytest.mark.parametrize("name", DAEMONS)
def test_systemd_says_that_it_never_gives_up(node, name):
    shown = node.show(f"{name}.service", "Restart", "StartLimitIntervalUSec", "ActiveState", "UnitFileState")
    assert shown == ["always", "0", "active", "enabled"]
