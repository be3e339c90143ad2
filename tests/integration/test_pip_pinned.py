# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pip_pinned with a real pip and real distributions, in environments of their own on this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from pip_pinned_environments import (
    DJANGO,
    FLASK,
    LATER,
    PYTHON,
    Index,
    archive_of,
    digest_of,
    download,
    make_environment,
    module,
    process,
    pythons_argv,
    site_of,
    tree,
    wheel,
)

NOBODY = 65534


@pytest.fixture
def place():
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="stability-test-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """The folder of the environments that the tests start from, and of the one that downloads."""
    return tmp_path_factory.mktemp("templates")


@pytest.fixture(scope="session")
def bare_template(templates):
    make_environment(templates / "bare", None, {})
    return templates / "bare"


@pytest.fixture(scope="session")
def wheelhouse(bare_template):
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("STABILITY_CACHE") or Path(home) / "stability-baseline")
    return download(cache / "wheelhouses", bare_template / "bin" / "python")


@pytest.fixture(scope="session")
def flask_template(templates, wheelhouse):
    make_environment(templates / "flask", wheelhouse, FLASK)
    return templates / "flask"


@pytest.fixture
def bare_env(bare_template, place):
    shutil.copytree(bare_template, place / "venv", symlinks=True)
    return place / "venv"


@pytest.fixture
def flask_env(flask_template, place):
    shutil.copytree(flask_template, place / "venv", symlinks=True)
    return place / "venv"


@pytest.fixture
def django_env(wheelhouse, place):
    make_environment(place / "venv", wheelhouse, DJANGO)
    return place / "venv"


@pytest.fixture
def index(tmp_path):
    wheel(tmp_path, "private", "1")
    served = Index(tmp_path, "right-s3cret")
    yield served
    served.close()


def pins(**changed):
    """Return the pins of the Flask environment with some versions changed; ``None`` leaves one out."""
    versions = {**FLASK, **changed}
    return [f"{name}=={version}" for name, version in versions.items() if version]


def changes(result):
    return {step["name"]: (step["before"], step["after"], step["reason"]) for step in result["reinstalled"]}


def applied(virtualenv, **options):
    """Let check mode predict, run, hold the two against each other, and run again: nothing changes then."""
    before = tree(virtualenv)
    predicted = module(virtualenv, check=True, **options)
    assert tree(virtualenv) == before, "check mode touched the environment"
    result = module(virtualenv, **options)
    assert not result.get("failed"), result["msg"]
    for key in ("changed", "reinstalled", "created", "leftovers", "finished", "diff"):
        assert predicted[key] == result[key], key
    if options.get("reinstall") != "always":
        again = module(virtualenv, **options)
        assert (again["changed"], again["reinstalled"], again["commands"]) == (False, [], [])
        assert again["diff"]["before"] == again["diff"]["after"] == ""
    return result


def refused(virtualenv, **options):
    """Run, expect a failure that leaves everything as it was, and return its message."""
    before = tree(virtualenv)
    result = module(virtualenv, **options)
    assert result["failed"] and not result.get("changed")
    assert tree(virtualenv) == before
    assert "Traceback" not in result["msg"] + result["stderr"]
    return result["msg"]


def generation(virtualenv):
    return json.loads((virtualenv / "stability-generation.json").read_text())["generation"]


def runs(virtualenv, code):
    """Return what a program in the environment prints."""
    argv = [virtualenv / "bin" / "python", "-I", "-c", code]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_a_missing_environment_is_made_and_filled(place, wheelhouse):
    virtualenv = place / "deep" / "venv"
    options = {"pins": pins(), "find_links": [str(wheelhouse)], "no_index": True}
    result = applied(virtualenv, **options)
    assert result["created"] and result["changed"]
    assert changes(result) == {name: (None, version, "missing") for name, version in FLASK.items()}
    assert result["diff"]["before"] == ""
    assert result["diff"]["after"].splitlines()[0] == f"virtual environment {virtualenv}"
    assert result["conflicts"] == {"before": [], "after": []}
    assert runs(virtualenv, "import flask, importlib.metadata as m; print(m.version('flask'))") == FLASK["flask"]
    assert len(generation(virtualenv)) == 32
    assert not (virtualenv / "stability-change.json").exists()
    installs = [command for command in result["commands"] if " install " in command]
    assert len(installs) == 1 and "--force-reinstall --no-deps --no-input" in installs[0]


def test_only_what_differs_is_touched(flask_env, wheelhouse):
    neighbours = [f"{name}-{version}" for name, version in FLASK.items() if name != "click"]
    site = site_of(flask_env)
    stray = site / "unpinned.py"
    stray.write_text("x = 1\n")
    before = {path: state for path, state in tree(flask_env).items() if "click" not in path and "stability-" not in path}
    result = applied(flask_env, pins=[f"Click=={LATER['click']}"], find_links=[str(wheelhouse)], no_index=True)
    assert changes(result) == {"click": (FLASK["click"], LATER["click"], "version")}
    after = {path: state for path, state in tree(flask_env).items() if "click" not in path and "stability-" not in path}
    assert after == before
    assert neighbours and stray.exists()


def test_changed_and_deleted_files_are_put_right(flask_env, wheelhouse):
    site = site_of(flask_env)
    (site / "flask" / "app.py").write_text("broken\n")
    (site / "werkzeug" / "http.py").unlink()
    (flask_env / "bin" / "flask").unlink()
    result = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    assert {step["name"]: (step["reason"], step["files"]) for step in result["reinstalled"]} == {
        "flask": ("files missing", ["../../../bin/flask"]),
        "werkzeug": ("files missing", ["werkzeug/http.py"]),
    }
    assert "# files missing: werkzeug/http.py" in result["diff"]["before"]
    assert runs(flask_env, "import flask, werkzeug.http; print(1)") == "1"


def test_a_changed_file_is_named(flask_env, wheelhouse):
    path = site_of(flask_env) / "click" / "core.py"
    path.write_text(path.read_text().replace("a", "b", 1))
    result = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    assert [(step["reason"], step["files"]) for step in result["reinstalled"]] == [("files changed", ["click/core.py"])]


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
    subprocess.run([flask_env / "bin" / "python", "-m", "pip", "-q", "install", "--force-reinstall", "--no-deps", archive], check=True)
    result = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    assert changes(result) == {"click": (FLASK["click"], FLASK["click"], "wrong origin")}


def test_two_owners_of_one_file_are_at_peace(bare_env, tmp_path):
    """Both wheels bring tests/__init__.py; whichever came last is right, and a second run changes nothing."""
    wheel(tmp_path, "one", "1", {"tests/__init__.py": "one\n"})
    wheel(tmp_path, "two", "1", {"tests/__init__.py": "two\n"})
    applied(bare_env, pins=["one==1", "two==1"], find_links=[str(tmp_path)], no_index=True)


def test_reinstall_always(bare_env, tmp_path):
    wheel(tmp_path, "one", "1")
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True}
    applied(bare_env, **options)
    result = applied(bare_env, reinstall="always", **options)
    assert changes(result) == {"one": ("1", "1", "requested always")}


def test_hashes_extras_markers_and_all_three_sources(bare_env, wheelhouse, tmp_path):
    hashes = {name: digest_of(wheelhouse, name, version) for name, version in LATER.items()}
    lock = tmp_path / "lock.txt"
    lines = [f"{name}=={LATER[name]} \\\n    --hash=sha256:{hashes[name]}" for name in ("idna", "urllib3", "certifi", "pysocks")]
    lock.write_text("# made by hand\n" + "\n".join(lines) + "\n")
    content = f'charset-normalizer=={LATER["charset-normalizer"]} --hash=sha256:{hashes["charset-normalizer"]}\n'
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


def test_an_index_that_is_down_is_named(flask_env, place):
    message = refused(flask_env, pins=["stability-nowhere==1.0"], index_url="http://127.0.0.1:9/simple")
    assert "Connection refused" in message
    assert "No matching distribution found for stability-nowhere==1.0" in message


def test_a_build_that_fails_is_refused(bare_env, tmp_path):
    source = tmp_path / "broken-1"
    source.mkdir()
    (source / "backend.py").write_text("raise SystemExit('this cannot be built')\n")
    (source / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n')
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    subprocess.run(["tar", "-czf", tmp_path / "broken-1.tar.gz", "-C", tmp_path, "broken-1"], check=True)
    message = refused(bare_env, pins=["broken==1"], find_links=[str(tmp_path)], no_index=True)
    assert message.startswith("pip failed:") and "this cannot be built" in message


def test_a_conflict_is_refused_and_the_version_from_before_put_back(flask_env, wheelhouse):
    was = generation(flask_env)
    options = {"pins": pins(werkzeug="2.0.3"), "find_links": [str(wheelhouse)], "no_index": True}
    result = module(flask_env, **options)
    assert result["failed"] and result["changed"]
    assert result["msg"].startswith("pip check found conflicts that were not there before:\n- ")
    assert "has requirement Werkzeug>=3.0.0, but you have werkzeug 2.0.3." in result["msg"]
    assert result["msg"].endswith(f"The versions from before are back in {flask_env}.")
    assert runs(flask_env, "import flask, importlib.metadata as m; print(m.version('werkzeug'))") == FLASK["werkzeug"]
    assert generation(flask_env) != was
    assert applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)["changed"] is False
    ignored = module(flask_env, pip_check="ignore", **options)
    assert ignored["changed"] and ignored["conflicts"] == {"before": None, "after": None}
    # The conflict is an old one now: a change beside it goes through, and strict fails without any change.
    beside = applied(flask_env, pins=[f"click=={LATER['click']}"], find_links=[str(wheelhouse)], no_index=True)
    assert beside["conflicts"]["before"] == beside["conflicts"]["after"] != []
    strict = {"pins": [f"click=={LATER['click']}"], "pip_check": "strict"}
    assert refused(flask_env, **strict).startswith("pip check found conflicts:\n- ")
    assert module(flask_env, check=True, **strict)["failed"]


def test_what_cannot_be_put_back_is_said(flask_env, tmp_path, wheelhouse):
    shutil.copy(archive_of(wheelhouse, "werkzeug", "2.0.3"), tmp_path)
    result = module(flask_env, pins=["werkzeug==2.0.3"], find_links=[str(tmp_path)], no_index=True)
    assert result["failed"]
    assert "The versions from before could not be put back" in result["msg"]
    assert f"- werkzeug: 2.0.3 (before: {FLASK['werkzeug']})" in result["msg"]
    assert (flask_env / "stability-change.json").exists()
    healed = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    assert healed["finished"] and changes(healed)["werkzeug"] == ("2.0.3", FLASK["werkzeug"], "version")


def test_flask_without_its_werkzeug_is_caught_by_the_smoke_test(flask_env, wheelhouse):
    """pip check is content with flask 2.0.3 beside Werkzeug 3; importing it fails."""
    options = {"find_links": [str(wheelhouse)], "no_index": True, "smoke_test": ["{python}", "-c", "import flask"]}
    result = module(flask_env, pins=["flask==2.0.3"], **options)
    assert result["failed"]
    assert result["msg"].startswith("smoke_test ended with status 1:\n")
    assert "ImportError: cannot import name 'url_quote'" in result["msg"]
    assert result["conflicts"]["after"] == []
    assert runs(flask_env, "import flask, importlib.metadata as m; print(m.version('flask'))") == FLASK["flask"]
    passed = module(flask_env, pins=[f"click=={LATER['click']}"], **options)
    assert passed["smoke_tested"] and passed["changed"]


def killed(virtualenv, when, **options):
    """Start the module, kill it and everything it started as soon as ``when()`` is true."""
    started = process(virtualenv, **options)
    deadline = time.monotonic() + 60
    while not when():
        assert started.poll() is None and time.monotonic() < deadline, "the moment was missed"
        time.sleep(0.002)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()


def test_a_run_killed_in_the_middle_is_finished_by_the_next(django_env, wheelhouse):
    """Django is replaced file by file; killed then, what is there is neither version."""
    site = site_of(django_env)
    was = generation(django_env)
    options = {"pins": [f"django=={LATER['django']}"], "find_links": [str(wheelhouse)], "no_index": True}
    killed(django_env, lambda: (site / "~jango").exists(), **options)
    assert generation(django_env) != was, "no restart would be owed"
    assert json.loads((django_env / "stability-change.json").read_text())["before"] == {"django": DJANGO["django"]}
    owed = generation(django_env)
    healed = applied(django_env, **options)
    assert healed["finished"] and changes(healed).keys() == {"django"}
    assert generation(django_env) != owed
    assert not [name for name in os.listdir(site) if name.startswith("~")]
    assert runs(django_env, "import django; print(django.__version__)") == LATER["django"]


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
    # The same without our mark: venv was called by hand, and killed.
    site = site_of(virtualenv)
    for entry in [*site.glob("one*"), *site.glob("pip-*")]:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    assert applied(virtualenv, **options)["created"]


def test_pip_itself_can_be_pinned_and_survives_a_kill(bare_env, wheelhouse):
    site = site_of(bare_env)
    options = {"pins": [f"pip=={LATER['pip']}"], "find_links": [str(wheelhouse)], "no_index": True}
    killed(bare_env, lambda: (site / "~ip").exists(), **options)
    healed = applied(bare_env, **options)
    assert healed["finished"]
    assert runs(bare_env, "import importlib.metadata as m; print(m.version('pip'))") == LATER["pip"]


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
    del options["run_as"], options["pins"]
    applied(virtualenv, pins=["one==2"], **options)
    assert {path.lstat().st_uid for path in [virtualenv, *virtualenv.rglob("*")]} == {NOBODY}


def test_a_user_that_may_not_write_is_refused(bare_env):
    message = refused(bare_env, pins=["one==1"], run_as="nobody")
    assert message.startswith('run_as: found "nobody"; expected a user that may write to ')
    assert message.endswith("Change its owner, or name the owner.")


def test_variables_of_the_caller_do_not_reach_pip(bare_env, tmp_path):
    wheel(tmp_path, "one", "1")
    hostile = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PYTHONPATH": str(tmp_path), "PIP_TARGET": str(tmp_path)}
    (tmp_path / "sitecustomize.py").write_text(f"import sys; {str(bare_env)!r} in sys.argv[0] + sys.prefix and sys.exit('imported')\n")
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
    entries = [f"one==1; python_version == '{version}'", f"one==2; python_version != '{version}'", "one==2; os_name == 'nt'"]
    result = applied(bare_env, pins=entries, find_links=[str(tmp_path)], no_index=True)
    assert changes(result) == {"one": (None, "1", "missing")}


def test_an_environment_without_pip(place, tmp_path):
    virtualenv = place / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", virtualenv], check=True)
    archive = wheel(tmp_path, "one", "1")
    site = site_of(virtualenv)
    shutil.unpack_archive(archive, site, "zip")
    message = refused(virtualenv, pins=["one==2"])
    assert message.startswith(f"virtualenv: {virtualenv} was made without pip")
    assert message.endswith(f"Run {virtualenv}/bin/python -m ensurepip once, then run again.")


def test_an_environment_whose_python_is_gone(flask_env):
    for name in ("python", "python3"):
        (flask_env / "bin" / name).unlink()
    (flask_env / "bin" / "python").symlink_to("/nowhere/python3")
    message = refused(flask_env, pins=pins())
    assert "Its Python is gone or was upgraded" in message and f"remove {flask_env}" in message


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


def test_what_an_earlier_step_would_make_is_pending_in_check_mode(place):
    options = {"requirements": str(place / "lock.txt"), "run_as": "stability-nobody", "python": "/nowhere/python3"}
    predicted = module(place / "venv", check=True, **options)
    assert predicted["changed"] and predicted["created"]
    assert "The user stability-nobody does not exist yet." in predicted["warnings"]
    assert f"The file {place}/lock.txt does not exist yet; its pins are unknown." in predicted["warnings"]
    assert any(line.startswith("The interpreter /nowhere/python3 does not exist yet") for line in predicted["warnings"])
    assert refused(place / "venv", **options).startswith('run_as: found "stability-nobody"; expected a user of the managed node.')
    del options["run_as"]
    assert refused(place / "venv", **options).startswith(f'requirements: found "{place}/lock.txt"; expected a file on the managed')
    (place / "lock.txt").write_text("one==1; python_version > '3'\n")
    assert refused(place / "venv", **options).startswith('python: found "/nowhere/python3"; expected an interpreter on the managed')
    (place / "lock.txt").write_bytes(b"one==1 \xff\n")
    assert "expected a text file in UTF-8" in refused(place / "venv", **options)


def test_two_runs_at_once_take_turns(bare_env, tmp_path):
    wheel(tmp_path, "one", "1")
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True}
    started = [process(bare_env, **options) for _ in range(2)]
    results = [json.loads(one.communicate()[0]) for one in started]
    assert sorted(result["changed"] for result in results) == [False, True]
