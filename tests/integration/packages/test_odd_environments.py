# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments as people really have them: with files of their own, links, mounts, what prints, and what power loss left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pip_pinned_environments import (
    COLLECTIONS,
    NOBODY,
    applied,
    changes,
    module,
    refused,
    runs,
    site_of,
    tree,
    wheel,
    work_folder,
)

SH = "/bin/sh"
#: Holds the lock of an environment for a moment, as a run of its owner does.
HOLD = """
import os, sys, time
from ansible_collections.stability.baseline.plugins.module_utils import environment_lock
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
with environment_lock.locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(3)
"""


def from_folder(folder):
    """Return the options that install from the wheels of a folder."""
    return {"find_links": [str(folder)], "no_index": True}


@pytest.fixture
def wheels(place):
    """A folder with two versions of `one` that every user may read."""
    folder = place / "wheels"
    for version in ("1", "2"):
        wheel(folder, "one", version)
    return folder


def run_through(virtualenv, wheels, *versions, **options):
    """Install one version after the other, and return the last result."""
    for version in versions:
        result = module(virtualenv, pins=[f"one=={version}"], **from_folder(wheels), **options)
        assert not result.get("failed"), result["msg"]
    return result


def test_a_mount_inside_of_it_is_refused_and_never_removed(bare_env, place, wheels):
    data, inside = place / "data", bare_env / "data"
    for folder in (data, inside):
        folder.mkdir()
    (data / "precious").write_text("x")
    subprocess.run(["mount", "--bind", data, inside], check=True)
    try:
        assert f"in which a file system is mounted ({inside})" in refused(
            bare_env, pins=["one==1"], **from_folder(wheels)
        )
    finally:
        subprocess.run(["umount", inside], check=True)
    run_through(bare_env, wheels, "1")
    (kept,) = work_folder(bare_env).glob("generation-*")
    subprocess.run(["mount", "--bind", data, kept / "data"], check=True)
    try:
        result = run_through(bare_env, wheels, "2", keep_generations=0)
        assert any("A file system is mounted there" in warning for warning in result["warnings"])
    finally:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if str(place) in line]
        subprocess.run(["umount", *mounts], check=True)
    assert (data / "precious").read_text() == "x"


def test_what_users_added_is_not_lost_with_what_was_kept(bare_env, wheels):
    """The environment from before has what is pinned, but not what was put there since."""
    run_through(bare_env, wheels, "1", "2")
    added = [bare_env / "etc" / "app.ini", site_of(bare_env) / "local.pth", bare_env / "pip.conf"]
    for path in added:
        path.parent.mkdir(exist_ok=True)
        path.write_text("# mine\n")
    assert run_through(bare_env, wheels, "1")["restored"] is None
    assert [path.read_text() for path in added] == ["# mine\n"] * 3
    assert run_through(bare_env, wheels, "2", "1")["restored"] is not None


def test_what_users_added_is_carried_over_when_it_is_made_anew(bare_env, wheels):
    run_through(bare_env, wheels, "1")
    site = site_of(bare_env)
    added = [
        site / "settings.py",
        site / "mine" / "__init__.py",
        bare_env / "bin" / "manage",
        bare_env / "share" / "a" / "b",
    ]
    for path in added:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine = 1\n")
    (bare_env / "bin" / "manage").chmod(0o755)
    (site / "source").symlink_to(wheels)
    (site / "stray.pyc").write_bytes(b"x")
    for name in os.listdir(bare_env / "bin"):
        if name.startswith("python"):
            (bare_env / "bin" / name).unlink()
    result = run_through(bare_env, wheels, "2")
    assert result["created"] and changes(result)["one"] == ("1", "2", "interpreter changed")
    assert [path.read_text() for path in added] == ["mine = 1\n"] * len(added)
    assert os.readlink(site / "source") == str(wheels)
    assert os.access(bare_env / "bin" / "manage", os.X_OK) and not (site / "stray.pyc").exists()
    assert runs(bare_env, "import one, settings, mine; print(one.version, mine.mine)") == "2 1"


@pytest.mark.parametrize("code", ["print('hello')", "import sys; sys.stdout.write('[1, 2]')"])
def test_what_prints_at_the_start_of_the_interpreter(bare_env, wheels, code):
    (site_of(bare_env) / "noisy.pth").write_text(f"import sys; exec({code!r})\n")
    result = applied(bare_env, pins=["one==1"], imports="strict", **from_folder(wheels))
    assert changes(result) == {"one": (None, "1", "missing")} and not result["created"]


def test_what_stops_the_interpreter_at_its_start_is_no_reason_to_make_it_anew(bare_env, wheels):
    (site_of(bare_env) / "stop.pth").write_text("import os; os._exit(3)\n")
    assert "does not run: exit status 3" in refused(bare_env, pins=["one==1"], **from_folder(wheels))


def test_links_and_path_files_that_lead_out_of_it(bare_env, place, wheels):
    """The copy lies elsewhere, so what is said relative to the environment would lead somewhere else there."""
    (place / "src").mkdir()
    (place / "src" / "shop.py").write_text("import one\n")
    (place / "py").symlink_to("/usr/bin")
    python = bare_env / "bin" / "python3"
    python.unlink()
    python.symlink_to("../../py/python3")
    (site_of(bare_env) / "shop.pth").write_text("# ours\n../../../../src\n")
    smoke_test = ["{python}", "-c", "import shop"]
    result = applied(bare_env, pins=["one==1"], smoke_test=smoke_test, **from_folder(wheels))
    assert result["smoke_tested"]
    assert (
        os.path.samefile(python, "/usr/bin/python3") and runs(bare_env, "import shop; print(shop.one.version)") == "1"
    )
    assert (site_of(bare_env) / "shop.pth").read_text() == f"# ours\n{place / 'src'}\n"


def test_nothing_is_written_through_a_link_to_a_folder_outside(bare_env, place, tmp_path):
    outside = place / "outside"
    outside.mkdir()
    (outside / "app.conf").write_text("old\n")
    (bare_env / "etc").symlink_to(outside)
    (bare_env / "data").symlink_to("../outside")
    for version in ("1", "2"):
        wheel(tmp_path, "one", version, files={f"one-{version}.data/data/etc/app.conf": "new\n"})
        wheel(tmp_path, "two", version)
    text = refused(bare_env, pins=["one==1"], **from_folder(tmp_path))
    assert f"{bare_env}/etc is a link to {outside}, outside of the environment" in text
    assert (outside / "app.conf").read_text() == "old\n"
    applied(bare_env, pins=["two==1"], **from_folder(tmp_path))
    assert os.readlink(bare_env / "etc") == str(outside) and os.path.samefile(bare_env / "data", outside)


def test_a_file_that_two_distributions_recorded_stays_when_one_brings_it_no_more(bare_env, tmp_path):
    shared = {"tests/__init__.py": "shared = 1\n"}
    wheel(tmp_path, "one", "1", files=shared)
    wheel(tmp_path, "one", "2")
    wheel(tmp_path, "two", "1", files=shared)
    options = {**from_folder(tmp_path), "imports": "strict"}
    applied(bare_env, pins=["one==1", "two==1"], **options)
    assert set(changes(applied(bare_env, pins=["one==2", "two==1"], **options))) == {"one"}
    assert runs(bare_env, "import tests; print(tests.shared)") == "1"


def test_the_group_of_the_environment_stays(bare_template, place, wheels):
    """A service in the group may read it, although its owner is not in that group."""
    group = next(gid for gid in (1, 2, 3) if gid != NOBODY)
    home = place / "home"
    shutil.copytree(bare_template, home / "venv", symlinks=True)
    for folder, folders, files in os.walk(home):
        for path in (folder, *(os.path.join(folder, name) for name in [*folders, *files])):
            os.chown(path, NOBODY, group, follow_symlinks=False)
    (home / "venv").chmod(0o750)
    configuration = home / "venv" / "pyvenv.cfg"
    configuration.chmod(0o640)
    before = {name: entry for name, entry in tree(home / "venv").items() if not name.startswith("lib/python")}
    run_through(home / "venv", wheels, "1")
    found = [configuration, home / "venv", home / "venv" / "bin" / "activate", site_of(home / "venv") / "pip"]
    assert [path.stat().st_gid for path in found] == [group] * len(found)
    after = tree(home / "venv")
    assert {name: after.get(name) for name in before} == before


def test_what_root_left_in_an_environment_of_a_user_is_removed_with_it(bare_template, place, wheels):
    home = place / "home"
    shutil.copytree(bare_template, home / "venv", symlinks=True)
    subprocess.run(["chown", "-hR", f"{NOBODY}:{NOBODY}", home], check=True)
    cache = site_of(home / "venv") / "pip" / "__pycache__"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    (cache / "x.pyc").write_bytes(b"x")
    result = run_through(home / "venv", wheels, "1", "2", keep_generations=0)
    assert result["warnings"] == [] and not work_folder(home / "venv").exists()


def test_a_record_that_power_loss_left_empty(bare_env, wheels):
    applied(bare_env, pins=["one==1"], **from_folder(wheels))
    record = site_of(bare_env) / "one-1.dist-info" / "RECORD"
    record.write_bytes(b"\0" * record.stat().st_size)
    assert changes(applied(bare_env, pins=["one==1"], **from_folder(wheels))) == {"one": ("1", "1", "files missing")}
    with open(record, "a") as stream:
        stream.write(f"{'x' * 300}/y.py,sha256=x,1\n")
    (site_of(bare_env) / "one.py").unlink()
    (site_of(bare_env) / "one.py").symlink_to("one.py")
    assert changes(applied(bare_env, pins=["one==1"], **from_folder(wheels)))["one"][2] == "files missing"


def test_a_wheel_that_records_its_folders(bare_env, tmp_path):
    wheel(tmp_path, "one", "1", files={"one_data/": "", "one_data/a.txt": "a"})
    applied(bare_env, pins=["one==1"], **from_folder(tmp_path))


def test_a_name_that_is_no_utf8_is_shown(bare_env, tmp_path):
    wheel(tmp_path, "one", "1", files={"pack/__init__.py": ""})
    applied(bare_env, pins=["one==1"], **from_folder(tmp_path))
    with open(os.fsencode(site_of(bare_env)) + b"/pack/\xff.py", "wb"):
        pass
    result = applied(bare_env, pins=["one==1"], **from_folder(tmp_path))
    assert result["reinstalled"][0]["files"] == ["pack/\\xff.py"] and "pack/\\xff.py" in result["diff"]["before"]


def test_the_folder_of_another_python_that_an_upgrade_left(bare_env, wheels):
    stale = bare_env / "lib" / "python3.1" / "site-packages"
    stale.mkdir(parents=True)
    (stale / "one").mkdir()
    (stale / "one" / "__init__.py").write_text("import nowhere\n")
    (stale / "one-0.dist-info").mkdir()
    (stale / "one-0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: one\nVersion: 0\n")
    (stale / "one-0.dist-info" / "RECORD").write_text("one/__init__.py,,\n")
    result = applied(bare_env, pins=["one==1"], imports="strict", **from_folder(wheels))
    assert changes(result) == {"one": (None, "1", "missing")}


def test_what_was_written_into_a_shared_file_is_told_when_going_back(bare_env, tmp_path):
    wheel(tmp_path, "one", "1")
    wheel(tmp_path, "two", "1")
    wheel(tmp_path, "two", "2")
    module(bare_env, pins=["one==1", "two==1"], **from_folder(tmp_path))
    module(bare_env, pins=["one==1", "two==2"], **from_folder(tmp_path))
    shared = site_of(bare_env) / "one.py"
    assert shared.stat().st_nlink > 1
    shared.write_text("version = 'edited'\n")
    os.utime(shared, (shared.stat().st_mtime + 10,) * 2)
    result = module(bare_env, state="rolled_back")
    (warning,) = result["warnings"]
    assert "in the environment from before as well: lib/python" in warning and "one.py" in warning
    assert set(changes(module(bare_env, pins=["one==1", "two==1"], **from_folder(tmp_path)))) == {"one"}


def test_an_owner_and_root_do_not_work_in_it_at_once(bare_template, place, wheels):
    home = place / "home"
    shutil.copytree(bare_template, home / "venv", symlinks=True)
    subprocess.run(["chown", "-hR", f"{NOBODY}:{NOBODY}", home], check=True)
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, home / "venv", str(NOBODY)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
    )
    assert held.stdout.readline() == b"held\n"
    result = run_through(home / "venv", wheels, "1")
    assert result["changed"] and held.wait(0) == 0


def test_an_import_that_leaves_a_process_behind_is_not_waited_for(bare_env, tmp_path):
    left = "import subprocess\nsubprocess.Popen(['/bin/sleep', '20'])\n"
    wheel(tmp_path, "one", "1", files={"left.py": left})
    result = module(bare_env, pins=["one==1"], imports="strict", **from_folder(tmp_path))
    assert result["changed"] and not result["failed_imports"]


def test_scripts_in_a_place_with_a_quote_in_its_name(bare_template, place, tmp_path):
    virtualenv = place / "it's$here" / "venv"
    shutil.copytree(bare_template, virtualenv, symlinks=True)
    entry = {
        "one-1.dist-info/entry_points.txt": "[console_scripts]\nrun-one = one:main\n",
        "one.py": "def main():\n    print(1)\n",
    }
    wheel(tmp_path, "one", "1", files=entry)
    result = module(virtualenv, pins=["one==1"], smoke_test=[SH, "-c", "run-one"], **from_folder(tmp_path))
    assert not result.get("failed"), result["msg"]
    assert result["smoke_tested"]


LEGACY = """
import sys
from setuptools import setup
with open("one.py", "w") as stream:
    stream.write(f"python = {sys.executable!r}\\nprefix = {sys.prefix!r}\\n")
setup(name="one", version="1", py_modules=["one"])
"""


def test_what_only_setup_py_builds_names_the_environment(bare_env, place):
    """Debian 12's pip would let setup.py install it, and nothing would record its files."""
    source = place / "one-1"
    source.mkdir()
    (source / "setup.py").write_text(LEGACY)
    shutil.make_archive(str(source), "gztar", place, source.name)
    result = applied(bare_env, pins=["one==1"], find_links=[str(place)])
    assert changes(result) == {"one": (None, "1", "missing")}
    found = runs(bare_env, "import one; print(one.python, one.prefix)")
    assert found == f"{bare_env}/bin/python {bare_env}"


def test_sources_that_may_not_be_read_are_told(bare_template, place):
    wheel(place / "wheels", "one", "1", files={"one.py": "old = 1\n"})
    wheel(place / "wheels", "one", "2", files={"one.py": "new = 1\n"})
    shutil.copytree(bare_template, place / "home" / "venv", symlinks=True)
    subprocess.run(["chown", "-hR", f"{NOBODY}:{NOBODY}", place / "home"], check=True)
    closed = place / "src" / "closed"
    closed.mkdir(parents=True)
    (closed / "app.py").write_text("import one\none.old\n")
    closed.chmod(0o700)
    result = run_through(place / "home" / "venv", place / "wheels", "1", "2", sources=[str(place / "src")])
    assert result["warnings"] == [f"{closed} was not checked for references: Permission denied"]
