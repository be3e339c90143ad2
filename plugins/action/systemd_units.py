# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates the services on the controller and then runs the module: one task, where a check before it would be a second."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as RunModule
from ansible_collections.stability.baseline.plugins.module_utils.runtime_files import files
from ansible_collections.stability.baseline.plugins.plugin_utils.checked_lists import checked_lists


class ActionModule(RunModule):
    """The action C(stability.baseline.systemd_units): nothing is sent to the host unless its services are right."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns, or fail with every problem in one message."""
        args = self._task.args
        if "services" in args:
            by_variables = args.get("journald") is True
            checked = checked_lists(self, task_vars or {}, args["services"], None, True if by_variables else None)
            if by_variables:
                args = {**args, "journald": checked.settings}
            if checked.uses_runtime and args.get("phase") != "users":
                args = {**args, "runtime": files()}
            self._task.args = args
        return super().run(tmp, task_vars)
