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
    runs,
    site_of,
    source_archive,
    wait_for,
    wheel,
)


def test_a_run_killed_in_the_middle_is_finished_by_the_next(django_env, wheelhouse):
    """Django is replaced file by file; killed then, what is there is neither version."""
    site = site_of(django_env)
    was = generation(django_env)
    options = {"pins": [f"django=={LATER['django']}"], "find_links": [str(wheelhouse)], "no_index": True}
    killed(django_env, (site / "~jango").exists, **options)
    assert generation(django_env) != was, "no restart would be owed"
    assert json.loads((django_env / "stability-change.json").read_text())["before"] == {"django": DJANGO["django"]}
    owed = generation(django_env)
    healed = applied(django_env, **options)
    assert healed["finished"] and changes(healed).keys() == {"django"}
    assert generation(django_env) != owed
    assert not [name for name in os.listdir(site) if name.startswith("~")]
    assert runs(django_env, "import django; print(django.__version__)") == LATER["django"]


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


def test_gates_that_a_killed_run_did_not_reach_are_made_up_for(flask_env, wheelhouse, tmp_path):
    """Killed in its smoke test, after pip: the conflict is still new to the next run, and the old version known."""
    reached = tmp_path / "reached"
    options = {"pins": pins(werkzeug="2.0.3"), "find_links": [str(wheelhouse)], "no_index": True}
    code = f"import time; open({str(reached)!r}, 'w').close(); time.sleep(60)"
    killed(flask_env, reached.exists, pip_check="ignore", smoke_test=["{python}", "-c", code], **options)
    journal = flask_env / "stability-change.json"
    content = json.loads(journal.read_text())
    assert content["phase"] == "checking"
    result = module(flask_env, **options, pip_check="strict")
    assert result["failed"] and result["reinstalled"] == [] and result["finished"]
    assert result["msg"].endswith(f"The versions from before are back in {flask_env}.")
    assert runs(flask_env, "import flask, importlib.metadata as m; print(m.version('werkzeug'))") == FLASK["werkzeug"]
    assert not journal.exists()


def test_an_environment_killed_while_it_was_made_is_completed(place, tmp_path):
    virtualenv = place / "venv"
    wheel(tmp_path, "one", "1")
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True}
    killed(virtualenv, lambda: list(virtualenv.glob("lib/python*/site-packages/pip/_vendor")), **options)
    result = applied(virtualenv, **options)
    assert result["created"] and changes(result) == {"one": (None, "1", "missing")}


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
    assert result["finished"] and changes(result).keys() == {"slow"}
    started.communicate()


def test_pip_itself_can_be_pinned_and_survives_a_kill(bare_env, wheelhouse):
    site = site_of(bare_env)
    options = {"pins": [f"pip=={LATER['pip']}"], "find_links": [str(wheelhouse)], "no_index": True}
    killed(bare_env, (site / "~ip").exists, **options)
    healed = applied(bare_env, **options)
    assert healed["finished"]
    assert runs(bare_env, "import importlib.metadata as m; print(m.version('pip'))") == LATER["pip"]


def test_two_runs_at_once_take_turns(bare_env, tmp_path):
    wheel(tmp_path, "one", "1")
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True}
    started = [process(bare_env, **options) for _each in range(2)]
    results = [json.loads(one.communicate()[0]) for one in started]
    assert sorted(result["changed"] for result in results) == [False, True]
