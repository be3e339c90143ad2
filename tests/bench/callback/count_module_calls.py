# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the modules that a run of ansible-playbook really sends to hosts."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: count_module_calls
type: aggregate
short_description: Count module calls
description:
  - An action such as C(template) calls several modules, so tasks say little about what is sent to a host.
    Every call goes through one method of all actions; this callback counts there.
  - The environment variable C(BENCH_COUNTS) names the file that takes the result.
"""


class CallbackModule(CallbackBase):
    """Writes C(module_calls), C(changed) and C(failed) of a run as JSON."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "count_module_calls"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._result = os.environ["BENCH_COUNTS"]
        # Actions run in processes of their own: a line in a file opened for appending is what all of them can count with.
        self._calls = os.open(f"{self._result}.calls", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        original = ActionBase._execute_module

        def counted(action: ActionBase, *arguments: Any, **keywords: Any) -> Any:
            os.write(self._calls, b".")
            return original(action, *arguments, **keywords)

        ActionBase._execute_module = counted

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Write the counts when the run is over."""
        counts = {
            "module_calls": os.fstat(self._calls).st_size,
            "changed": sum(stats.changed.values()),
            "failed": sum(stats.failures.values()) + sum(stats.dark.values()),
        }
        with open(self._result, "w", encoding="utf-8") as stream:
            json.dump(counts, stream)
