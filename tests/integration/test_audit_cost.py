# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit of a large host costs there: 50 services in 5 environments with 300 distributions and 12,000 files.

Each environment has an application of 2,000 lines that uses 200 modules, and that no list names.
"""

from __future__ import annotations

import json

from remote import LIBRARY

#: CPU seconds of the module and of all that it starts, and megabytes of its largest process.
COLD, WARM, MEMORY = 8.0, 3.0, 200
SERVICES, ENVIRONMENTS, DISTRIBUTIONS, FILES = 50, 5, 60, 40
SOURCES, LINES, USED = 20, 100, 10
#: For printf(1): with \042 for quotes.
WRONG = r"import logging\nimport cost0.part0\nlogging.FileHandler(\042app.log\042)\ncost0.part0.removed\n"
MAKE = f"""
import base64, hashlib, os, subprocess
for place in range({ENVIRONMENTS}):
    venv = f"/opt/cost{{place}}/venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", venv], check=True)
    (site,) = [folder for folder, names, _files in os.walk(f"{{venv}}/lib") if folder.endswith("site-packages")]
    for number in range({DISTRIBUTIONS}):
        info = f"cost{{number}}-1.0.dist-info"
        os.makedirs(f"{{site}}/cost{{number}}")
        os.makedirs(f"{{site}}/{{info}}")
        rows = [f"{{info}}/METADATA,,", f"{{info}}/INSTALLER,,", f"{{info}}/RECORD,,"]
        for part in range({FILES}):
            content = (f"value = {{part}}" + chr(10)).encode() * 200
            with open(f"{{site}}/cost{{number}}/part{{part}}.py", "wb") as stream:
                stream.write(content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.append(f"cost{{number}}/part{{part}}.py,sha256={{digest}},{{len(content)}}")
        required = [f"Requires-Dist: cost{{number - 1}}>=1"] if number else []
        metadata = ["Metadata-Version: 2.1", f"Name: cost{{number}}", "Version: 1.0", *required]
        for name, lines in (("METADATA", metadata), ("INSTALLER", ["pip"]), ("RECORD", rows)):
            with open(f"{{site}}/{{info}}/{{name}}", "w") as stream:
                stream.write(chr(10).join(lines) + chr(10))
    os.makedirs(f"/opt/cost{{place}}/source/app")
    for file in range({SOURCES}):
        used = [f"cost{{(file * {USED} + number) % {DISTRIBUTIONS}}}.part{{(file + number) % {FILES}}}" for number in range({USED})]
        lines = [f"from {{module}} import value as value{{number}}" for number, module in enumerate(used)]
        lines += [f"import {{used[0]}}", "def function(value):"]
        lines += [f"    value = {{used[0]}}.value + value * value{{number % {USED}}}" for number in range({LINES})]
        with open(f"/opt/cost{{place}}/source/app/file{{file}}.py", "w") as stream:
            stream.write(chr(10).join(lines) + chr(10))
    with open(f"/opt/cost{{place}}/source/app/__main__.py", "w") as stream:
        stream.write("import time" + chr(10) + "time.sleep(10**6)" + chr(10))
    open(f"/opt/cost{{place}}/source/app/__init__.py", "w").close()
for number in range({SERVICES}):
    lines = [
        "[Unit]", "StartLimitIntervalSec=0", "[Service]", "User=www-data", "Restart=always", "RestartSec=5s",
        "Environment=PYTHONUNBUFFERED=1", "MemoryMax=1G", "[Install]", "WantedBy=multi-user.target",
        f"ExecStart=/opt/cost{{number % {ENVIRONMENTS}}}/venv/bin/python -m app",
        f"WorkingDirectory=/opt/cost{{number % {ENVIRONMENTS}}}/source",
    ]
    lines.insert(3, lines.pop())
    lines.insert(3, lines.pop())
    with open(f"/etc/systemd/system/cost{{number}}.service", "w") as stream:
        stream.write(chr(10).join(lines) + chr(10))
"""
MEASURE = f"""
import json, os, resource, subprocess, sys
arguments = json.dumps({{"ANSIBLE_MODULE_ARGS": {{"_ansible_remote_tmp": "/tmp"}}}})
program = [sys.executable, "{LIBRARY}/run_module.py", "baseline_info"]
done = subprocess.run(program, input=arguments, capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
result = json.loads(done.stdout)
print(json.dumps({{
    "seconds": used.ru_utime + used.ru_stime,
    "megabytes": used.ru_maxrss / 1024,
    "services": len(result["services"]),
    "distributions": sum(len(one["distributions"]) for one in result["environments"]),
    "findings": [one["id"] + " " + one["subject"] for one in result["findings"]],
}}))
"""


def measured(host):
    # As on a real host, where the code arrives with the call, no byte code is there.
    command = ["env", f"PYTHONPATH={LIBRARY}", "/usr/bin/python3", "-B", "-c", MEASURE]
    result = json.loads(host.check(command))
    print(f"{result['seconds']:.2f} CPU seconds, {result['megabytes']:.0f} MB")
    return result


def test_a_large_host_is_audited_in_a_few_cpu_seconds(make_host):
    host = make_host("cost")
    host.check(["/usr/bin/python3", "-c", MAKE])
    names = [f"cost{number}" for number in range(SERVICES)]
    host.check(["systemctl", "daemon-reload"])
    host.check(["systemctl", "enable", "--quiet", "--now", *names])
    cold, *warm = measured(host), measured(host), measured(host)
    for one in (cold, *warm):
        assert (one["services"], one["distributions"]) == (SERVICES, ENVIRONMENTS * DISTRIBUTIONS)
        assert one["findings"] == [] and one["megabytes"] < MEMORY
    assert cold["seconds"] <= COLD
    assert min(one["seconds"] for one in warm) <= WARM
    # What is wrong with the source is found again at the same cost.
    host.check(
        f"for place in $(seq 0 {ENVIRONMENTS - 1}); do printf '{WRONG}' >> /opt/cost$place/source/app/file0.py; done"
    )
    host.check("sleep 2.1")
    _cold, *warm = measured(host), measured(host), measured(host)
    expected = sorted(f"{rule} /opt/cost{place}/venv" for place in range(ENVIRONMENTS) for rule in ("SB203", "SB406"))
    assert [sorted(one["findings"]) for one in warm] == [expected] * 2
    assert min(one["seconds"] for one in warm) <= WARM
