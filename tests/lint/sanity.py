# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gate: ``ansible-test sanity``, all of it.

It runs on a copy of the project's files, offline but for the package index, from which its environments come once for each
machine. A test that ansible-test skips because something is missing is a failure here, and so is an ignore file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

from ansible_test._util.target.common import constants

from ..matrix import pythons
from .context import Context, Done, Outcome
from .findings import GateError

#: Pythons that the collection supports on managed nodes and controllers.
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
_RESULTS = "tests/output/junit"
_INAPPLICABLE = "No tests applicable."
#: Said on machines where everything is well: no American locale, and what is said again at the end.
_HARMLESS = re.compile(
    r'WARNING: (?:Using locale "|Reviewing previous \d+ warning|.* may be slow due to missing libyaml)'
)
#: Takes the place of the script that ansible-test would download from a host of its own: pip comes with Python.
_GET_PIP = """\
import runpy
import subprocess
import sys

# In a process of its own, because ensurepip turns off pip's settings in the one that it runs in.
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", *arguments]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
_PIP_VERSION = """\
import sys
from types import SimpleNamespace
from ansible_test._internal.python_requirements import get_venv_packages
print(*{get_venv_packages(SimpleNamespace(version=version))["pip"] for version in sys.argv[1:]}, sep="\\n")
"""


@dataclass(frozen=True)
class Results:
    """The tests by how they ended; ``skipped`` has the reason behind each name."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    inapplicable: tuple[str, ...]
    skipped: tuple[str, ...]


def sanity(context: Context) -> Outcome:
    """Run every test of ansible-test on the Pythons of this machine."""
    ignored = context.tree.matching("tests/sanity/ignore*")
    if ignored:
        return Outcome(False, output=f"{ignored[0]}:1: found an ignore file; expected none. Mend what the tests found.")
    folder = context.copy_collection()
    usable = interpreters()
    home = _home(context, usable)
    variables = {"HOME": str(home), "PATH": _path(context, usable)}
    targets = [word for name, path in usable.items() for word in ("--target-python", f"{name}@{path}")]
    command = [
        "ansible-test",
        "sanity",
        "--color",
        "no",
        "--controller",
        f"origin:python={_own()}@{sys.executable}",
        *targets,
    ]
    with _locked(home):
        _prime(
            context, home, usable, lambda: context.run(*command, "--prime-venvs", folder=folder, variables=variables)
        )
        known = context.run(*command, "--list-tests", folder=folder, variables=variables)
        done = context.run(*command, "--junit", folder=folder, variables=variables)
    names = [line for line in known.output.splitlines() if re.fullmatch(r"[a-z0-9-]+", line)]
    results = read_results(folder / _RESULTS)
    problems = [*missing(names, results), *warnings(done.output)]
    good = done.code == 0 and not problems and not results.failed and bool(names)
    return Outcome(good, _note(names, results, usable), "\n".join([done.output, *problems]))


def _note(names: list[str], results: Results, usable: dict[str, str]) -> str:
    absent = [name for name in supported() if name not in usable]
    note = f"{len(names)} tests, {len(results.passed)} passed and {len(results.failed)} failed on Python {' '.join(usable)}"
    if results.inapplicable:
        note += f"; no files for {', '.join(results.inapplicable)}"
    return note + (f"; not on this machine: {' '.join(absent)}" if absent else "")


def read_results(folder: Path) -> Results:
    """Return how each test ended, from the reports that ansible-test wrote."""
    sorted_out: dict[str, list[str]] = {"passed": [], "failed": [], "inapplicable": [], "skipped": []}
    for report in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(report).iter("testcase"):
            name = case.get("name", "")
            skipped = case.find("skipped")
            if skipped is not None and (skipped.text or "").strip() == _INAPPLICABLE:
                sorted_out["inapplicable"].append(re.sub(r"-python-[\d.]+$", "", name))
            elif skipped is not None:
                sorted_out["skipped"].append(f"{name}: {skipped.text}")
            else:
                ended = "passed" if case.find("failure") is None and case.find("error") is None else "failed"
                sorted_out[ended].append(name)
    return Results(**{ended: tuple(names) for ended, names in sorted_out.items()})


def missing(names: list[str], results: Results) -> list[str]:
    """Return a line for each test that should have run and did not."""
    ended = {re.sub(r"-python-[\d.]+$", "", name) for name in (*results.passed, *results.failed, *results.inapplicable)}
    lines = [f"the test {name} left no result" for name in names if name not in ended]
    return [*lines, *(f"the test {reason} (skipped: install what it needs)" for reason in results.skipped)]


def warnings(output: str) -> list[str]:
    """Return the warnings of ansible-test that say that something did not run as it should."""
    lines = dict.fromkeys(line for line in output.splitlines() if line.startswith("WARNING:"))
    return [f"a warning counts as a failure: {line}" for line in lines if not _HARMLESS.match(line)]


def interpreters() -> dict[str, str]:
    """Return the Pythons of this machine that the tests can use, by version, oldest first; always the one that runs this."""
    own = _own()
    found = {name: sys.executable if name == own else pythons.find(name) for name in supported()}
    return {name: path for name, path in found.items() if path}


def supported() -> list[str]:
    """Return the Pythons that the collection supports and this release of ansible-test knows, oldest first."""
    known = {*constants.CONTROLLER_PYTHON_VERSIONS, *constants.REMOTE_ONLY_PYTHON_VERSIONS}
    return [name for name in PYTHONS if name in known]


def _own() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _path(context: Context, usable: dict[str, str]) -> str:
    """Return a search path on which each Python is found before any launcher that goes by its name."""
    folders = [
        str(context.tools),
        *(str(Path(path).parent) for path in usable.values()),
        os.environ.get("PATH", os.defpath),
    ]
    return ":".join(dict.fromkeys(folders))


def _home(context: Context, usable: dict[str, str]) -> Path:
    """Return a home folder for ansible-test's environments, one for each set of versions, with the user's settings for pip."""
    inputs = "\n".join([version("ansible-core"), *(os.path.realpath(path) for path in usable.values())])
    home = context.cache / "sanity" / hashlib.sha256(inputs.encode()).hexdigest()[:16]
    home.mkdir(parents=True, exist_ok=True)
    settings = [
        f"{name[4:].lower().replace('_', '-')} = {value}"
        for name, value in os.environ.items()
        if name.startswith("PIP_")
    ]
    own = home / ".config/pip/pip.conf"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.touch(mode=0o600)
    own.write_text("\n".join(["[global]", *settings, ""]))
    for path in (Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf"):
        if path.is_file():
            (home / ".pip").mkdir(exist_ok=True)
            (home / ".pip/pip.conf").unlink(missing_ok=True)
            (home / ".pip/pip.conf").symlink_to(path)
    return home


def _prime(context: Context, home: Path, usable: dict[str, str], make: Callable[[], Done]) -> None:
    """Let ansible-test make its environments, once; the mark is written last, so an interrupted run is made up for."""
    mark = home / "complete"
    if mark.exists():
        return
    folder = home / ".ansible/test/cache"
    folder.mkdir(parents=True, exist_ok=True)
    for release in context.run(sys.executable, "-c", _PIP_VERSION, *usable).output.split():
        (folder / f"get_pip_{release.replace('.', '_')}.py").write_text(_GET_PIP)
    done = make()
    if done.code:
        raise GateError(f"ansible-test cannot make its environments:\n{done.output}")
    mark.touch()


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Let one run at a time make environments in ``home``; the lock goes with the process."""
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
