# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two lists say together."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.preflight import check_lists

VENV = "/opt/api/venv"


@pytest.mark.parametrize(
    ("own", "services", "sources"),
    [
        (None, [], []),
        (["/opt/lib"], [], ["/opt/lib"]),
        (["/opt/lib"], [{"sources": ["/opt/api/src", "/opt/lib"]}], ["/opt/lib", "/opt/api/src"]),
        (None, [{"working_directory": "/opt/api"}, {"working_directory": "/opt/api"}], ["/opt/api"]),
        (None, [{"working_directory": "/opt/api", "sources": ["/opt/api/src"]}], ["/opt/api/src"]),
        (None, [{"working_directory": "/opt/api", "sources": []}], []),
        (None, [{"working_directory": "/"}, {"working_directory": VENV}, {"working_directory": "/srv/%i"}, {}], []),
        (None, [{"working_directory": "/opt/api", "virtualenv": "/opt/other/venv"}], []),
    ],
)
def test_sources_of_an_environment(own: Any, services: list[dict[str, Any]], sources: list[str]) -> None:
    """Its own, and those of the services that run in it."""
    environment = {"virtualenv": VENV, "pins": [], **({} if own is None else {"sources": own})}
    running = [
        {"name": f"s{index}", "user": "api", "exec_start": ["/bin/true"], "virtualenv": VENV, **service}
        for index, service in enumerate([*services, {"virtualenv": "/opt/last/venv"}])
    ]
    gone = {"name": "gone", "state": "absent"}
    checked = check_lists([*running, gone], [{"virtualenv": "/opt/first/venv", "pins": []}, environment])
    assert checked.sources == [[], sources]


def test_without_environments_there_are_no_sources() -> None:
    assert check_lists([], None).sources == []


def test_an_environment_is_checked_as_the_first_service_that_runs_in_it() -> None:
    services = [
        {"name": "gone", "state": "absent"},
        *(
            {"name": f"s{index}", "exec_start": ["/bin/true"], "user": "api", **service}
            for index, service in enumerate(
                [{}, {"virtualenv": VENV, "group": "web"}, {"virtualenv": VENV, "user": "other"}]
            )
        ),
    ]
    environments = [{"virtualenv": path, "pins": []} for path in ("/opt/first/venv", VENV)]
    assert check_lists(services, environments).gates_as == ["", "api:web"]
