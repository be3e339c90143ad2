# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates the lists of a host on the controller, before anything is touched."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.stability.baseline.plugins.plugin_utils.checked_lists import checked_lists


class ActionModule(ActionBase):
    """The action C(stability.baseline.preflight): no connection, no change."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("services", "environments", "journald"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return an unchanged result, or fail with every problem in one message."""
        result = super().run(tmp, task_vars)
        services, environments, journal = map(self._task.args.get, ("services", "environments", "journald"))
        result.update(asdict(checked_lists(self, task_vars or {}, services, environments, journal)))
        result["changed"] = False
        return result
