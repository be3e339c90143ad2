# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host may return for a report: one that returns something else spoils the report of no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .audit_rules import BY_ID, SEVERITIES

Check = Callable[[Any], bool]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _all(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _mapping(checks: Mapping[str, Check]) -> Check:
    """Return a check for a mapping that has exactly these keys."""
    return lambda value: (
        isinstance(value, Mapping)
        and set(value) == set(checks)
        and all(check(value[key]) for key, check in checks.items())
    )


def _texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)


_SERVICE = _mapping(
    {
        **dict.fromkeys(("unit", "state"), _text),
        "ours": _flag,
        "restarts": _count,
        "virtualenv": _or_null(_text),
        **dict.fromkeys(("age", "memory", "memory_high", "memory_max"), _or_null(_count)),
    }
)
_ENVIRONMENT = _mapping({"virtualenv": _text, "python": _text, "distributions": _texts})
_FINDING = _mapping(
    {
        "id": lambda value: _text(value) and value in BY_ID,
        "severity": lambda value: _text(value) and value in SEVERITIES,
        **dict.fromkeys(("subject", "title", "seen"), _text),
        "mend": _or_null(lambda value: isinstance(value, Mapping)),
        "location": _or_null(_mapping({"file": _text, "line": _count})),
        "waived": _or_null(_mapping({"until": _text, "reason": _text})),
    }
)
_PARTS: Mapping[str, Check] = {
    "systemd": _or_null(_count),
    "root": _flag,
    "unseen": _all(_text),
    "services": _all(_SERVICE),
    "environments": _all(_ENVIRONMENT),
    "findings": _all(_FINDING),
}


def fault_of(result: Mapping[str, Any]) -> str:
    """Return why there is nothing of a host to report, empty when there is: it said so, or it returned something else."""
    if "findings" not in result:
        return str(result.get("msg") or "It gave no result.")
    wrong = [name for name, check in _PARTS.items() if name not in result or not check(result[name])]
    return f"What it returned is no result of baseline_info ({', '.join(wrong)})." if wrong else ""
