# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shell, or another starter, of a service that does not run would start."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_scripts import behind_starters


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exec /opt/venv/bin/python -m app\n", "/opt/venv/bin/python -m app"),
        ("cd /opt\nexport A=1\n/opt/venv/bin/gunicorn app:app\n", "/opt/venv/bin/gunicorn app:app"),
        ("set -e\nif true; then echo a; fi\nexec /opt/venv/bin/python -m app $OPTIONS  \n\n",
         "/opt/venv/bin/python -m app $OPTIONS"),
        ("cd /opt\n./venv/bin/python -m app\n", "/opt/venv/bin/python -m app"),
        ("while true; do\n  /opt/venv/bin/python -m app\ndone\n", ""),
        ("exec python-of-nobody -m app\n", ""),
        ("/opt/venv/bin/python -m app &\n", ""),
        # Its first 64 KiB end with a command that the rest of it goes on from.
        ("\n" * 65499 + "/opt/venv/bin/tool prepare\n" + "exec /opt/venv/bin/python -m app\n",
         "/opt/venv/bin/python -m app"),
        ("# more\n" * 20000 + "exec /opt/venv/bin/python -m app\n" + "while true; do\n" * 10, ""),
        # Its last KiB begin within a line.
        ("\n" * 65536 + "echo " + "/opt/venv/bin/tool " * 100 + "\n", ""),
    ],
)  # fmt: skip
def test_what_a_script_ends_in(tmp_path: Path, script: str, expected: str) -> None:
    (tmp_path / "run.sh").write_text(f"#!/bin/sh\n{script}")
    path = str(tmp_path / "run.sh")
    shells = ("/bin/sh {}", "/bin/bash run.sh start", "/bin/bash -e {}", "/bin/bash -eu -o pipefail {}")
    for command in ((path, path), *((one.split()[0], one.format(path)) for one in shells)):
        found = [shown for _program, shown in behind_starters([command], str(tmp_path))]
        assert found == ([expected] if expected else []), command


@pytest.mark.parametrize(
    ("program", "shown", "expected"),
    [
        (
            "/bin/sh",
            "/bin/sh -c exec /opt/venv/bin/python -m app",
            [("/opt/venv/bin/python", "/opt/venv/bin/python -m app")],
        ),
        ("/bin/bash", "/bin/bash -lc cd /opt && ./run", [("/opt/run", "/opt/run")]),
        ("/bin/sh", "/bin/sh -c while true; do python; done", []),
        ("/bin/sh", "/bin/sh -c 'not closed", []),
        ("/bin/sh", "/bin/sh", []),
        ("/bin/sh", "/bin/sh -c exec env A=1 /opt/run x", [("/opt/run", "/usr/bin/env A=1 /opt/run x")]),
        ("/bin/bash", "/bin/bash -euc /opt/run x", [("/opt/run", "/opt/run x")]),
        ("/bin/bash", "/bin/bash -e -c /opt/run x", [("/opt/run", "/opt/run x")]),
        ("/usr/bin/env", "/usr/bin/env -u A B=1 sh /nowhere", [("/usr/bin/sh", "/usr/bin/env -u A B=1 sh /nowhere")]),
        ("/usr/bin/env", "/usr/bin/env PATH=/nowhere python3 -m app", []),
        ("/bin/sh", "/bin/sh /nowhere", []),
        (
            "/usr/bin/timeout",
            "/usr/bin/timeout 3600 /opt/venv/bin/python -m app",
            [("/opt/venv/bin/python", "/opt/venv/bin/python -m app")],
        ),
        (
            "/usr/bin/flock",
            "/usr/bin/flock -n /etc/passwd /usr/bin/nice -n 5 /opt/venv/bin/python -m app",
            [("/opt/venv/bin/python", "/opt/venv/bin/python -m app")],
        ),
        (
            "/usr/bin/timeout",
            "/usr/bin/timeout 9 /bin/sh -c exec /opt/run x",
            [("/opt/run", "/opt/run x")],
        ),
        (
            "/usr/bin/nice",
            "/usr/bin/nice env A=1 /opt/run x",
            [("/opt/run", "/usr/bin/env A=1 /opt/run x")],
        ),
        ("/usr/bin/timeout", "/usr/bin/timeout 9 cat", []),
        ("/usr/bin/timeout", "/usr/bin/timeout 9 /bin/cat", [("/bin/cat", "/bin/cat")]),
        ("/usr/bin/python3", "/usr/bin/python3 -c pass", []),
    ],
)
def test_what_a_command_for_a_shell_is(program: str, shown: str, expected: list[tuple[str, str]]) -> None:
    assert list(behind_starters([(program, shown)], "/")) == expected
