# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate imports, with real interpreters: what breaks is found, what never worked is not held against a change."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import import_gate
from ansible_collections.stability.baseline.plugins.module_utils.commands import (
    EnvironmentFailure,
    current_user,
    run,
    user_named,
)
from ansible_collections.stability.baseline.plugins.module_utils.import_gate import ImportFailure, check_imports
from pip_pinned_environments import FLASK, module, runs, site_of, tree, wheel

#: Modules that cannot be imported, and what is to be said of them.
BROKEN = {
    "raises": ("raise ValueError('first line\\nlast line')", "last line"),
    "absent": ("import stability_nowhere", "ModuleNotFoundError: No module named 'stability_nowhere'"),
    "unwritten": ("def (", "SyntaxError: invalid syntax"),
    "exits": ("import sys\nsys.exit('enough')", "SystemExit: enough"),
    "leaves": ("import os\nos._exit(4)", "ended the process with status 4"),
    "leaves_well": ("import os\nos._exit(0)", "ended the process with status 0"),
    "crashes": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "ended the process with SIGSEGV"),
    "hangs": ("import time\ntime.sleep(600)", "did not end within 2 seconds"),
    "interrupts": ("class Odd(BaseException): pass\nraise Odd", "interrupts.Odd"),
}
#: Modules that can be, whatever they do.
WHOLE = {
    "talks": "import os, sys\nprint('[\"end\", \"talks\", \"no\"]')\nos.write(1, b'noise')\nsys.stderr.write('Timeout (\\n')",
    "closes": "import sys\nsys.stdout.close()\nsys.stderr.close()",
    "lingers": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",
    "exits_later": "import atexit, os\natexit.register(os._exit, 5)",
    "changes_others": "import string\ndel string.ascii_letters",
    "needs_others": "import string\nstring.ascii_letters",
}


def run_in(argv, variables, timeout):
    return run(argv, current_user(), variables, timeout)


def refuse_to_run(argv, variables, timeout):
    raise AssertionError(f"{argv} was run")


def unpacked(virtualenv, folder, name, version="1", files=None, requires=()):
    """Put a distribution into an environment."""
    for stale in site_of(virtualenv).glob(f"{name}-*.dist-info"):
        shutil.rmtree(stale)
    archive = wheel(folder, name, version, files, requires)
    shutil.unpack_archive(archive, site_of(virtualenv), "zip")


@pytest.fixture
def old(bare_template, place):
    shutil.copytree(bare_template, place / "old", symlinks=True)
    return place / "old"


@pytest.fixture
def new(bare_template, place):
    shutil.copytree(bare_template, place / "new", symlinks=True)
    return place / "new"


def refused_by(failure):
    """Return the modules of a failure, each with its error; its text names them all."""
    assert failure.report.failed
    for entry in failure.report.failed:
        assert f"- {entry['module']} ({entry['distribution']} " in str(failure)
    return {entry["module"]: entry["error"] for entry in failure.report.failed}


def failing(mode, old, new, changed):
    """Return the modules that are refused, each with its error, and the warnings."""
    try:
        report = check_imports(mode, str(old), str(new), changed, current_user(), run_in)
    except ImportFailure as failure:
        return refused_by(failure), failure.report.warnings
    assert not report.failed
    return {}, report.warnings


def test_flask_without_its_werkzeug(flask_template, wheelhouse, place):
    """pip check is content with flask 2.0.3 beside Werkzeug 3."""
    new = place / "new"
    shutil.copytree(flask_template, new, symlinks=True)
    argv = [new / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps"]
    subprocess.run([*argv, "--no-index", "--find-links", wheelhouse, "flask==2.0.3"], check=True)
    subprocess.run([new / "bin" / "python", "-m", "pip", "check"], check=True)
    before = tree(new)
    with pytest.raises(ImportFailure) as caught:
        check_imports("new", str(flask_template), str(new), {"flask"}, current_user(), run_in)
    (entry,) = caught.value.report.failed
    assert (entry["module"], entry["distribution"]) == ("flask", "flask")
    assert entry["error"].startswith("ImportError: cannot import name 'url_quote' from 'werkzeug.urls'")
    assert str(caught.value).splitlines() == [
        "Imports that worked before and fail now:",
        f"- flask (flask 2.0.3): {entry['error']}",
        "Pin versions that fit together, what they require included, or write imports: ignore.",
    ]
    assert tree(new) == before
    assert failing("new", flask_template, new, {"click"})[0].keys() == {"flask"}, "flask depends on click, too"
    assert failing("new", flask_template, new, {"markupsafe"})[0].keys() == {"flask"}, "through jinja2"


def test_real_distributions_that_fit(flask_template, place):
    assert failing("strict", "", flask_template, set(FLASK)) == ({}, [])


def test_the_module_refuses_the_change(flask_env, wheelhouse):
    options = {"find_links": [str(wheelhouse)], "no_index": True}
    result = module(flask_env, pins=["flask==2.0.3"], imports="strict", **options)
    assert result["failed"] and result["msg"].startswith("Imports that fail:\n- flask (flask 2.0.3): ImportError: ")
    assert [entry["module"] for entry in result["failed_imports"]] == ["flask"]
    assert runs(flask_env, "import flask, importlib.metadata as m; print(m.version('flask'))") == FLASK["flask"]
    ignored = module(flask_env, pins=["flask==2.0.3"], imports="ignore", **options)
    assert ignored["changed"] and ignored["failed_imports"] == []


def test_how_imports_fail(old, new, place, monkeypatch):
    monkeypatch.setattr(import_gate, "IMPORT_TIMEOUT", 2)
    codes = {**{name: code for name, (code, _error) in BROKEN.items()}, **WHOLE}
    unpacked(old, place / "a", "many", "1", {f"{name}.py": "" for name in codes})
    unpacked(new, place / "b", "many", "2", {f"{name}.py": code for name, code in codes.items()})
    refused, warnings = failing("new", old, new, {"many"})
    assert refused.keys() == BROKEN.keys()
    assert {name: error for name, error in refused.items() if BROKEN[name][1] not in error} == {}
    assert warnings == []


def test_what_is_held_against_a_change(old, new, place):
    broken = {"part.py": "import stability_nowhere"}
    for virtualenv, version in ((old, "1"), (new, "2")):
        unpacked(
            virtualenv, place / version, "always", version, {"always_broken/__init__.py": "import stability_nowhere"}
        )
    unpacked(old, place / "1", "grew", "1")
    unpacked(new, place / "2", "grew", "2", broken)
    changed = {"always", "grew"}
    assert failing("new", old, new, changed) == (
        {},
        [
            "part (grew 2) is installed, but cannot be imported: ModuleNotFoundError: No module named 'stability_nowhere'"
        ],
    )
    assert failing("new", "", new, changed)[0] == {}
    assert failing("strict", old, new, changed)[0].keys() == {"always_broken", "part"}
    assert check_imports("ignore", str(old), str(new), changed, current_user(), refuse_to_run).failed == []
    assert check_imports("strict", str(old), str(new), set(), current_user(), refuse_to_run).failed == []
    unpacked(old, place / "1", "grew", "1", {"part.py": ""})
    assert failing("new", old, new, changed)[0].keys() == {"part"}


def test_what_depends_is_imported_too(old, new, place):
    """Directly or through another; what has nothing to do with the change is not."""
    for virtualenv in (old, new):
        unpacked(virtualenv, place / "same", "user", "1", {"user.py": "from base import name"}, ["base>=1"])
        unpacked(virtualenv, place / "same", "further", "1", {"further.py": "import user"}, ["user"])
        unpacked(virtualenv, place / "same", "apart", "1", {"apart.py": "from base import name"})
    unpacked(old, place / "1", "base", "1", {"base.py": "name = 1"})
    unpacked(new, place / "2", "base", "2", {"base.py": ""})
    assert failing("new", old, new, {"base"})[0].keys() == {"user", "further"}


def test_imports_run_as_the_user_and_write_nothing(new, place):
    nobody = user_named("nobody")
    os.chmod(place, 0o755)
    said = place / "said"
    said.touch()
    said.chmod(0o666)
    code = f"import os, sys\nopen({str(said)!r}, 'w').write(repr((os.getuid(), sys.flags.isolated, sys.argv, os.getcwd())))"
    unpacked(new, place / "wheels", "who", "1", {"who.py": code})
    os.chmod(place / "wheels", 0o755)
    before = set(new.rglob("*"))

    def run_as(argv, variables, timeout):
        return run(argv, nobody, variables, timeout)

    assert check_imports("strict", "", str(new), {"who"}, nobody, run_as).failed == []
    assert said.read_text() == repr((nobody.uid, 1, ["-c"], "/"))
    assert set(new.rglob("*")) == before


def test_an_interpreter_that_does_not_run(new, place):
    unpacked(new, place / "wheels", "one")

    def cannot(argv, variables, timeout):
        raise EnvironmentFailure("it cannot be run.")

    with pytest.raises(ImportFailure, match=r"- one \(one 1\): it cannot be run\."):
        check_imports("strict", "", str(new), {"one"}, current_user(), cannot)
