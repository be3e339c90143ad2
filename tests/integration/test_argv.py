# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random argv and environments through a real systemd: what the process received is what the list says.

``make test`` sends 200, ``make prove`` 5,000; ``STABILITY_SEED`` repeats a run.
"""

from __future__ import annotations

import json
import random

from proofs import SEED, proof

BATCH = 50
#: On each release: 5,000 on all four.
SIZE = {"sample": 200, "full": 1250}
#: A shell that stops itself: it needs next to nothing, and its argv and environment stay readable.
KEEP = ["/bin/sh", "-c", "kill -STOP $$"]
FRAGMENTS = [
    "", " ", "  ", "'", '"', "\\", "\\n", "\n", "\t", "\r", "\x01", "\x1f", "\x7f", "$", "$$", "$HOME", "${PATH}", "%", "%%", "%i",
    "%n", "%h", ";", "; rm", "#", "=", "-", "--", "@", "!", "+", ":", "|", "&", "*", "?", "~", "[", "]", "{", "}", "<", ">", "^",
    "a", "Z", "0", "ü", "ß", "漢字", "🙂", "\u00a0", "\u2028", "\u0085", "\ufeff", "é", "\\x41", "\\101", "\\", "/dev/null", "a=b", "",
]  # fmt: skip
#: No surrogates, and none of the noncharacters that are refused.
CODES = [
    code
    for code in [*range(1, 0xD800), *range(0xE000, 0x11000), *range(0x1F300, 0x1F700)]
    if not 0xFDD0 <= code <= 0xFDEF and code & 0xFFFE != 0xFFFE
]
READ = """
import json, subprocess, sys
count = int(sys.argv[1])
units = ["case-%d.service" % index for index in range(count)]
shown = subprocess.run(["systemctl", "show", "-p", "MainPID", "--", *units], capture_output=True, text=True).stdout
found = []
for block in shown.split("\\n\\n"):
    pid = block.strip().split("=")[1]
    with open("/proc/%s/cmdline" % pid, "rb") as stream:
        argv = stream.read().split(b"\\0")[:-1]
    with open("/proc/%s/environ" % pid, "rb") as stream:
        pairs = [part.split(b"=", 1) for part in stream.read().split(b"\\0")[:-1]]
    found.append({"argv": [word.decode() for word in argv], "env": {k.decode(): v.decode() for k, v in pairs}})
print(json.dumps(found))
"""


def random_text(chance: random.Random) -> str:
    """Return text of fragments that mean something to systemd, a shell or an encoding."""
    if chance.random() < 0.1:
        return "".join(chr(chance.choice(CODES)) for _turn in range(chance.randint(1, 8)))
    return "".join(chance.choice(FRAGMENTS) for _turn in range(chance.randint(0, 6)))


def random_case(chance: random.Random) -> tuple[list[str], dict[str, str]]:
    argv = [random_text(chance) for _turn in range(chance.randint(1, 6))]
    return argv, {f"VALUE_{index}": random_text(chance) for index in range(chance.randint(0, 4))}


def received(host, cases):
    services = [
        {"name": f"case-{index}", "user": "tester", "exec_start": [*KEEP, *argv], "environment": environment}
        | {"settle_sec": 0, "hardening": "none", "timeout_stop_sec": "1s"}
        for index, (argv, environment) in enumerate(cases)
    ]
    result = host.module("systemd_units", {"services": services})
    assert not result.get("failed"), result["msg"]
    status, printed, complaint = host.run(["python3", "-c", READ, str(len(cases))])
    assert status == 0, complaint
    return json.loads(printed)


def test_argv_and_environment_arrive_byte_for_byte(host):
    chance = random.Random(SEED)
    with proof("argv", SIZE) as size:
        for start in range(0, size, BATCH):
            cases = [random_case(chance) for _turn in range(BATCH)]
            for (argv, environment), got in zip(cases, received(host, cases), strict=True):
                assert got["argv"] == [*KEEP, *argv], (SEED, start)
                assert {name: got["env"].get(name) for name in environment} == environment, (SEED, start)
