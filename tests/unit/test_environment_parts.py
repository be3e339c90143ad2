# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks, lock, layout, interpreter and user of an environment."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import packaging.markers
import pytest
from ansible_collections.stability.baseline.plugins.module_utils import environment_lock, interpreters
from ansible_collections.stability.baseline.plugins.module_utils.commands import (
    EnvironmentFailure,
    User,
    acting_as,
    check_can_become,
    current_user,
    program_environment,
    run,
    user_named,
    user_with,
)
from ansible_collections.stability.baseline.plugins.module_utils.environment_lock import environment_key, locked
from ansible_collections.stability.baseline.plugins.module_utils.environment_marks import (
    CHECKING,
    Journal,
    Mark,
    read_journal,
    read_mark,
    write_mark,
)
from ansible_collections.stability.baseline.plugins.module_utils.interpreters import ask_interpreter
from ansible_collections.stability.baseline.plugins.module_utils.virtual_environments import holds_environment


def test_each_generation_is_a_new_one(tmp_path: Path) -> None:
    place = str(tmp_path)
    assert read_mark(place) is None
    first = write_mark(place, 1, "")
    assert read_mark(place) == first
    second = write_mark(place, 2, first.generation, rolled_back=True)
    assert read_mark(place) == second
    assert (second.number, second.previous, second.rolled_back) == (2, first.generation, True)
    assert re.fullmatch(r"[0-9a-f]{32}", second.generation) and second.generation != first.generation
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", str(second.changed_at))


@pytest.mark.parametrize(
    ("content", "mark"),
    [
        ("", None),
        ("[]", None),
        ('{"generation": "first"}', None),
        ('{"generation": "../../etc"}', None),
        (f'{{"generation": "{"a" * 32}"}}', Mark("a" * 32)),
        (
            f'{{"generation": "{"a" * 32}", "number": "7", "previous": "../x", "changed_at": 1, "rolled_back": 1}}',
            Mark("a" * 32),
        ),
    ],
)
def test_a_mark_that_nobody_can_trust(tmp_path: Path, content: str, mark: Mark | None) -> None:
    (tmp_path / "stability-generation.json").write_text(content)
    assert read_mark(str(tmp_path)) == mark


@pytest.mark.parametrize(
    ("content", "journal"),
    [
        ('{"phase": "creating"}', Journal("creating")),
        (
            '{"phase": "checking", "before": {"a": "1", "b": null}, "conflicts": ["x conflicts"]}',
            Journal(CHECKING, {"a": "1", "b": None}, ("x conflicts",)),
        ),
        ('{"phase": "installing", "before": {}, "conflicts": []}', Journal("installing", {}, ())),
    ],
)
def test_the_journal_of_a_version_that_changed_in_place(tmp_path: Path, content: str, journal: Journal) -> None:
    assert read_journal(str(tmp_path)) is None
    (tmp_path / "stability-change.json").write_text(content)
    assert read_journal(str(tmp_path)) == journal


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"phase": "x"}', '{"phase": "installing", "before": 1, "conflicts": 2}']
)
def test_a_damaged_journal_still_says_that_a_change_is_unfinished(tmp_path: Path, content: str) -> None:
    (tmp_path / "stability-change.json").write_text(content)
    assert read_journal(str(tmp_path)) == Journal("installing")


@pytest.fixture
def lock_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "locks"
    monkeypatch.setattr(environment_lock, "_lock_folder", lambda: str(folder))
    folder.mkdir()
    return folder


def test_a_locked_environment_is_waited_for_and_then_refused(lock_folder: Path) -> None:
    with locked("/opt/one"):
        with locked("/opt/two", wait=0):
            pass
        started = time.monotonic()
        with pytest.raises(EnvironmentFailure) as caught, locked("/opt/one", wait=0.3):
            pass
        assert 0.3 <= time.monotonic() - started < 5
    path = lock_folder / f"{environment_key('/opt/one')}.lock"
    assert str(caught.value) == (
        f"Another run has been changing /opt/one for 0 seconds ({path} is locked; fuser(1) names its process). "
        "Wait until it has ended, then run again."
    )
    with locked("/opt/one", wait=0):
        pass


def test_a_program_that_inherits_the_lock_goes_on_holding_it(lock_folder: Path) -> None:
    with locked("/opt/one") as descriptor:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        assert descriptor > 2
    os.close(read)
    with pytest.raises(EnvironmentFailure), locked("/opt/one", wait=0):
        pass
    os.close(write)
    os.waitpid(child, 0)
    with locked("/opt/one", wait=0):
        assert lock_folder.exists()


def test_all_paths_to_an_environment_have_one_lock(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert environment_key(str(tmp_path / "link")) == environment_key(str(tmp_path / "real"))
    assert environment_key(str(tmp_path / "other")) != environment_key(str(tmp_path / "real"))


def test_a_lock_folder_that_others_may_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        pytest.raises(EnvironmentFailure, match="is not a folder of our own that nobody else may write to"),
        locked("/opt/one"),
    ):
        pass


def _nothing(path: Path) -> None:
    """Leave nothing at the path."""


def _empty(path: Path) -> None:
    path.mkdir()


def _marks_only(path: Path) -> None:
    path.mkdir()
    (path / "stability-generation.json").touch()


def _half_made(path: Path) -> None:
    (path / "lib").mkdir(parents=True)
    (path / "stability-change.json").touch()


def _environment(path: Path) -> None:
    path.mkdir()
    (path / "pyvenv.cfg").touch()


@pytest.mark.parametrize(
    ("make", "holds"),
    [(_nothing, False), (_empty, False), (_marks_only, False), (_half_made, False), (_environment, True)],
)
def test_what_is_at_the_path(tmp_path: Path, make: Callable[[Path], None], holds: bool) -> None:
    make(tmp_path / "venv")
    assert holds_environment(str(tmp_path / "venv")) is holds


def test_something_else_is_at_the_path(tmp_path: Path) -> None:
    for name in "dcba":
        (tmp_path / name).touch()
    with pytest.raises(
        EnvironmentFailure, match="a folder with a, b, c; expected a virtual environment, an empty folder or"
    ):
        holds_environment(str(tmp_path))
    with pytest.raises(EnvironmentFailure, match="which is no folder; expected a virtual environment"):
        holds_environment(str(tmp_path / "a"))


def test_an_interpreter_says_what_packaging_says_in_it() -> None:
    interpreter = ask_interpreter(sys.executable, current_user())
    assert dict(interpreter.markers) == packaging.markers.default_environment()
    assert interpreter.virtual == (sys.prefix != sys.base_prefix)
    assert any(Path(site, "packaging").is_dir() for site in interpreter.sites)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nowhere/python", "/nowhere/python cannot be run as .*: No such file or directory."),
        ("/bin/false", "The interpreter /bin/false does not run: exit status 1"),
        ("/bin/cat", "The interpreter /bin/cat does not run: Try .*"),
    ],
)
def test_what_is_no_interpreter(path: str, message: str) -> None:
    with pytest.raises(EnvironmentFailure, match=message):
        ask_interpreter(path, current_user())


def test_an_interpreter_that_hangs_at_its_start_is_ended_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "_PATIENCE", 0.2)
    (tmp_path / "python").write_text("#!/bin/sh\nsleep 9\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(EnvironmentFailure, match=r"/python did not end within 0 seconds and was killed\."):
        ask_interpreter(str(tmp_path / "python"), current_user())
    assert not interpreters.runs_without_site(str(tmp_path / "python"), current_user(), "/")


NOBODY = user_named("nobody")


def test_users_by_name_and_number() -> None:
    assert NOBODY is not None
    assert user_named(str(NOBODY.uid)) == NOBODY
    assert user_named("stability-nobody") is None
    assert user_named("4294967294") is None
    assert user_with(NOBODY.uid, 0) == NOBODY
    assert user_with(54321, 12) == User("54321", 54321, 12, (12,), "/")


def test_only_root_can_act_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NOBODY is not None
    check_can_become(current_user())
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(EnvironmentFailure, match='run_as: found "nobody"; expected the user of the connection'):
        check_can_become(NOBODY)


def test_files_and_programs_are_those_of_the_user(tmp_path: Path) -> None:
    assert NOBODY is not None
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o777)
    open_to_all.chmod(0o777)
    for parent in takewhile(lambda folder: folder != Path(tempfile.gettempdir()), tmp_path.parents):
        parent.chmod(0o755)
    tmp_path.chmod(0o755)
    with acting_as(NOBODY):
        (open_to_all / "mine").write_text("x")
        with pytest.raises(PermissionError):
            (tmp_path / "closed").write_text("x")
        with pytest.raises(ValueError, match="could become root again"):
            run(["/bin/true"], NOBODY)
    assert (open_to_all / "mine").stat().st_uid == NOBODY.uid
    (tmp_path / "closed").write_text("we are ourselves again")
    output = run(["/bin/sh", "-c", "id -u; id -G; pwd; umask; cat"], NOBODY)
    assert output.stdout.splitlines() == [str(NOBODY.uid), str(NOBODY.gid), "/", "0022"]


def test_the_environment_of_a_program_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_TARGET", "PYTHONPATH", "PYTHONHOME", "LD_PRELOAD", "VIRTUAL_ENV", "HOME"):
        monkeypatch.setenv(name, "hostile")
    monkeypatch.setenv("https_proxy", "http://proxy.example.org")
    variables = program_environment(current_user(), {"TMPDIR": "/x"})
    assert "hostile" not in variables.values()
    assert variables["https_proxy"] == "http://proxy.example.org"
    assert (variables["PYTHONNOUSERSITE"], variables["TMPDIR"], variables["LC_ALL"]) == ("1", "/x", "C.UTF-8")


def test_a_program_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    script = f"(sleep 2; touch {tmp_path}/late) & sleep 60"
    with pytest.raises(EnvironmentFailure, match=r"/bin/sh did not end within 0 seconds and was killed\."):
        run(["/bin/sh", "-c", script], current_user(), timeout=0.3)
    time.sleep(2.2)
    assert not (tmp_path / "late").exists()
