# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a distribution brings to import, what it needs, and who depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import Distribution, installed_distributions
from ansible_collections.stability.baseline.plugins.module_utils.import_packages import (
    Dependency,
    Owners,
    contents,
    dependencies_of,
    is_test,
    module_name,
    modules_among,
    modules_of,
    requires,
    with_dependents,
)


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        (["flask/__init__.py", "flask/app.py", "flask/json/__init__.py"], ["flask"]),
        (["six.py", "__pycache__/six.cpython-311.pyc", "../../../bin/six.py"], ["six"]),
        (["_cffi.cpython-311-x86_64-linux-gnu.so", "fast.abi3.so", "slow.so"], ["_cffi", "fast", "slow"]),
        (["ext/__init__.cpython-311-x86_64-linux-gnu.so", "ext/data.py"], ["ext"]),
        (["zope/interface/__init__.py", "zope/interface/verify.py"], ["zope.interface"]),
        (
            ["google/cloud/storage/__init__.py", "google/cloud/version.py"],
            ["google.cloud.storage", "google.cloud.version"],
        ),
        (["a/__init__.py", "tests/__init__.py", "tests/a.py", "docs/conf.py", "setup.py"], ["a"]),
        (["space/tests/test_a.py", "space/part/__init__.py"], ["space.part"]),
        (["a/tests/__init__.py", "a/__init__.py"], ["a"]),
        (["requests-stubs/__init__.pyi", "a-1.dist-info/METADATA", "a.pth", "share/a.txt", "__init__.py"], []),
        (["old/__init__.py", "old/part/__init__.py", "old/one.py"], ["old.one", "old.part"]),
        (["old/__init__.py", "old/old/__init__.py", "old/old/deep/__init__.py"], ["old.old.deep"]),
        (["a/__init__.py", "a/old/__init__.py", "a/old/x.py"], ["a"]),
    ],
)
def test_modules_among_files(files: list[str], modules: list[str]) -> None:
    """A folder named ``old`` stands for a package that only makes a namespace."""
    assert modules_among(files, lambda path: path.split("/")[-2] == "old") == modules


def distribution(site: Path, name: str, requires: tuple[str, ...] = (), **files: str) -> None:
    info = site / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    required = "".join(f"Requires-Dist: {one}\n" for one in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{required}\nRequires-Dist: no\n")
    for kind, text in files.items():
        (info / {"record": "RECORD", "top_level": "top_level.txt"}[kind]).write_text(text)


def found(site: Path) -> dict[str, list[Distribution]]:
    return installed_distributions([str(site)])


@pytest.mark.parametrize(
    "line", ["x = __import__('pkgutil').extend_path(__path__, __name__)", "p.declare_namespace(__name__)"]
)
def test_a_namespace_is_known_by_its_code(tmp_path: Path, line: str) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "__init__.py").write_text(f"import pkgutil\n{line}\n")
    distribution(tmp_path, "one", record='old/__init__.py,,\nold/part/__init__.py,,\n"old/with,comma.txt",,\n')
    assert modules_of(found(tmp_path)["one"][0]) == ["old.part"]


def test_a_distribution_without_a_record(tmp_path: Path) -> None:
    distribution(tmp_path, "one", top_level="one\ntests\n\nnot-a-module\n")
    distribution(tmp_path, "two")
    assert modules_of(found(tmp_path)["one"][0]) == ["one"]
    assert modules_of(found(tmp_path)["two"][0]) == []


def test_what_metadata_requires(tmp_path: Path) -> None:
    distribution(
        tmp_path, "one", ("Foo.Bar (>=1)", "baz[x]>=2; python_version<'3'", 'qux; os_name=="nt" and extra == "q"')
    )
    assert dependencies_of(found(tmp_path)["one"][0]) == [
        Dependency("foo-bar", False),
        Dependency("baz", False),
        Dependency("qux", True),
    ]


@pytest.mark.parametrize(
    ("changed", "selected"),
    [
        ({"base"}, {"base", "middle", "top", "maybe"}),
        ({"middle"}, {"middle", "top"}),
        ({"top"}, {"top"}),
        ({"gone"}, {"lone"}),
        ({"base", "lone"}, {"base", "middle", "top", "maybe", "lone"}),
        (set(), set()),
    ],
)
def test_who_depends(tmp_path: Path, changed: set[str], selected: set[str]) -> None:
    """What an extra requires counts for a changed distribution, and is not followed further."""
    distribution(tmp_path, "base")
    distribution(tmp_path, "middle", ("base>=1",))
    distribution(tmp_path, "top", ("Middle",))
    distribution(tmp_path, "maybe", ('base; extra == "fast"',))
    distribution(tmp_path, "perhaps", ('maybe; extra == "all"', 'middle; extra == "all"'))
    distribution(tmp_path, "lone", ("gone",))
    if "middle" in changed:
        selected = {*selected, "perhaps"}
    assert with_dependents(changed, found(tmp_path)) == selected


MODULES = {
    "a.py": "a",
    "a/__init__.py": "a",
    "a/b/c.py": "a.b.c",
    "a/_c.cpython-311-x86_64-linux-gnu.so": "a._c",
    "a/_c.abi3.so": "a._c",
    "a/_c.so": "a._c",
    "a/data.txt": None,
    "a/py.typed": None,
    "a/stub.pyi": None,
    "a.libs/libx-1.so": None,
    "a-1.dist-info/METADATA": None,
    "../../../bin/a.py": None,
    "__init__.py": None,
}


@pytest.mark.parametrize(("path", "expected"), MODULES.items(), ids=MODULES)
def test_modules_have_the_name_of_their_file(path: str, expected: str | None) -> None:
    assert module_name(path) == expected


def put(site: Path, info: str, **files: str) -> Distribution:
    for name, text in files.items():
        (site / info).mkdir(exist_ok=True)
        (site / info / name.replace("__", "-").replace("_txt", ".txt")).write_text(text)
    return Distribution("x", "1", str(site / info), "RECORD" in files)


def test_contents_come_from_record(tmp_path: Path) -> None:
    found = contents(put(tmp_path, "x-1.dist-info", RECORD='x/__init__.py,sha256=1,2\n"x/a,b.py",,\nx/_c.so,,\n\n'))
    assert found.modules == {"x", "x._c"} and found.sources == (f"{tmp_path}/x/__init__.py",)


def test_contents_without_record(tmp_path: Path) -> None:
    listed = put(tmp_path, "x-1.egg-info", installed__files_txt="../x/a.py\nPKG-INFO\n")
    assert contents(listed).modules == {"x.a"} and contents(listed).sources == (f"{tmp_path}/x/a.py",)
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "b.py").touch()
    (tmp_path / "z.py").touch()
    named = put(tmp_path, "y-1.egg-info", top_level_txt="y\nz\n../w\n")
    assert contents(named).modules == {"y.b", "z"}
    assert contents(Distribution("w", "1", str(tmp_path / "w-1.egg-info"), False)).modules == frozenset()


REQUIRED = "Requires-Dist: A.b>=1\nRequires-Dist: c[d] (<2) ; extra == 'e'\nX: y\n\nRequires-Dist: f\n"


def test_requirements_of_every_form(tmp_path: Path) -> None:
    assert requires(put(tmp_path, "x-1.dist-info", METADATA=REQUIRED)) == {"a-b", "c"}
    assert requires(put(tmp_path, "y-1.egg-info", requires_txt="a_b>=1\n\n[e]\nc\n")) == {"a-b", "c"}
    assert requires(put(tmp_path, "z-1.egg-info", PKG__INFO="")) == frozenset()
    (tmp_path / "w-1.egg-info").write_text(REQUIRED)
    assert requires(Distribution("w", "1", str(tmp_path / "w-1.egg-info"), False)) == {"a-b", "c"}


def test_owners_of_modules_in_a_shared_namespace(tmp_path: Path) -> None:
    one = put(tmp_path, "one-1.dist-info", RECORD="ns/__init__.py,,\nns/one/__init__.py,,\n")
    two = put(tmp_path, "two-1.dist-info", RECORD="ns/__init__.py,,\nns/two.py,,\ntwo.py,,\n")
    owners = Owners({"one": [one], "two": [two]})
    found = {name: owners.of(name) for name in ("ns", "ns.one.a.b", "ns.two", "two", "three.a", "")}
    assert found == {
        "ns": {"one", "two"}, "ns.one.a.b": {"one"}, "ns.two": {"two"}, "two": {"two"}, "three.a": set(), "": set(),
    }  # fmt: skip
    assert owners.tops({"one"}) == {"ns"} and owners.tops({"two"}) == {"ns", "two"}


TESTS = {
    "x/tests/a.py": True,
    "x/test/a.py": True,
    "tests/a.py": True,
    "x/test_a.py": True,
    "x/a_test.py": True,
    "x/conftest.py": True,
    "x/testing/a.py": False,
    "x/a.py": False,
    "x/test.py": False,
    "x/contest.py": False,
}


@pytest.mark.parametrize(("path", "expected"), TESTS.items(), ids=TESTS)
def test_tests_that_distributions_bring(path: str, expected: bool) -> None:
    assert is_test(f"/site/{path}", "/site") is expected
