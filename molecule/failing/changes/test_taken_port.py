# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gunicorn on a taken port: it looks started for five seconds. The play fails, and says why."""

from __future__ import annotations

ASK = "/usr/bin/python3 -c \"import urllib.request as r; print(r.urlopen('http://127.0.0.1:8001/healthz').read())\""
LATE = {
    "name": "late",
    "user": "shop",
    "exec_start": ["/opt/shop/venv/bin/gunicorn", "--bind", "127.0.0.1:8000", "web:app"],
    "working_directory": "/opt/shop/src",
    "virtualenv": "/opt/shop/venv",
}


def test_a_new_service_fails_the_play_and_stays(node, deployment):
    run = deployment.run(more=[LATE])
    assert run.failed
    assert "late.service did not stay up: its process exited with status 1." in run.message
    assert "Connection in use: ('127.0.0.1', 8000)" in run.message
    assert "There was no unit before; the new one stays, and systemd goes on trying as it says." in run.message
    assert [one["unit"] for one in run.all("failed_units")] == ["late.service"]
    assert "Traceback" not in run.message
    assert node.show("late.service", "Restart", "StartLimitIntervalUSec") == ["always", "0"]


def test_an_answer_of_the_service_that_holds_the_port_does_not_count(node, deployment):
    run = deployment.run(more=[{**LATE, "health": {"http": "http://127.0.0.1:8000/healthz", "timeout": 12}}])
    assert run.failed
    assert "late.service did not become healthy within 12 s (http://127.0.0.1:8000/healthz)" in run.message
    assert [one["unit"] for one in run.all("failed_units")] == ["late.service"]
    assert node.state("holder.service") == "active"


def test_a_free_port_mends_it(node, deployment):
    mended = {**LATE, "exec_start": [*LATE["exec_start"][:2], "127.0.0.1:8002", "web:app"], "settle_sec": "2s"}
    deployment.keep({"more": [mended]})
    run = deployment.predicted()
    assert run.all("restarted") + run.all("started") == ["late.service"]
    assert node.state("late.service") == "active"


def test_a_service_that_ran_is_put_back(node, deployment):
    pid = node.pid("web.service")
    before = node.run("cat /etc/systemd/system/web.service")
    run = deployment.run(web_port=8000)
    assert run.failed
    assert "web.service did not become healthy within 12 s" in run.message
    assert "Connection in use: ('127.0.0.1', 8000)" in run.message
    assert "The unit file from before has been put back; the unit is active under it." in run.message
    assert node.run("cat /etc/systemd/system/web.service") == before
    assert node.pid("web.service") not in (0, pid)
    node.run(ASK)


def test_after_it_nothing_is_owed(deployment):
    run = deployment.predicted()
    assert (run.changed, run.all("actions")) == (False, [])
