# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that were made to be looked for: what counts as an answer, what is found in the journal, and what is judged of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_canary, runtime_canary
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Unit
from ansible_collections.stability.baseline.plugins.module_utils.canary import (
    Arrival,
    Canary,
    Row,
    canary_of,
    found_in,
    messages_in,
)
from hypothesis import given
from hypothesis import strategies as st

UNIT = "api.service"


def logger(name: str = "root", level: int = 20, **keys: Any) -> dict[str, Any]:
    return {"name": name, "level": level, "propagate": True, "disabled": False, "filters": 0, "handlers": [], **keys}


def content(*loggers: dict[str, Any], **keys: Any) -> dict[str, Any]:
    records = [["logging", "root", "INFO", ""]]
    return {"loggers": list(loggers), "disabled_to": 0, "last_resort": 30, "patched": "", "records": records, **keys}


def canary(*rows: Row, **keys: Any) -> Canary:
    found = canary_of(17, "the service itself", "abc-17", UNIT, content(logger(**keys), records=[]))
    assert found is not None
    return Canary(found.pid, found.way, found.token, found.unit, found.tree, rows)


def test_an_answer_of_the_runtime_is_understood() -> None:
    answer = json.loads(json.dumps(runtime_canary.canary("abc-17")))
    found = canary_of(17, "way", "abc-17", UNIT, answer)
    assert found is not None
    assert {(row.library, row.level) for row in found.rows} >= {("logging", level) for level in runtime_canary.LEVELS}


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*content(), *logger()]) | st.text(), inner),
        max_leaves=30,
    ),
    st.sampled_from([*content(), *logger()]),
)
def test_what_is_no_answer_is_none_whatever_it_is(value: Any, key: str) -> None:
    for odd in ({key: value}, content(logger(), **{key: value}), content({**logger(), key: value})):
        found = canary_of(17, "way", "abc-17", UNIT, odd)
        for one in [found] if found else []:
            assert list(audit_canary.judge(Unit(UNIT, {}), [one])) is not None
            assert audit_canary.result_of([one]) is not None


@pytest.mark.parametrize(
    "odd",
    [
        content(),
        content(logger(), records=[["logging", "root", "LOUD", ""]]),
        content(logger(), records=[["logging", "root", "INFO", ""]] * 1001),
    ],
)
def test_an_answer_without_the_root_logger_or_with_too_much_is_none(odd: dict[str, Any]) -> None:
    assert canary_of(17, "way", "abc-17", UNIT, odd) is None


def test_records_are_found_wherever_a_formatter_has_put_them() -> None:
    text = runtime_canary.text("abc-17", "INFO", "a.b")
    printed = [
        {"MESSAGE": f"INFO:a.b:{text}", "PRIORITY": "6", "_SYSTEMD_UNIT": UNIT},
        {"MESSAGE": json.dumps({"message": text}), "PRIORITY": "9", "_SYSTEMD_UNIT": "other.service"},
        {"MESSAGE": list(f"\x1b[1m{text}\udce9".encode("utf-8", "surrogateescape")), "OBJECT_SYSTEMD_UNIT": UNIT},
        {"MESSAGE": None, "PRIORITY": "6"},
        {"MESSAGE": "stability canary of somebody", "PRIORITY": ["6", "7"]},
    ]
    found = found_in(messages_in("\n".join(map(json.dumps, printed)) + "\n"))
    assert found == {("abc-17", "INFO", "a.b"): [Arrival(6, UNIT), Arrival(None, "other.service"), Arrival(None, UNIT)]}


HERE = (Arrival(6, UNIT),)


@pytest.mark.parametrize(
    ("one", "severity", "seen"),
    [
        (
            canary(Row("logging", "root", "INFO", "", (Arrival(6, ""),))),
            "warning",
            "INFO of root: they are in the journal as of no unit, so journalctl -u does not show them",
        ),
        (
            canary(Row("logging", "root", "ERROR", "", (Arrival(6, "user@0.service"),))),
            "error",
            "ERROR of root: they are in the journal as of user@0.service, so journalctl -u does not show them",
        ),
        (
            canary(Row("logging", "root", "WARNING", "KeyError: 'a'")),
            "error",
            "WARNING of root: what the application has put in their way raises KeyError: 'a'",
        ),
        (
            canary(Row("loguru", "loguru", "INFO"), Row("loguru", "loguru", "DEBUG")),
            "warning",
            "INFO of loguru: loguru is configured to take them elsewhere, or to leave them out",
        ),
        (
            canary(
                *(Row("logging", name, level) for name in ("root", "root.x") for level in ("INFO", "ERROR")), level=30
            ),
            "warning",
            "INFO of root: the level of the root logger is WARNING, as nobody has set it",
        ),
    ],
)
def test_what_is_missing_is_found_with_its_reason(one: Canary, severity: str, seen: str) -> None:
    first = next(audit_canary.judge(Unit(UNIT, {}), [one, one])).result()
    assert (first["id"], first["severity"], first["seen"]) == ("SB208", severity, seen)


def test_what_arrives_or_need_not_is_no_finding() -> None:
    fine = canary(
        *(Row("logging", "root", level, "", HERE) for level in runtime_canary.LEVELS[1:]),
        Row("logging", "root", "DEBUG"),
        Row("structlog", "structlog", "INFO", "", HERE * 2),
    )
    assert list(audit_canary.judge(Unit(UNIT, {}), [fine])) == []
    assert audit_canary.result_of([fine]) == [
        {
            **{"asked": "the service itself", "pid": 17, "library": "logging", "logger": "root"},
            **{"arrived": {"INFO": 6, "WARNING": 6, "ERROR": 6, "CRITICAL": 6}, "lost": ["DEBUG"]},
            **{"repeated": [], "units": [UNIT]},
        },
        {
            **{"asked": "the service itself", "pid": 17, "library": "structlog", "logger": "structlog"},
            **{"arrived": {"INFO": 6}, "lost": [], "repeated": ["INFO"], "units": [UNIT]},
        },
    ]
