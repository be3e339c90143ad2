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
from ansible import __version__ as ansible_version

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
#: What YAML takes for something else than text, with what is found then; each is refused with "Quote it".
#: Whether variables keep their types on their way through templates.
NATIVE = tuple(map(int, ansible_version.split(".")[:2])) >= (2, 19)
TRAPS = {
    "umask: 0027": "umask (api): found 23",
    "timeout_start_sec: 1:30": "timeout_start_sec (api): found 90",
    "restart_sec: 5": "restart_sec (api): found 5",
    "restart: no": "restart (api): found false",
    "oom_policy: off": "oom_policy (api): found false",
    "type: on": "type (api): found true",
    "kill_signal: 9": "kill_signal (api): found 9",
    "group: 0100": "group (api): found 64",
    "description: 1.0e+3": "description (api): found 1000.0",
    "on_calendar: [12:30]": "on_calendar[0] (api): found 750",
    "environment: {PORT: 8000}": "environment.PORT (api): found a value that is not shown",
    "environment: {FLAG: yes}": "environment.FLAG (api): found a value that is not shown",
    "environment: {on: x}": "environment (api): found true",
    "directives: {Service: {Nice: 5}}": "directives.Service.Nice (api): found 5",
    "directives: {Service: {PrivateTmp: no}}": "directives.Service.PrivateTmp (api): found false",
    "exec_start_pre: [/bin/true, 0x1F]": "exec_start_pre[1] (api): found 31",
}
#: (variables in the inventory, extra variables, what the run says).
CASES = {
    "what YAML takes for something else than text": (
        "{stability_services: ["
        + ", ".join(f"{{name: api, user: api, exec_start: [/bin/true], {trap}}}" for trap in TRAPS)
        + "]}",
        [],
        [f"stability_services[{index}].{found}" for index, found in enumerate(TRAPS.values())],
    ),
    "a misspelt variable of the journal": (
        "{stability_journald_max_use: 1G, stability_services: [" + PLAIN + "]}",
        [],
        [
            "stability_journald_max_use: found an unknown setting; expected a setting of the journal. "
            "Did you mean stability_journald_system_max_use."
        ],
    ),
    "a date": (
        "{stability_services: [{name: api, user: api, exec_start: [/bin/true], log_namespace: 2024-01-01}]}",
        [],
        ["Quote it" if NATIVE else "Quote the dates in it; before ansible-core 2.19"],
    ),
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
    "settings of the journal that contradict each other, and a list": (
        "{stability_services: [{name: api, user: api, exec_start: [/bin/true], restart: no}], "
        "stability_journald_system_max_use: 500M, stability_journald_system_max_file_size: 1G}",
        [],
        [
            "stability_services[0].restart (api): found false",
            'stability_journald_system_max_file_size: found "1G"; expected at most half of system_max_use (500M).',
        ],
    ),
    "a namespace that none can be": (
        "{stability_services: [{name: api, user: api, exec_start: [/bin/true], log_namespace: ../x}]}",
        [],
        ['stability_services[0].log_namespace (api): found "../x"; expected the name of a journal namespace'],
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
    if case == "what YAML takes for something else than text":
        assert output.count("Quote it") >= len(TRAPS)
    assert ("UNREACHABLE" in output) is ("UNREACHABLE" in expected)
