# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose processes listen on a port."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.health import Health
from ansible_collections.stability.baseline.plugins.module_utils.listeners import (
    is_inside,
    listening_groups,
    listening_sockets,
)

LISTENS = "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000 100 0 0 10 0"
TALKS = "   1: 0100007F:1F40 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000 20 4 30 10 -1"
SIXTH = (
    "   0: 00000000000000000000000001000000:1F41 00000000000000000000000000000000:0000 0A 00000000:00000000"
    " 00:00000000 00000000     0        0 4713 1 0000 100 0 0 10 0"
)


@pytest.mark.parametrize(
    ("ports", "sockets"),
    [({8000}, {"4711": 8000}), ({8000, 8001}, {"4711": 8000, "4713": 8001}), ({80}, {}), (set(), {})],
)
def test_the_sockets_that_listen(ports, sockets):
    assert listening_sockets([LISTENS, TALKS, SIXTH, ""], ports) == sockets


def test_our_own_port_is_held_by_our_own_control_group():
    with open("/proc/self/cgroup", encoding="utf-8") as stream:
        own = {line.strip().split(":", 2)[2] for line in stream}
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, silent = server.getsockname()[1], free.getsockname()[1]
        groups = listening_groups({port, silent})
    assert len(groups[port]) == 1
    assert groups[port] <= own
    assert groups[silent] == set()
    assert listening_groups(set()) == {}


@pytest.mark.parametrize(
    ("group", "control_group", "inside"),
    [
        ("/system.slice/web.service", "/system.slice/web.service", True),
        ("/system.slice/web.service/worker", "/system.slice/web.service", True),
        ("/machine.slice/one.scope/system.slice/web.service", "/system.slice/web.service", True),
        ("/system.slice/web.service-2", "/system.slice/web.service", False),
        ("/system.slice/nginx.service", "/system.slice/web.service", False),
        ("/system.slice/web.service", "", False),
        ("", "/system.slice/web.service", False),
    ],
)
def test_is_inside(group, control_group, inside):
    assert is_inside(group, control_group) is inside


@pytest.mark.parametrize(
    ("health", "port"),
    [
        (Health(http="http://127.0.0.1:8000/x"), 8000),
        (Health(http="http://[::1]/"), 80),
        (Health(http="https://api.example.com"), 443),
        (Health(tcp=("127.0.0.1", 5432)), 5432),
        (Health(command=("/bin/true",)), 0),
    ],
)
def test_the_port_that_is_asked(health, port):
    assert health.port == port
