# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios get as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support import Deployment, Node, wait_for

import not_run


def pytest_configure(config: pytest.Config) -> None:
    """Tell what is left out on this release."""
    config.pluginmanager.register(not_run, "not_run")


@pytest.fixture
def node(host: Any) -> Node:
    """The test host."""
    return Node(host)


@pytest.fixture
def deployment() -> Deployment:
    """Deployments to the test host."""
    return Deployment()


@pytest.fixture
def control(node: Node) -> Callable[[str], str]:
    """Start a unit without the baseline, whatever became of it before, and return its name."""

    def start(unit: str) -> str:
        node.run("systemctl reset-failed %s; systemctl restart %s", unit, unit)
        wait_for(f"{unit} answers", lambda: node.tell(unit, "ping"))
        return unit

    return start
