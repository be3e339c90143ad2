# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory limits do on a kernel with cgroup v2 and every controller: a virtual machine, since a container may have v1."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.leak_journal import WARNING_ID

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


ROLE = """
- hosts: all
  gather_facts: false
  roles:
    - role: stability.baseline.leakwatch
"""


def play(guest, folder, playbook, **variables):
    inventory, written = folder / "inventory", folder / "playbook.yml"
    inventory.write_text(guest.inventory)
    if "\n" in playbook:
        written.write_text(playbook)
        playbook = written
    command = [ANSIBLE_PLAYBOOK, "-i", inventory, playbook, "--extra-vars", json.dumps(variables)]
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
        services = [{**one, "settle_sec": "1s"} for one in SERVICES]
        play(found, folder, "stability.baseline.apply", stability_services=services)
        play(found, folder, ROLE, stability_services=services, stability_leakwatch_interval="5s")
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


def test_it_is_told_with_the_peak_that_memory_was_the_reason(guest, tmp_path):
    def told():
        matches = f"MESSAGE_ID={WARNING_ID} STABILITY_UNIT=hog.service STABILITY_KIND=killed"
        return [json.loads(line) for line in guest.check(f"journalctl -q -o json {matches}").splitlines()]

    wait_for(told, 120)
    record = told()[0]
    assert "out of memory" in record["MESSAGE"] and "STABILITY_PROBABLE" not in record
    assert 64 * MIB < int(record["STABILITY_PEAK"]) <= int(record["STABILITY_CAP"]) == 96 * MIB
    play(guest, tmp_path, "stability.baseline.audit", stability_report_dir=str(tmp_path))
    (host,) = json.loads((tmp_path / "report.json").read_text())["hosts"]
    found = {(one["id"], one["subject"]): one["seen"] for one in host["findings"]}
    assert "out of memory" in found["SB309", "hog.service"] and ("SB305", "held.service") in found
    assert not [one for one in found if one[1] == "calm.service"]
