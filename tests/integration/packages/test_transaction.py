# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transaction of pip_pinned with a real pip: the copy, the switch, the way back, and what a host may refuse."""

from __future__ import annotations

import json
import signal
import subprocess
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.stability.baseline.plugins.module_utils.dist_info import (
    installed_distributions,
    verify_files,
)
from pip_pinned_environments import (
    LATER,
    NOBODY,
    applied,
    changes,
    generation,
    hashes_of,
    module,
    pins,
    process,
    refused,
    runs,
    site_of,
    source_archive,
    tree,
    wait_for,
    wheel,
    work_folder,
)

#: Runs before the module: a file system that cannot exchange two folders.
NO_EXCHANGE = """
from ansible_collections.stability.baseline.plugins.module_utils import environment_switch
environment_switch._renamed = lambda one, other, flags: False
"""


def versions_of(tmp_path, *versions, **contents):
    """Write a wheel of `one` for each version, and return the options that install the first of them."""
    for version in versions:
        wheel(tmp_path, "one", version, **contents)
    return {"find_links": [str(tmp_path)], "no_index": True}


def test_everything_is_right_for_the_final_path(flask_env, wheelhouse):
    """As if pip had worked there: scripts, RECORD, byte code, activate; nothing names the copy."""
    options = {"find_links": [str(wheelhouse)], "no_index": True}
    applied(flask_env, pins=pins(click=LATER["click"]), **options)
    module(flask_env, pins=pins(click=LATER["click"]), reinstall="always", **options)
    site = site_of(flask_env)
    assert (flask_env / "bin" / "flask").read_text().startswith(f"#!{flask_env}/bin/python\n")
    for ones in installed_distributions([str(site)]).values():
        for one in ones:
            found = verify_files(one)
            assert not found.changed and not found.missing, one.name
    read = "marshal.loads(open(importlib.util.cache_from_source(click.core.__file__), 'rb').read()[16:]).co_filename"
    assert runs(flask_env, f"import click.core, importlib.util, marshal; print({read})") == f"{site}/click/core.py"
    named = subprocess.run(["grep", "-rlF", ".venv.stability", flask_env], capture_output=True, text=True, check=False)
    assert named.stdout == ""


def test_a_new_environment_is_what_venv_would_have_made(place, tmp_path):
    virtualenv = place / "venv"
    made = module(virtualenv, pins=["one==1"], **versions_of(tmp_path, "1"))
    assert made["created"]
    configuration = (virtualenv / "pyvenv.cfg").read_text()
    assert "prompt" not in configuration and ".stability" not in configuration
    activate = (virtualenv / "bin" / "activate").read_text()
    assert str(virtualenv) in activate and "staged" not in activate
    named = subprocess.run(["grep", "-rlF", ".venv.stability", virtualenv], capture_output=True, text=True, check=False)
    assert named.stdout == ""
    assert not work_folder(virtualenv).exists()


def test_a_neighbour_that_is_edited_in_place_is_not_edited_in_the_live_environment(bare_env, tmp_path):
    """A link to the same file would be: a build that writes into a .pth file and a script of the copy."""
    site = site_of(bare_env)
    (site / "own.pth").write_text("# mine\n")
    edit = 'for file in "$VIRTUAL_ENV"/lib/python*/site-packages/own.pth "$VIRTUAL_ENV"/bin/pip; do echo "# x" >> $file; done; exit 1'
    before = (site / "own.pth").read_text(), (bare_env / "bin" / "pip").read_text()
    refused(bare_env, pins=["one==1"], smoke_test=["/bin/sh", "-c", edit], **versions_of(tmp_path, "1"))
    assert ((site / "own.pth").read_text(), (bare_env / "bin" / "pip").read_text()) == before


def test_there_and_back_and_forward_again(bare_env, tmp_path):
    options = versions_of(tmp_path, "1", "2", "3")
    never = refused(bare_env, state="rolled_back")
    assert never.startswith(f"state: {bare_env} has no environment from before to go back to")
    for version in ("1", "2", "3"):
        last = module(bare_env, pins=[f"one=={version}"], **options)
    assert [one["bytes"] > 0 for one in last["generations"]] == [True, True]
    third, before = generation(bare_env), tree(bare_env)
    predicted = module(bare_env, state="rolled_back", check=True)
    assert tree(bare_env) == before
    back = module(bare_env, state="rolled_back")
    for key in ("changed", "reinstalled", "restored", "diff"):
        assert predicted[key] == back[key], key
    assert back["changed"] and changes(back) == {"one": ("3", "2", "rolled back")}
    assert back["diff"]["before"] == "one==3\n" and back["diff"]["after"].endswith("# rolled back\none==2\n")
    assert runs(bare_env, "import one; print(one.version)") == "2"
    again = module(bare_env, state="rolled_back")
    assert not again["changed"] and runs(bare_env, "import one; print(one.version)") == "2"
    assert third in [one["id"] for one in again["generations"]]
    # Forward, without an installer: the wheels are gone.
    for archive in tmp_path.glob("*.whl"):
        archive.unlink()
    forward = applied(bare_env, pins=["one==3"], **options)
    assert forward["restored"] == third and not [line for line in forward["commands"] if " install " in line]
    assert runs(bare_env, "import one; print(one.version)") == "3"
    assert generation(bare_env) not in (third, back["restored"]), "what imported from another one must be restarted"
    assert module(bare_env, state="rolled_back")["changed"]
    assert runs(bare_env, "import one; print(one.version)") == "2"


def test_what_is_kept_is_a_setting(bare_env, tmp_path):
    options = versions_of(tmp_path, "1", "2", "3")
    for version in ("1", "2"):
        module(bare_env, pins=[f"one=={version}"], keep_generations=1, **options)
    assert len(list(work_folder(bare_env).glob("generation-*"))) == 1
    last = module(bare_env, pins=["one==3"], keep_generations=0, **options)
    assert last["generations"] == [] and not work_folder(bare_env).exists()
    assert "has no environment from before" in refused(bare_env, state="rolled_back")


def test_what_nothing_pins_is_not_taken_from_a_kept_environment(bare_env, tmp_path):
    options = versions_of(tmp_path, "1", "2")
    wheel(tmp_path, "two", "1")
    module(bare_env, pins=["one==1"], **options)
    module(bare_env, pins=["one==2", "two==1"], **options)
    result = module(bare_env, pins=["one==1"], **options)
    assert result["restored"] is None and runs(bare_env, "import one, two; print(one.version)") == "1"


def test_where_folders_cannot_be_exchanged(bare_env, tmp_path):
    options = versions_of(tmp_path, "1")
    result = json.loads(process(bare_env, prelude=NO_EXCHANGE, pins=["one==1"], **options).communicate()[0])
    assert "cannot exchange two folders at once" in json.dumps(result["warnings"])
    assert runs(bare_env, "import one; print(one.version)") == "1"
    assert len(result["generations"]) == 1


def test_killed_between_two_renames_the_next_run_puts_the_environment_back(bare_env, tmp_path):
    options = versions_of(tmp_path, "1")
    killing = """
        import os, signal
        real = os.rename
        def rename(source, target):
            real(source, target)
            if str(target).endswith("/replaced"):
                os.kill(os.getpid(), signal.SIGKILL)
        os.rename = rename
    """
    started = process(bare_env, prelude=NO_EXCHANGE + textwrap.dedent(killing), pins=["one==1"], **options)
    started.communicate()
    assert started.returncode == -signal.SIGKILL and not bare_env.exists()
    predicted = module(bare_env, check=True, pins=[], **options)
    assert predicted["changed"] and predicted["finished"] and not bare_env.exists()
    repaired = module(bare_env, pins=[], **options)
    assert repaired["changed"] and repaired["finished"] and not repaired["created"]
    assert runs(bare_env, "print(1)") == "1" and not work_folder(bare_env).exists()
    assert not module(bare_env, pins=[], **options)["changed"]


def test_the_target_of_a_link_is_switched_and_scripts_keep_the_path_that_was_given(bare_env, place, tmp_path):
    link = place / "current"
    link.symlink_to(bare_env)
    wheel(tmp_path, "one", "1", {"one-1.dist-info/entry_points.txt": "[console_scripts]\none = one:main\n"})
    applied(link, pins=["one==1"], find_links=[str(tmp_path)], no_index=True)
    assert link.is_symlink() and (site_of(bare_env) / "one.py").exists()
    assert (bare_env / "bin" / "one").read_text().startswith(f"#!{link}/bin/python\n")


@contextmanager
def mounted(folder, *options):
    """A small file system in memory."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_file_system_that_is_full_or_read_only_or_mounted_at_the_path(bare_template, place, tmp_path):
    options = versions_of(tmp_path, "1", files={"big.py": "#" * (32 << 20)})
    with mounted(place / "small", "-o", "size=40m,mode=755") as small:
        virtualenv = small / "venv"
        subprocess.run(["cp", "-a", bare_template, virtualenv], check=True)
        message = refused(virtualenv, pins=["one==1"], **options)
        assert "No space left on device" in message and message.endswith("The environment was not changed.")
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        for check in (False, True):
            assert refused(virtualenv, check=check, pins=["one==1"], **options).startswith(
                f'virtualenv: found "{virtualenv}", on a read-only file system; expected'
            )
    with mounted(place / "venv", "-o", "mode=755") as mount:
        assert "where a file system is mounted" in refused(mount, pins=[])
        assert "where a file system is mounted" in refused(mount, pins=[], check=True)


def test_a_folder_above_that_others_may_write_to(bare_env, place):
    place.chmod(0o1777)
    for check in (False, True):
        message = refused(bare_env, check=check, pins=["one==1"])
        assert message.startswith(
            f'virtualenv: found "{bare_env}", below {place}, where others could exchange it (everybody'
        )
    place.chmod(0o755)


def owners_below(home):
    """Return who owns what lies in a home, but for the digests that the tests let root remember there."""
    digests = Path(hashes_of(home / "venv"))
    return {path.lstat().st_uid for path in home.rglob("*") if digests not in (path, *path.parents)}


def test_the_owner_of_the_folder_above_may_be_the_user(place, bare_template):
    """An environment below the home of its user: renames are the user's own, too."""
    home = place / "home"
    home.mkdir()
    subprocess.run(["cp", "-a", bare_template, home / "venv"], check=True)
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", home], check=True)
    result = applied(home / "venv", pins=["one==1"], **versions_of(place / "wheels", "1"))
    assert changes(result) == {"one": (None, "1", "missing")}
    assert owners_below(home) == {NOBODY}
    assert module(home / "venv", state="rolled_back")["changed"]
    assert owners_below(home) == {NOBODY}


def test_a_foreign_pip_is_waited_for_and_then_refused(bare_env, tmp_path):
    """It builds a distribution of its own for a while; a run beside it waits, or gives up and names it."""
    options = versions_of(tmp_path / "wheels", "1")
    archive = wheel(tmp_path / "built", "slow", "1")
    reached, go_on = tmp_path / "reached", tmp_path / "go-on"
    backend = f"""
        import pathlib, shutil, time
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            pathlib.Path({str(reached)!r}).touch()
            while not pathlib.Path({str(go_on)!r}).exists():
                time.sleep(0.05)
            return pathlib.Path(shutil.copy({str(archive)!r}, folder)).name
    """
    source_archive(tmp_path, "slow", "1", textwrap.dedent(backend))
    argv = [bare_env / "bin" / "python", "-m", "pip", "-q", "install", "--no-index", tmp_path / "slow-1.tar.gz"]
    foreign = subprocess.Popen(argv)
    wait_for(reached.exists, foreign)
    impatient = """
        from ansible_collections.stability.baseline.plugins.module_utils import environment_lock
        environment_lock.locked.__wrapped__.__defaults__ = (0.5,)
    """
    started = process(bare_env, prelude=textwrap.dedent(impatient), pins=["one==1"], **options)
    message = json.loads(started.communicate()[0])["msg"]
    assert message.startswith(f"Another installer is changing {bare_env} (process {foreign.pid}")
    waiting = process(bare_env, pins=["one==1"], **options)
    time.sleep(1)
    assert waiting.poll() is None
    go_on.touch()
    result = json.loads(waiting.communicate()[0])
    assert foreign.wait() == 0
    assert not result.get("failed"), result["msg"]
    assert runs(bare_env, "import one, slow; print(one.version)") == "1"


def test_what_somebody_else_installs_in_the_meantime_is_not_lost(bare_env, tmp_path):
    """The smoke test stands for the time in which it happens; the live environment is another one than was copied."""
    folder = site_of(bare_env) / "theirs"
    options = versions_of(tmp_path, "1")
    result = module(bare_env, pins=["one==1"], smoke_test=["/bin/mkdir", str(folder)], **options)
    assert result["failed"] and not result["changed"] and folder.is_dir()
    assert result["msg"] == (
        f"Something else changed {bare_env} in the meantime. Run again.\nThe environment was not changed."
    )
