# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a round of the sampler costs: 50 services, with the samples of a week before it, and a trend that is judged in each round.

All counts that the unit's processes take from the moment on that systemd forks the first of them: the sandbox, the start of Python,
systemctl. The host has no controller that would add it up on every machine, so a program in between does.
"""

from __future__ import annotations

import json
import statistics
import time
import zlib

from ansible_collections.stability.baseline.plugins.module_utils.leak_settings import FOLDER, STORE

from remote import LIBRARY

#: Of one core, in percent, at one sample a minute; and megabytes.
SHARE, MEMORY = 0.2, 25
SERVICES, DAYS, ROUNDS = 50, 7, 15
#: Seconds that :func:`reference` takes on a core of 2024 (measured on an EPYC); on a slower one a round may take longer by as much.
REFERENCE = 0.042
UNIT = "stability-leakwatch.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/cost.conf"
COSTS = "/var/lib/stability/leak-costs"
MEASURE = f"""
import os, resource, sys
own = resource.getrusage(resource.RUSAGE_SELF)
def used(argv):
    pid = os.posix_spawn(argv[0], argv, os.environ)
    _pid, status, found = os.wait4(pid, 0)
    return found.ru_utime + found.ru_stime, found.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)
# This program's own start is none of a round.
start = used([sys.executable, "-I", "-S", "-c", "import os, resource, sys"])[0]
seconds, megabytes, status = used(sys.argv[1:])
before = max(0.0, own.ru_utime + own.ru_stime - start)
with open("{COSTS}", "a") as stream:
    print(before, seconds, megabytes, status, file=stream)
"""
MAKE = f"""
import json, os, sys, time
sys.path.insert(0, "{LIBRARY}")
from ansible_collections.stability.baseline.plugins.module_utils.memory_store import Store, Usage
names = [f"leakcost{{number}}.service" for number in range({SERVICES})]
for name in names:
    with open(f"/etc/systemd/system/{{name}}", "w") as stream:
        print("[Service]\\nExecStart=/bin/sh -c 'sleep 10d & sleep 10d & wait'\\nMemoryMax=1G", file=stream)
os.makedirs("/var/lib/stability", exist_ok=True)
with open("/var/lib/stability/units.json", "w") as stream:
    json.dump({{"units": {{name: {{"service": name}} for name in names}}}}, stream)
os.system("systemctl daemon-reload; systemctl start " + " ".join(names))
store, now = Store("{STORE}", {DAYS}, 2**27), int(time.time())
runs = {{name: os.readlink(f"/run/systemd/units/invocation:{{name}}") for name in names}}
for name in names:
    ages = range({DAYS} * 1440 - 60, 0, -1)
    store.add([Usage(name, now - 60 * age, runs[name], 0, 10**8 + age % 997, 10**8 + age % 997, 3, 3, 12) for age in ages])
print(os.path.getsize("{STORE}") >> 20)
"""


def test_the_cost_of_a_round(make_host, release):
    host = make_host(f"leakcost-{release}", release=release)
    size = host.check(["/usr/bin/python3", "-c", MAKE])
    result = host.module("leakwatch", {"textfile_dir": "/srv", "keep_size": "128M"})
    assert not result.get("failed"), result
    host.check(["systemctl", "stop", "stability-leakwatch.timer"])
    host.put("/srv/measure.py", MEASURE)
    program = "/usr/bin/python3 -I -S"
    host.put(DROP_IN, f"[Service]\nExecStart=\nExecStart={program} /srv/measure.py {program} {FOLDER}/sample.py\n")
    host.check(f"systemctl daemon-reload && systemctl start {UNIT} && rm {COSTS}")
    references = []
    for _round in range(ROUNDS):
        references.append(reference())
        host.check(f"sleep 1; systemctl start {UNIT}")
    slower = max(1.0, min(references) / REFERENCE)
    rows = [list(map(float, line.split())) for line in host.read(COSTS).splitlines()]
    shown = host.read("/srv/stability_leakwatch.prom")
    assert shown.count("stability_service_memory_bytes{") == SERVICES and all(row[3] == 0 for row in rows)
    assert state(host)["judged"] >= ROUNDS
    # Each round does the same; what others do on the machine only adds to what it takes.
    seconds, usual = (pick(row[0] + row[1] for row in rows) for pick in (min, statistics.median))
    setup, megabytes = min(row[0] for row in rows), max(row[2] for row in rows)
    print(
        f"{release}: a round takes {1000 * seconds:.0f} ms of CPU time (median {1000 * usual:.0f}), {1000 * setup:.0f} ms of it before the "
        f"program starts; "
        f"{100 * seconds / 60:.2f} % of one core, {megabytes:.0f} MB; {size.strip()} MiB of samples; a core {slower:.2f} times as slow as that of the bar"
    )
    assert 100 * seconds / 60 < SHARE * slower and megabytes < MEMORY


def reference():
    """Return the CPU time of what is the same work with any Python."""
    text = b"".join(b"%d " % (number * 7919 % 10007) for number in range(100_000))
    begun = time.thread_time()
    zlib.compress(text)
    return time.thread_time() - begun


def state(host):
    ask = f"import sqlite3; print(sqlite3.connect('{STORE}').execute(\"select text from note where name = 'state'\").fetchone()[0])"
    units = json.loads(host.check(["/usr/bin/python3", "-c", ask]))[1]
    return {"judged": sum(row[9] > 0 for row in units.values())}
