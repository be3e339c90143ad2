# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit is told is checked as a whole, on the controller."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_input import Input, check_input
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput

SERVICE = {"name": "api", "user": "api", "exec_start": ["/bin/true"]}
ENVIRONMENT = {"virtualenv": "/opt/api/venv", "pins": ["flask==3.0.3"]}
WAIVER = {"id": "SB101", "subject": "*", "until": "2027-01-31", "reason": "It is replaced"}


@pytest.mark.parametrize(
    ("services", "environments", "waivers", "options"),
    [
        ([], [], [], []),
        (None, None, None, []),
        ([SERVICE], [ENVIRONMENT], [WAIVER], []),
        ([SERVICE], [ENVIRONMENT], [{**WAIVER, "until": "soon"}], ["stability_waivers[0].until"]),
        ([], [], [WAIVER, {**WAIVER, "untill": "x"}], ["stability_waivers[1].untill"]),
        ([], [{**ENVIRONMENT, "pins": ["flask"]}], [], ["stability_environments[0].pins[0]"]),
        ([{**SERVICE, "restrat": "no"}], [], "x", ["stability_services[0].restrat (api)", "stability_waivers"]),
        (
            [{**SERVICE, "restrat": "no"}],
            [{**ENVIRONMENT, "virtualenv": "venv"}],
            [{**WAIVER, "id": "SB1"}],
            ["stability_services[0].restrat (api)", "stability_environments[0].virtualenv", "stability_waivers[0].id"],
        ),
    ],
)
def test_every_problem_of_the_lists_and_waivers_is_named_at_once(
    services: object, environments: object, waivers: object, options: list[str]
) -> None:
    if not options:
        check_input(Input(services, environments, waivers), "stability_")
        return
    with pytest.raises(InvalidInput) as raised:
        check_input(Input(services, environments, waivers), "stability_")
    assert [problem.option for problem in raised.value.problems] == options


def test_what_becomes_of_the_report_is_checked_before_any_host_is_looked_at(tmp_path: Path) -> None:
    earlier = tmp_path / "report.json"
    earlier.write_text("{}")
    with pytest.raises(InvalidInput) as raised:
        check_input(Input([], [], "x", "Error", str(earlier)), "stability_")
    assert str(raised.value).split("\n")[-2:] == [
        'stability_fail_on: found "Error"; expected one of none, error, warning. Choose one of them.',
        f'stability_compare_with: found "{earlier}" (it is no report of the audit); expected a report of the audit. '
        "Name the report.json of an earlier audit.",
    ]
    check_input(Input([], [], [], "error", ""), "stability_")
