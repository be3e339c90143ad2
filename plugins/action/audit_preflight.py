# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates what an audit is told of a host, on the controller, before any host is looked at."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.stability.baseline.plugins.module_utils.audit_input import Input, check_input
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput


class ActionModule(ActionBase):
    """The action C(stability.baseline.audit_preflight): no connection, no change."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("services", "environments", "waivers", "fail_on", "compare_with"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return an unchanged result, or fail with every problem in one message."""
        result = super().run(tmp, task_vars)
        args = self._task.args
        lists = [args.get(name) for name in ("services", "environments", "waivers", "fail_on")]
        earlier = os.path.expanduser(str(args.get("compare_with") or ""))
        try:
            check_input(Input(*lists, compare_with=earlier), prefix="stability_")
        except InvalidInput as invalid:
            raise AnsibleActionFail(f"No host was looked at; what the audit is told has problems:\n{invalid}") from None
        result["changed"] = False
        return result
