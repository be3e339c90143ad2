# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every contestant deploys: the same services, in the same unit files."""

from __future__ import annotations

from typing import Any

from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import render

USER = "bench"
PREFIX = "bench-"


def services(size: int, one_changed: bool = False) -> list[dict[str, Any]]:
    """Return the list ``stability_services`` with ``size`` members; with ``one_changed`` the first has another environment."""
    listed = [
        {
            "name": f"{PREFIX}{index:02}",
            "description": f"Benchmark service {index}",
            "user": USER,
            "exec_start": ["/usr/bin/sleep", "infinity"],
            "environment": {"APP_ENV": "production", "APP_INDEX": str(index)},
            # How long a service must stay up is a promise, not speed: no other contestant makes it.
            "settle_sec": "0",
        }
        for index in range(size)
    ]
    if one_changed:
        listed[0]["environment"] = {"APP_ENV": "staging", "APP_INDEX": "0"}
    return listed


def unit_texts(listed: list[dict[str, Any]], systemd_version: int) -> dict[str, str]:
    """Return the text of each unit file of the list, by its name, for a host with ``systemd_version``."""
    rendered = [render(service, systemd_version) for service in parse_services(listed)]
    return {file.name: file.text for one in rendered for file in one.files}


def directives(text: str) -> list[str]:
    """Return the lines of a unit file that say something."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]
