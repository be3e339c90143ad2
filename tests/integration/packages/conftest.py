# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments, wheels and an index for the tests of pip_pinned."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from pip_pinned_environments import DJANGO, FLASK, MEMORY, PYTHON, Index, download, make_environment, wheel


@pytest.fixture
def place():
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="stability-test-", dir=MEMORY) as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def templates():
    """The folder of the environments that the tests start from."""
    with tempfile.TemporaryDirectory(prefix="stability-test-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def bare_template(templates):
    subprocess.run([PYTHON, "-m", "venv", templates / "bare"], check=True)
    return templates / "bare"


@pytest.fixture(scope="session")
def wheelhouse(bare_template):
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("STABILITY_CACHE") or Path(home) / "stability-baseline")
    return download(cache / "wheelhouses", bare_template / "bin" / "python")


@pytest.fixture(scope="session")
def flask_template(templates, bare_template, wheelhouse):
    return make_environment(templates / "flask", bare_template, wheelhouse, FLASK)


@pytest.fixture
def bare_env(bare_template, place):
    shutil.copytree(bare_template, place / "venv", symlinks=True)
    return place / "venv"


@pytest.fixture
def flask_env(flask_template, place):
    shutil.copytree(flask_template, place / "venv", symlinks=True)
    return place / "venv"


@pytest.fixture
def django_env(bare_template, wheelhouse, place):
    return make_environment(place / "venv", bare_template, wheelhouse, DJANGO)


@pytest.fixture
def index(tmp_path):
    wheel(tmp_path, "private", "1")
    served = Index(tmp_path, "right-s3cret")
    yield served
    served.close()
