# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the module journald on a host, and asking its journal for numbered records."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager

UNIT = "systemd-journald.service"
DROP_INS = "/etc/systemd/journald.conf.d"
OWN = f"{DROP_INS}/50-stability.conf"
#: Prints a number as a line, and sends it to the socket of syslog, again and again, until it is told to end.
WRITER = """
import itertools, os, socket, time
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.connect("/dev/log")
for number in itertools.count(1):
    print(number, flush=True)
    log.send(b"<14>datagram: %d" % number)
    time.sleep(0.002)
    if not os.path.exists("/run/write-on"):
        break
"""


def journal_host(make_host, suffix, release):
    """Return a host that no other test file sees: its journal is moved about, and it is rebooted."""
    host = make_host(f"{suffix}-{release}", release=release, ssh=True)
    host.put("/opt/writer.py", WRITER)
    return host


def apply(host, settings=None, **options):
    module = {key: options.pop(key) for key in ("namespaces", "state") if key in options}
    return host.module("journald", {"settings": settings or {}, **module}, **options)


def applied(host, settings=None, **options):
    """Let check mode predict, run, and hold the two against each other; a second run must change nothing."""
    predicted = apply(host, settings, check=True, diff=True, **options)
    result = apply(host, settings, diff=True, **options)
    assert not result.get("failed"), result["msg"]
    for key in ("changed", "actions", "restarted", "diff"):
        assert predicted[key] == result[key], key
    assert as_told(predicted["warnings"]) == as_told(result["warnings"])
    before = invocation(host)
    again = apply(host, settings, diff=True, **options)
    assert (again["changed"], again["actions"], again["diff"]) == (False, [], [])
    assert invocation(host) == before
    return result


def as_told(warnings):
    """Return warnings without what was measured, which alone has decimals: the journal grows between two runs."""
    return [re.sub(r"\d+\.\d[KMGT]?", "?", text) for text in warnings]


def invocation(host, unit=UNIT):
    return host.check(["systemctl", "show", "-p", "InvocationID,MainPID,ActiveState", unit])


def journal(host, *matches):
    return host.check(["journalctl", "--no-pager", "-q", "-o", "cat", *matches]).splitlines()


@contextmanager
def writing(host, name, *properties):
    """Let a service write numbers meanwhile, as lines and as datagrams."""
    host.check("touch /run/write-on")
    options = [f"--property={each}" for each in properties]
    host.check(["systemd-run", "-q", f"--unit={name}", "--collect", *options, "/usr/bin/python3", "/opt/writer.py"])
    time.sleep(0.5)
    yield
    time.sleep(0.5)
    host.check(f"rm /run/write-on; while systemctl -q is-active {name}; do sleep 0.1; done; journalctl --sync")


def check_numbers(host, name, *where):
    """Return how many numbers there are: both ways to the journal all of them from 1 on, in order.

    journald itself writes a record twice when a file is full in the middle of it.
    """
    counts = []
    for match in ("_TRANSPORT=stdout", "SYSLOG_IDENTIFIER=datagram"):
        numbers = [int(line) for line in journal(host, *where, match, f"_SYSTEMD_UNIT={name}.service")]
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(1, numbers[-1] + 1))
        counts.append(numbers[-1])
    assert min(counts) > 100
    assert len(set(counts)) == 1
    return counts[0]


def make_volatile(host):
    """Bring the host into the state of a distribution that keeps the journal in memory; return what is then missing.

    Podman's own support of systemd mounts a volume at /var/log/journal: that can be emptied, not removed.
    """
    apply(host, state="absent")
    host.put(f"{DROP_INS}/20-volatile.conf", "[Journal]\nStorage=volatile\n")
    host.check(f"systemctl reset-failed {UNIT}; systemctl restart {UNIT}; rm -rf /var/log/journal/*")
    return [] if host.run(["rmdir", "/var/log/journal"]).code else ["create /var/log/journal"]


def limit(host):
    """Return what journald itself said, when it started, of how large the journal may grow: ``64M``."""
    said = [line for line in journal(host, "-u", UNIT) if line.startswith("System Journal")]
    return said[-1].split("max ")[1].split(",")[0].replace(".0M", "M")
