# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environment of a unit whose program somebody looks for in a PATH, and what cannot be seen of a process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_environments
from ansible_collections.stability.baseline.plugins.module_utils.audit_environments import environments_of, unseen_of
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Process, Unit, UnitFile
from ansible_collections.stability.baseline.plugins.module_utils.audit_programs import folder_of, path_of
from ansible_collections.stability.baseline.plugins.module_utils.commands import SYSTEM_PATH, current_user

ENV = "/usr/bin/env"


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    place = tmp_path / "venv"
    (place / "bin").mkdir(parents=True)
    (place / "pyvenv.cfg").write_text("")
    (place / "bin" / "python").symlink_to(sys.executable)
    return place


def unit(venv: Path, lines: str = "", command: str = "", argv: str | None = None, shell: float | None = None) -> Unit:
    """Return a unit in whose texts {bin} is the bin of an environment; ``argv`` are the words of its process."""
    there = {"bin": venv / "bin", "up": venv.parent}
    words = tuple(argv.format(**there).split()) if argv is not None else ()
    process = Process(11, 60.0, words, shell=shell) if argv is not None else None
    file = UnitFile("/etc/systemd/system/api.service", f"[Service]\n{lines.format(**there)}\n", 1.0)
    command = command.format(**there)
    properties = {"WorkingDirectory": str(venv.parent)}
    return Unit(
        "api.service", properties, (file,), process=process, programs=tuple(command.split()[:1]), commands=(command,)
    )


PATH = "Environment=PATH={bin}:/usr/bin"


@pytest.mark.parametrize(
    ("lines", "command", "argv", "found"),
    [
        # The process says it, where it can be read.
        ("", f"{ENV} python app.py", "{bin}/python app.py", True),
        (PATH, f"{ENV} python app.py", "/usr/bin/python app.py", False),
        # It is known by its name only: it is not running, or its environment may not be read.
        (PATH, f"{ENV} python app.py", "python app.py", True),
        (PATH, f"{ENV} python app.py", None, True),
        (PATH, f"{ENV} -u X -i A=b python app.py", None, True),
        (PATH, f"{ENV} -S python -u app.py", None, True),
        ("", f"{ENV} PATH={{bin}}:/bin python app.py", None, True),
        ("", f"{ENV} python app.py", "python app.py", False),
        ("", f"{ENV} python app.py", None, False),
        (PATH, f"{ENV} PATH=/bin python app.py", None, False),
        (PATH, f"{ENV} nowhere", None, False),
        (PATH, f"{ENV} -u", None, False),
        (PATH, f"{ENV} venv/bin/python", "venv/bin/python", True),
        ('Environment="A=b c" "PATH={bin}:/bin"', f"{ENV} python", None, True),
        ("Environment=PATH={bin}\nEnvironment=PATH=/bin", f"{ENV} python", None, False),
        ("Environment=PATH={bin}\nEnvironment=", f"{ENV} python", None, False),
        ("Environment=PATH=venv/bin", f"{ENV} python", None, True),
        # A title says nothing, and what is not understood is nothing.
        (PATH, f"{ENV} python", "api: master", True),
        (PATH, "{bin}/python", "api: master", True),
        ('Environment="PATH={bin}', f"{ENV} python", None, False),
        ("Environment=PATH=%J", f"{ENV} python", None, False),
        (PATH, "", "", False),
    ],
)
def test_the_environment_of_a_program_that_is_looked_for(
    venv: Path, lines: str, command: str, argv: str | None, found: bool
) -> None:
    own = environments_of([unit(venv, lines, command, argv)])
    assert own == ({"api.service": str(venv)} if found else {})


def test_what_a_script_has_made_of_its_path_is_not_guessed(venv: Path) -> None:
    assert environments_of([unit(venv, PATH, "/bin/sh run.sh", "python app.py", shell=60.0)]) == {}


def test_the_path_of_a_unit(venv: Path) -> None:
    assert path_of(unit(venv)) == SYSTEM_PATH
    assert path_of(unit(venv, "Environment=PATH=/a%%b:%t/bin MPATH=/c")) == "/a%b:/run/bin"


@pytest.mark.parametrize(
    ("folder", "began"),
    [("", "/"), ("/srv", "/srv"), ("!/srv", "/srv"), ("~", current_user().home), ("!~", current_user().home)],
)
def test_where_a_process_begins(folder: str, began: str) -> None:
    properties = {"WorkingDirectory": folder, "User": current_user().name}
    assert folder_of(Unit("api.service", properties)) == began
    assert folder_of(Unit("api.service", properties, process=Process(1, 1.0, folder="/opt"))) == "/opt"


VARIABLES = "the environment of the process of api.service (more rights are needed)"
INSIDE = "whether api.service runs in a virtual environment (nor can the PATH of its process be read)"
OUTPUT = "where the output of the process of api.service goes (more rights are needed)"


@pytest.mark.parametrize(
    ("lines", "argv", "root", "shown", "expected"),
    [
        ("", None, True, True, []),
        ("", "{bin}/python app.py", False, False, [VARIABLES, OUTPUT]),
        ("", "{bin}/python app.py", False, True, [VARIABLES]),
        ("", "python app.py", False, False, [VARIABLES, INSIDE, OUTPUT]),
        (PATH, "python app.py", False, False, [VARIABLES, OUTPUT]),
        ("", "/usr/bin/python3 app.py", False, False, [VARIABLES, OUTPUT]),
        (
            "",
            "{bin}/python app.py",
            True,
            True,
            [VARIABLES.replace("more rights are needed", "a title has taken its place")],
        ),
    ],
)
def test_what_cannot_be_seen_of_a_process_is_told(
    venv: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: str,
    argv: str | None,
    root: bool,
    shown: bool,
    expected: list[str],
) -> None:
    monkeypatch.setattr(audit_environments.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(audit_environments, "shows_output", lambda _pid: shown)
    assert unseen_of(unit(venv, lines, f"{ENV} python app.py", argv)) == expected


def test_nothing_is_unseen_of_what_can_be_read(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_environments, "shows_output", lambda _pid: True)
    assert unseen_of(Unit("api.service", {}, process=Process(1, 1.0, ("python",), {}))) == []


@pytest.mark.parametrize(
    ("user", "pid", "told"), [(1000, "7", True), (1000, "0", False), (1000, "", False), (0, "7", False)]
)
def test_a_process_that_is_hidden_is_unseen(monkeypatch: pytest.MonkeyPatch, user: int, pid: str, told: bool) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    expected = ["the process of api.service (more rights are needed)"] if told else []
    assert unseen_of(Unit("api.service", {"MainPID": pid})) == expected
