# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test hosts whose systemd needs another version of cgroups than the machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

import cgroups
from releases import RELEASES

OLD, NEW = RELEASES["bookworm"], RELEASES["forky"]
MAIN = ["/usr/bin/conmon", "-c", "1", "-u", "1", "-n", "stability-a", "--exit-command", "/usr/bin/podman"]
PROCESSES = {
    10: ["/usr/bin/podman", "exec", "stability-a", "true"],
    11: ["/usr/bin/conmon", "-c", "1", "-u", "2", "-n", "stability-a", "--exec-attach"],
    12: ["/usr/bin/conmon", "-c", "3", "-u", "3", "-n", "stability-ab"],
}


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for ``/proc``."""
    for pid, words in PROCESSES.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes("\0".join([*words, ""]).encode())
    (tmp_path / "99").mkdir()
    monkeypatch.setattr(cgroups, "PROCESSES", tmp_path)
    return tmp_path


def test_the_monitor_of_a_host_is_not_that_of_a_command_on_it(processes: Path) -> None:
    assert not cgroups.reachable("stability-a", NEW) or cgroups.unified()
    (processes / "13").mkdir()
    (processes / "13" / "cmdline").write_bytes("\0".join(MAIN).encode())
    assert cgroups.reachable("stability-a", NEW)


@pytest.mark.parametrize(
    ("unified", "kernel", "apart", "reason"),
    [(True, True, False, ""), (False, True, True, ""), (False, False, True, "Debian forky boots on cgroup v2 only")],
)
def test_a_host_is_kept_apart_only_where_it_must(
    unified: bool, kernel: bool, apart: bool, reason: str, processes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "unified", lambda: unified)
    (processes / "filesystems").write_text("nodev\tcgroup\n" + ("nodev\tcgroup2\n" if kernel else ""))
    assert (cgroups.apart(OLD), cgroups.apart(NEW)) == (False, apart)
    assert (bool(cgroups.lacks(OLD)), bool(cgroups.lacks(NEW))) == (False, apart)
    assert cgroups.obstacle(OLD) == "" and cgroups.obstacle(NEW).startswith(reason)
    assert bool(cgroups.obstacle(NEW)) == bool(reason)
    assert cgroups.prefix("stability-a", OLD) == []
