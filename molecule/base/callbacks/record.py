# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that keeps what every run of a playbook reported, one line of JSON for each run, for the tests to compare."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: record
type: aggregate
short_description: Keep what every run reported
description:
  - Appends one line of JSON for each run to C(runs.jsonl) in the folder that E(MOLECULE_EPHEMERAL_DIRECTORY) names.
"""

# What a run says it did, and check mode says it would do.
KEPT = ("changed", "msg", "actions", "started", "restarted", "stopped", "reinstalled", "failed_units", "diff")


class CallbackModule(CallbackBase):
    """Collects the results of one run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.playbook = ""
        self.results = []

    def v2_playbook_on_start(self, playbook):
        """Remember which playbook runs."""
        self.playbook = Path(playbook._file_name).name

    def _keep(self, result, failed=False):
        found = result._result
        kept = {key: found[key] for key in KEPT if key in found}
        self.results.append({"task": result._task.get_name(), "failed": failed, **kept})

    def v2_runner_on_ok(self, result):
        """Keep the result of a task."""
        self._keep(result)

    def v2_runner_item_on_ok(self, result):
        """Keep the result of one pass of a loop."""
        self._keep(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        """Keep a failed result."""
        self._keep(result, failed=True)

    def v2_runner_item_on_failed(self, result):
        """Keep a failed pass of a loop."""
        self._keep(result, failed=True)

    def v2_runner_on_unreachable(self, result):
        """Keep that a host did not answer."""
        self._keep(result, failed=True)

    def v2_playbook_on_stats(self, stats):
        """Write the line of this run."""
        run = {"playbook": self.playbook, "check": bool(context.CLIARGS["check"]), "results": self.results}
        path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "runs.jsonl")
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(run, default=str) + "\n")
