# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one report of the audit of all hosts, on the controller."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput, Problem, show
from ansible_collections.stability.baseline.plugins.module_utils.report import Moment, build
from ansible_collections.stability.baseline.plugins.module_utils.report_files import (
    find_earlier,
    read_earlier,
    write_report,
)
from ansible_collections.stability.baseline.plugins.module_utils.report_table import table
from ansible_collections.stability.baseline.plugins.module_utils.report_verdict import (
    check_fail_on,
    statistics,
    verdict,
)


class ActionModule(ActionBase):
    """The action C(stability.baseline.audit_report): no connection, nothing on any managed node."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("results", "report_dir", "fail_on", "compare_with"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the report says in numbers, and whether the findings are as bad as C(fail_on)."""
        result = super().run(tmp, task_vars)
        try:
            result.update(self._reported())
        except InvalidInput as invalid:
            raise AnsibleActionFail(str(invalid)) from None
        return result

    def _reported(self) -> dict[str, Any]:
        args = self._task.args
        folder = os.path.abspath(os.path.expanduser(args.get("report_dir") or "stability-report"))
        fail_on = check_fail_on(args.get("fail_on"))
        if args.get("compare_with"):
            earlier, warning = read_earlier(os.path.expanduser(args["compare_with"]), "compare_with"), ""
        else:
            earlier, warning = find_earlier(folder)
        results = args.get("results") or {}
        if not isinstance(results, Mapping):
            remedy = "Give what baseline_info returned for each host"
            raise InvalidInput([Problem("results", show(results), "a mapping of hosts to results", remedy)])
        report = build(results, _now(), earlier)
        lines = table(report)
        files = [] if self._task.check_mode else write_report(report, folder)
        for line in ["", *lines, *(f"Report: {file}" for file in files[:1])]:
            Display().display(line)
        return {
            **({"warnings": [warning]} if warning else {}),
            "changed": False,
            "verdict": verdict(report, fail_on),
            "summary": report["summary"],
            "table": lines,
            "files": files,
            "ansible_stats": {
                "data": {"stability_audit": statistics(report, files)},
                "per_host": False,
                "aggregate": True,
            },
        }


def _now() -> Moment:
    seconds = int(time.time())
    return Moment(seconds, datetime.fromtimestamp(seconds, timezone.utc).isoformat())
