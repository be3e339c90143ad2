# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what was read of a host as a file of its variables, on the controller."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.stability.baseline.plugins.module_utils.adopt_file import text_of, write_file
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput


class ActionModule(ActionBase):
    """The action C(stability.baseline.adopted_file): no connection, nothing on any managed node."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("found", "dest"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return where the file is, and how much is to be decided in it."""
        result = super().run(tmp, task_vars)
        # Plain text: what a module returned is marked as not to be templated.
        found = json.loads(json.dumps(self._task.args.get("found") or {}))
        if not {"services", "environments", "marks", "unseen"} <= set(found):
            raise AnsibleActionFail("found: expected what stability.baseline.adopt_info returned. Register its result.")
        host = str((task_vars or {})["inventory_hostname"])
        folder = os.path.abspath(os.path.expanduser(self._task.args.get("dest") or "stability-adopted"))
        try:
            written = write_file(folder, host, text_of(host, found), self._task.check_mode)
        except InvalidInput as invalid:
            raise AnsibleActionFail(str(invalid)) from None
        counts = f"{len(found['services'])} services, {len(found['environments'])} environments"
        line = f"{host}: {counts}, {len(found['marks'])} to decide: {written.path}"
        Display().display(line)
        if written.kept:
            result["warnings"] = [f"{written.kept} is another one, and is kept; what was read now is in {written.path}"]
        result.update(changed=written.changed, msg=line, path=written.path, decisions=len(found["marks"]))
        return result
