# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference gate with real distributions: famous breaks are seen, and nothing is amiss among popular ones."""

from __future__ import annotations

import random
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.commands import current_user, run
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import installed_distributions
from ansible_collections.stability.baseline.plugins.module_utils.environment_layout import sites_of
from ansible_collections.stability.baseline.plugins.module_utils.import_packages import Owners
from ansible_collections.stability.baseline.plugins.module_utils.reference_gate import (
    MissingReferences,
    ReferenceReport,
    check_references,
)
from ansible_collections.stability.baseline.plugins.module_utils.reference_resolution import (
    FAILED,
    THERE,
    Question,
    ask_environment,
)
from ansible_collections.stability.baseline.plugins.module_utils.reference_users import (
    Mentions,
    uses_of_distribution,
    uses_of_sources,
)
from ansible_collections.stability.baseline.plugins.module_utils.source_scan import scan
from ansible_collections.stability.baseline.plugins.module_utils.source_tree import (
    UnreadableSource,
    parse_source,
    read_source,
    source_files,
)
from pip_pinned_environments import FLASK, PYTHON, site_of

from proofs import SEED, proof

HERE = Path(__file__).parent
POPULAR = HERE / "popular.txt"
NUMPY = {"numpy": "1.23.5"}
#: MarkupSafe had no wheel for today's Python then; it is built from its source.
JINJA = {"jinja2": "2.11.3", "markupsafe": "2.0.1"}
OLD_FLASK = {**FLASK, "flask": "2.0.3", "werkzeug": "2.0.3"}
#: Used without a guard, and really not there: nobody calls it, or it is another system's.
ABSENT = {
    "pycparser.lextab": "named in cffi for tools that look for imports, in a function that is never called",
    "pycparser.yacctab": "the same",
    "setuptools.command.develop.develop.install_for_development": "numpy.distutils was given up before setuptools 80",
    "six.moves.winreg": "a module of Windows",
}


def as_run(argv, variables, timeout):
    return run(argv, current_user(), variables, timeout)


def environment(path):
    """Make an environment without pip."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", path], check=True)
    return path


def install(virtualenv, pip, *arguments):
    """Install distributions from the package index, without what they depend on."""
    argv = [pip, "-m", "pip", "--disable-pip-version-check", "--python", virtualenv / "bin" / "python", "install", "-q"]
    subprocess.run([*argv, "--no-deps", "--no-compile", *arguments], check=True)


def pins(versions):
    return [f"{name}=={version}" for name, version in versions.items()]


@pytest.fixture(scope="session")
def pip(bare_template):
    """A Python whose pip can install into other environments."""
    python = bare_template.parent / "pip" / "bin" / "python"
    subprocess.run([PYTHON, "-m", "venv", python.parent.parent], check=True)
    argv = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "pip==24.3.1"]
    subprocess.run(argv, check=True)
    return python


@pytest.fixture
def changed(place, pip):
    """Return a function that makes an environment and a changed copy of it, and compares them for a source."""

    def change(before, after, source=""):
        old = environment(place / "old")
        install(old, pip, *pins(before))
        shutil.copytree(old, place / "new", symlinks=True)
        install(place / "new", pip, *pins(after))
        (place / "app.py").write_text(source)
        arguments = (str(place / "old"), str(place / "new"), set(after), [str(place / "app.py")])
        return check_references("fail", *arguments, current_user(), as_run)

    return change


def test_np_bool_is_gone_from_numpy_1_24(changed, place):
    source = "import numpy as np\n\nflags = np.zeros(3, dtype=np.bool)\nnp.array([1], dtype=np.bool_)\n"
    with pytest.raises(MissingReferences) as raised:
        changed(NUMPY, {"numpy": "1.24.0"}, source)
    assert raised.value.report == ReferenceReport(
        [{"source": f"{place}/app.py", "line": 3, "name": "numpy.bool", "distribution": "numpy"}]
    )
    assert f"{place}/app.py:3: np.bool is gone: numpy 1.23.5 had it, numpy 1.24.0 has not\n" in str(raised.value)


def test_soft_unicode_is_gone_from_markupsafe_2_1(changed, place):
    with pytest.raises(MissingReferences) as raised:
        changed(JINJA, {"markupsafe": "2.1.1"})
    site = site_of(place / "old")
    found = {(Path(one["source"]).relative_to(site), one["name"]) for one in raised.value.report.missing}
    assert (Path("jinja2/filters.py"), "markupsafe.soft_unicode") in found
    assert "markupsafe.soft_unicode is gone: markupsafe 2.0.1 had it, markupsafe 2.1.1 has not" in str(raised.value)


def test_flask_without_its_pin_of_werkzeug(changed, place):
    with pytest.raises(MissingReferences) as raised:
        changed(OLD_FLASK, {"werkzeug": "3.0.4"}, "from flask import Flask\n")
    names = {one["name"] for one in raised.value.report.missing}
    assert "werkzeug.urls.url_quote" in names and all(name.startswith("werkzeug.") for name in names)
    (source,) = {one["source"] for one in raised.value.report.missing if one["name"] == "werkzeug.urls.url_quote"}
    assert Path(source).parent == site_of(place / "old") / "flask"
    assert "werkzeug 2.0.3 had it, werkzeug 3.0.4 has not" in str(raised.value)


def test_a_change_that_fits_is_let_through(changed):
    source = "from flask import Flask, request\nfrom werkzeug.exceptions import NotFound\nrequest.args\n"
    report = changed(FLASK, {"werkzeug": "3.0.6", "markupsafe": "3.0.2", "click": "8.1.8"}, source)
    assert report.missing == []


@pytest.fixture(scope="session")
def popular(templates, pip):
    """An environment with the popular distributions."""
    virtualenv = environment(templates / "popular")
    install(virtualenv, pip, "--only-binary", ":all:", "-r", POPULAR)
    return virtualenv


def test_popular_distributions_against_themselves_give_no_false_alarm(popular):
    installed = installed_distributions(sites_of(str(popular)))
    assert len(installed) >= 40
    owners = Owners(installed)
    tops = owners.tops(installed)
    with proof("references", {"sample": 25, "full": len(installed)}, budget={"sample": 120, "full": 1800}) as size:
        names = random.Random(SEED).sample(sorted(installed), size)
        found = [uses_of_distribution(installed[name][0], Mentions(tops - owners.tops({name})), tops) for name in names]
        provided = frozenset().union(*(one.provided for one in found))
        checked = [
            (file.path, use)
            for name, one in zip(names, found, strict=True)
            for file in one.files
            for use in file.without(provided).uses
            if all(owners.of(target.dotted) - {name} for target in use.targets)
        ]
        targets = {target for _path, use in checked for target in (*use.targets, *use.through)}
        answers = ask_environment(str(popular), map(Question, targets), current_user(), as_run)
        unresolved = [
            (target.dotted, answers.of(target).verdict, f"{path}:{use.line}: {target.dotted}: {answers.of(target)}")
            for path, use in checked
            for target in use.targets[:1]
            if not any(answers.of(each).verdict == THERE for each in use.targets)
            # As in the gate: when what is imported is gone, that is said of the import alone.
            if not use.through or any(answers.of(each).verdict == THERE for each in use.through)
        ]
        # What cannot be imported here, because something optional is not installed, gives no finding.
        alarms = [text for name, verdict, text in unresolved if verdict != FAILED and name not in ABSENT]
        assert not alarms, "\n".join(alarms)
        assert len(checked) > 5 * size
        assert len(unresolved) < len(checked) / 100
        print(f"{len(checked) - len(unresolved)} of {len(checked)} references of {size} distributions resolve")


def test_no_test_of_the_standard_library_makes_the_scanner_fail():
    """They hold every syntax that there is, and files that are broken on purpose."""
    files = [file.path for file in source_files([sysconfig.get_path("stdlib")])]
    with proof("scanner", {"sample": 100, "full": len(files)}) as size:
        found = 0
        for path in random.Random(SEED).sample(files, size):
            try:
                found += len(scan(parse_source(read_source(path)), ("package",)).uses)
            except UnreadableSource:
                continue
        assert found > size


def test_a_hundred_thousand_lines_are_scanned_in_ten_seconds():
    """Each file is parsed: all name the module that is asked for."""
    files, lines = [], 0
    for file in source_files([sysconfig.get_path("stdlib")]):
        content = read_source(file.path)
        if b"import sys" in content:
            files.append(file.path)
            lines += content.count(b"\n")
        if lines > 100_000:
            break
    begun = time.process_time()
    assert len(uses_of_sources(files, {"sys"}).files) == len(files) and lines > 100_000
    seconds = time.process_time() - begun
    print(f"{lines} lines in {seconds:.1f} s")
    assert seconds < 10
