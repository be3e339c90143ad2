# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that broke many: each is refused before the switch by the gate that should see it, and nothing is changed."""

from __future__ import annotations

import contextlib
import subprocess
import urllib.request

import pytest
from pip_pinned_environments import FLASK, changes, download, make_environment, module, refused, tree

NUMPY = {"numpy": "1.23.5"}
#: MarkupSafe had no wheel for today's Python then; it is built from its source.
JINJA = {"jinja2": "2.11.3", "markupsafe": "2.0.1"}
#: Answers with what a function says that is imported only then.
SERVER = """
from wsgiref.simple_server import WSGIRequestHandler, make_server
class Silent(WSGIRequestHandler):
    def log_message(self, *words): pass
def answer(environ, start_response):
    start_response("200 OK", [])
    import flask.json
    return [flask.json.dumps({"up": True}).encode()]
server = make_server("127.0.0.1", 0, answer, handler_class=Silent)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="session")
def wheels(wheelhouse, bare_template):
    python = bare_template / "bin" / "python"
    return download(wheelhouse.parent, python, NUMPY, {"numpy": "1.24.0"}, {"jinja2": JINJA["jinja2"]})


@pytest.fixture(scope="session")
def built(templates, bare_template):
    """The folder of the wheel of MarkupSafe that is built here."""
    argv = [bare_template / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "wheel", "-q"]
    # In a build environment, and not from what pip remembers: Debian's has no bdist_wheel.
    how = ["--no-deps", "--use-pep517", "--no-cache-dir"]
    subprocess.run([*argv, *how, "-w", templates / "built", f"markupsafe=={JINJA['markupsafe']}"], check=True)
    return templates / "built"


@pytest.fixture
def numpy_env(bare_template, wheels, place):
    return make_environment(place / "venv", bare_template, wheels, NUMPY)


@pytest.fixture
def markupsafe_env(bare_template, built, place):
    return make_environment(place / "venv", bare_template, built, {"markupsafe": JINJA["markupsafe"]})


@contextlib.contextmanager
def serving(virtualenv):
    """Start a service in an environment, and yield a function that returns its answer."""
    server = subprocess.Popen([virtualenv / "bin" / "python", "-B", "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        address = f"http://127.0.0.1:{int(server.stdout.readline())}/"
        yield lambda: urllib.request.urlopen(address, timeout=30).read()
    finally:
        server.kill()
        server.communicate()


def test_flask_without_its_pin_of_werkzeug(flask_env, wheelhouse):
    """The gate *imports*: pip check is content with Werkzeug 3 beside Flask 2.0.3."""
    before = tree(flask_env)
    with serving(flask_env) as answer:
        result = module(flask_env, pins=["flask==2.0.3"], find_links=[str(wheelhouse)], no_index=True)
        assert result["failed"] and not result.get("changed") and tree(flask_env) == before
        assert answer() == b'{"up": true}'
    assert result["msg"].startswith("Imports that worked before and fail now:\n- flask (flask 2.0.3): ImportError: ")
    assert result["msg"].endswith("\nThe environment was not changed.")
    assert [one["module"] for one in result["failed_imports"]] == ["flask"]
    assert result["conflicts"] == {"before": [], "after": []}
    fits = ["flask==2.0.3", "werkzeug==2.0.3"]
    passed = module(flask_env, pins=fits, find_links=[str(wheelhouse)], no_index=True)
    assert changes(passed) == {name: (FLASK[name], "2.0.3", "version") for name in ("flask", "werkzeug")}
    assert passed["failed_imports"] == [] and passed["missing_references"] == []


def test_np_bool_after_numpy_1_24(numpy_env, wheels, place):
    """The gate *references*: the application imports well, and fails when the function is called."""
    source = place / "src" / "app.py"
    source.parent.mkdir()
    source.write_text("import numpy as np\n\n\ndef flags():\n    return np.zeros(3, dtype=np.bool)\n")
    options = {
        "pins": ["numpy==1.24.0"],
        "find_links": [str(wheels)],
        "no_index": True,
        "sources": [str(source.parent)],
    }
    before = tree(numpy_env)
    result = module(numpy_env, **options)
    assert result["failed"] and not result.get("changed") and tree(numpy_env) == before
    assert f"{source}:5: np.bool is gone: numpy 1.23.5 had it, numpy 1.24.0 has not\n" in result["msg"]
    assert result["missing_references"] == [
        {"source": str(source), "line": 5, "name": "numpy.bool", "distribution": "numpy"}
    ]
    told = module(numpy_env, references="warn", **options)
    assert told["changed"] and told["missing_references"] == result["missing_references"]
    assert any(warning.startswith(f"{source}:5: np.bool is gone") for warning in told["warnings"])


def test_soft_unicode_after_markupsafe_2_1(markupsafe_env, wheelhouse, place):
    """The gate *references*, for an application: pip check and the imports of MarkupSafe itself are content."""
    source = place / "app.py"
    source.write_text("from markupsafe import escape, soft_unicode\n")
    options = {"pins": [f"markupsafe=={FLASK['markupsafe']}"], "find_links": [str(wheelhouse)], "no_index": True}
    message = refused(markupsafe_env, sources=[str(source)], **options)
    said = f"markupsafe.soft_unicode is gone: markupsafe 2.0.1 had it, markupsafe {FLASK['markupsafe']} has not"
    assert f"{source}:1: {said}\n" in message
    assert module(markupsafe_env, references="ignore", sources=[str(source)], **options)["changed"]


def test_soft_unicode_in_jinja(bare_template, built, wheels, wheelhouse, place):
    """Where Jinja is installed that imports the name, the gate *imports* sees it; without that gate, *references* does."""
    virtualenv = make_environment(place / "venv", bare_template, built, {"markupsafe": JINJA["markupsafe"]})
    argv = [virtualenv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps"]
    subprocess.run([*argv, "--no-compile", "--no-index", "--find-links", wheels, "jinja2==2.11.3"], check=True)
    options = {"pins": [f"markupsafe=={FLASK['markupsafe']}"], "find_links": [str(wheelhouse)], "no_index": True}
    message = refused(virtualenv, **options)
    assert message.startswith("Imports that worked before and fail now:\n- jinja2 (jinja2 2.11.3): ImportError: ")
    assert "soft_unicode" in message
    message = refused(virtualenv, imports="ignore", **options)
    said = f"markupsafe.soft_unicode is gone: markupsafe 2.0.1 had it, markupsafe {FLASK['markupsafe']} has not"
    assert message.startswith("References that resolved before do not now:\n") and said in message
