# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uv says and is told, which one is taken, and how what it made is moved into place."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import installers, uv_runner
from ansible_collections.stability.baseline.plugins.module_utils.commands import EnvironmentFailure, User, current_user
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import Distribution
from ansible_collections.stability.baseline.plugins.module_utils.environments import Environment
from ansible_collections.stability.baseline.plugins.module_utils.hard_links import break_link
from ansible_collections.stability.baseline.plugins.module_utils.installers import check_installer, installer_for
from ansible_collections.stability.baseline.plugins.module_utils.pip_runner import new_conflicts
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.uv_runner import (
    compiled_files,
    conflicts_like_pip,
    find_uv,
    index_variables,
    move_into,
)

CHECK = """\
Using Python 3.11.2 environment at: /opt/venv
Checked 5 packages in 1ms
Found 4 incompatibilities
The package `flask` requires `werkzeug>=3.0.0`, but `2.0.3` is installed
The package `flask` requires `click>=8.1.3`, but it's not installed
The package `Num.Py` was built for a different platform
The package `x` requires Python >=3.12, but `3.11.2` is installed
"""


def test_conflicts_are_told_in_the_words_of_pip() -> None:
    assert conflicts_like_pip(CHECK, {"flask": "3.0.3", "num-py": "1"}) == [
        "flask 3.0.3 has requirement werkzeug>=3.0.0, but you have werkzeug 2.0.3.",
        "flask 3.0.3 requires click, which is not installed.",
        "Num.Py 1 is not supported on this platform",
    ]


@pytest.mark.parametrize(
    "before",
    [
        [
            "Flask 3.0.3 has requirement Werkzeug>=3.0.0, but you have werkzeug 2.0.3.",
            "flask 3.0.3 requires click, which is not installed.",
            "num-py 1 is not supported on this platform.",
        ],
        [
            'flask 3.0.2 has requirement werkzeug >=3.0.0 ; python_version > "3", but you have Werkzeug 2.1.',
            "flask 3.0.2 requires Click, which is not installed.",
            "Num-Py 1 is not supported on this platform",
        ],
    ],
)
def test_a_conflict_is_the_same_for_both_installers(before: list[str]) -> None:
    after = conflicts_like_pip(CHECK, {"flask": "3.0.3", "num-py": "1"})
    assert new_conflicts(before, after) == []
    told_by_uv, told_by_pip = after, before
    assert new_conflicts(told_by_uv, told_by_pip) == []
    assert new_conflicts(before[1:], after) == after[:1]


def test_the_order_of_clauses_is_none() -> None:
    before = ["a 1 has requirement B!=1.5,<3,>=1, but you have b 4."]
    assert new_conflicts(before, ["a 1 has requirement b>=1,!=1.5,<3, but you have b 4."]) == []


def test_what_uv_is_told_about_the_index() -> None:
    environment = Environment("", "/opt/venv", index_url="https://u:p@a", extra_index_urls=("https://b", "https://c"))
    assert index_variables(environment) == {"UV_DEFAULT_INDEX": "https://u:p@a", "UV_INDEX": "https://b https://c"}
    assert index_variables(Environment("", "/opt/venv")) == {}


@pytest.fixture
def virtualenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``bin``, on a host without uv and without settings of pip."""
    monkeypatch.setattr(uv_runner, "SYSTEM_PATH", str(tmp_path / "system"))
    monkeypatch.setattr(installers, "SETTINGS_OF_PIP", (str(tmp_path / "pip.conf"),))
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "system").mkdir()
    return tmp_path / "venv"


def nobody_at_home(home: Path) -> User:
    """The user of this process, with a home in which nothing is set."""
    return dataclasses.replace(current_user(), home=str(home))


def program(path: Path, said: str) -> str:
    path.write_text(f"#!/bin/sh\n{said}\n")
    path.chmod(0o755)
    return str(path)


def test_the_first_uv_that_is_new_enough(virtualenv: Path, tmp_path: Path) -> None:
    user = nobody_at_home(tmp_path)
    assert find_uv(str(virtualenv), user) == ("", [])
    system = program(tmp_path / "system" / "uv", "echo 'uv 0.11.2 (x86_64-unknown-linux-gnu)'")
    assert find_uv(str(virtualenv), user) == (system, [])
    own = virtualenv / "bin" / "uv"
    program(own, "echo 'uv 0.4.30 (61ed2a236 2024-11-04)'")
    assert find_uv(str(virtualenv), user) == (system, [f"{own} is uv 0.4.30."])
    program(own, "exit 3")
    assert find_uv(str(virtualenv), user) == (system, [f"{own} does not say its version."])
    own.chmod(0o644)
    assert find_uv(str(virtualenv), user) == (system, [])
    program(own, "echo 'uv 0.5.0'")
    assert find_uv(str(virtualenv), user) == (str(own), [])


@pytest.mark.parametrize(
    ("asked", "there", "configured", "taken"),
    [
        ("auto", True, False, "uv"),
        ("auto", True, True, "pip"),
        ("auto", False, False, "pip"),
        ("pip", True, False, "pip"),
        ("uv", True, True, "uv"),
    ],
)
def test_which_installer_is_taken(
    virtualenv: Path, tmp_path: Path, asked: str, there: bool, configured: bool, taken: str
) -> None:
    if there:
        program(virtualenv / "bin" / "uv", "echo 'uv 0.9.0'")
    if configured:
        (tmp_path / "pip.conf").write_text("")
    environment = Environment("", str(virtualenv), installer=asked)
    assert installer_for(environment, nobody_at_home(tmp_path), str(tmp_path)).name == taken
    check_installer(environment, nobody_at_home(tmp_path), True, False, [])


def test_settings_of_pip_in_further_places(virtualenv: Path, tmp_path: Path) -> None:
    program(virtualenv / "bin" / "uv", "echo 'uv 0.9.0'")
    user = nobody_at_home(tmp_path)
    environment = Environment("", str(virtualenv))
    assert installer_for(environment, user, str(tmp_path)).name == "uv"
    for place in (virtualenv, tmp_path / ".pip", tmp_path / ".config" / "pip"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "pip.conf").write_text("")
        assert installer_for(environment, user, str(tmp_path)).name == "pip"
        (place / "pip.conf").unlink()


def test_a_uv_that_is_not_there(virtualenv: Path, tmp_path: Path) -> None:
    user = nobody_at_home(tmp_path)
    environment = Environment("stability_environments[1]", str(virtualenv), installer="uv")
    message = (
        'stability_environments[1].installer: found "uv"{}; expected uv 0.5.0 or newer that ' + user.name + " can run. "
        "Install it, for instance with the package manager of the host, or write installer: pip."
    )
    for refuse in (
        lambda: check_installer(environment, user, True, False, []),
        lambda: installer_for(environment, user, str(tmp_path)),
    ):
        with pytest.raises(InvalidInput) as caught:
            refuse()
        assert str(caught.value) == message.format("")
    own = program(virtualenv / "bin" / "uv", "echo 'uv 0.1.0'")
    with pytest.raises(InvalidInput) as caught:
        check_installer(environment, user, True, False, [])
    assert str(caught.value) == message.format(f", and {own} is uv 0.1.0")
    pending: list[str] = []
    check_installer(environment, user, True, True, pending)
    assert pending == [f"There is no uv 0.5.0 or newer for {user.name} yet."]


def test_an_environment_without_pip(virtualenv: Path, tmp_path: Path) -> None:
    user, environment = nobody_at_home(tmp_path), Environment("", str(virtualenv))
    with pytest.raises(EnvironmentFailure, match=r"was made without pip\. Run .*ensurepip once, or install uv"):
        check_installer(environment, user, False, False, [])
    program(virtualenv / "bin" / "uv", "echo 'uv 0.9.0'")
    check_installer(environment, user, False, False, [])
    with pytest.raises(EnvironmentFailure, match="was made without pip"):
        check_installer(Environment("", str(virtualenv), installer="pip"), user, False, False, [])


def test_what_is_moved_replaces_files_and_writes_to_none(tmp_path: Path) -> None:
    made, place, live = tmp_path / "made", tmp_path / "place", tmp_path / "live"
    for folder in (made / "lib" / "new", place / "lib" / "old", live):
        folder.mkdir(parents=True)
    (made / "lib" / "new" / "a.py").write_text("new")
    (made / "lib" / "b.py").write_text("new")
    (made / "lib" / "link").symlink_to("new")
    (place / "lib" / "new").symlink_to("/nowhere")
    (live / "b.py").write_text("live")
    os.link(live / "b.py", place / "lib" / "b.py")
    move_into(str(made), str(place))
    assert (place / "lib" / "new" / "a.py").read_text() == (place / "lib" / "b.py").read_text() == "new"
    assert os.readlink(place / "lib" / "link") == "new"
    assert (live / "b.py").read_text() == "live"
    assert sorted(os.listdir(place / "lib")) == ["b.py", "link", "new", "old"]


def test_byte_code_of_a_distribution(tmp_path: Path) -> None:
    """That of neighbours in the same folder stays."""
    cache, info = tmp_path / "__pycache__", tmp_path / "one-1.dist-info"
    for folder in (cache, info, tmp_path / "part" / "__pycache__"):
        folder.mkdir(parents=True)
    names = ("one.cpython-311.pyc", "one.cpython-311.opt-1.pyc", "oneself.cpython-311.pyc")
    for name in names:
        (cache / name).touch()
    (tmp_path / "part" / "__pycache__" / "a.cpython-311.pyc").touch()
    assert compiled_files(Distribution("one", "1", str(info), False)) == []
    distribution = Distribution("one", "1", str(info), True)
    (info / "RECORD").write_text("one.py,,\npart/a.py,,\npart/b.txt,,\nnowhere/c.py,,\n")
    found = {os.path.relpath(path, tmp_path) for path in compiled_files(distribution)}
    assert found == {f"__pycache__/{name}" for name in names[:2]} | {"part/__pycache__/a.cpython-311.pyc"}


def test_a_link_is_broken_and_the_file_stays_the_same(tmp_path: Path) -> None:
    path, live, link = tmp_path / "a.pth", tmp_path / "live.pth", tmp_path / "link.pth"
    live.write_text("x")
    live.chmod(0o640)
    os.link(live, path)
    link.symlink_to(live)
    break_link(str(path))
    before, after = live.stat(), path.stat()
    assert after.st_ino != before.st_ino and before.st_nlink == 1
    assert (after.st_mode, after.st_mtime_ns, path.read_text()) == (before.st_mode, before.st_mtime_ns, "x")
    break_link(str(link))
    break_link(str(path))
    assert link.is_symlink() and path.stat().st_ino == after.st_ino
    assert len(os.listdir(tmp_path)) == 3
