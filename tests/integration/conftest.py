# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the integration tests: hosts of their own, removed at the end of the run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import testhosts
from remote import RemoteHost
from testhosts import HostSpec

#: The process in a host's name tells whether its run is still going on.
NAME = "integration-{pid}-{suffix}"
NAME_PATTERN = re.compile(r"integration-(\d+)-.*")


def _remove_left_over_hosts() -> None:
    """Remove the hosts of runs that were killed before they could do it themselves."""
    for name in testhosts.names():
        match = NAME_PATTERN.fullmatch(name)
        if match and not Path("/proc", match[1]).exists():
            testhosts.down(name)


@pytest.fixture(scope="session")
def make_host() -> Iterator[Callable[..., RemoteHost]]:
    """Return a function that starts a host: ``make_host("suffix", **settings of HostSpec)``."""
    _remove_left_over_hosts()
    started = []

    def make(suffix: str, **settings: Any) -> RemoteHost:
        host = RemoteHost(HostSpec(NAME.format(pid=os.getpid(), suffix=suffix), **settings))
        started.append(host.name)
        return host

    yield make
    testhosts.down(*started)


@pytest.fixture(scope="session")
def host(make_host: Callable[..., RemoteHost]) -> RemoteHost:
    """Return the host that all tests share: Debian 12, with SSH."""
    return make_host("shared", ssh=True)
