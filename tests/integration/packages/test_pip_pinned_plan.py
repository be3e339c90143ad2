# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why pip_pinned installs something again, with a real pip: each reason, predicted by check mode, and the files it names."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path

import pytest
from pip_pinned_environments import (
    FLASK,
    LATER,
    applied,
    changes,
    hashes_of,
    module,
    pins,
    runs,
    site_of,
    tree,
    wheel,
)


def damage_missing(site):
    subprocess.run([site.parents[2] / "bin" / "python", "-m", "pip", "-q", "uninstall", "-y", "click"], check=True)


def damage_version(site):
    metadata = site / f"click-{FLASK['click']}.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace(f"Version: {FLASK['click']}", "Version: 1.0"))


def damage_changed(site):
    (site / "click" / "core.py").write_text("changed\n")


def damage_gone(site):
    (site / "click" / "core.py").unlink()


def damage_stray(site):
    (site / "click" / "old.py").write_text("stray\n")


@pytest.mark.parametrize(
    ("damage", "before", "reason", "files"),
    [
        (damage_missing, None, "missing", []),
        (damage_version, "1.0", "version", []),
        (damage_changed, FLASK["click"], "files changed", ["click/core.py"]),
        (damage_gone, FLASK["click"], "files missing", ["click/core.py"]),
        (damage_stray, FLASK["click"], "stray files", ["click/old.py"]),
    ],
)
def test_each_reason_is_predicted_shown_and_mended(flask_env, wheelhouse, damage, before, reason, files):
    damage(site_of(flask_env))
    result = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    expected = {"name": "click", "before": before, "after": FLASK["click"], "reason": reason, "files": files}
    assert result["reinstalled"] == [expected]
    assert result["drift"] == (["click"] if before else [])
    why = f"  # {reason}" + (f": {files[0]}" if files else "")
    after = f"click=={FLASK['click']}"
    assert result["diff"]["before"] == (f"click=={before}{why}\n" if before else "")
    assert result["diff"]["after"] == (f"{after}\n" if before else f"{after}{why}\n")


def test_requested_always_is_predicted(flask_env, wheelhouse):
    options = {"pins": [f"click=={FLASK['click']}"], "find_links": [str(wheelhouse)], "no_index": True}
    predicted = module(flask_env, check=True, reinstall="always", **options)
    result = module(flask_env, reinstall="always", **options)
    for key in ("changed", "reinstalled", "diff", "drift"):
        assert predicted[key] == result[key], key
    assert changes(result) == {"click": (FLASK["click"], FLASK["click"], "requested always")}


def test_stray_files_go_and_everything_else_stays(flask_env, wheelhouse):
    site = site_of(flask_env)
    (site / "click" / "gone").mkdir()
    for name in ("click/old.py", "click/gone/__init__.py", "click/_speed.cpython-39-x86_64-linux-gnu.so"):
        (site / name).write_text("x = 1\n")
    kept = ["flask/old.txt", "click/__pycache__/old.cpython-39.pyc", "click/parsetab.py", "mine.py"]
    for name in kept:
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text("mine\n")
    assert runs(flask_env, "import click.old, click.gone; print(1)") == "1"
    result = applied(flask_env, pins=pins(), find_links=[str(wheelhouse)], no_index=True)
    assert changes(result) == {"click": (FLASK["click"], FLASK["click"], "stray files")}
    assert result["reinstalled"][0]["files"] == [
        "click/_speed.cpython-39-x86_64-linux-gnu.so",
        "click/gone/__init__.py",
        "click/old.py",
    ]
    assert not (site / "click" / "gone").exists() and not (site / "click" / "old.py").exists()
    assert all((site / name).exists() for name in kept if "__pycache__" not in name)
    # What nothing pins is not looked into.
    (site / "click" / "old.py").write_text("x = 1\n")
    assert not module(flask_env, pins=[f"flask=={FLASK['flask']}"])["changed"]


def test_stray_files_go_with_another_version_too(flask_env, wheelhouse):
    (site_of(flask_env) / "click" / "old.py").write_text("x = 1\n")
    result = applied(flask_env, pins=[f"click=={LATER['click']}"], find_links=[str(wheelhouse)], no_index=True)
    assert changes(result) == {"click": (FLASK["click"], LATER["click"], "version")}
    assert "# version: click/old.py" in result["diff"]["before"]
    assert not (site_of(flask_env) / "click" / "old.py").exists()
    assert result["warnings"] == []


def test_what_becomes_stray_by_an_installation_is_removed_and_told(bare_env, tmp_path):
    """Somebody copied a package; then it is pinned. What the distribution does not bring would be imported with it."""
    wheel(tmp_path, "one", "1", {"pkg/__init__.py": "", "pkg/a.py": ""})
    (site_of(bare_env) / "pkg").mkdir()
    (site_of(bare_env) / "pkg" / "copied.py").write_text("x = 1\n")
    result = applied(bare_env, pins=["one==1"], find_links=[str(tmp_path)], no_index=True)
    assert result["warnings"] == ["Removed files that no distribution brought: pkg/copied.py."]


def test_the_plan_of_an_environment_that_is_not_there_yet(place, tmp_path):
    wheel(tmp_path, "one", "1")
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True}
    result = applied(place / "venv", **options)
    assert result["diff"]["before"] == ""
    assert result["diff"]["after"] == f"virtual environment {place}/venv\none==1  # missing\n"


def test_files_are_hashed_once(flask_env):
    """A cache that says something else than the file's content shows that the file was not read."""
    folder = Path(hashes_of(flask_env))
    # What was installed less than two seconds ago is not remembered.
    time.sleep(2.5)
    before = tree(flask_env)
    assert not module(flask_env, check=True, pins=pins())["changed"]
    assert not folder.exists(), "check mode wrote the cache"
    assert not module(flask_env, pins=pins())["changed"]
    (cache,) = folder.iterdir()
    assert (cache.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    _head, _newline, body = cache.read_bytes().partition(b"\n")
    known = json.loads(body)
    status = (site_of(flask_env) / "click" / "core.py").stat()
    key = f"sha256:{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
    known[key] = "0" * 43
    body = json.dumps(known).encode()
    cache.write_bytes(b"stability-hashes 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    falsified = module(flask_env, check=True, pins=pins())
    assert falsified["reinstalled"][0]["files"] == ["click/core.py"]
    cache.write_bytes(cache.read_bytes()[:-1])
    assert not module(flask_env, pins=pins())["changed"]
    assert tree(flask_env) == before
