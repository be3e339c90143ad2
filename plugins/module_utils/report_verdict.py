# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report means for the run that made it: whether it fails, and what is handed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .audit_rules import ERROR, WARNING
from .problems import InvalidInput, Problem, show
from .report import at_least
from .report_table import number_of

NEVER = "none"
_LIMITS = (NEVER, ERROR, WARNING)
_MOST_HOSTS = 10


def check_fail_on(value: object, option: str = "fail_on") -> str:
    """Return from which severity on a run fails; raises :class:`InvalidInput`, which names ``option``. Nothing given is ``none``."""
    limit = NEVER if value in (None, "") else value
    if limit not in _LIMITS:
        raise InvalidInput([Problem(option, show(value), f"one of {', '.join(_LIMITS)}", "Choose one of them")])
    return str(limit)


def verdict(report: Mapping[str, Any], fail_on: str) -> str:
    """Return why the run fails: findings of at least the severity ``fail_on``, and hosts that could not be audited.

    Empty when it does not; waived findings do not count.
    """
    if fail_on == NEVER:
        return ""
    bad = [
        host["host"]
        for host in report["hosts"]
        if any(at_least(one["severity"], fail_on) and not one["waived"] for one in host["findings"])
    ]
    unseen = [host["host"] for host in report["hosts"] if not host["audited"]]
    what = "errors" if fail_on == ERROR else "errors or warnings"
    have = "has" if len(bad) == 1 else "have"
    parts = [f"{number_of(len(bad), 'host')} {have} {what}: {_listed(bad)}."] if bad else []
    parts += [f"{number_of(len(unseen), 'host')} could not be audited: {_listed(unseen)}."] if unseen else []
    remedy = "Mend what the report names, or waive it with stability_waivers until a date."
    return " ".join([*parts, remedy]) if parts else ""


def _listed(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - _MOST_HOSTS} more" if len(hosts) > _MOST_HOSTS else ""
    return ", ".join(hosts[:_MOST_HOSTS]) + more


def statistics(report: Mapping[str, Any], files: Sequence[str]) -> dict[str, Any]:
    """Return what is set as statistics of the run, for what comes after it (a workflow, a pipeline)."""
    compared = report["compared"]
    since = {"new": compared["new"], **{key: len(compared[key]) for key in ("fixed", "unseen")}} if compared else {}
    return {
        **report["summary"],
        **since,
        "files": list(files),
        "bad_hosts": [host["host"] for host in report["hosts"] if not host["audited"] or host["counts"][ERROR]],
    }
