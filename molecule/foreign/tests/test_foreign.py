# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hand-written, wrong unit of the same name: it is shown in the diff and kept, and the new one runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from support import runs

PATH = "/etc/systemd/system/ledger.service"
KEPT = "/var/lib/stability/replaced/ledger.service"


@pytest.fixture(scope="module")
def hand_written():
    """The foreign unit file as the scenario wrote it."""
    scenario = yaml.safe_load(
        Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "molecule.yml").read_text(encoding="utf-8")
    )
    variables = scenario["provisioner"]["inventory"]["group_vars"]["all"]
    return variables["host_files"]["/etc/systemd/system/ledger.service"].replace(
        "{{ hand_written }}", variables["hand_written"]
    )


def test_it_is_kept_byte_for_byte(node, hand_written):
    assert bytes.fromhex(node.run("od -An -v -tx1 %s", KEPT)) == hand_written.encode()


def test_check_mode_and_run_show_it_in_the_diff(hand_written):
    said, done = (run for run in runs() if run.playbook == "converge.yml" and run.changed)
    for run in (said, done):
        shown = [part for part in run.all("diff") if part.get("before") == hand_written]
        assert [part["before_header"] for part in shown] == [f"{PATH} (not of this collection; kept)"]
        assert "Restart=always" in shown[0]["after"]


def test_the_new_one_runs_and_comes_back(node):
    assert node.show("ledger.service", "User", "Restart", "StartLimitIntervalUSec", "FragmentPath") == [
        "shop", "always", "0", PATH,
    ]  # fmt: skip
    pid = node.pid("ledger.service")
    node.tell("ledger.service", "exit 0")
    node.comes_back("ledger.service", pid, 4.0)
