# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running systemd_units on a host, and asking its systemd about units."""

from __future__ import annotations

import time

from ansible_collections.stability.baseline.plugins.module_utils.runtime_files import files

SLEEP = {"user": "tester", "exec_start": ["/bin/sleep", "infinity"], "settle_sec": 0}


def service(name, **keys):
    return {"name": name, **SLEEP, **keys}


def units_of(services):
    """Return the options of systemd_units as its action hands them over."""
    with_runtime = any({"logging", "probe"} & one.keys() for one in services)
    return {"services": services, **({"runtime": files()} if with_runtime else {})}


def apply(host, services, **options):
    return host.module("systemd_units", units_of(services), **options)


def applied(host, services):
    """Let check mode predict, run, and hold the two against each other; a second run must change nothing."""
    predicted = apply(host, services, check=True, diff=True)
    result = apply(host, services, diff=True)
    assert not result.get("failed"), result["msg"]
    for key in ("changed", "actions", "started", "restarted", "stopped", "diff"):
        assert predicted[key] == result[key], key
    again = apply(host, services, diff=True)
    assert (again["changed"], again["actions"], again["diff"]) == (False, [], [])
    return result


def properties(host, unit, *names):
    printed = host.run(["systemctl", "show", "-p", ",".join(names), unit])[1]
    found = dict(line.split("=", 1) for line in printed.splitlines())
    return [found[name] for name in names]


def pids(host, *units):
    return {unit: properties(host, unit, "MainPID")[0] for unit in units}


def wait_for(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
