# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a unit would start that systemd refuses to load."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_refused import commands_in, is_of_python


@pytest.mark.parametrize(
    ("lines", "commands"),
    [
        ("ExecStart=python3x/app.py --debug\n", [("python3x/app.py", "python3x/app.py --debug")]),
        ("ExecStart=-@/usr/bin/python3 'a b'\n", [("/usr/bin/python3", "/usr/bin/python3 a b")]),
        ("ExecStart=/bin/a\nExecStart=\nExecStart=/bin/b \\\n# more\n c\n", [("/bin/b", "/bin/b c")]),
        ("ExecStart='/bin/a b\n", [("'/bin/a", "'/bin/a b")]),
        ("Restart=always\n", []),
    ],
)
def test_commands_in_the_files_of_a_unit(lines: str, commands: list[tuple[str, str]]) -> None:
    assert commands_in([f"[Service]\n{lines}"]) == commands


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python3x/app.py", True),
        ("/opt/gone/bin/python3 -m app", True),
        ("venv/bin/python -m app", True),
        ("/bin/sh /opt/run.py", True),
        (f"{sys.executable} -m app", True),
        ("/bin/sh -c true", False),
        ("/opt/gone/bin/serve", None),
        ("bin/serve", None),
    ],
)
def test_whether_a_command_is_of_a_python(command: str, expected: bool | None) -> None:
    assert is_of_python([(command.split()[0], command)]) is expected
    assert is_of_python([("/bin/sh", "/bin/sh -c true"), (command.split()[0], command)]) is expected
    assert is_of_python([]) is None
