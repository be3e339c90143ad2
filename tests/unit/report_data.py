# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of ``baseline_info`` for the tests of reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Finding
from ansible_collections.stability.baseline.plugins.module_utils.report import Moment

FIRST = Moment(1_795_000_000, "2026-11-18T12:26:40+00:00")
LATER = Moment(1_795_086_400, "2026-11-19T12:26:40+00:00")
MEND = {"stability_services": [{"name": "api", "drop_in": True, "restart": "always"}]}
WAIVED = {"until": "2027-01-31", "reason": "it goes in January"}


def finding(
    identifier: str = "SB101", subject: str = "api.service", seen: str = "Restart=no", **keys: Any
) -> dict[str, Any]:
    """Return a finding as a result has it."""
    return Finding(identifier, subject, seen, **keys).result()


def service(unit: str = "api.service", **keys: Any) -> dict[str, Any]:
    """Return a service as a result has it."""
    usual = {"ours": True, "state": "active", "restarts": 0, "virtualenv": "/opt/api/venv", "age": 60}
    return {"unit": unit, **usual, "memory": 1000, "memory_high": None, "memory_max": 4000, **keys}


def records(**keys: Any) -> dict[str, Any]:
    """Return what became of the records of one logger, as a result has it."""
    usual = {"asked": "the service itself", "pid": 17, "library": "logging", "logger": "root", "repeated": []}
    arrived = {"WARNING": 6, "ERROR": None}
    return {**usual, "arrived": arrived, "lost": ["INFO"], "units": ["api.service"], **keys}


def environment(**versions: str) -> dict[str, Any]:
    """Return an environment as a result has it."""
    return {"virtualenv": "/opt/api/venv", "python": "3.11.2", "distributions": versions}


def result(*findings: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    """Return what a host returned: one service in one environment, and the findings."""
    parts = {"services": [service()], "environments": [environment(flask="3.0.3")], "unseen": []}
    return {"version": 1, "systemd": 252, "root": True, **parts, "findings": list(findings), **keys}


#: Three hosts: one with every kind of finding, one that is fine, one that was not there.
RESULTS = {
    "fine": result(),
    "gone": {"unreachable": True, "msg": "Failed to connect to the host"},
    "web": result(
        finding(mend=MEND),
        finding("SB402", "/opt/api/venv", "flask 3.0.3: app.py", location={"file": "/opt/my api/app.py", "line": 3}),
        finding("SB107", "api.service", "it is disabled", waived=WAIVED),
        finding("SB202", "api.service", "no -u"),
        finding("SB304", "api.service", "MemoryMax=infinity"),
        unseen=["The journal cannot be read."],
    ),
}
