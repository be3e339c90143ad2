# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugin of pytest: what cannot run on this machine is left out, and shown at the end as *not run*, with the reason.

A test is on the release that its parameter ``release`` or the variable ``STABILITY_RELEASE`` names. It is left out when no host of
that release can run here, when such a host has not what the test's mark ``needs`` names, or when its mark ``missing`` says what
else is not here. How the tests ended is reported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest

import cgroups
from releases import RELEASES
from reporting import tell

LEFT_OUT = pytest.StashKey[dict[str, str]]()
PASSED = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", f"needs(*things): what the host must have, such as {cgroups.MEMORY_LIMITS!r}")
    config.addinivalue_line("markers", "missing(reason): what the test needs is not on this machine")
    config.stash[LEFT_OUT] = {}
    config.stash[PASSED] = 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot run here."""
    leave_out(config, items, {item: reason for item in items if (reason := obstacle(item))})


def leave_out(config: pytest.Config, items: list[pytest.Item], reasons: Mapping[pytest.Item, str]) -> None:
    """Take tests out of ``items``; each is shown at the end with its reason."""
    # The host's name, which testinfra adds, is another one in each run.
    names = {item: item.nodeid.partition("[ansible://")[0] for item in reasons}
    config.stash[LEFT_OUT].update({names[item]: reason for item, reason in reasons.items()})
    config.hook.pytest_deselected(items=list(reasons))
    items[:] = [item for item in items if item not in reasons]


def obstacle(item: pytest.Item) -> str:
    """Return why a test cannot run on this machine; empty when it can."""
    for mark in item.iter_markers("missing"):
        return str(mark.args[0])
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    name = parameters.get("release") or os.environ.get("STABILITY_RELEASE")
    if not name:
        return ""
    release = RELEASES[name]
    lacking = cgroups.lacks(release)
    needed = [thing for mark in item.iter_markers("needs") for thing in mark.args]
    reasons = [cgroups.obstacle(release), *(lacking.get(thing, "") for thing in needed)]
    return next(filter(None, reasons), "")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Count what passed."""
    outcome = yield
    item.config.stash[PASSED] += outcome.when == "call" and outcome.passed
    return outcome


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what was left out."""
    for test, reason in config.stash[LEFT_OUT].items():
        terminalreporter.write_line(f"not run: {test}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Report how it ended; one of several processes that share the tests out leaves that to the one that started it."""
    stash = session.config.stash
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput.update(passed=stash[PASSED], left_out=stash[LEFT_OUT])
    elif not session.config.option.collectonly:
        tell(passed=stash[PASSED], not_run=stash[LEFT_OUT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Add up what a process of pytest-xdist counted; one that crashed has counted nothing."""
    found = getattr(node, "workeroutput", {})
    node.config.stash[PASSED] += found.get("passed", 0)
    node.config.stash[LEFT_OUT].update(found.get("left_out", {}))
