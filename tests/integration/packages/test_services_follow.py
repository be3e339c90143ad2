# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook apply from end to end: an environment changes, its services follow, also when the controller is lost."""

from __future__ import annotations

import signal

import pytest
from pip_pinned_environments import put_wheels, wheel

APPLY = "stability.baseline.apply"
UNITS = "Apply all units of the host"
VENV = "/opt/lost/venv"
WHEELS = "/opt/lost/wheels"
#: Prints the version that it was started with, and goes on without ever looking again.
PROGRAM = "import one, time; print('version', one.version, flush=True); time.sleep(10**6)"


@pytest.fixture
def variables(host, tmp_path):
    for version in ("1", "2"):
        wheel(tmp_path, "one", version)
    wheel(tmp_path, "one", "3", {"one.py": "release = '3'\n"})
    wheel(tmp_path, "one", "4", {"one.py": "import os\nassert os.getuid(), 'imported as root'\nversion = '4'\n"})
    put_wheels(host, tmp_path, WHEELS)
    service = {"user": "lost", "exec_start": [f"{VENV}/bin/python", "-c", PROGRAM], "settle_sec": 0}
    with_venv = {"name": "lost-one", "virtualenv": VENV, **service}
    other = {"name": "lost-other", "user": "lost", "exec_start": ["/bin/sleep", "infinity"], "settle_sec": 0}

    def pinned(version):
        environment = {"virtualenv": VENV, "pins": [f"one=={version}"], "find_links": WHEELS, "no_index": True}
        return {"stability_environments": [environment], "stability_services": [with_venv, other]}

    return pinned


def runs_version(host, unit):
    """Return the version that the unit's present process printed."""
    invocation = host.check(["systemctl", "show", "-p", "InvocationID", "--value", unit]).strip()
    host.check(["journalctl", "--sync"])
    return host.check(["journalctl", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={invocation}", "--grep", "^version"])


def result_of(run, task):
    found = [one for one in run.tasks if one["task"].endswith(task)]
    assert len(found) == 1, run.output
    return found[0]["result"]


def test_services_follow_their_environment_when_the_controller_is_lost_in_between(host, variables):
    first = host.playbook(APPLY, variables=variables("1"))
    assert first.code == 0, first.output
    assert runs_version(host, "lost-one") == "version 1\n"
    other = host.check(["systemctl", "show", "-p", "MainPID", "lost-other"])

    lost = host.playbook(APPLY, variables=variables("2"), kill_before=UNITS)
    assert lost.code == -signal.SIGKILL
    assert result_of(lost, "Apply an environment")["changed"]
    assert runs_version(host, "lost-one") == "version 1\n"

    predicted = host.playbook(APPLY, variables=variables("2"), check=True)
    assert result_of(predicted, UNITS)["restarted"] == ["lost-one.service"]
    finished = host.playbook(APPLY, variables=variables("2"))
    assert not result_of(finished, "Apply an environment")["changed"]
    assert result_of(finished, UNITS)["restarted"] == ["lost-one.service"]
    (delay,) = result_of(finished, UNITS)["switch_delays"]
    assert delay["virtualenv"] == VENV and delay["seconds"] > 1, "the run before was killed in between"
    assert runs_version(host, "lost-one") == "version 2\n"
    assert host.check(["systemctl", "show", "-p", "MainPID", "lost-other"]) == other

    again = host.playbook(APPLY, variables=variables("2"))
    assert not result_of(again, UNITS)["changed"]


def test_a_version_that_a_service_does_not_survive_goes_back_and_the_service_with_it(host, variables):
    assert host.playbook(APPLY, variables=variables("1")).code == 0
    wanted = variables("3")
    wanted["stability_services"][0]["settle_sec"] = "3s"
    failed = host.playbook(APPLY, variables=wanted)
    assert failed.code != 0
    assert result_of(failed, UNITS)["failed_environments"] == [VENV]
    message = result_of(failed, "Say what did not come up")["msg"]
    assert message.startswith("lost-one.service ") and "has no attribute 'version'" in message
    assert message.endswith(
        "Its virtual environment is the one from before again, and the services run on that:\n"
        f"{VENV}. Pin other versions before the next run."
    )
    assert runs_version(host, "lost-one") == "version 1\n"
    host.check(["systemctl", "is-active", "lost-one"])

    again = host.playbook(APPLY, variables=variables("1"))
    assert again.code == 0 and not result_of(again, "Apply an environment")["changed"]
    assert host.playbook(APPLY, variables=wanted, check=True).code == 0


def test_what_root_owns_is_checked_as_the_user_of_the_service(host, variables):
    assert host.playbook(APPLY, variables=variables("1")).code == 0
    changed = host.playbook(APPLY, variables=variables("4"))
    assert changed.code == 0, changed.output
    assert host.check(["stat", "-c", "%U", f"{VENV}/bin"]) == "root\n"
    assert runs_version(host, "lost-one") == "version 4\n"
