# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes and systemctl show of units beside their files: Pythons below a shell, lost units, drop-ins, programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import systemd_host
from ansible_collections.stability.baseline.plugins.module_utils.adopt_lost import lost_pythons
from ansible_collections.stability.baseline.plugins.module_utils.adopt_timers import read_timers
from ansible_collections.stability.baseline.plugins.module_utils.adopt_units import services_of
from ansible_collections.stability.baseline.plugins.module_utils.adopt_wrapped import Wrapped, python_below
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Process, Unit, UnitFile
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services

RUNNING = {"ActiveState": "active", "UnitFileState": "enabled", "Type": "simple"}


def unit(text: str, process: Process | None = None) -> Unit:
    files = (UnitFile("/etc/systemd/system/api.service", text, 9.0),)
    return Unit("api.service", RUNNING, files, process=process, programs=("/opt/api/run",))


def test_a_drop_in_of_a_timer_may_have_blanks_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, more = tmp_path / "api.timer", tmp_path / "api.timer.d" / "20 more.conf"
    more.parent.mkdir()
    clock.write_text("[Timer]\nOnCalendar=daily\n")
    more.write_text("[Timer]\nOnCalendar=\nOnCalendar=weekly\n")
    shown = {
        "FragmentPath": str(clock),
        "DropInPaths": f'"{more}"',
        "ActiveState": "active",
        "UnitFileState": "enabled",
    }
    monkeypatch.setattr(systemd_host, "show", lambda names, _properties: dict.fromkeys(names, shown))
    read = read_timers([Unit("api.service", RUNNING, triggers={"api.timer": "enabled"})])["api.timer"]
    assert read.sections["Timer"]["OnCalendar"] == ["weekly"] and read.own_drop_ins() == [str(more)]


def process(proc: Path, pid: int, parent: int, program: str, *argv: str) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "exe").symlink_to(program)
    (folder / "cwd").symlink_to("/srv")
    (folder / "cmdline").write_text("".join(f"{word}\0" for word in argv))
    (folder / "stat").write_text(f"{pid} (a) b) S {parent} {'0 ' * 20}\n")


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ({10: (1, "/usr/bin/dash"), 11: (10, "/usr/bin/python3.11")}, ("dash", 1)),
        ({10: (1, "/usr/bin/bash"), 11: (10, "/usr/bin/timeout"), 12: (11, "/v/bin/python3")}, ("bash", 1)),
        ({10: (1, "/usr/bin/sudo"), 11: (10, "/usr/bin/python3.11"), 12: (11, "/usr/bin/python3.11")}, ("sudo", 1)),
        ({10: (1, "/bin/sh"), 11: (10, "/usr/bin/python3"), 12: (10, "/usr/bin/python3")}, ("sh", 2)),
        ({10: (1, "/usr/bin/python3"), 11: (10, "/usr/bin/python3")}, None),
        ({10: (1, "/usr/bin/node"), 11: (10, "/usr/bin/python3")}, None),
        ({10: (1, "/bin/sh"), 11: (10, "/usr/bin/node"), 12: (11, "/usr/bin/python3")}, None),
        ({10: (1, "/bin/sh"), 11: (1, "/usr/bin/python3")}, None),
        ({10: (1, "/bin/sh"), 11: (10, "/bin/sleep")}, None),
    ],
)
def test_a_python_that_another_program_waits_for(
    programs: dict[int, tuple[int, str]], expected: object, tmp_path: Path
) -> None:
    for pid, (parent, program) in programs.items():
        process(tmp_path, pid, parent, program, program, "x")
    found = python_below(10, [*programs, 99], str(tmp_path))
    assert (found and (found.wrapper, found.count)) == expected
    assert found is None or (found.argv[1], found.directory) == ("x", "/srv")


@pytest.mark.parametrize(
    ("state", "fragment", "begin"),
    [
        ("not-found", "", "its unit file is gone"),
        ("masked", "/etc/systemd/system/api.service", "it is masked"),
        ("bad-setting", "/etc/systemd/system/api.service", "its unit file has what systemd refuses"),
        ("loaded", "/none/api.service", "its unit file is gone"),
        ("loaded", "{here}", None),
        ("loaded", "", None),
    ],
)
def test_a_python_whose_unit_is_lost_is_told(state: str, fragment: str, begin: str | None, tmp_path: Path) -> None:
    process(tmp_path, 7, 1, "/usr/bin/python3", "/usr/bin/python3", "-m", "shop", "--token", "hunter2")
    process(tmp_path, 8, 1, "/usr/bin/node", "node")
    (tmp_path / "7" / "status").write_text("Name:\tx\nUid:\t1\t0\t0\t0\n")
    shown = {"LoadState": state, "FragmentPath": fragment.replace("{here}", str(tmp_path))}
    states = {"api.service": {**shown, "MainPID": "7"}, "node.service": {**shown, "MainPID": "8"}, "x.service": shown}
    found = lost_pythons(states, {}, str(tmp_path))
    assert [mark.subject for mark in found.values()] == ([] if begin is None else ["api.service"])
    for mark in found.values():
        assert mark.text.startswith(
            f"{begin}, so what starts it cannot be read. It runs as root, in /srv: /usr/bin/python3 -m"
        )
        assert "hunter2" not in mark.text


@pytest.mark.parametrize(
    ("command", "running"),
    [
        ("/usr/bin/env python -m api", ()),
        ("/usr/bin/env -u X A=1 python $OPTIONS", ()),
        ("/bin/sh -c 'exec python x'", ("python", "x")),
        ("/usr/bin/env PATH={here}/bin python", ()),
    ],
)
def test_a_program_that_is_found_in_the_path_of_the_unit(
    command: str, running: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch(0o755)
    path = "" if "PATH=" in command else f'Environment=A=b "PATH={tmp_path}/bin:/usr/bin"\n'
    one = unit(
        f"[Service]\nUser=api\n{path}ExecStart={command.replace('{here}', str(tmp_path))}\n",
        Process(7, 1.0, running) if running else None,
    )
    (found,) = services_of([one], {}, {}).items
    assert f"{tmp_path}/bin/python" in found.programs


LIVE = ("/usr/bin/python3", "-m", "shop", "--token", "hunter2")
STAYS = "sh stays between systemd and Python, and signals to the main process do not reach Python: "


@pytest.mark.parametrize(
    ("script", "live", "expected"),
    [
        ("cd {here}\n{run}\n", LIVE, {"working_directory": "{here}"}),
        ("export MODE=x\ncd {here}\n{run}\n", LIVE, {"working_directory": "{here}", "environment": {"MODE": "x"}}),
        ("cd {here}\npython3 -m shop --token hunter2\n", ("python3", *LIVE[1:]), {"working_directory": "{here}"}),
        ("cd {here}\nulimit -n 9\n{run}\n", LIVE, None),
        ("cd {here}\n{run} > /var/log/x\n", LIVE, None),
        ("cd {here}\n{run}\n", ("/usr/bin/python3.11", *LIVE[1:]), None),
        ("cd {here}\n{run} --other\n", LIVE, None),
        ("cd /\n{run}\n", LIVE, None),
    ],
)
def test_a_shell_is_left_out_where_that_is_the_same(
    script: str, live: tuple[str, ...], expected: dict[str, Any] | None, tmp_path: Path
) -> None:
    path = tmp_path / "run.sh"
    path.write_text("#!/bin/sh\n" + script.format(here=tmp_path, run=" ".join(LIVE)))
    one = unit(f"[Service]\nUser=api\nExecStart={path}\n")
    (found,) = services_of([one], {}, {}, {one.name: Wrapped("sh", live, str(tmp_path))}).items
    parse_services([found.values])
    assert "hunter2" not in str((found.values, found.marks))
    (told,) = (mark for mark in found.marks if mark.startswith(STAYS))
    if expected is None:
        assert found.values["exec_start"] == [str(path)] and " write what it starts (" in told
        return
    assert found.values["exec_start"] == ["/usr/bin/python3", *LIVE[1:4], "{{ vault_api_token }}"]
    assert told == f"{STAYS}what it starts is exec_start now, in place of {path}"
    written = {key: found.values[key] for key in expected}
    assert str(written) == str(expected).replace("{here}", str(tmp_path))
