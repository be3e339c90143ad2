# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pip_pinned with a real pip: it changes exactly what differs, and check mode says so before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import pytest
from pip_pinned_environments import (
    FLASK,
    LATER,
    NOBODY,
    PYTHON,
    applied,
    changes,
    digest_of,
    generation,
    module,
    pins,
    process,
    pythons_argv,
    runs,
    site_of,
    tree,
    wheel,
)


def test_a_missing_environment_is_made_and_filled(place, wheelhouse):
    virtualenv = place / "deep" / "venv"
    # What flask requires is not the same on every Python.
    wanted = {name: version for name, version in FLASK.items() if name != "flask"}
    options = {"python": PYTHON, "pins": pins(flask=None), "find_links": [str(wheelhouse)], "no_index": True}
    result = applied(virtualenv, **options)
    assert result["created"] and result["changed"]
    assert changes(result) == {name: (None, version, "missing") for name, version in wanted.items()}
    assert result["diff"]["before"] == ""
    assert result["diff"]["after"].splitlines()[0] == f"virtual environment {virtualenv}"
    assert result["conflicts"] == {"before": [], "after": []}
    assert runs(virtualenv, "import jinja2, importlib.metadata as m; print(m.version('jinja2'))") == FLASK["jinja2"]
    assert len(generation(virtualenv)) == 32
    assert not (virtualenv / "stability-change.json").exists()
    installs = [command for command in result["commands"] if " install " in command]
    assert len(installs) == 1 and "--force-reinstall --no-deps --no-input" in installs[0]


def test_only_what_differs_is_touched(flask_env, wheelhouse):
    site = site_of(flask_env)
    stray = site / "unpinned.py"
    stray.write_text("x = 1\n")
    before = {
        path: state for path, state in tree(flask_env).items() if "click" not in path and "stability-" not in path
    }
    result = applied(flask_env, pins=[f"Click=={LATER['click']}"], find_links=[str(wheelhouse)], no_index=True)
    assert changes(result) == {"click": (FLASK["click"], LATER["click"], "version")}
    after = {path: state for path, state in tree(flask_env).items() if "click" not in path and "stability-" not in path}
    assert after == before
    assert stray.exists() and any(path.endswith("flask/app.py") for path in after)


def test_changed_and_deleted_files_are_put_right(flask_env, wheelhouse):
    site = site_of(flask_env)
    (site / "flask" / "app.py").write_text("broken\n")
    (site / "werkzeug" / "http.py").unlink()
    (flask_env / "bin" / "flask").unlink()
    core = site / "click" / "core.py"
    core.write_text(core.read_text().replace("a", "b", 1))
    result = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    assert {step["name"]: (step["reason"], step["files"]) for step in result["reinstalled"]} == {
        "click": ("files changed", ["click/core.py"]),
        "flask": ("files missing", ["../../../bin/flask"]),
        "werkzeug": ("files missing", ["werkzeug/http.py"]),
    }
    assert "# files missing: werkzeug/http.py" in result["diff"]["before"]
    assert runs(flask_env, "import flask, werkzeug.http; print(1)") == "1"


def test_what_pip_could_not_remove_is_put_right(flask_env, wheelhouse):
    """No RECORD, a second entry of the same name, a folder without metadata, a leftover of a killed pip."""
    site = site_of(flask_env)
    (site / f"click-{FLASK['click']}.dist-info" / "RECORD").unlink()
    shutil.copytree(site / f"jinja2-{FLASK['jinja2']}.dist-info", site / "jinja2-1.0.dist-info")
    metadata = site / "jinja2-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace(f"Version: {FLASK['jinja2']}", "Version: 1.0"))
    (site / f"blinker-{FLASK['blinker']}.dist-info" / "METADATA").unlink()
    (site / "~lask" / "deep").mkdir(parents=True)
    result = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    assert changes(result) == {
        "blinker": ("unknown", FLASK["blinker"], "version"),
        "click": (FLASK["click"], FLASK["click"], "files missing"),
        "jinja2": (f"1.0, {FLASK['jinja2']}", FLASK["jinja2"], "version"),
    }
    assert result["leftovers"] == ["~lask"]
    assert not [name for name in os.listdir(site) if name.startswith("~") or name == "jinja2-1.0.dist-info"]


def test_what_was_installed_from_a_file_has_the_wrong_origin(flask_env, wheelhouse, tmp_path):
    archive = wheel(tmp_path, "click", FLASK["click"])
    subprocess.run(
        [flask_env / "bin" / "python", "-m", "pip", "-q", "install", "--force-reinstall", "--no-deps", archive],
        check=True,
    )
    result = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    assert changes(result) == {"click": (FLASK["click"], FLASK["click"], "wrong origin")}


def test_two_owners_of_one_file_are_at_peace(bare_env, tmp_path):
    """Both wheels bring tests/__init__.py; whichever came last is right, and a second run changes nothing."""
    wheel(tmp_path, "one", "1", {"tests/__init__.py": "one\n"})
    wheel(tmp_path, "two", "1", {"tests/__init__.py": "two\n"})
    options = {"pins": ["one==1", "two==1"], "find_links": [str(tmp_path)], "no_index": True}
    applied(bare_env, **options)
    always = module(bare_env, reinstall="always", **options)
    assert changes(always) == {"one": ("1", "1", "requested always"), "two": ("1", "1", "requested always")}


def test_hashes_extras_markers_and_all_three_sources(bare_env, wheelhouse, tmp_path):
    hashes = {name: digest_of(wheelhouse, name, version) for name, version in LATER.items()}
    lock = tmp_path / "lock.txt"
    lines = [
        f"{name}=={LATER[name]} \\\n    --hash=sha256:{hashes[name]}"
        for name in ("idna", "urllib3", "certifi", "pysocks")
    ]
    lock.write_text("# made by hand\n" + "\n".join(lines) + "\n")
    content = f"charset-normalizer=={LATER['charset-normalizer']} --hash=sha256:{hashes['charset-normalizer']}\n"
    content += f'nowhere==1; python_version < "3" --hash=sha256:{"a" * 64}\n'
    options = {
        "pins": [f"requests[socks]=={LATER['requests']} --hash=sha256:{hashes['requests']}"],
        "requirements": str(lock),
        "requirements_content": content,
        "require_hashes": True,
        "find_links": [str(wheelhouse)],
        "no_index": True,
    }
    result = applied(bare_env, **options)
    assert sorted(changes(result)) == ["certifi", "charset-normalizer", "idna", "pysocks", "requests", "urllib3"]
    assert runs(bare_env, "import requests, socks; print(requests.__version__)") == LATER["requests"]


def test_everything_inside_is_done_as_run_as(place, tmp_path):
    tmp_path = place / "wheels"
    tmp_path.mkdir()
    wheel(tmp_path, "one", "1")
    virtualenv = place / "venv"
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True, "run_as": "nobody"}
    code = "import os, sys; sys.exit(os.getuid() != 65534 or 'PYTHONPATH' in os.environ or os.environ['HOME'] != '/nonexistent')"
    result = applied(virtualenv, smoke_test=["{python}", "-c", code], **options)
    assert result["smoke_tested"]
    assert {path.lstat().st_uid for path in [virtualenv, *virtualenv.rglob("*")]} == {NOBODY}
    # Without run_as the owner of the folder is taken.
    wheel(tmp_path, "one", "2")
    applied(virtualenv, pins=["one==2"], find_links=options["find_links"], no_index=True)
    assert {path.lstat().st_uid for path in [virtualenv, *virtualenv.rglob("*")]} == {NOBODY}


def test_what_root_owns_is_imported_and_tested_as_gates_as(place):
    wheels, application = place / "wheels", place / "app.py"
    refuses_root = "import os\nif not os.getuid():\n    raise ImportError('root')\n"
    for version, text in (("1", "there = 1\n"), ("2", "gone = 1\n"), ("3", "there = 3\n")):
        wheel(wheels, "one", version, {"one.py": refuses_root + text})
    application.write_text("import one\none.there\n")
    code = (
        "import one, os, tempfile; tempfile.TemporaryFile(); "
        f"assert (os.getuid(), os.getgid()) == ({NOBODY}, 1), (os.getuid(), os.getgid())"
    )
    options = {"find_links": [str(wheels)], "no_index": True, "sources": [str(application)], "imports": "strict"}
    options.update(smoke_test=["{python}", "-c", code], gates_as="nobody:1")
    virtualenv = place / "venv"
    assert applied(virtualenv, pins=["one==1"], **options)["smoke_tested"]
    assert {path.lstat().st_uid for path in [virtualenv, *virtualenv.rglob("*")]} == {0}
    refusal = module(virtualenv, pins=["one==2"], **options)["msg"]
    assert f"{application}:2: one.there is gone: one 1 had it, one 2 has not" in refusal
    applied(virtualenv, pins=["one==3"], **options)
    assert applied(virtualenv, pins=["one==1"], **options)["restored"]
    # Who is named to do everything does the checks as well.
    assert "one (one 3): ImportError: root" in module(virtualenv, pins=["one==3"], run_as="root", **options)["msg"]


def test_variables_of_the_caller_do_not_reach_pip(bare_env, tmp_path):
    wheel(tmp_path, "one", "1")
    hostile = {
        "PIP_NO_INDEX": "0",
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PYTHONPATH": str(tmp_path),
        "PIP_TARGET": str(tmp_path),
    }
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; {str(bare_env)!r} in sys.argv[0] + sys.prefix and sys.exit('imported')\n"
    )
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True, "variables": hostile}
    result = module(bare_env, **options)
    assert not result.get("failed"), result["msg"]
    assert (site_of(bare_env) / "one.py").exists()


@pytest.mark.parametrize("password", ["right-s3cret", "wrong-s3cret"])
def test_credentials_are_seen_by_the_index_alone(bare_env, index, place, password):
    url = index.url.replace("://", f"://me:{password}@")
    started = process(bare_env, pins=["private==1"], index_url=url, diff=True)
    seen = set()
    while started.poll() is None:
        seen |= pythons_argv()
        time.sleep(0.01)
    stdout, stderr = started.communicate()
    result = json.loads(stdout)
    assert bool(result.get("failed")) == (password == "wrong-s3cret")
    assert index.users >= {"me"}
    assert any("--force-reinstall" in argv for argv in seen), "pip was not seen at work"
    assert not [argv for argv in seen if password in argv]
    assert password not in stdout + stderr


def test_markers_are_those_of_the_environment(bare_env, tmp_path):
    wheel(tmp_path, "one", "1")
    wheel(tmp_path, "one", "2")
    version = runs(bare_env, "import sys; print('%d.%d' % sys.version_info[:2])")
    entries = [
        f"one==1; python_version == '{version}'",
        f"one==2; python_version != '{version}'",
        "one==2; os_name == 'nt'",
    ]
    result = applied(bare_env, pins=entries, find_links=[str(tmp_path)], no_index=True)
    assert changes(result) == {"one": (None, "1", "missing")}
