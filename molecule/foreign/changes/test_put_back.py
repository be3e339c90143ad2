# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new unit that does not come up over a foreign one of its name: the foreign one is back, and running."""

from __future__ import annotations

UNIT = "till.service"
PATH = f"/etc/systemd/system/{UNIT}"
KEPT = f"/var/lib/stability/replaced/{UNIT}"
TILL = {
    "name": "till",
    "user": "shop",
    "exec_start": ["/usr/bin/python3", "/opt/shop/src/worker.py"],
    "environment": {"PORT": "9002"},
    "settle_sec": "2s",
}


def is_there(node, path):
    return node.host.run("test -e %s", path).rc == 0


def test_a_broken_unit_makes_way_for_the_foreign_one(node, deployment):
    written = node.run("base64 %s", PATH)
    run = deployment.run(more=[{**TILL, "environment": {"PORT": "none"}}])
    assert run.failed
    assert f"{UNIT} did not stay up: its process exited with status 1." in run.message
    assert "ValueError: invalid literal for int() with base 10: 'none'" in run.message
    assert "The unit file from before has been put back; the unit is active under it." in run.message
    assert node.run("base64 %s", PATH) == written
    assert not is_there(node, KEPT)
    assert node.show(UNIT, "ActiveState", "User", "Restart", "NeedDaemonReload") == ["active", "nobody", "no", "no"]
    assert node.tell(UNIT, "ping") == node.pid(UNIT)


def test_the_mended_unit_replaces_it(node, deployment):
    written = node.run("base64 %s", PATH)
    deployment.keep({"more": [TILL]})
    run = deployment.predicted()
    assert f"replace {PATH} (the unit file that was there is kept)" in run.all("actions")
    assert run.all("restarted") == [UNIT]
    assert node.run("base64 %s", KEPT) == written
    assert node.show(UNIT, "ActiveState", "User", "Restart") == ["active", "shop", "always"]
