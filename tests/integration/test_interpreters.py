# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service on each Python: deployed with an environment of its own, killed, back again, its records in the journal.

The Pythons of this machine are used, on one host that sees them at their own path; what the machine has not may be a release's own.
"""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.stability.baseline.tests.matrix import matrix, pythons
from pip_pinned_environments import wheel

import cgroups
from releases import DEFAULT_RELEASE, RELEASES
from reporting import tell

APPLY = "stability.baseline.apply"
WHEELS = "/opt/wheels"
#: It logs and prints which Python it is, and waits; what it printed is lost when it is killed, unless the baseline holds.
PROGRAM = """
import logging, one, platform, time
logging.basicConfig(level=logging.INFO)
logging.info("logged by %s with one %s", platform.python_version(), one.version)
print("printed by", platform.python_version())
time.sleep(10**6)
"""
RECORDS = ["INFO:root:logged by {version} with one 1", "printed by {version}"]


class Place(NamedTuple):
    """Where a Python runs: a release, the path of the interpreter there, and the folder that is mounted for it."""

    release: str
    interpreter: str
    mount: str


def place_of(version: str) -> Place | str:
    """Return where a Python of this version runs, or why it does not."""
    owners = [release for release in RELEASES.values() if release.python == version and not cgroups.obstacle(release)]
    own = {release.name: Place(release.name, "/usr/bin/python3", "") for release in owners}
    if DEFAULT_RELEASE in own:
        return own[DEFAULT_RELEASE]
    path = pythons.find(version)
    prefix = str(Path(path).resolve().parents[1])
    glibc = int(os.confstr("CS_GNU_LIBC_VERSION").rpartition(".")[2])
    # A folder of the system, such as /usr, cannot be put over that of the host; and an older C library is no good.
    if path and prefix != "/usr" and glibc <= RELEASES[DEFAULT_RELEASE].glibc:
        return Place(DEFAULT_RELEASE, path, prefix)
    return next(iter(own.values()), f"Python {version} is not on this machine, nor in a release")


PLACES = {version: place_of(version) for version in matrix.load().interpreters}


@pytest.fixture(scope="module")
def deployed(request, make_host, tmp_path_factory):
    """Deploy the services of all versions that are asked for, those of one release at once; return the host of each."""
    asked = {item.callspec.params["interpreter"] for item in request.session.items if item.path == request.path}
    archive = wheel(tmp_path_factory.mktemp("wheels"), "one", "1")
    hosts = {}
    for release in RELEASES:
        versions = [version for version in PLACES if version in asked and PLACES[version].release == release]
        if versions:
            host = make_host(
                f"pythons-{release}",
                release=release,
                ssh=True,
                mounts=tuple(
                    f"{PLACES[version].mount}:{PLACES[version].mount}:ro"
                    for version in versions
                    if PLACES[version].mount
                ),
            )
            # Homes are closed to other users, and an interpreter may lie in one.
            host.check("chmod 711 /root")
            host.check(
                f"mkdir -p {WHEELS} && base64 -d > {WHEELS}/{archive.name}",
                base64.b64encode(archive.read_bytes()).decode(),
            )
            run = host.playbook(APPLY, variables=lists(versions))
            assert run.code == 0, run.output
            hosts.update(dict.fromkeys(versions, host))
    return hosts


def lists(versions):
    """Return both lists for these versions."""
    folders = {version: f"/opt/python{version}/venv" for version in versions}
    return {
        "stability_environments": [
            {
                "virtualenv": folder,
                "python": PLACES[version].interpreter,
                "pins": ["one==1"],
                "find_links": WHEELS,
                "no_index": True,
            }
            for version, folder in folders.items()
        ],
        "stability_services": [
            {
                "name": f"python{version}",
                "user": "pythons",
                "exec_start": [f"{folder}/bin/python", "-c", PROGRAM],
                "virtualenv": folder,
                "restart_sec": "1s",
                "settle_sec": "2s",
            }
            for version, folder in folders.items()
        ],
    }


def records(host, unit):
    """Return what the present process of a unit left in the journal."""
    invocation = host.check(["systemctl", "show", "-p", "InvocationID", "--value", unit]).strip()
    host.check(["journalctl", "--sync"])
    return host.check(["journalctl", "--quiet", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={invocation}"]).splitlines()


def main_pid(host, unit):
    return int(host.check(["systemctl", "show", "-p", "MainPID", "--value", unit]))


def wait_for(what, condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


@pytest.mark.parametrize(
    "interpreter",
    [
        pytest.param(version, marks=[pytest.mark.missing(place)] if isinstance(place, str) else [])
        for version, place in PLACES.items()
    ],
)
def test_a_service_of_this_python_comes_back_and_is_heard(deployed, interpreter):
    host, unit = deployed[interpreter], f"python{interpreter}.service"
    printed = host.check([f"/opt/python{interpreter}/venv/bin/python", "--version"]).split()[1]
    assert printed.startswith(f"{interpreter}.")
    expected = [text.format(version=printed) for text in RECORDS]
    wait_for("the first start is heard", lambda: records(host, unit) == expected)
    before = main_pid(host, unit)
    host.check(["systemctl", "kill", "--signal=KILL", unit])
    wait_for("it is back", lambda: main_pid(host, unit) not in (0, before))
    wait_for("it is heard again", lambda: records(host, unit) == expected)
    tell(versions={"service python": printed, "release": host.spec.release})
