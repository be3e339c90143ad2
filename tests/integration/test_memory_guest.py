# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory limits do on a kernel with cgroup v2 and every controller: a virtual machine, since a container may have v1."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from guests import Guest
from remote import ANSIBLE_PLAYBOOK, COLLECTIONS
from units import wait_for

MIB = 1024**2
PYTHON = "/usr/bin/python3"
#: It allocates more than it may three seconds after its start; who is well is there for longer than that.
HOG = "import time; time.sleep(3); held = [bytearray(8 << 20) for one in range(100)]; time.sleep(10**6)"
#: It needs more than MemoryHigh= and less than MemoryMax=.
HELD = "import time; print('begun', flush=True); held = [bytearray(1 << 20) for one in range(60)]; print('done', flush=True); time.sleep(10**6)"
SERVICES = [
    {"name": "hog", "user": "root", "exec_start": [PYTHON, "-c", HOG], "memory_max": "96M", "memory_swap_max": "0"},
    {
        "name": "calm",
        "user": "root",
        "exec_start": [PYTHON, "-c", "import time; time.sleep(10**6)"],
        "memory_max": "96M",
    },
    {
        "name": "held",
        "user": "root",
        "exec_start": [PYTHON, "-c", HELD],
        "memory_high": "32M",
        "memory_max": "96M",
        "memory_swap_max": "0",
    },
]


def apply(guest, folder, **variables):
    inventory = folder / "inventory"
    inventory.write_text(guest.inventory)
    command = [ANSIBLE_PLAYBOOK, "-i", inventory, "stability.baseline.apply", "--extra-vars", json.dumps(variables)]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guest")
    found = Guest(folder / "console")
    try:
        # settle_sec is shorter than the hog lives, since the machine is slow.
        apply(found, folder, stability_services=[{**one, "settle_sec": "1s"} for one in SERVICES])
        yield found
    finally:
        found.down()


def show(guest, unit, name):
    return guest.check(f"systemctl show --value -p {name} {unit}").strip()


def test_it_has_what_a_container_may_lack(guest):
    assert guest.check("stat -fc %T /sys/fs/cgroup").strip() == "cgroup2fs"
    assert "memory" in guest.check("cat /sys/fs/cgroup/cgroup.controllers").split()


def test_a_service_over_its_cap_is_killed_alone_and_comes_back(guest):
    calm = show(guest, "calm", "MainPID")
    wait_for(lambda: int(show(guest, "hog", "NRestarts")) >= 2, 120)
    assert show(guest, "calm", "MainPID") == calm and show(guest, "calm", "NRestarts") == "0"
    assert guest.check("systemctl is-active hog || true").strip() in ("active", "activating")
    # systemd says why: it reads the kernel's counter before the control group is gone.
    records = guest.check("journalctl -u hog -o cat --no-pager")
    assert "killed by the OOM killer" in records and "Failed with result 'oom-kill'" in records


def test_the_kernel_tells_the_peak(guest):
    def peak():
        return int(guest.run("cat /sys/fs/cgroup/system.slice/hog.service/memory.peak").stdout.strip() or 0)

    wait_for(lambda: peak() > 64 * MIB, 120)
    assert peak() <= 96 * MIB


def test_a_service_above_memory_high_stands_still_and_is_not_restarted(guest):
    """SB305 says so, and nothing else would: it is active, and fails at nothing."""
    wait_for(lambda: "begun" in guest.check("journalctl -u held -o cat --no-pager"), 60)
    counters = dict(
        line.split() for line in guest.check("cat /sys/fs/cgroup/system.slice/held.service/memory.events").splitlines()
    )
    assert int(counters["high"]) > 0 and counters["oom_kill"] == "0"
    assert show(guest, "held", "ActiveState") == "active" and show(guest, "held", "NRestarts") == "0"
    assert "done" not in guest.check("journalctl -u held -o cat --no-pager")
