# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report is made of: what a host returned, and what an earlier report knows.

A host that returns something else spoils the report of no other, and what is no whole report is not compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .audit_rules import BY_ID, SEVERITIES

Check = Callable[[Any], bool]
#: No number of a host is greater: what the kernel takes for no limit is left out.
_MOST = 2**64


def _text(value: object) -> bool:
    """Whether a value is text that a file can hold: half of a surrogate pair is none."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _all(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _mapping(checks: Mapping[str, Check], optional: Mapping[str, Check] = MappingProxyType({})) -> Check:
    """Return a check for a mapping that has exactly these keys, and of the optional ones any."""
    return lambda value: (
        _with(checks)(value)
        and not set(value) - set(checks) - set(optional)
        and all(check(value[key]) for key, check in optional.items() if key in value)
    )


def _with(checks: Mapping[str, Check]) -> Check:
    """Return a check for a mapping that has these keys, and maybe others."""
    return lambda value: (
        isinstance(value, Mapping) and all(key in value and check(value[key]) for key, check in checks.items())
    )


def _texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)


def _sample(value: object) -> bool:
    """Whether a value is a point in time of a service: seconds, bytes of memory, restarts."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and _count(value[0])
        and _or_null(_count)(value[1])
        and _count(value[2])
    )


_CANARY = _mapping(
    {
        **dict.fromkeys(("asked", "library", "logger"), _text),
        "pid": _count,
        "arrived": lambda value: (
            isinstance(value, Mapping) and all(_text(level) and _or_null(_count)(one) for level, one in value.items())
        ),
        **dict.fromkeys(("lost", "repeated", "units"), _all(_text)),
    }
)
_SERVICE = _mapping(
    {
        **dict.fromkeys(("unit", "state"), _text),
        "ours": _flag,
        "restarts": _count,
        "virtualenv": _or_null(_text),
        **dict.fromkeys(("age", "memory", "memory_high", "memory_max"), _or_null(_count)),
    },
    # A host that is looked at with an older version of the collection says nothing of it.
    {"canary": _or_null(_all(_CANARY)), "samples": _or_null(_all(_sample)), "load_state": _text},
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


def fault_of(result: object) -> str:
    """Return why there is nothing of a host to report, empty when there is: it said so, or it returned something else."""
    if result is not None and not isinstance(result, Mapping):
        return "What it returned is no result of baseline_info (it is no mapping)."
    if not result:
        return "It gave no result."
    if "findings" not in result:
        return str(result.get("msg") or "It gave no result.")
    wrong = [name for name, check in _PARTS.items() if name not in result or not check(result[name])]
    return f"What it returned is no result of baseline_info ({', '.join(wrong)})." if wrong else ""


def _severity(value: object) -> bool:
    return _text(value) and value in SEVERITIES


#: A rule that is no more may have found something, too.
_KNOWN = {**dict.fromkeys(("id", "subject", "title", "seen"), _text), "severity": _severity}
_KNOWN_SERVICE = {"unit": _text, "history": _all(_sample)}
_UNSEEN = _mapping({"host": _text, **_KNOWN, "why": _text, "reports": _count})
#: The first report is compared with none, and one of before there was that list has none.
_may_compare = _or_null(lambda value: isinstance(value, Mapping) and _all(_UNSEEN)(value.get("unseen", [])))
#: What an earlier report must have so that another one can be compared with it; what was missed is handed on as it is.
_EARLIER: Mapping[str, Check] = {
    "created": _text,
    "hosts": _all(
        _with(
            {
                "host": _text,
                "audited": _flag,
                "findings": _all(_with({**_KNOWN, "waived": _or_null(lambda value: isinstance(value, Mapping))})),
                "services": _all(_with(_KNOWN_SERVICE)),
            }
        )
    ),
    "missed": _all(
        _mapping(
            {
                **dict.fromkeys(("host", "seen"), _text),
                "reports": _count,
                "findings": _all(_mapping(_KNOWN)),
                "services": _all(_mapping(_KNOWN_SERVICE)),
            }
        )
    ),
}


def flaws_of(report: Mapping[str, Any]) -> list[str]:
    """Return the names of what is missing or something else in an earlier report, of all that a comparison reads."""
    flaws = [name for name, check in _EARLIER.items() if name not in report or not check(report[name])]
    return flaws if _may_compare(report.get("compared")) else [*flaws, "compared"]
