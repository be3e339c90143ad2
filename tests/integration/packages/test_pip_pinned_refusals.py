# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip_pinned refuses, with a real pip: what it says, and what the environment then holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from pip_pinned_environments import (
    FLASK,
    LATER,
    NOBODY,
    PYTHON,
    applied,
    changes,
    module,
    pins,
    refused,
    runs,
    site_of,
    source_archive,
    wheel,
    work_folder,
)

#: On Python 3.9 flask asks for one distribution more, which the environments of these tests never have.
WITH_CONFLICTS = {"pip_check": "ignore"}


def test_a_wrong_hash_is_refused(flask_env, wheelhouse):
    wrong = f"click=={LATER['click']} --hash=sha256:{'0' * 64}"
    message = refused(flask_env, pins=[wrong], find_links=[str(wheelhouse)], no_index=True)
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in message and "0" * 64 in message
    assert message.endswith("The environment was not changed.")


def test_a_missing_distribution_is_refused(flask_env, wheelhouse):
    options = {"find_links": [str(wheelhouse)], "no_index": True}
    message = refused(flask_env, pins=["click==99.0", f"flask=={FLASK['flask']}"], **options)
    assert message.startswith("pip failed:\n")
    assert "No matching distribution found for click==99.0" in message
    assert message.endswith("The environment was not changed.")


def test_an_index_that_is_down_is_named(bare_env):
    (bare_env / "pip.conf").write_text("[global]\nretries = 1\n")
    message = refused(bare_env, pins=["stability-nowhere==1.0"], index_url="http://127.0.0.1:9/simple")
    assert "Connection refused" in message
    assert "No matching distribution found for stability-nowhere==1.0" in message


def test_a_build_that_fails_is_refused(bare_env, tmp_path):
    source_archive(tmp_path, "broken", "1", "raise SystemExit('this cannot be built')\n")
    message = refused(bare_env, pins=["broken==1"], find_links=[str(tmp_path)], no_index=True)
    assert message.startswith("pip failed:") and "this cannot be built" in message


def test_a_conflict_is_refused_before_anything_changes(flask_env, wheelhouse):
    options = {"pins": pins(werkzeug="2.0.3"), "find_links": [str(wheelhouse)], "no_index": True}
    message = refused(flask_env, **options)
    assert message.startswith("pip check found conflicts that were not there before:\n- ")
    assert "has requirement Werkzeug>=3.0.0, but you have werkzeug 2.0.3." in message
    assert message.endswith("\nThe environment was not changed.")
    assert module(flask_env, pins=pins())["changed"] is False
    ignored = module(flask_env, pip_check="ignore", imports="ignore", references="ignore", **options)
    assert ignored["changed"] and ignored["conflicts"] == {"before": None, "after": None}
    # The conflict is an old one now: a change beside it goes through, and strict fails without any change.
    beside = module(flask_env, pins=[f"click=={LATER['click']}"], find_links=[str(wheelhouse)], no_index=True)
    assert beside["conflicts"]["before"] == beside["conflicts"]["after"] != []
    strict = {"pins": [f"click=={LATER['click']}"], "pip_check": "strict"}
    assert refused(flask_env, **strict).startswith("pip check found conflicts:\n- ")
    assert module(flask_env, check=True, **strict)["failed"]


def test_flask_without_its_werkzeug_is_caught_by_the_smoke_test(flask_env, wheelhouse):
    """pip check is content with flask 2.0.3 beside Werkzeug 3; importing it fails."""
    options = {"find_links": [str(wheelhouse)], "no_index": True, "imports": "ignore"}
    code = "import sys\ntry:\n    import flask\nexcept ImportError as error:\n    sys.exit(str(error))"
    options["smoke_test"] = ["{python}", "-c", code]
    message = refused(flask_env, pins=["flask==2.0.3"], **options)
    assert message.startswith("smoke_test ended with status 1:\n")
    assert "cannot import name 'url_quote'" in message
    assert message.endswith("\nThe environment was not changed.")
    passed = module(flask_env, pins=[f"click=={LATER['click']}"], **options)
    assert passed["smoke_tested"] and passed["changed"]


def test_a_user_that_may_not_write_is_refused(bare_env):
    message = refused(bare_env, pins=["one==1"], run_as="nobody")
    assert message.startswith('run_as: found "nobody"; expected a user that may write to ')
    assert message.endswith("Change its owner, or name the owner.")


def test_an_environment_without_pip(place, tmp_path):
    virtualenv = place / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", virtualenv], check=True)
    archive = wheel(tmp_path, "one", "1")
    site = site_of(virtualenv)
    shutil.unpack_archive(archive, site, "zip")
    message = refused(virtualenv, pins=["one==2"])
    assert message.startswith(f"virtualenv: {virtualenv} was made without pip")
    assert message.endswith(
        f"Run {virtualenv}/bin/python -m ensurepip once, or install uv and write installer: uv; then run again."
    )


def test_what_would_be_new_in_conflict_is_not_installed(bare_env, tmp_path):
    wheel(tmp_path, "one", "1", requires=["two>=1"])
    message = refused(bare_env, pins=["one==1"], find_links=[str(tmp_path)], no_index=True)
    assert "- one 1 requires two, which is not installed." in message
    assert not work_folder(bare_env).exists()


def test_files_of_an_environment_are_read_as_its_owner(bare_env, place):
    """A link to what only root may read must not be followed, nor shown, nor copied."""
    secret = place / "secret"
    secret.write_text('{"generation": "what only root may read"}')
    secret.chmod(0o600)
    for path in [bare_env, *bare_env.rglob("*")]:
        os.lchown(path, NOBODY, NOBODY)
    (bare_env / "stability-generation.json").symlink_to(secret)
    wheel(place / "wheels", "one", "1")
    result = module(bare_env, pins=["one==1"], find_links=[str(place / "wheels")], no_index=True)
    assert result["failed"] and "Permission denied" in result["msg"]
    assert result["msg"].endswith("The environment was not changed.")
    assert "what only root" not in json.dumps(result)


def python_with(place, lines):
    """Write a program that is Python, but for what the shell ``lines`` do first."""
    program = place / "python"
    program.write_text(f'#!/bin/sh\n{lines}\nexec {PYTHON} "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_an_environment_that_cannot_be_made(place, tmp_path):
    """First venv fails, then it makes an environment without pip: nothing of either is left."""
    virtualenv = place / "deep" / "venv"
    failing = python_with(place, 'case "$*" in *venv*) echo "ERROR: no ensurepip here"; exit 1;; esac')
    message = refused(virtualenv, pins=[], python=failing)
    assert message == f"{virtualenv} cannot be made with {failing}:\nERROR: no ensurepip here\nNothing was made."
    assert not virtualenv.parent.exists()
    without_pip = python_with(place, f'case "$*" in *venv*) exec {PYTHON} "$@" --without-pip;; esac')
    assert refused(virtualenv, pins=[], python=without_pip) == (
        f"{virtualenv} was made, but has no pip. Is the Python module ensurepip installed?\nNothing was made."
    )
    assert module(virtualenv, pins=[], python=PYTHON)["created"]
    assert not module(virtualenv, pins=[])["changed"]


def test_a_pip_that_cannot_check(bare_env, tmp_path):
    (site_of(bare_env) / "pip" / "_internal" / "commands" / "check.py").write_text("raise ImportError('broken')\n")
    message = refused(bare_env, pins=[], pip_check="strict")
    assert message == "pip check could not check the environment. Nothing was changed."
    wheel(tmp_path, "one", "1")
    message = refused(bare_env, pins=["one==1"], find_links=[str(tmp_path)], no_index=True)
    assert message == "pip check could not check the environment.\nThe environment was not changed."


def test_a_smoke_test_that_destroys_what_it_tests(bare_env, tmp_path):
    """It runs in the copy, and finds the scripts of the copy by PATH."""
    wheel(tmp_path, "one", "1")
    tool = bare_env / "bin" / "tool"
    tool.write_text(f"#!{bare_env}/bin/python\n")
    tool.chmod(0o755)
    destroy = 'rm "$VIRTUAL_ENV"/bin/python* && tool; command -v tool; exit 3'
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True}
    message = refused(bare_env, smoke_test=["/bin/sh", "-c", destroy], **options)
    assert message.startswith("smoke_test ended with status 3:\n")
    copy = work_folder(bare_env) / "staged"
    assert f"{copy}/.stability-gate/tool" in message and f"{copy}/bin/python: not found" in message
    assert runs(bare_env, "print(1)") == "1"


def test_an_environment_whose_python_was_upgraded_is_made_anew(flask_env, wheelhouse):
    """Its site-packages are those of another version; what it holds is installed again, a pip.conf stays."""
    (flask_env / "lib" / site_of(flask_env).parent.name).rename(flask_env / "lib" / "python3.5")
    (flask_env / "pip.conf").write_text("[global]\nretries = 1\n")
    (flask_env / "etc").mkdir()
    (flask_env / "etc" / "own").write_text("x")
    wanted = pins(click=LATER["click"], blinker=None)
    result = applied(flask_env, pins=wanted, find_links=[str(wheelhouse)], no_index=True, **WITH_CONFLICTS)
    assert result["created"]
    expected = {name: (version, version, "interpreter changed") for name, version in FLASK.items()}
    assert changes(result) == {**expected, "click": (FLASK["click"], LATER["click"], "interpreter changed")}
    assert runs(flask_env, "import flask, sys; print(sys.prefix)") == str(flask_env)
    assert (flask_env / "pip.conf").exists() and (flask_env / "etc" / "own").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(flask_env, wheelhouse):
    for name in ("python", "python3"):
        (flask_env / "bin" / name).unlink()
    (flask_env / "bin" / "python").symlink_to("/nowhere/python3")
    options = {"pins": [], "find_links": [str(wheelhouse)], "no_index": True, **WITH_CONFLICTS}
    assert changes(applied(flask_env, **options)).keys() == FLASK.keys()
    assert runs(flask_env, "import flask; print(1)") == "1"


def test_what_no_version_brings_back_is_named(flask_env):
    site = site_of(flask_env)
    (site / f"click-{FLASK['click']}.dist-info" / "direct_url.json").write_text("{}")
    (flask_env / "lib" / site.parent.name).rename(flask_env / "lib" / "python3.5")
    message = refused(flask_env, pins=[])
    assert message.startswith(
        f"virtualenv: the Python of {flask_env} is gone or was upgraded, and nothing says how to get click"
    )


def test_what_is_no_environment_is_refused(place):
    (place / "etc").mkdir()
    (place / "etc" / "passwd").write_text("")
    assert refused(place / "etc", pins=[]) == (
        f'virtualenv: found "{place}/etc", a folder with passwd; expected a virtual environment, an empty folder or nothing. '
        "Name another folder, or empty this one."
    )
    assert "which is no folder" in refused(place / "etc" / "passwd", pins=[])


def test_every_problem_of_the_options_at_once(place):
    message = refused(place / "venv", pins=["flask", "click>1"], index_url="nowhere", requirements_content="-e .\n")
    assert [line.split(":")[0] for line in message.splitlines()] == [
        "index_url",
        "pins[0]",
        "pins[1]",
        "requirements_content, line 1",
    ]


def test_gates_as_needs_a_user_and_group_of_the_host(bare_env):
    options = {"pins": [], "gates_as": "nobody:stability-nobody"}
    assert not module(bare_env, check=True, **options).get("failed")
    assert refused(bare_env, **options) == (
        'gates_as: found "nobody:stability-nobody"; expected a user, and a group, of the managed node. Make them first.'
    )


def test_what_an_earlier_step_would_make_is_pending_in_check_mode(place):
    options = {"requirements": str(place / "lock.txt"), "run_as": "stability-nobody", "python": "/nowhere/python3"}
    predicted = module(place / "venv", check=True, **options)
    assert predicted["changed"] and predicted["created"]
    assert "The user stability-nobody does not exist yet." in predicted["warnings"]
    assert f"The file {place}/lock.txt does not exist yet; its pins are unknown." in predicted["warnings"]
    assert any(line.startswith("The interpreter /nowhere/python3 does not exist yet") for line in predicted["warnings"])
    assert refused(place / "venv", **options).startswith(
        'run_as: found "stability-nobody"; expected a user of the managed node.'
    )
    del options["run_as"]
    assert refused(place / "venv", **options).startswith(
        f'requirements: found "{place}/lock.txt"; expected a file on the managed'
    )
    (place / "lock.txt").write_text("one==1; python_version > '3'\n")
    assert refused(place / "venv", **options).startswith(
        'python: found "/nowhere/python3"; expected an interpreter on the managed'
    )
    (place / "lock.txt").write_bytes(b"one==1 \xff\n")
    assert "expected a text file in UTF-8" in refused(place / "venv", **options)
