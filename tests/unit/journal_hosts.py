# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as the plan for the journal sees them."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.stability.baseline.plugins.module_utils.journal_config import Configuration
from ansible_collections.stability.baseline.plugins.module_utils.journal_plan import plan_journal
from ansible_collections.stability.baseline.plugins.module_utils.journal_settings import parse_settings, render
from ansible_collections.stability.baseline.plugins.module_utils.journal_state import Instance, Observed, Taken
from ansible_collections.stability.baseline.plugins.module_utils.journal_storage import Disk, Usage

GIB = 1024.0**3
TEXT = render(parse_settings({}), 252).text
OWN = "/etc/systemd/journald.conf.d/50-stability.conf"
WEB = "/etc/systemd/journald@web.conf.d/50-stability.conf"
UNIT, WEB_UNIT = "systemd-journald.service", "systemd-journald@web.service"
#: Times in seconds since the epoch.
CHANGED, STARTED = 1000.0, 2000.0


def instance(namespace="", text=TEXT, **values):
    """Return a journald that runs under ``text`` as our drop-in, and that we have started with it."""
    empty = Configuration((), CHANGED)
    configuration = empty.with_own(namespace, text)
    found = Instance(
        namespace=namespace,
        active=True,
        invocation="i1",
        moment="m1",
        started=STARTED,
        configuration=configuration,
        own=text,
        folder=text is not None,
        alone=True,
        taken=Taken("i1", configuration.digest, "m1"),
        stored=Usage(),
        volatile=Usage(),
    )
    return replace(found, **values)


def host(*instances, **values):
    """Return a host with a stored journal that has taken everything over."""
    known = {each.namespace: each for each in instances or (instance(),)}
    if "usage" in values:
        known[""] = replace(known[""], stored=values.pop("usage"))
    observed = Observed(
        version=252,
        instances=known,
        disk=Disk(100 * GIB, True, 50 * GIB),
        memory=Disk(GIB, True, GIB / 2),
        has_folder=True,
        blocked="",
        is_stored=True,
        is_elsewhere=False,
        is_left=False,
        remembers=True,
    )
    return replace(observed, **values)


NEW = instance(text=None, taken=None)


def plan(observed, settings=None, namespaces=()):
    values = parse_settings(settings or {})
    return plan_journal(values, render(values, observed.version), namespaces, observed, "")


def actions(observed, settings=None, namespaces=()):
    found, problems = plan(observed, settings, namespaces)
    assert problems == []
    return found.actions()
