# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that floods the journal takes no record from another one, and the audit tells what the journal drops or cannot hold."""

from __future__ import annotations

import re

import pytest

from proofs import proof
from units import apply, wait_for

#: So many records, at 200,000 in a minute.
SIZES = {"sample": 20_000, "full": 200_000}
BUDGET = {"sample": 90.0, "full": 300.0}
PER_SECOND = 200_000 / 60
#: journald takes several times as much where the disk has room.
BURST = 200
FLOOD = """
import sys, time
begun, part = time.monotonic(), 100
for number in range(0, {number}, part):
    sys.stdout.write("".join("flood %d\\n" % (number + one) for one in range(part)))
    sys.stdout.flush()
    time.sleep(max(0.0, begun + number / {per_second} - time.monotonic()))
time.sleep(4)
print("flood end", flush=True)
time.sleep(10**6)
"""
STEADY = """
import itertools, time
for number in itertools.count():
    print("steady", number, flush=True)
    time.sleep(0.01)
"""
LIMITS = "/etc/systemd/journald.conf.d/90-losses.conf"
LIMITED = {"log_rate_limit_interval_sec": "3s", "log_rate_limit_burst": BURST}


@pytest.fixture(scope="module")
def host(make_host, release):
    """A host that no other test file sees: what its journal drops or removes is judged as a whole."""
    return make_host(f"losses-{release}", release=release)


def told(host, services=()):
    """Return what the audit finds about the journal."""
    audit = host.module("baseline_info", {"services": list(services)})
    return [(one["seen"], one["mend"]) for one in audit["findings"] if one["id"] == "SB207"]


def numbers(host, unit, namespace):
    """Return the numbers of a unit's records in the order of the journal."""
    host.check(f"journalctl {namespace} --sync")
    shown = host.check(f"journalctl {namespace} --quiet --output=cat --unit={unit}")
    return [int(word) for word in re.findall(r"^(?:steady|flood) (\d+)$", shown, re.MULTILINE)]


@pytest.mark.parametrize("keys", [{}, {"log_namespace": "flooded"}], ids=["one journal", "a namespace"])
def test_a_flood_takes_no_record_from_another_service(host, keys):
    namespace = "".join(f"--namespace={name}" for name in keys.values())
    with proof(f"flood {namespace}".strip(), SIZES, budget=BUDGET) as number:
        flood = FLOOD.format(number=number, per_second=PER_SECOND)
        services = [
            {"name": "flood", "exec_start": ["/usr/bin/python3", "-c", flood], **LIMITED, **keys},
            {"name": "steady", "exec_start": ["/usr/bin/python3", "-c", STEADY], **keys},
        ]
        services = [{**one, "user": "flooding", "settle_sec": 0} for one in services]
        host.run(
            "rm -rf /var/log/journal/*.flooded; mkdir -p /var/log/journal; journalctl --flush --rotate --vacuum-time=1s"
        )
        result = apply(host, services)
        assert not result.get("failed"), result["msg"]
        shown = f"journalctl {namespace} --quiet --output=cat --unit=flood"
        wait_for(
            lambda: host.run(f"{shown} --lines=3 | grep -qx 'flood end'").code == 0, seconds=number / PER_SECOND + 60
        )
        host.check("systemctl stop steady")
        steady = numbers(host, "steady", namespace)
        assert steady == list(range(len(steady))) and len(steady) > 300
        arrived = numbers(host, "flood", namespace)
        assert len(arrived) == len(set(arrived)) and BURST <= len(arrived) < number
        own = "(under a limit of its own, LogRateLimitBurst=, or of its namespace)"
        dropped = f"messages were dropped within a day: {number - len(arrived)} of flood.service {own}"
        assert told(host, services) == [(dropped, None)]
    apply(host, [{"name": one["name"], "state": "absent"} for one in services])


def test_a_young_journal_that_nothing_was_removed_of_is_no_finding(host):
    host.put(LIMITS, "[Journal]\nStorage=persistent\nMaxRetentionSec=1month\nMaxFileSec=1day\n")
    host.check("systemctl reset-failed systemd-journald; systemctl restart systemd-journald && journalctl --flush")
    assert [one for one in told(host) if "dropped" not in one[0]] == []
    host.check(f"rm {LIMITS}")


def test_a_journal_that_cannot_hold_what_was_asked_for_is_found(host):
    limits = "SystemMaxUse=16M\nSystemMaxFileSize=8M\nMaxRetentionSec=1month\nMaxFileSec=1day\nRateLimitIntervalSec=0\n"
    host.put(LIMITS, f"[Journal]\nStorage=persistent\n{limits}")
    host.check("systemctl reset-failed systemd-journald; systemctl restart systemd-journald && journalctl --flush")
    line = "import os\nfor number in range(30000):\n    print(number, os.urandom(500).hex())\n"
    host.check(["systemd-cat", "/usr/bin/python3", "-c", line])
    host.check("journalctl --sync")
    ((seen, mend),) = [one for one in told(host) if "dropped" not in one[0]]
    assert seen.startswith("the journal goes back 0.") and f"MaxRetentionSec=1month of {LIMITS} asks for more" in seen
    assert seen.endswith(f"since SystemMaxUse=16M of {LIMITS} is reached") and mend is None
    host.check(f"rm {LIMITS}")


def test_a_disk_that_keeps_the_journal_from_growing_is_found(host):
    host.put(LIMITS, "[Journal]\nStorage=persistent\nSystemKeepFree=4000G\n")
    host.check("systemctl reset-failed systemd-journald; systemctl restart systemd-journald && journalctl --flush")
    ((seen, _mend),) = [one for one in told(host) if "dropped" not in one[0]]
    assert f"and SystemKeepFree=4000G of {LIMITS} keeps more: the journal does not grow" in seen
    host.check(f"rm {LIMITS}")
