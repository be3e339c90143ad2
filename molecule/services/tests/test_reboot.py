# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reboot brings everything back, the journal from before included; the next deployment finds nothing to do."""

from __future__ import annotations

import uuid

from support import wait_for

DAEMONS = ["web.service", "worker.service", "crasher.service", "capped.service"]
TIMERS = ["report.timer", "broken-report.timer"]


def test_a_reboot_brings_everything_back(node, deployment):
    text = f"before the reboot {uuid.uuid4()}"
    assert node.tell("worker.service", f"say {text}")
    before = {unit: node.show(unit, "InvocationID") for unit in DAEMONS}
    node.run("systemctl start bare.service")
    node.reboot()
    for unit in (*DAEMONS, *TIMERS):
        wait_for(f"{unit} is active", lambda unit=unit: node.state(unit) == "active")
    assert all(before[unit] != node.show(unit, "InvocationID") for unit in DAEMONS)
    assert node.state("bare.service") == "inactive", "without the baseline it does not come back"
    assert node.records("_SYSTEMD_UNIT=worker.service", f"MESSAGE={text}, printed") == [f"{text}, printed"]
    wait_for("the worker answers", lambda: node.tell("worker.service", "ping"))
    run = deployment.predicted()
    assert (run.changed, run.all("actions")) == (False, [])
