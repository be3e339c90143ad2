# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the integration tests: releases, and hosts of their own, removed at the end of the run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import places
import testhosts
from proofs import SEED
from releases import RELEASES
from remote import RemoteHost
from testhosts import HostSpec

#: The process in a host's name tells whether its run is still going on.
NAME = "integration-{pid}-{suffix}"
NAME_PATTERN = re.compile(r"integration-(\d+)-.*")
#: The files that take longest, in this order: begun last, one of them would run alone at the end.
LONGEST = (
    "test_transaction_kills",
    "test_documents",
    "test_crash_points",
    "test_services_follow",
    "test_stop_before_switch",
    "test_adopt",
    "test_keys",
    "test_references",
    "test_journald",
)
#: How the names of the hosts begin that all tests on a release share.
SHARED = "shared-"
#: Stops every service and timer that tests have made, instances included.
STOP = """
systemctl show -p Id -p FragmentPath '*.service' '*.timer' | awk '
    BEGIN { RS = ""; FS = "\\n" }
    /FragmentPath=\\/etc\\/systemd\\/system\\// { for (i = 1; i <= NF; i++) if ($i ~ /^Id=/) print substr($i, 4) }
' | xargs --no-run-if-empty systemctl stop --no-block --
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose where tests run."""
    places.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark with which a test says how many of its parameters a sample takes."""
    config.addinivalue_line(
        "markers", f"{places.DRAWN}(number): a sample takes so many of the parameters, drawn by the seed"
    )


def pytest_report_header() -> str:
    """Say how this run can be repeated."""
    return f"seed: {SEED} (STABILITY_SEED={SEED} repeats it)"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test that is about the host run on each release."""
    if "release" in metafunc.fixturenames:
        metafunc.parametrize("release", RELEASES, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the places that were asked for, those of the longest files first."""
    places.choose(config, items, SEED)
    last = len(LONGEST)
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else last)


def _remove_left_over_hosts() -> None:
    """Remove the hosts of runs that were killed before they could do it themselves."""
    for name in testhosts.names():
        match = NAME_PATTERN.fullmatch(name)
        if match and not Path("/proc", match[1]).exists():
            testhosts.down(name)


@pytest.fixture(scope="session")
def hosts_of_run() -> Iterator[dict[str, RemoteHost]]:
    """The hosts that were started, by the end of their names; they are removed at the end of the run."""
    _remove_left_over_hosts()
    started: dict[str, RemoteHost] = {}
    yield started
    testhosts.down(*(host.name for host in started.values()))


@pytest.fixture(scope="session")
def make_host(hosts_of_run: dict[str, RemoteHost]) -> Callable[..., RemoteHost]:
    """Return a function that starts a host: ``make_host("suffix", **settings of HostSpec)``."""

    def make(suffix: str, **settings: Any) -> RemoteHost:
        host = RemoteHost(HostSpec(NAME.format(pid=os.getpid(), suffix=suffix), **settings))
        hosts_of_run[suffix] = host
        return host

    return make


@pytest.fixture(scope="module", autouse=True)
def rest(hosts_of_run: dict[str, RemoteHost]) -> Iterator[None]:
    """After a file of tests, remove its own hosts and stop what it left on the shared ones: crash loops cost CPU time."""
    yield
    for suffix, host in list(hosts_of_run.items()):
        if suffix.startswith(SHARED):
            host.run(STOP)
        else:
            host.down()
            del hosts_of_run[suffix]


@pytest.fixture(scope="session")
def host(make_host: Callable[..., RemoteHost], release: str) -> RemoteHost:
    """Return the host that all tests on a release share, with SSH."""
    return make_host(f"{SHARED}{release}", release=release, ssh=True)
