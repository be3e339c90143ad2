# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that change the user: the hardening that they cannot work under is taken out, and user stands for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.adopt_model import Item
from ansible_collections.stability.baseline.plugins.module_utils.adopt_privileges import judge_privileges
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services

ROOT = "it runs as root; name a user of its own, if it does not need that"


def judged(**values: Any) -> Item:
    item = Item({"name": "a", "user": "web", **values}, "", [ROOT] if values.get("user") == "root" else [])
    judge_privileges([item])
    parse_services([item.values])
    return item


@pytest.mark.parametrize(
    ("values", "program"),
    [
        ({"exec_start": ["/usr/bin/sudo", "-u", "db", "/bin/x"]}, "/usr/bin/sudo"),
        ({"exec_start": "-/usr/bin/doas /bin/x $A"}, "/usr/bin/doas"),
        ({"exec_start": ["/usr/bin/timeout", "5", "sudo", "/bin/x"]}, "sudo"),
        ({"exec_start": ["/bin/sh", "-c", "cd / && sudo -n /bin/x"]}, "sudo"),
        ({"exec_start": ["/bin/sh", "-c", "nice su db -c x"]}, "su"),
        ({"exec_start": ["{here}/run.sh"]}, "sudo"),
        ({"exec_start": ["/bin/sh", "{here}/run.sh"]}, "sudo"),
        ({"exec_start": ["{here}/gains"]}, "{here}/gains"),
        (
            {"exec_start": ["/bin/x"], "exec_start_pre": [["/bin/a"], ["/bin/b"], ["/usr/bin/sudo", "c"]]},
            "/usr/bin/sudo",
        ),
        (
            {"exec_start": ["/bin/x"], "directives": {"Service": {"ExecStop": ["/bin/a", "/usr/bin/sudo b"]}}},
            "/usr/bin/sudo",
        ),
        ({"exec_start": ["/bin/x", "sudo"]}, ""),
        ({"exec_start": ["/bin/sh", "-c", "echo pseudo"]}, ""),
        ({"exec_start": ["{here}/none"]}, ""),
        ({"exec_start": ["/usr/bin/sudo", "/bin/x"], "user": "root"}, ""),
        ({"exec_start": ["/usr/bin/sudo", "/bin/x"], "directives": {"Service": {"NoNewPrivileges": "yes"}}}, ""),
    ],
)
def test_what_cannot_gain_rights_is_not_hardened(values: dict[str, Any], program: str, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/sh\n# doas\nif true; then sudo -n /bin/x; fi\n")
    for name, mode in (("gains", 0o4755), ("none", 0o755)):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    here = str(tmp_path)
    command = values["exec_start"]
    if isinstance(command, list):
        values = {**values, "exec_start": [word.replace("{here}", here) for word in command]}
    item = judged(**values)
    assert item.values.get("hardening", "") == ("none" if program else "")
    told = [mark for mark in item.marks if mark.startswith("hardening: none")]
    begin = f"hardening: none, since NoNewPrivileges=yes of basic would keep {program.replace('{here}', here)} from"
    assert [mark.startswith(begin) for mark in told] == ([True] if program else [])


@pytest.mark.parametrize(
    ("command", "values", "user"),
    [
        (["/usr/bin/sudo", "-n", "-u", "db", "--", "/bin/x", "-u", "y"], {}, "db"),
        (["/usr/bin/sudo", "--user=db", "-H", "/bin/x", "-u", "y"], {}, "db"),
        (["/usr/sbin/runuser", "-udb", "/bin/x", "-u", "y"], {"environment": {"A": "1"}}, "db"),
        (["/usr/bin/sudo", "-u", "db", "/bin/x"], {"environment": {"A": "1"}}, ""),
        (["/usr/bin/sudo", "-u", "db", "/bin/x"], {"exec_reload": ["/bin/y"]}, ""),
        (["/usr/bin/sudo", "-u", "db", "/bin/x"], {"directives": {"Service": {"ExecStop": "/bin/y"}}}, ""),
        (["/usr/bin/sudo", "-E", "-u", "db", "/bin/x"], {}, None),
        (["/usr/bin/sudo", "-u", "db", "x"], {}, None),
        (["/usr/bin/sudo", "-u", "#12", "/bin/x"], {}, None),
        (["/usr/bin/sudo", "/bin/x"], {}, None),
        (["/usr/bin/su", "db", "-c", "/bin/x"], {}, None),
    ],
)
def test_a_user_that_root_changes_to(command: list[str], values: dict[str, Any], user: str | None) -> None:
    item = judged(user="root", exec_start=command, **values)
    if not user:
        assert (item.values["user"], item.values["exec_start"]) == ("root", command)
        assert any("changes from root to db" in mark for mark in item.marks) is (user is not None)
        return
    assert (item.values["user"], item.values["exec_start"]) == (user, ["/bin/x", "-u", "y"])
    assert ROOT not in item.marks and item.marks[0].startswith("user: db stands for ")
