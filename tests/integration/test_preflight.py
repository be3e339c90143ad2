# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists are validated on the controller: all problems at once, before any connection is made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Nothing listens at this address, so a run that touches the host fails in another way.
INVENTORY = """
all:
  hosts:
    nowhere:
      ansible_host: 127.0.0.1
      ansible_port: 1
  vars:
    {variables}
"""
PLAIN = "{name: api, user: api, exec_start: [/bin/true]}"
#: (variables in the inventory, extra variables, what the run says).
CASES = {
    "both lists at once": (
        "{stability_services: [{name: api, user: api, exec_start: [gunicorn], restart: no}], "
        "stability_environments: [{virtualenv: /opt/api/venv, pins: [flask>=3]}]}",
        [],
        ["stability_services[0].exec_start[0] (api)", "Quote it", "stability_environments[0].pins[0]"],
    ),
    "a virtual environment with a typing mistake": (
        "{stability_services: [{name: api, user: api, exec_start: [/opt/Api/venv/bin/x], virtualenv: /opt/Api/venv}], "
        "stability_environments: [{virtualenv: /opt/api/venv, pins: []}]}",
        [],
        [
            'stability_services[0].virtualenv (api): found "/opt/Api/venv"',
            "such as /opt/api/venv. Write both the same way.",
        ],
    ),
    "hosts chosen where it has no effect": (
        f"{{stability_hosts: all, stability_services: [{PLAIN}]}}",
        [],
        ["stability_hosts: found a value in the inventory or in a play; expected an extra variable."],
    ),
    "a list that is right": (f"{{stability_services: [{PLAIN}]}}", ["-e", "stability_hosts=nowhere"], ["UNREACHABLE"]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_lists_are_judged_before_anything_is_touched(tmp_path, case):
    variables, extra, expected = CASES[case]
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(INVENTORY.format(variables=variables), encoding="utf-8")
    command = [os.path.join(os.path.dirname(sys.executable), "ansible-playbook"), "-i", str(inventory), *extra]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        [*command, "stability.baseline.apply"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert [text for text in expected if text not in output] == [], output
    assert "Traceback" not in output
    assert ("UNREACHABLE" in output) is ("UNREACHABLE" in expected)
