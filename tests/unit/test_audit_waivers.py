# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers: which findings they silence, until when, and what is refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Finding
from ansible_collections.stability.baseline.plugins.module_utils.audit_rules import BY_ID
from ansible_collections.stability.baseline.plugins.module_utils.audit_waivers import parse_waivers, waive
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput

TODAY = date(2026, 11, 27)


def waiver(**keys: Any) -> dict[str, Any]:
    return {"id": "SB101", "subject": "api.service", "until": "2026-12-31", "reason": "it is known", **keys}


@pytest.mark.parametrize(
    ("keys", "silenced", "expired"),
    [
        ({}, ["SB101 api.service"], []),
        ({"until": "2026-11-27"}, ["SB101 api.service"], []),
        ({"until": date(2026, 12, 1)}, ["SB101 api.service"], []),
        ({"until": "2026-11-26"}, [], ["SB101 api.service"]),
        ({"subject": "*.service"}, ["SB101 api.service", "SB101 web.service"], []),
        ({"id": "SB107"}, ["SB107 api.service"], []),
        ({"subject": "API.service"}, [], []),
        ({"subject": "nobody.service", "until": "2020-01-01"}, [], ["SB101 nobody.service"]),
    ],
)
def test_a_waiver_silences_its_rule_and_subject_until_its_date(
    keys: dict[str, Any], silenced: list[str], expired: list[str]
) -> None:
    findings = [
        Finding("SB101", "api.service", "x"),
        Finding("SB107", "api.service", "x"),
        Finding("SB101", "web.service", "x"),
    ]
    found = waive(findings, parse_waivers([waiver(**keys)], "waivers"), TODAY)
    assert [f"{one.id} {one.subject}" for one in found if one.waived] == silenced
    assert [one.subject for one in found if one.id == "SB001"] == expired
    assert len(found) == len(findings) + len(expired)
    assert {one.waived["reason"] for one in found if one.waived} <= {"it is known"}


def test_an_expired_waiver_is_a_finding_that_says_what_it_was_for() -> None:
    (found,) = waive([], parse_waivers([waiver(until="2026-01-31")], "waivers"), TODAY)
    assert found.seen == "it ended on 2026-01-31: it is known"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"id": "SB10"}, 'waivers[0].id: found "SB10"; expected the id of a rule. Did you mean SB10'),
        (
            {"id": "SB001"},
            'waivers[0].id: found "SB001"; expected the id of a rule. Did you mean SB',
        ),
        (
            {"id": "all"},
            'waivers[0].id: found "all"; expected the id of a rule. The rules are SB101, ',
        ),
        (
            {"until": "20270131"},
            'waivers[0].until: found "20270131"; expected a date, such as 2027-01-31. Write year, month and day.',
        ),
        (
            {"until": "soon"},
            'waivers[0].until: found "soon"; expected a date, such as 2027-01-31. Write year, month and day.',
        ),
        (
            {"until": 20270131},
            "waivers[0].until: found 20270131; expected a date, such as 2027-01-31. Write year, month and day.",
        ),
        ({"reason": ""}, 'waivers[0].reason: found ""; expected text that is not empty. '),
        (
            {"reason": None},
            "waivers[0].reason: found nothing; expected a value. Say which rule, whose, until when, and why.",
        ),
        (
            {"host": "web"},
            "waivers[0].host: found an unknown key; expected a key of a waiver. The keys are id, subject, until, reason.",
        ),
    ],
)
def test_what_is_no_waiver_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_waivers([waiver(**keys)], "waivers")
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_waivers([waiver(id="x"), waiver(until="y"), "z"], "waivers")
    assert [problem.option for problem in raised.value.problems] == ["waivers[0].id", "waivers[1].until", "waivers[2]"]
    assert parse_waivers(None, "waivers") == []


def test_every_rule_but_the_one_about_waivers_can_be_waived() -> None:
    waivers = [waiver(id=identifier) for identifier in BY_ID if identifier != "SB001"]
    assert len(parse_waivers(waivers, "waivers")) == len(BY_ID) - 1
