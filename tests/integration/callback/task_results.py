# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes each task's result as a line of JSON into the file that STABILITY_TASK_RESULTS names."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_results
type: notification
short_description: Writes each task's result as a line of JSON
description:
  - One line for each result of a task, into the file that the environment variable E(STABILITY_TASK_RESULTS) names.
requirements:
  - Enabled in the configuration.
"""


class CallbackModule(CallbackBase):
    """One line for each result, in the order in which they arrive."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "task_results"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, status, outcome):
        # Up to ansible-core 2.18 these attributes have no public names.
        host, task, result = (
            getattr(outcome, name) if hasattr(outcome, name) else getattr(outcome, f"_{name}")
            for name in ("host", "task", "result")
        )
        line = {
            "host": host.get_name(),
            "task": task.get_name(),
            "action": task.action,
            "status": status,
            "result": json.loads(self._dump_results(result, indent=0)),
        }
        with open(os.environ["STABILITY_TASK_RESULTS"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def v2_runner_on_ok(self, result):
        self._write("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write("failed", result)

    def v2_runner_on_skipped(self, result):
        self._write("skipped", result)

    def v2_runner_on_unreachable(self, result):
        self._write("unreachable", result)
