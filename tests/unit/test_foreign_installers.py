# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes are installers at work in an environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import environment_lock
from ansible_collections.stability.baseline.plugins.module_utils.commands import EnvironmentFailure
from ansible_collections.stability.baseline.plugins.module_utils.environment_lock import locked
from ansible_collections.stability.baseline.plugins.module_utils.foreign_installers import (
    installer_of,
    installers_at_work,
    works_in,
)

VENV = "/opt/app/venv"


@pytest.mark.parametrize(
    ("command", "installer"),
    [
        ("/opt/app/venv/bin/python /opt/app/venv/bin/pip install x", "pip"),
        ("/opt/app/venv/bin/python3.11 -I -B -m pip uninstall -y x", "pip"),
        ("python -W ignore -m pip install x", "pip"),
        ("/usr/bin/python3 /usr/bin/pip-sync lock.txt", "pip"),
        ("/usr/local/bin/uv pip sync lock.txt", "uv"),
        ("uv sync", "uv"),
        ("uv pip list", ""),
        ("uv run manage.py sync", ""),
        ("/opt/app/venv/bin/python -m pip list", ""),
        ("/opt/app/venv/bin/python -m pip check", ""),
        ("/opt/app/venv/bin/python app.py install", ""),
        ("python", ""),
        ("vim pip install", ""),
        ("", ""),
    ],
)
def test_which_commands_change_an_environment(command: str, installer: str) -> None:
    assert installer_of(command.split(" ")) == installer


@pytest.mark.parametrize(
    ("command", "variables", "cwd", "inside"),
    [
        ("/opt/app/venv/bin/python -m pip install x", [], "/", True),
        ("venv/bin/python -m pip install x", [], "/opt/app", True),
        ("python -m pip install x", [f"VIRTUAL_ENV={VENV}"], "/", True),
        ("python -m pip install x", [], "/opt/app/venv/lib", True),
        ("python -m pip install --target=/opt/app/venv/lib/python3/site-packages x", [], "/", True),
        ("uv pip install --python /opt/app/venv/bin/python x", [], "/", True),
        ("uv pip install -p venv/bin/python x", [], "/opt/app", True),
        ("/opt/app/venv2/bin/python -m pip install x", [], "/", False),
        ("python -m pip install x", ["VIRTUAL_ENV=/opt/app", "OTHER=/opt/app/venv"], "/opt/app", False),
        ("/opt/app/venv/bin/python -m pip list", [f"VIRTUAL_ENV={VENV}"], VENV, False),
        ("/opt/app/.venv.stability/staged/bin/python -m pip install x", [], "/", False),
    ],
)
def test_where_an_installer_is_at_work(command: str, variables: list[str], cwd: str, inside: bool) -> None:
    assert works_in([VENV], command.split(), variables, cwd) is inside


def test_uv_takes_the_environment_beside_it(tmp_path: Path) -> None:
    assert works_in(["/opt/app/.venv"], ["uv", "sync"], [], "/opt/app")
    assert not works_in(["/opt/app/.venv"], ["python", "-m", "pip", "install"], [], "/opt/app")


def process(folder: Path, number: int, argv: list[str]) -> None:
    """Write what /proc shows of a process that works in the root folder."""
    (folder / str(number)).mkdir()
    (folder / str(number) / "cmdline").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in argv))
    (folder / str(number) / "environ").write_bytes(b"HOME=/\0")
    (folder / str(number) / "cwd").symlink_to("/")


def test_the_processes_of_a_host(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "7").mkdir()
    process(tmp_path, 12, [f"{VENV}/bin/python", "-m", "pip", "install", "x"])
    process(tmp_path, 11, ["/usr/bin/uv", "pip", "install", "--python", f"{VENV}/bin/python", "x"])
    process(tmp_path, 13, ["/usr/bin/python3", "-m", "pip", "install", "x"])
    process(tmp_path, os.getpid(), [f"{VENV}/bin/python", "-m", "pip", "install", "x"])
    assert installers_at_work(VENV, str(tmp_path)) == [11, 12]


def test_an_installer_is_waited_for_and_then_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [[4711], [4711], []]
    monkeypatch.setattr(environment_lock, "_lock_folder", lambda: str(tmp_path))
    monkeypatch.setattr(environment_lock, "installers_at_work", lambda _path: answers.pop(0) if answers else [])
    with locked(VENV, wait=5):
        assert not answers
    monkeypatch.setattr(environment_lock, "installers_at_work", lambda _path: [4711, 4712])
    with pytest.raises(EnvironmentFailure) as caught, locked(VENV, wait=0):
        pass
    assert str(caught.value) == (
        f"Another installer is changing {VENV} (process 4711, 4712). Wait until it has ended, then run again."
    )
