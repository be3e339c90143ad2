# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are written out and would have no effect are refused, with the name of what hides them."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services

BASE = {"name": "api", "user": "api", "exec_start": ["/a"]}
JOB = {**BASE, "on_calendar": ["daily"]}
#: (service, key, what is found and expected).
REFUSED = [
    (
        {**BASE, "start_limit_burst": 3},
        "start_limit_burst",
        "3; expected a window in which it counts. Add start_limit_interval_sec.",
    ),
    (
        {**BASE, "start_limit_burst": 3, "start_limit_interval_sec": "0"},
        "start_limit_burst",
        "3; expected a window in which it counts. Add start_limit_interval_sec.",
    ),
    (
        {**JOB, "start_limit_burst": 3},
        "start_limit_burst",
        "3; expected a window in which it counts. Add start_limit_interval_sec, or write retries instead.",
    ),
    (
        {**JOB, "retries": 2, "start_limit_burst": 3, "start_limit_interval_sec": "1h"},
        "start_limit_burst",
        "3; expected a start limit of its own, or retries. Take one of the two out.",
    ),
    (
        {**JOB, "retries": 2, "start_limit_interval_sec": "0"},
        "start_limit_interval_sec",
        '"0"; expected a start limit of its own, or retries. Take one of the two out.',
    ),
    *(
        (
            {**service, "directives": {section: {directive: "x"}}},
            key,
            f"both of them; expected {key} or directives.{section}.{directive}, which overrides it. Take one of the two out.",
        )
        for service, key, section, directive in (
            ({**BASE, "environment": {"A": "x"}}, "environment", "Service", "Environment"),
            ({**BASE, "drop_in": True, "on_failure": "a.service"}, "on_failure", "Unit", "OnFailure"),
            (JOB, "on_calendar", "Timer", "OnCalendar"),
            ({**JOB, "retries": 2}, "retries", "Service", "Restart"),
            ({**JOB, "retries": 2}, "retries", "Unit", "StartLimitBurst"),
        )
    ),
]


@pytest.mark.parametrize(("service", "key", "found"), REFUSED, ids=lambda value: str(value)[-40:])
def test_a_key_without_effect_is_refused(service, key, found):
    with pytest.raises(InvalidInput) as caught:
        parse_services([service])
    assert [str(problem) for problem in caught.value.problems] == [f"stability_services[0].{key} (api): found {found}"]


@pytest.mark.parametrize(
    "service",
    [
        {**BASE, "start_limit_burst": 3, "start_limit_interval_sec": "1h"},
        {**BASE, "start_limit_burst": 3, "directives": {"Unit": {"StartLimitIntervalSec": "1h"}}},
        {**JOB, "retries": 2, "start_limit_interval_sec": "1h"},
        {**JOB, "directives": {"Service": {"Restart": "no"}}},
    ],
)
def test_keys_that_act_together_are_fine(service):
    assert parse_services([service])
