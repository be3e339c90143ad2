# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills ansible-playbook when the task begins that STABILITY_KILL_BEFORE names."""

from __future__ import annotations

import os
import signal

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kill_before
type: notification
short_description: Kills ansible-playbook when a given task begins
description:
  - The environment variable E(STABILITY_KILL_BEFORE) holds the end of the task's name; empty or missing, nothing is killed.
requirements:
  - Enabled in the configuration.
"""


class CallbackModule(CallbackBase):
    """Ends its own process as a lost controller would: nothing is tidied up."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kill_before"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task, is_conditional):
        ending = os.environ.get("STABILITY_KILL_BEFORE")
        if ending and task.get_name().endswith(ending):
            os.kill(os.getpid(), signal.SIGKILL)
