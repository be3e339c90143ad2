# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pip_pinned, killed at every stage, with a real pip: the next run finishes what was begun."""

from __future__ import annotations

import json
import os
import shutil
import signal
import textwrap

from pip_pinned_environments import (
    DJANGO,
    FLASK,
    LATER,
    applied,
    changes,
    generation,
    killed,
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


def test_a_run_killed_in_the_middle_leaves_the_old_environment(django_env, wheelhouse):
    """Django is replaced file by file in the copy; killed then, the environment is the old one, and the copy is removed."""
    before = tree(django_env)
    copy = work_folder(django_env) / "staged"
    options = {"pins": [f"django=={LATER['django']}"], "find_links": [str(wheelhouse)], "no_index": True}
    killed(django_env, lambda: list(copy.glob("lib/python*/site-packages/~jango")), **options)
    assert tree(django_env) == before
    healed = applied(django_env, **options)
    assert not healed["finished"] and changes(healed) == {"django": (DJANGO["django"], LATER["django"], "version")}
    assert not copy.exists()
    assert runs(django_env, "import django; print(django.__version__)") == LATER["django"]


def test_an_environment_that_was_killed_in_place_is_healed(django_env, wheelhouse):
    """An older version of the module, or a pip of somebody else, was killed in the environment itself."""
    site = site_of(django_env)
    (site / "django").rename(site / "~jango")
    (django_env / "stability-change.json").write_text(
        json.dumps({"phase": "installing", "before": {"django": DJANGO["django"]}})
    )
    options = {"pins": [f"django=={DJANGO['django']}"], "find_links": [str(wheelhouse)], "no_index": True}
    was = generation(django_env)
    healed = applied(django_env, **options)
    assert healed["finished"] and healed["leftovers"] == ["~jango"] and changes(healed).keys() == {"django"}
    assert generation(django_env) != was, "no restart would be owed"
    assert not (site / "~jango").exists() and not (django_env / "stability-change.json").exists()
    assert healed["generations"] == [], "what was half-changed is nothing to go back to"


def test_what_an_interrupted_run_left_unpinned_is_warned_of(bare_env, tmp_path):
    wheel(tmp_path, "one", "1", {"one_data/file.txt": "x" * 10})
    options = {"find_links": [str(tmp_path)], "no_index": True}
    module(bare_env, pins=["one==1"], **options)
    (site_of(bare_env) / "one_data" / "file.txt").unlink()
    (bare_env / "stability-change.json").write_text('{"phase": "installing", "before": {"one": "1"}, "conflicts": []}')
    result = module(bare_env, pins=[], **options)
    assert result["finished"] and result["changed"]
    assert result["warnings"] == [
        "one was left incomplete by an interrupted run and is no longer pinned. Pin it, or uninstall it."
    ]
    assert not module(bare_env, pins=[], **options)["changed"]


def test_gates_that_a_killed_run_did_not_reach_are_made_up_for(flask_env, wheelhouse):
    """A version that changed in place was killed after pip: the conflict is still new to the next run."""
    options = {"pins": pins(werkzeug="2.0.3"), "find_links": [str(wheelhouse)], "no_index": True}
    assert module(flask_env, pip_check="ignore", imports="ignore", references="ignore", **options)["changed"]
    journal = {"phase": "checking", "before": {"werkzeug": FLASK["werkzeug"]}, "conflicts": []}
    (flask_env / "stability-change.json").write_text(json.dumps(journal))
    message = refused(flask_env, **options)
    assert message.startswith("pip check found conflicts that were not there before:\n- ")
    assert message.endswith("The environment is still as an earlier, interrupted run left it.")
    healed = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    assert healed["finished"] and changes(healed) == {"werkzeug": ("2.0.3", FLASK["werkzeug"], "version")}


def test_an_environment_killed_while_it_was_made_is_not_there(place, tmp_path):
    virtualenv = place / "venv"
    wheel(tmp_path, "one", "1")
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True}
    making = work_folder(virtualenv) / "staged"
    killed(virtualenv, lambda: list(making.glob("lib/python*/site-packages/pip/_vendor")), **options)
    assert not virtualenv.exists()
    result = applied(virtualenv, **options)
    assert result["created"] and changes(result) == {"one": (None, "1", "missing")}
    assert not work_folder(virtualenv).exists()


def test_an_environment_whose_making_was_cut_short_by_others_is_completed(bare_env, tmp_path):
    """venv was called by hand and killed: its pip has no metadata yet, and the interpreter is a link to nowhere."""
    for entry in site_of(bare_env).glob("pip-*"):
        shutil.rmtree(entry)
    (bare_env / "bin" / "python").unlink()
    (bare_env / "bin" / "python").symlink_to("/nowhere/python3")
    assert applied(bare_env, pins=[])["created"]
    assert runs(bare_env, "import pip; print(1)") == "1"


def test_a_pip_that_outlives_its_run_is_waited_for(bare_env, tmp_path):
    """Only the module is killed; its pip goes on building, and the next run must not work beside it."""
    archive = wheel(tmp_path / "built", "slow", "1")
    reached, done = tmp_path / "reached", tmp_path / "done"
    backend = f"""
        import pathlib, shutil, time
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            pathlib.Path({str(reached)!r}).touch()
            time.sleep(2)
            pathlib.Path({str(done)!r}).touch()
            return pathlib.Path(shutil.copy({str(archive)!r}, folder)).name
    """
    source_archive(tmp_path, "slow", "1", textwrap.dedent(backend))
    options = {"pins": ["slow==1"], "find_links": [str(tmp_path)], "no_index": True}
    started = process(bare_env, **options)
    wait_for(reached.exists, started)
    os.kill(started.pid, signal.SIGKILL)
    result = module(bare_env, check=False, **{**options, "find_links": [str(archive.parent)]})
    assert done.exists() and not result.get("failed")
    assert changes(result).keys() == {"slow"} and result["commands"]
    started.communicate()


def test_pip_itself_can_be_pinned_and_survives_a_kill(bare_env, wheelhouse):
    copy = work_folder(bare_env) / "staged"
    options = {"pins": [f"pip=={LATER['pip']}"], "find_links": [str(wheelhouse)], "no_index": True}
    killed(bare_env, lambda: list(copy.glob("lib/python*/site-packages/~ip")), **options)
    assert applied(bare_env, **options)["changed"]
    assert runs(bare_env, "import importlib.metadata as m; print(m.version('pip'))") == LATER["pip"]
    script = (bare_env / "bin" / "pip").read_text()
    assert script.startswith(f"#!{bare_env}/bin/python\n")


def test_two_runs_at_once_take_turns(bare_env, tmp_path):
    wheel(tmp_path, "one", "1")
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True}
    started = [process(bare_env, **options) for _each in range(2)]
    results = [json.loads(one.communicate()[0]) for one in started]
    assert sorted(result["changed"] for result in results) == [False, True]
