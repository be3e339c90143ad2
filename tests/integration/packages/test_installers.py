# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pip and uv, the oldest and the newest: the same environment, from no cache, through no hard link, with nothing secret shown."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.commands import current_user
from ansible_collections.stability.baseline.plugins.module_utils.pip_runner import PipFailure, new_conflicts
from ansible_collections.stability.baseline.plugins.module_utils.uv_runner import candidates
from pip_pinned_environments import (
    FLASK,
    LATER,
    PYTHON,
    Index,
    applied,
    changes,
    digest_of,
    module,
    pins,
    process,
    refused,
    runs,
    site_of,
    source_archive,
    tree,
    wheel,
)
from pip_pinned_installers import (
    NEWEST_PIP,
    NEWEST_UV,
    OLDEST_UV,
    VARIANTS,
    Archives,
    fits,
    installer,
    parameters,
    prepared,
)

#: Builds a wheel with one module, whose text is what a file elsewhere says when it is built.
BACKEND = """
import zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = "built-1.dist-info"
    with zipfile.ZipFile(wheel_directory + "/built-1-py3-none-any.whl", "w") as archive:
        archive.writestr("built.py", open({elsewhere!r}).read())
        archive.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: built\\nVersion: 1\\n")
        archive.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "/RECORD", "built.py,,\\n" + info + "/METADATA,,\\n" + info + "/WHEEL,,\\n" + info + "/RECORD,,\\n")
    return "built-1-py3-none-any.whl"
"""
TOOL = "#!python\nprint({!r})\n"


@pytest.fixture(scope="session")
def archives(bare_template):
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("STABILITY_CACHE") or Path(home) / "stability-baseline") / "installers"
    folder.mkdir(parents=True, exist_ok=True)
    return Archives(folder, bare_template / "bin" / "python")


@pytest.fixture(params=parameters())
def variant(request):
    return request.param


@pytest.fixture(params=[f"pip {NEWEST_PIP}", f"uv {OLDEST_UV}", f"uv {NEWEST_UV}"])
def supported(request):
    """The variants that run with every Python."""
    return request.param


#: What an installer writes for itself.
_OWN = ("uv", "INSTALLER", "REQUESTED", "uv_cache.json")


def make_executable(archive, program):
    """Mark a program in a wheel as one, like those who build wheels do; pip leaves one that is not marked as it is."""
    with zipfile.ZipFile(archive) as stream:
        entries = [(info, stream.read(info)) for info in stream.infolist()]
    with zipfile.ZipFile(archive, "w") as stream:
        for info, content in entries:
            if info.filename == program:
                info.external_attr = 0o100755 << 16
            stream.writestr(info, content)


def contents(virtualenv):
    """Return mode and content of every file, less what may differ between installers."""
    found = {}
    for folder, folders, files in os.walk(virtualenv):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(("pip", "setuptools"))]
        for name in files:
            path = Path(folder) / name
            inside = str(path.relative_to(virtualenv))
            if name.startswith(("pip", "activate", "Activate", "python")) or name in _OWN:
                continue
            text = path.read_bytes()
            if name == "RECORD":
                text = sorted(row for row in csv.reader(text.decode().splitlines()) if _counts(row[0]))
            elif inside == "bin/flask":
                text = text.splitlines()[0], b"from flask.cli import main" in text
            found[inside] = path.stat().st_mode, text
    return found


def _counts(name):
    """Whether a line of RECORD is the same for all.

    The text of a program that the installer writes is not; and of one whose first line it changes, pip 20.3 records
    what was there before.
    """
    return not name.endswith((".pyc", *_OWN, "bin/flask", "bin/extra-tool"))


def test_the_environment_is_the_same(bare_template, wheelhouse, archives, place):
    """Packages, an extension module, programs, data files, a namespace."""
    files = {
        "extra-1.data/scripts/extra-tool": TOOL.format("tool"),
        "extra-1.data/data/share/extra/data.txt": "data\n",
        "space/part/__init__.py": "",
        "extra-1.dist-info/entry_points.txt": "",
    }
    make_executable(wheel(place / "wheels", "extra", "1", files), "extra-1.data/scripts/extra-tool")
    places = (str(wheelhouse), str(place / "wheels"))
    results = {}
    for variant in [one for one in VARIANTS if fits(one)]:
        # At the same path, which programs name in their first line.
        virtualenv = place / "venv"
        shutil.copytree(bare_template, virtualenv, symlinks=True)
        prepared(variant, virtualenv, archives)
        work = installer(variant, virtualenv, place, find_links=places, no_index=True)
        without = {} if fits(variant, binaries=True) else {"markupsafe": None}
        work.install([*pins(werkzeug="2.0.3", **without), "extra==1"], False)
        work.install([*pins(**without), "extra==1"], False)
        assert (site_of(virtualenv) / "flask-3.0.3.dist-info" / "INSTALLER").read_text().strip() == variant.split()[0]
        assert not [path for path in site_of(virtualenv).rglob("*.pyc") if "flask" in str(path)]
        results[variant] = contents(virtualenv)
        assert without or runs(virtualenv, "import flask, markupsafe._speedups as m; print(m)").startswith("<module")
        shutil.rmtree(virtualenv)
    reference = results[f"pip {NEWEST_PIP}"]
    assert {"bin/flask", "bin/extra-tool", "share/extra/data.txt"} < set(reference)
    for variant, result in results.items():
        missing = set(reference) - set(result)
        assert set(result) <= set(reference), variant
        assert not [path for path in missing if "markupsafe" not in path.lower() or "20.3" not in variant], variant
        assert {path for path in result if result[path] != reference[path]} == set(), variant


def identity(virtualenv):
    """Return the inode, times and content of every file."""
    return {
        path: (path.lstat().st_ino, path.lstat().st_mtime_ns, path.lstat().st_mode, path.read_bytes())
        for path in virtualenv.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def develop(virtualenv, folder):
    """Install ``linked`` 1 the way ``setup.py develop`` does: a line in ``easy-install.pth``, which installers rewrite."""
    source = folder / "source"
    (source / "linked.egg-info").mkdir(parents=True)
    (source / "linked.egg-info" / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: linked\nVersion: 1\n")
    (source / "linked.egg-info" / "top_level.txt").write_text("linked\n")
    (source / "linked.py").write_text("version = 'linked'\n")
    site = site_of(virtualenv)
    (site / "linked.egg-link").write_text(f"{source}\n.")
    (site / "easy-install.pth").write_text(f"{source}\n/nowhere/else\n")


def test_nothing_is_written_through_a_hard_link(variant, bare_env, archives, place):
    """What is replaced, shared by two distributions, in the way, or changed in place: the live environment stays as it was."""
    for name in ("one", "two", "linked"):
        for version in ("1", "2"):
            files = {
                "tests/__init__.py": f"{name} {version}\n",
                f"{name}-{version}.data/scripts/shared-tool": TOOL.format(name + version),
                f"{name}-{version}.data/data/share/shared.txt": f"{name} {version}\n",
                f"{name}-{version}.dist-info/entry_points.txt": f"[console_scripts]\nentry = {name}:version\n",
            }
            wheel(place / "wheels", name, version, files)
    prepared(variant, bare_env, archives)
    options = {"find_links": (str(place / "wheels"),), "no_index": True}
    installer(variant, bare_env, place, **options).install(["one==1"], False)
    develop(bare_env, place)
    site = site_of(bare_env)
    (site / "two.py").write_text("in the way\n")
    (bare_env / "bin" / "entry").write_text("in the way\n")
    before = identity(bare_env)
    staged = place / "staged"
    subprocess.run(["cp", "-al", bare_env, staged], check=True)
    work = installer(variant, bare_env, place, staged, **options)
    work.install(["one==2", "two==2", "linked==2"], False)
    assert identity(bare_env) == before
    assert {name: runs(staged, f"import {name}; print({name}.version)") for name in ("one", "two", "linked")} == {
        "one": "2",
        "two": "2",
        "linked": "2",
    }
    assert (site_of(staged) / "easy-install.pth").read_text().splitlines() == ["/nowhere/else"]
    assert not (site_of(staged) / "linked.egg-link").exists()
    work.uninstall(["one", "two", "linked"])
    work.check()
    assert identity(bare_env) == before
    left = {path.name for path in staged.iterdir()} - {path.name for path in bare_env.iterdir()}
    assert left <= {"share"}


def test_what_is_built_is_built_anew(variant, bare_env, archives, place):
    """A source archive stays the same, and what a build makes of it does not."""
    elsewhere = place / "elsewhere.py"
    wheels = place / "wheels"
    wheels.mkdir()
    source_archive(wheels, "built", "1", BACKEND.format(elsewhere=str(elsewhere)))
    prepared(variant, bare_env, archives)
    work = installer(variant, bare_env, place, find_links=(str(wheels),), no_index=True)
    for text in ("first = 1\n", "second = 2\n"):
        elsewhere.write_text(text)
        work.install(["built==1"], False)
        assert (site_of(bare_env) / "built.py").read_text() == text


@pytest.mark.parametrize("kind", ["pip", "uv"])
def test_a_cache_would_give_what_was_built_before(kind, bare_env, archives, place):
    """The control of the test above: by their own ways, both installers take the old build."""
    elsewhere = place / "elsewhere.py"
    wheels = place / "wheels"
    wheels.mkdir()
    source_archive(wheels, "built", "1", BACKEND.format(elsewhere=str(elsewhere)))
    python = str(bare_env / "bin" / "python")
    own = [python, "-m", "pip", "-q", "install", "--force-reinstall"]
    if kind == "uv":
        own = [archives.uv(NEWEST_UV), "pip", "install", "-q", "--no-config", "--python", python]
    for text in ("first = 1\n", "second = 2\n"):
        elsewhere.write_text(text)
        shutil.rmtree(site_of(bare_env) / "built-1.dist-info", ignore_errors=True)
        argv = [*own, "--no-index", "--find-links", wheels, "built==1"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(place)}
        subprocess.run(argv, check=True, env=environment)
    assert (site_of(bare_env) / "built.py").read_text() == "first = 1\n"


def test_conflicts_are_the_same(flask_env, wheelhouse, archives, place):
    """Whoever looks, before and after: an old conflict is no new one for another installer."""
    found = {}
    for variant in [one for one in VARIANTS if fits(one)]:
        virtualenv = place / f"venv-{variant.replace(' ', '-')}"
        shutil.copytree(flask_env, virtualenv, symlinks=True)
        prepared(variant, virtualenv, archives)
        work = installer(variant, virtualenv, place, find_links=(str(wheelhouse),), no_index=True)
        assert work.check() == []
        work.install(["werkzeug==2.0.3"], False)
        work.uninstall(["click"])
        before = tree(virtualenv)
        found[variant] = work.check()
        assert tree(virtualenv) == before
    for lines in found.values():
        assert len(lines) == 2
        assert "flask 3.0.3 requires click, which is not installed." in [line.lower() for line in lines]
        for others in found.values():
            assert new_conflicts(others, lines) == []


def test_hashes_and_what_is_missing(supported, bare_env, wheelhouse, archives, place):
    prepared(supported, bare_env, archives)
    work = installer(supported, bare_env, place, find_links=(str(wheelhouse),), no_index=True)
    before = tree(bare_env)
    right = digest_of(wheelhouse, "click", LATER["click"])
    for lines, hashed, said in [
        ([f"click=={LATER['click']} --hash=sha256:{'0' * 64}"], False, "hash"),
        ([f"click=={LATER['click']}"], True, "hash"),
        (["click==99.0", f"idna=={LATER['idna']}"], False, "click==99.0"),
    ]:
        with pytest.raises(PipFailure) as caught:
            work.install(lines, hashed)
        assert said in str(caught.value).lower()
        assert tree(bare_env) == before
    work.install([f"click=={LATER['click']} --hash=sha256:{right}"], True)
    assert runs(bare_env, "import importlib.metadata as m; print(m.version('click'))") == LATER["click"]


def test_all_indexes_are_looked_at(supported, bare_env, archives, place):
    """Each index has one version; the second one has what is asked for first."""
    indexes = []
    for version in ("1", "2"):
        wheel(place / version, "one", version)
        indexes.append(Index(place / version, f"s3cret-{version}"))
    first, second = [one.url.replace("://", f"://me:s3cret-{number}@") for number, one in enumerate(indexes, start=1)]
    prepared(supported, bare_env, archives)
    for version in ("1", "2"):
        work = installer(supported, bare_env, place, index_url=first, extra_index_urls=(second,))
        work.install([f"one=={version}"], False)
        # The byte code of the version before is gone, too: it has the same size, and maybe the same second.
        assert runs(bare_env, "import one; print(one.version)") == version
        assert "s3cret" not in " ".join(work.commands)
    for one in indexes:
        one.close()


def test_an_environment_without_pip_is_changed_by_uv(bare_env, wheelhouse, archives, place):
    prepared(f"uv {NEWEST_UV}", bare_env, archives)
    assert module(bare_env, pins=[], installer="uv")["changed"] is False, "nothing is installed, and nothing is amiss"
    options = {"find_links": [str(wheelhouse)], "no_index": True}
    result = applied(bare_env, pins=pins(), installer="uv", **options)
    assert changes(result) == {name: (None, version, "missing") for name, version in FLASK.items()}
    assert result["conflicts"] == {"before": [], "after": []}
    assert not any(" -m pip " in command for command in result["commands"])
    assert not list(site_of(bare_env).glob("pip*")) and not (bare_env / ".lock").exists()
    options["installer"] = "uv"
    conflicting = module(bare_env, pins=pins(werkzeug="2.0.3"), **options)
    assert "but you have werkzeug 2.0.3." in conflicting["msg"]
    assert module(bare_env, pins=pins(), pip_check="strict", **options)["changed"] is False
    missing = refused(bare_env, pins=["click==99.0"], **options)
    assert missing.startswith("uv failed:\n") and "click==99.0" in missing
    healed = site_of(bare_env) / "click" / "core.py"
    healed.write_text("broken\n")
    (bare_env / "bin" / "flask").unlink()
    again = applied(bare_env, pins=pins(), **options)
    assert {step["name"]: step["reason"] for step in again["reinstalled"]} == {
        "click": "files changed",
        "flask": "files missing",
    }


HAS_UV = any(candidate.exists() for candidate in map(Path, candidates("/nowhere", current_user())))


@pytest.mark.parametrize(
    "asked", [pytest.param("uv", marks=[pytest.mark.missing("this machine has a uv")] if HAS_UV else [])]
)
def test_a_uv_that_is_not_there_is_refused(asked, place, tmp_path):
    """Also in an environment that has yet to be made; in check mode an earlier step may install it."""
    wheel(tmp_path, "one", "1")
    options = {
        "pins": ["one==1"],
        "find_links": [str(tmp_path)],
        "no_index": True,
        "installer": asked,
        "python": PYTHON,
    }
    message = refused(place / "venv", **options)
    assert message.startswith('installer: found "uv"; expected uv 0.5.0 or newer that ')
    assert not (place / "venv").exists()
    predicted = module(place / "venv", check=True, **options)
    assert predicted["changed"] and predicted["created"]
    assert any(warning.startswith("There is no uv 0.5.0 or newer for ") for warning in predicted["warnings"])


def all_argv():
    """Return the argument lists of all processes, as any user of the machine can read them."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.add((entry / "cmdline").read_bytes())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


@pytest.mark.parametrize("password", ["right-s3cret", "wrong-s3cret"])
def test_credentials_are_nowhere_to_be_found(supported, password, bare_env, index, archives, place):
    """Not in what is returned or shown, nor among the arguments of any process, nor in any file that is left."""
    prepared(supported, bare_env, archives)
    temporary = place / "temporary"
    temporary.mkdir()
    # pip may put in quotes what it could not fetch.
    url = index.url.replace("://", f"://me:{password}@")
    options = {"index_url": url, "extra_index_urls": [url + "/more"], "installer": supported.split()[0]}
    started = process(bare_env, pins=["private==1"], diff=True, variables={"TMPDIR": str(temporary)}, **options)
    seen = set()
    while started.poll() is None:
        seen |= all_argv()
        time.sleep(0.005)
    stdout, stderr = started.communicate()
    result = json.loads(stdout)
    assert bool(result.get("failed")) == (password == "wrong-s3cret"), result
    assert index.users >= {"me"}
    assert any(b"--no-deps" in argv for argv in seen), "the installer was not seen at work"
    assert not [argv for argv in seen if password.encode() in argv]
    assert password not in stdout + stderr
    assert not list(temporary.iterdir())
    left = [path for path in bare_env.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in left if password.encode() in path.read_bytes()]
