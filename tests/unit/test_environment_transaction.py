# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where environments may lie, the copy of one, the switch, and what is kept."""

from __future__ import annotations

import base64
import errno
import hashlib
import importlib.util
import json
import marshal
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import environment_place, environment_switch
from ansible_collections.stability.baseline.plugins.module_utils.commands import (
    EnvironmentFailure,
    User,
    current_user,
    user_named,
)
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import Distribution
from ansible_collections.stability.baseline.plugins.module_utils.environment_generations import (
    kept_generations,
    own_bytes,
    plan_roll_back,
    show_generations,
    tidy,
)
from ansible_collections.stability.baseline.plugins.module_utils.environment_marks import write_mark
from ansible_collections.stability.baseline.plugins.module_utils.environment_place import (
    Place,
    check_place,
    make_work_folder,
)
from ansible_collections.stability.baseline.plugins.module_utils.environment_staging import (
    compile_command,
    copy_environment,
    make_staged,
    relocate,
    write_gate_scripts,
)
from ansible_collections.stability.baseline.plugins.module_utils.environment_switch import Switch, clean, repair, switch
from ansible_collections.stability.baseline.plugins.module_utils.environments import Environment
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput

ME = current_user()
NOBODY = user_named("nobody")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An environment with a file, a script, and links, in a folder of our own."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "lib" / "one").mkdir(parents=True, mode=0o750)
    (venv / "lib" / "one" / "a.py").write_text("a\n")
    (venv / "lib" / "one" / "b.pth").write_text("b\n")
    (venv / "bin" / "tool").write_text(f"#!{venv}/bin/python\nprint(1)\n")
    (venv / "bin" / "python").symlink_to("/usr/bin/python3")
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (venv / "lib64").symlink_to("lib")
    (venv / "own").symlink_to(venv / "lib" / "one")
    return Place.of(str(venv))


def refused(place: Place, user: User = ME) -> str:
    with pytest.raises((InvalidInput, EnvironmentFailure)) as caught:
        check_place(Environment("", place.final), place, user)
    return str(caught.value)


def test_a_link_to_an_environment_is_followed(place: Place, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "venv"
    link.parent.mkdir()
    link.symlink_to(place.target)
    found = Place.of(str(link))
    assert (found.final, found.target) == (str(link), place.target)
    assert found.work == f"{tmp_path}/.venv.stability"
    check_place(Environment("", found.final), found, ME)


@pytest.mark.parametrize("missing", ["", "deep/", "deep/er/"])
def test_a_place_that_is_fine(tmp_path: Path, missing: str) -> None:
    found = Place.of(f"{tmp_path}/{missing}venv")
    check_place(Environment("", found.final), found, ME)


@pytest.mark.parametrize(
    ("mode", "says"), [(0o777, "everybody may write to it"), (0o1777, "everybody may write to it")]
)
def test_a_folder_above_that_everybody_may_write_to(tmp_path: Path, mode: int, says: str) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(mode)
    found = Place.of(f"{tmp_path}/open/venv")
    assert refused(found) == (
        f'virtualenv: found "{tmp_path}/open/venv", below {tmp_path}/open, where others could exchange it ({says}); expected '
        f"folders that only root and {ME.name} may write to. Change the owner or the mode of {tmp_path}/open, or name another folder."
    )


def test_a_sticky_folder_further_up_is_fine_for_what_is_ours(tmp_path: Path) -> None:
    (tmp_path / "open" / "ours").mkdir(parents=True)
    (tmp_path / "open").chmod(0o1777)
    found = Place.of(f"{tmp_path}/open/ours/venv")
    check_place(Environment("", found.final), found, ME)
    (tmp_path / "open").chmod(0o777)
    assert "everybody may write to it" in refused(found)


def test_a_folder_above_of_another_user_or_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NOBODY is not None
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", NOBODY.uid, NOBODY.gid)
    found = Place.of(f"{tmp_path}/theirs/venv")
    assert "it belongs to nobody" in refused(found)
    os.chown(tmp_path / "theirs", 0, NOBODY.gid)
    (tmp_path / "theirs").chmod(0o775)
    assert "its group may write to it" in refused(found)
    monkeypatch.setattr(environment_place, "_is_private", lambda _gid, _user: True)
    check_place(Environment("", found.final), found, ME)


def test_a_mount_point(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 2 0:3 / {place.target.replace('t', chr(92) + '164')}/data rw - ext4 /dev/x rw\n")
    assert environment_place.mounted_in(place.target, str(mounts)) == f"{place.target}/data"
    assert environment_place.mounted_in(f"{place.target}/data", str(mounts)) == f"{place.target}/data"
    assert environment_place.mounted_in(f"{place.target}/dat", str(mounts)) == ""
    monkeypatch.setattr(environment_place, "mounted_in", lambda path: path)
    assert refused(place) == (
        f'virtualenv: found "{place.final}", where a file system is mounted; expected a folder that can be renamed. '
        "Mount the folder above it, and let the environment be a plain folder in there."
    )
    monkeypatch.setattr(environment_place, "mounted_in", lambda path: f"{path}/data")
    assert refused(place) == (
        f'virtualenv: found "{place.final}", in which a file system is mounted ({place.target}/data); expected a folder without '
        "mount points: they would move away together with what is replaced. Mount it outside of the environment, and link to it."
    )


def test_a_name_that_leaves_no_room_for_the_work_folder(place: Place) -> None:
    found = Place.of(f"{place.parent}/{'x' * 245}")
    assert "a name that is too long; expected a name of at most 244 bytes" in refused(found)


def test_what_is_in_the_way_of_the_work_folder(place: Place) -> None:
    Path(place.work).write_text("mine")
    assert refused(place) == (
        f"{place.work} is not a folder of our own that nobody else may write to. Remove it, then run again."
    )


def staged(place: Place) -> Path:
    make_work_folder(place)
    make_staged(place, ME, place.target)
    copy_environment(place, ME)
    return Path(place.staged)


def test_the_copy_shares_files_but_those_that_are_edited(place: Place) -> None:
    copy = staged(place)
    assert (copy / "lib/one/a.py").samefile(f"{place.target}/lib/one/a.py")
    for name in ("lib/one/b.pth", "bin/tool"):
        assert not (copy / name).samefile(f"{place.target}/{name}")
        assert (copy / name).read_bytes() == Path(place.target, name).read_bytes()
    assert (copy / "lib/one").stat().st_mode == os.stat(f"{place.target}/lib/one").st_mode
    assert (copy / "lib/one").stat().st_mtime_ns == os.stat(f"{place.target}/lib/one").st_mtime_ns
    assert [os.readlink(copy / name) for name in ("bin/python", "lib64", "own")] == [
        "/usr/bin/python3",
        "lib",
        "lib/one",
    ]


def test_where_links_cannot_be_made_files_are_copied(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(os, "link", refuse)
    copy = staged(place)
    assert not (copy / "lib/one/a.py").samefile(f"{place.target}/lib/one/a.py")
    assert (copy / "lib/one/a.py").read_text() == "a\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("#!{0}/bin/python\nprint('{0}')\n", "#!{1}/bin/python\nprint('{1}')\n"),
        ("#!/bin/sh\n'''exec' {0}/bin/python3.11 \"$0\" \"$@\"\n' '''\nimport x\n", "#!{1}/bin/python3.11\nimport x\n"),
        ("#!/bin/sh\n'''exec' '{0}/bin/python' \"$0\" \"$@\"\n' '''\nimport x\n", "#!{1}/bin/python\nimport x\n"),
        ("#!/usr/bin/python3\n", "#!/usr/bin/python3\n"),
    ],
)
def test_scripts_name_the_final_path(place: Place, before: str, after: str) -> None:
    copy = staged(place)
    script = copy / "bin" / "new"
    script.write_text(before.format(copy, place.final))
    script.chmod(0o755)
    final = "/opt/v"
    relocate(str(copy), final, [], [])
    assert script.read_text() == after.format(copy, final)
    assert script.stat().st_mode & 0o777 == 0o755


def test_the_record_of_a_script_is_brought_up_to_date(place: Place) -> None:
    copy = staged(place)
    info = copy / "lib" / "site" / "one-1.dist-info"
    info.mkdir(parents=True)
    (copy / "bin" / "new").write_text(f"#!{copy}/bin/python\n")
    rows = '"a,b.py",sha256=x,1\r\n../../bin/new,sha256=y,2\r\n"../../bin/new,2",,\r\nother/new,sha256=z,3\n'
    (info / "RECORD").write_bytes(rows.encode())
    one = Distribution("one", "1", str(info), recorded=True)
    assert relocate(str(copy), "/opt/v", [str(info.parent)], [one]) == [f"{copy}/bin/new"]
    content = b"#!/opt/v/bin/python\n"
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    expected = rows.replace("sha256=y,2", f"sha256={digest},{len(content)}")
    assert (info / "RECORD").read_bytes() == expected.encode()


def test_a_path_that_is_too_long_for_a_first_line_keeps_the_other_form(place: Place) -> None:
    copy, final = staged(place), f"/opt/{'x' * 120}"
    (copy / "bin" / "new").write_text(f"#!/bin/sh\n'''exec' {copy}/bin/python \"$0\" \"$@\"\n' '''\nimport x\n")
    relocate(str(copy), final, [], [])
    assert (copy / "bin" / "new").read_text().startswith(f"#!/bin/sh\n'''exec' {final}/bin/python \"$0\"")


def test_scripts_for_the_gates_start_the_copy(place: Place) -> None:
    copy = staged(place)
    write_gate_scripts(place, str(copy))
    (script,) = (copy / ".stability-gate").iterdir()
    assert script.name == "tool"
    assert script.read_text() == f"#!/bin/sh\n'''exec' \"{copy}/bin/python\" \"$0\" \"$@\"\n' '''\nprint(1)\n"


@pytest.mark.parametrize("number", [1, 250])
def test_byte_code_is_made_for_the_final_path(place: Place, number: int, tmp_path: Path) -> None:
    copy = staged(place)
    paths = [copy / "lib" / "one" / f"m{index}.py" for index in range(number)]
    for path in paths:
        path.write_text("def f(): pass\n")
    paths[0].write_text("no python\n")
    command = compile_command(place, [*map(str, paths)], str(tmp_path))
    assert subprocess.run([sys.executable, *command[1:]], check=True, capture_output=True).stderr == b""
    compiled = [Path(importlib.util.cache_from_source(str(path))) for path in paths]
    assert [path.exists() for path in compiled] == [False, *[True] * (number - 1)]
    for path, code in zip(paths[1:], compiled[1:], strict=True):
        assert marshal.loads(code.read_bytes()[16:]).co_filename == f"{place.final}/lib/one/{path.name}"


def new_version(place: Place) -> tuple[Switch, str]:
    """Stage a copy with another content; return what is to be switched."""
    copy = staged(place)
    (copy / "new").write_text("new")
    mark = write_mark(str(copy), 2, "b" * 32)
    return Switch("staged", f"generation-{'b' * 32}", mark.generation), f"{place.work}/generation-{'b' * 32}"


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "exchange":
        monkeypatch.setattr(environment_switch, "_renamed", lambda *_arguments: False)
    return str(request.param)


def test_the_copy_takes_the_place(place: Place, way: str) -> None:
    what, kept = new_version(place)
    assert switch(place, what) is (way == "exchange")
    assert os.path.exists(f"{place.target}/new") and not os.path.exists(f"{kept}/new")
    assert sorted(os.listdir(place.work)) == [os.path.basename(kept)]


def test_a_new_environment_takes_its_place(tmp_path: Path, way: str) -> None:
    place = Place.of(f"{tmp_path}/fresh")
    make_work_folder(place)
    make_staged(place, ME)
    assert switch(place, Switch("staged", "", "a" * 32))
    clean(place, ME)
    assert os.listdir(tmp_path) == ["fresh"]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the run happens after it."""


def kills(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the run end before its change of the file system with that number, from 0 on."""
    left = [number]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def change(*arguments: object, **options: object) -> object:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return real(*arguments, **options)

        return change

    for name in ("rename", "unlink", "rmdir", "mkdir", "fsync"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    real = environment_switch._renamed
    monkeypatch.setattr(environment_switch, "_renamed", counted(real))


@pytest.mark.parametrize("number", range(16))
def test_killed_at_any_change_of_the_file_system_the_next_run_repairs(
    place: Place, way: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, kept = new_version(place)
    with monkeypatch.context() as patched:
        kills(patched, number)
        with suppress(Killed):
            switch(place, what)
    gap = not os.path.lexists(place.target)
    assert not gap or way != "exchange", "there must be an environment at every moment"
    assert os.path.isdir(f"{place.standing}/lib/one")
    assert repair(place, ME) is gap
    assert os.path.isdir(f"{place.target}/lib/one") and not os.path.lexists(f"{place.work}/staged")
    switched = os.path.exists(f"{place.target}/new")
    assert os.path.isdir(kept) is switched
    assert not os.path.lexists(place.work) or os.listdir(place.work) == [os.path.basename(kept)]
    assert repair(place, ME) is False


def test_a_switch_that_fails_leaves_the_old_environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    what, _kept = new_version(place)
    real = os.rename

    def rename(source: str, target: str) -> None:
        if source == place.staged:
            raise OSError(errno.EACCES, "no", source)
        real(source, target)

    monkeypatch.setattr(environment_switch, "_renamed", lambda *_arguments: False)
    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(PermissionError):
        switch(place, what)
    assert not os.path.exists(f"{place.target}/new")
    assert not repair(place, ME) and not os.path.exists(place.work)


def keep(place: Place, letter: str, number: int) -> None:
    folder = Path(place.work, f"generation-{letter * 32}")
    folder.mkdir(parents=True)
    (folder / "shared").hardlink_to(f"{place.target}/lib/one/a.py")
    (folder / "own").write_text("x" * number)
    if number:
        mark = {"generation": letter * 32, "number": number, "changed_at": "2026-01-01T00:00:00+00:00"}
        (folder / "stability-generation.json").write_text(json.dumps(mark))


def test_what_is_kept_is_shown_with_its_space_and_pruned(place: Place) -> None:
    for letter, number in (("a", 1), ("b", 3), ("c", 2), ("d", 0)):
        keep(place, letter, number)
    Path(place.work, "generation-not-ours").mkdir()
    assert [one.id[0] for one in kept_generations(place, ME)] == ["b", "c", "a", "d"]
    shown = tidy(place, ME, 2)
    assert [str(one["id"])[0] for one in shown] == ["b", "c"]
    mark = os.path.getsize(f"{place.work}/generation-{'b' * 32}/stability-generation.json")
    assert [one["bytes"] for one in shown] == [3 + mark, 2 + mark]
    assert own_bytes(f"{place.work}/generation-{'b' * 32}") == 3 + mark
    Path(place.work, f"generation-{'b' * 32}", "own").write_text("")
    assert show_generations(place, ME) == shown, "the sizes are those of the last change"
    assert tidy(place, ME, 0) == []
    Path(place.work, "generation-not-ours").rmdir()
    clean(place, ME)
    assert not os.path.exists(place.work)


def test_there_is_nothing_to_go_back_to(place: Place) -> None:
    with pytest.raises(EnvironmentFailure, match="has no environment from before to go back to"):
        plan_roll_back(place, ME)
    write_mark(place.target, 1, "a" * 32)
    with pytest.raises(EnvironmentFailure, match="none is kept before its first change"):
        plan_roll_back(place, ME)
    keep(place, "a", 0)
    planned = plan_roll_back(place, ME)
    assert planned.changed and planned.diff("/v")["after"] == f"generation {'a' * 32}  # rolled back\n"


@pytest.fixture(autouse=True)
def _plain_umask() -> Iterator[None]:
    old = os.umask(0o022)
    yield
    os.umask(old)
