# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of a host that was set up the way popular texts do it, with real servers."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

import testhosts
from releases import RELEASES
from units import wait_for
from wheelhouse import wheelhouse

ROOT = "/opt/popular"
BIN = f"{ROOT}/venv/bin"
UNITS = {
    # A tutorial's unit for gunicorn: no restart policy at all.
    "gunicorn": f"""\
        [Unit]
        Description=gunicorn daemon
        After=network.target

        [Service]
        User=www-data
        WorkingDirectory={ROOT}
        ExecStart={BIN}/gunicorn --workers 2 --bind 127.0.0.1:8001 good:app

        [Install]
        WantedBy=multi-user.target
        """,
    # The limit is turned off under its old name, and is off.
    "legacy": f"""\
        [Service]
        Environment=PYTHONUNBUFFERED=1
        ExecStart={BIN}/gunicorn --bind 127.0.0.1:8002 good:app
        WorkingDirectory={ROOT}
        User=www-data
        Restart=always
        RestartSec=1
        StartLimitInterval=0
        MemoryMax=256M

        [Install]
        WantedBy=multi-user.target
        """,
    # Meant to turn the limit off; there it has no effect, and with the default delay five starts fit into it.
    "misplaced": f"""\
        [Service]
        Environment=PYTHONUNBUFFERED=1
        ExecStart={BIN}/gunicorn --bind 127.0.0.1:8003 good:app
        WorkingDirectory={ROOT}
        User=www-data
        Restart=always
        RestartSec=1
        StartLimitIntervalSec=0
        MemoryMax=256M

        [Install]
        WantedBy=multi-user.target
        """,
    # uvicorn ends with 0 on SIGTERM, which on-failure takes for the end.
    "uvicorn": f"""\
        [Service]
        ExecStart={BIN}/uvicorn --port 8004 asgi:app
        WorkingDirectory={ROOT}
        User=www-data
        Restart=on-failure
        RestartSec=5s

        [Install]
        WantedBy=multi-user.target
        """,
    # The application cannot be imported: workers die and are started again, for ever.
    "workers": f"""\
        [Unit]
        StartLimitIntervalSec=0

        [Service]
        Environment=PYTHONUNBUFFERED=1
        ExecStart={BIN}/uvicorn --port 8005 --workers 2 broken:app
        WorkingDirectory={ROOT}
        User=www-data
        Restart=always
        RestartSec=5s
        MemoryMax=256M

        [Install]
        WantedBy=multi-user.target
        """,
}
FILES = {
    "good.py": "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'good']\n",
    "asgi.py": "async def app(scope, receive, send):\n    pass\n",
    "broken.py": "import nowhere\n",
}
#: Seconds after which workers that are all new count as a loop, and some more.
OLD_ENOUGH = 75


@pytest.fixture(scope="module")
def popular(make_host):
    lock = Path(__file__).with_name("anchors.txt")
    host = make_host("anchors", wheelhouse=str(wheelhouse(lock, RELEASES[testhosts.DEFAULT_RELEASE])))
    host.check(f"mkdir {ROOT} && /usr/bin/python3 -m venv {ROOT}/venv")
    host.check(f"{BIN}/pip install --quiet --no-index --find-links {testhosts.WHEELHOUSE} gunicorn uvicorn")
    for name, text in FILES.items():
        host.put(f"{ROOT}/{name}", text)
    for name, text in UNITS.items():
        host.put(f"/etc/systemd/system/{name}.service", textwrap.dedent(text))
    host.check("systemctl daemon-reload")
    host.check(["systemctl", "enable", "--now", *UNITS])
    host.begun = time.monotonic()
    return host


def found(host):
    """Return the rules of each unit's findings, with the severity of those that are milder than their rule."""
    result = host.module("baseline_info", {})
    rules = {}
    for one in result["findings"]:
        rules.setdefault(one["subject"], []).append(one["id"] + (" told" if one["severity"] == "info" else ""))
    return rules


@pytest.mark.parametrize(
    ("unit", "rules"),
    [
        ("gunicorn", ["SB101", "SB202", "SB304 told"]),
        ("legacy", ["SB104 told"]),
        ("misplaced", ["SB103", "SB104"]),
        ("uvicorn", ["SB101", "SB202", "SB304 told"]),
    ],
)
def test_a_unit_from_a_tutorial_is_judged_right(popular, unit, rules):
    assert found(popular).get(f"{unit}.service") == rules


def test_a_volatile_journal_is_found(popular):
    assert "systemd-journald.service" not in found(popular)
    popular.put("/etc/systemd/journald.conf.d/volatile.conf", "[Journal]\nStorage=volatile\n")
    popular.check("systemctl restart systemd-journald")
    try:
        wait_for(lambda: found(popular).get("systemd-journald.service") == ["SB207"])
    finally:
        popular.check("rm /etc/systemd/journald.conf.d/volatile.conf && systemctl restart systemd-journald")
        popular.check("journalctl --flush")


def test_dropped_messages_are_found(popular):
    limited = "systemd-run --quiet --wait -p LogRateLimitIntervalSec=5s -p LogRateLimitBurst=10 --unit burst"
    popular.check(f"{limited} /usr/bin/python3 -c 'for number in range(1000): print(number, flush=True)'")
    # journald tells of what it has dropped with the next message after the interval.
    popular.check(f"sleep 6; {limited} /bin/echo again; journalctl --sync")
    (dropped,) = [one for one in popular.module("baseline_info", {})["findings"] if one["id"] == "SB207"]
    assert dropped["seen"].endswith(" of burst.service")


def test_workers_that_die_under_a_living_master_are_found(popular):
    time.sleep(max(0.0, popular.begun + OLD_ENOUGH - time.monotonic()))
    state = popular.check(["systemctl", "show", "-p", "ActiveState,NRestarts", "--value", "workers"])
    assert sorted(state.split()) == ["0", "active"]
    assert found(popular).get("workers.service") == ["SB106"]
