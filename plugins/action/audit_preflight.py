# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates what an audit is told of a host, on the controller, before any host is looked at."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.stability.baseline.plugins.module_utils.audit_input import check_input
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput


class ActionModule(ActionBase):
    """The action C(stability.baseline.audit_preflight): no connection, no change."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("services", "environments", "waivers"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return an unchanged result, or fail with every problem in one message."""
        result = super().run(tmp, task_vars)
        try:
            check_input(*map(self._task.args.get, ("services", "environments", "waivers")), prefix="stability_")
        except InvalidInput as invalid:
            raise AnsibleActionFail(f"No host was looked at; the lists have problems:\n{invalid}") from None
        result["changed"] = False
        return result
