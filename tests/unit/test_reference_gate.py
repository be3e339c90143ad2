# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate on two virtual environments whose distributions are written by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import reference_resolution
from ansible_collections.stability.baseline.plugins.module_utils.commands import (
    EnvironmentFailure,
    Output,
    current_user,
    run,
)
from ansible_collections.stability.baseline.plugins.module_utils.gate_failure import GateFailure
from ansible_collections.stability.baseline.plugins.module_utils.reference_gate import (
    MissingReferences,
    ReferenceReport,
    check_references,
)


class Pair:
    """An environment before and after a change, and an application."""

    def __init__(self, folder: Path, bare: Path) -> None:
        self.old, self.new, self.app = folder / "old", folder / "new", folder / "app"
        self.app.mkdir()
        for path in (self.old, self.new):
            shutil.copytree(bare, path, symlinks=True)
        self.runs: list[Sequence[str]] = []

    @staticmethod
    def put(virtualenv: Path, name: str, version: str, files: Mapping[str, str], requires: Sequence[str] = ()) -> None:
        """Install a distribution."""
        (site,) = virtualenv.glob("lib/python*/site-packages")
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        required = "".join(f"Requires-Dist: {one}\n" for one in requires)
        written = {
            **{path: textwrap.dedent(text) for path, text in files.items()},
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}\nRequires-Dist: no",
        }
        for path, text in written.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text)
        (site / info / "RECORD").write_text("".join(f"{path},,\n" for path in written) + "../../../bin/x,,\n")

    def change(self, before: Mapping[str, str] | str, after: Mapping[str, str] | str) -> None:
        """Install version 1 of ``lib`` in the old and version 2 in the new environment; a text is its module."""
        for virtualenv, version, files in ((self.old, "1", before), (self.new, "2", after)):
            self.put(virtualenv, "lib", version, {"lib.py": files} if isinstance(files, str) else files)

    def use(self, text: str, name: str = "main.py") -> None:
        (self.app / name).parent.mkdir(parents=True, exist_ok=True)
        (self.app / name).write_text(textwrap.dedent(text))

    def run(self, argv: Sequence[str], variables: Mapping[str, str], timeout: float | None) -> Output:
        self.runs.append(argv)
        return run(argv, current_user(), variables, timeout)

    def check(self, mode: str = "fail", changed: Sequence[str] = ("lib",)) -> ReferenceReport:
        return check_references(
            mode, str(self.old), str(self.new), set(changed), [str(self.app)], current_user(), self.run
        )

    def lines(self) -> list[str]:
        """Return the lines of missing references, less the folder of the test."""
        with pytest.raises(MissingReferences) as raised:
            self.check()
        folder = f"{self.old.parent}/"
        first, *lines, _remedy = str(raised.value).replace(folder, "").splitlines()
        assert first == "References that resolved before do not now:"
        return lines


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


@pytest.fixture
def pair(tmp_path: Path, bare: Path) -> Pair:
    return Pair(tmp_path, bare)


#: Version 1 of the module, version 2, the application, what is missing.
CASES = {
    "attribute": ("a = b = 1", "a = 1", "import lib as l\nl.a\nl.b", ["app/main.py:3: l.b is gone"]),
    "from": ("a = b = 1", "a = 1", "from lib import a, b\nb.c", ["app/main.py:1: lib.b is gone"]),
    "attribute of a class": (
        "class A:\n  x = y = 1",
        "class A:\n  x = 1",
        "from lib import A\nA.x\nA.y.z\nA.q",
        ["app/main.py:3: A.y is gone"],
    ),
    "was never there": ("a = 1", "a = 1", "import lib\nlib.b\nfrom lib import c", []),
    "is new": ("", "a = 1", "from lib import a", []),
    "module attributes made by a function": (
        "def __getattr__(name):\n  return 1",
        "def __getattr__(name):\n  if name == 'old': raise AttributeError(name)\n  return 1",
        "import lib\nlib.old\nlib.new",
        ["app/main.py:2: lib.old is gone"],
    ),
    "attribute that fails otherwise": (
        "a = 1",
        "def __getattr__(name):\n  raise RuntimeError",
        "import lib\nlib.a",
        [],
    ),
    "object that makes attributes": (
        "class A:\n  def __getattr__(self, name): return 1\na = A()",
        "class A:\n  def __getattr__(self, name): raise AttributeError\na = A()",
        "import lib\nlib.a.b",
        [],
    ),
    "property of an object": (
        "class A:\n  @property\n  def b(self): raise SystemExit\na = A()",
        "class A:\n  pass\na = A()",
        "import lib\nlib.a.b.c",
        ["app/main.py:2: lib.a.b is gone"],
    ),
    "property stays": (
        "class A:\n  @property\n  def b(self): return 1\na = A()",
        "class A:\n  @property\n  def b(self): raise SystemExit\na = A()",
        "import lib\nlib.a.b.c",
        [],
    ),
    "place that is filled in later": (
        "class A:\n  b = 1\na = A()",
        "a = None",
        "import lib\nlib.a.b",
        [],
    ),
    "metaclass": (
        "class M(type):\n  def __getattr__(cls, name): return 1\nclass A(metaclass=M): pass",
        "class A: pass",
        "import lib\nlib.A.b",
        ["app/main.py:2: lib.A.b is gone"],
    ),
    "other module of sys.modules": (
        "import sys\nclass A:\n  b = 1\nsys.modules[__name__] = A()",
        "import sys\nclass A:\n  c = 1\nsys.modules[__name__] = A()",
        "import lib\nlib.b",
        ["app/main.py:2: lib.b is gone"],
    ),
    "output does not disturb": (
        "print('[\"answer\", 0]')\na = 1",
        "import os; os.write(1, b'[]\\n'); print('x' * 99999)",
        "import lib\nlib.a",
        ["app/main.py:2: lib.a is gone"],
    ),
    "warnings do not disturb": (
        "a = 1",
        "import warnings\nwarnings.warn('old', DeprecationWarning)\nb = a = 1",
        "import lib\nlib.a",
        [],
    ),
    "guarded": ("a = 1", "", "import lib\ntry: lib.a\nexcept AttributeError: pass", []),
    "looked for elsewhere": ("a = 1", "", "import lib\ndef f(): return hasattr(lib, 'a')\nlib.a", []),
    "set by the application": ("a = 1", "", "import lib\nlib.a = 2\nlib.a.b", []),
    "optional import, still there": (
        "a = 1",
        "",
        "try: import lib\nexcept ImportError: lib = None\nlib.a",
        ["app/main.py:3: lib.a is gone"],
    ),
    "one of two imports is still there": (
        "a = 1",
        "",
        "import sys\nif len(sys.argv):\n  import lib as m\nelse:\n  import sys as m\nm.a",
        [],
    ),
    "cannot be imported in the old one": ("raise OSError", "", "import lib\nlib.a", []),
    "ends the process in the old one": ("import os\nos._exit(0)", "", "import lib\nlib.a", []),
}


@pytest.mark.parametrize(("before", "after", "application", "expected"), CASES.values(), ids=CASES)
def test_what_resolved_before_and_does_not_now(
    pair: Pair, before: str, after: str, application: str, expected: list[str]
) -> None:
    pair.change(before, after)
    pair.use(application)
    if expected:
        assert pair.lines() == [f"{line}: lib 1 had it, lib 2 has not" for line in expected]
    else:
        assert pair.check() == ReferenceReport()


def test_the_report_and_the_message(pair: Pair) -> None:
    pair.change("a = b = 1", "")
    pair.use("import lib\n" + "lib.a\n" * 12)
    with pytest.raises(GateFailure) as raised:
        pair.check()
    place = str(pair.app / "main.py")
    assert isinstance(raised.value, MissingReferences)
    assert raised.value.report.missing == [
        {"source": place, "line": line, "name": "lib.a", "distribution": "lib"} for line in range(2, 14)
    ]
    shown = "\n".join(f"{place}:{line}: lib.a is gone: lib 1 had it, lib 2 has not" for line in range(2, 12))
    assert str(raised.value) == (
        f"References that resolved before do not now:\n{shown}\n… and 2 more\n"
        "Keep the version of lib that has them, or change (for a distribution: pin a version of) what uses them; "
        "references: warn lets the change through."
    )


def test_warn_tells_and_goes_on(pair: Pair) -> None:
    pair.change("a = 1", "")
    pair.use("from lib import a")
    report = pair.check("warn")
    assert [one["name"] for one in report.missing] == ["lib.a"]
    assert report.warnings == [f"{pair.app}/main.py:1: lib.a is gone: lib 1 had it, lib 2 has not"]


def test_ignore_does_not_look(pair: Pair) -> None:
    pair.change("a = 1", "")
    pair.use("from lib import a")
    assert pair.check("ignore") == ReferenceReport() and not pair.runs


def test_a_new_environment_has_nothing_to_compare_with(pair: Pair) -> None:
    report = check_references("fail", "", str(pair.new), {"lib"}, [str(pair.app)], current_user(), pair.run)
    assert report == ReferenceReport() and not pair.runs


def test_no_interpreter_is_started_when_nothing_is_used(pair: Pair) -> None:
    pair.change("a = 1", "")
    pair.use("import os\nos.library = 1")
    assert pair.check() == ReferenceReport() and not pair.runs


def test_submodules_are_looked_for(pair: Pair) -> None:
    before = {"lib/__init__.py": "", "lib/a.py": "x = 1", "lib/b.py": "", "lib/c.py": ""}
    pair.change(before, {"lib/__init__.py": "c = 1", "lib/a.py": ""})
    pair.use("import lib.b\nfrom lib import a, c\nimport lib\nlib.a.x\nlib.c")
    assert pair.lines() == [
        "app/main.py:1: lib.b is gone: lib 1 had it, lib 2 has not",
        "app/main.py:4: lib.a.x is gone: lib 1 had it, lib 2 has not",
    ]


def test_namespace_packages_are_told_apart(pair: Pair) -> None:
    pair.put(pair.old, "lib", "1", {"ns/lib/__init__.py": "a = 1"})
    pair.put(pair.new, "lib", "2", {"ns/lib/__init__.py": ""})
    pair.put(pair.old, "other", "1", {"ns/other/__init__.py": "a = 1"})
    pair.put(pair.new, "other", "1", {"ns/other/__init__.py": ""})
    pair.use("import ns.lib\nimport ns.other\nns.lib.a\nns.other.a")
    assert pair.lines() == ["app/main.py:3: ns.lib.a is gone: lib 1 had it, lib 2 has not"]


def test_a_removed_distribution(pair: Pair) -> None:
    pair.put(pair.old, "lib", "1", {"lib.py": ""})
    pair.use("import lib")
    assert pair.lines() == ["app/main.py:1: lib is gone: lib 1 had it, lib is not installed any more"]


def test_installed_distributions_that_depend_on_a_changed_one(pair: Pair) -> None:
    pair.change("a = 1", "")
    uses = "from lib import a"
    using = {"user/__init__.py": uses, "user/tests/x.py": uses, "user/broken.py": "import lib ("}
    for virtualenv in (pair.old, pair.new):
        pair.put(virtualenv, "user", "1", using, ["other", "Lib[x]>=1; python_version > '3'"])
        pair.put(virtualenv, "no-user", "1", {"no_user.py": uses}, ["library"])
    with pytest.raises(MissingReferences) as raised:
        pair.check()
    # Named where it will be after the switch.
    (site,) = pair.old.glob("lib/python*/site-packages")
    assert [one["source"] for one in raised.value.report.missing] == [str(site / "user/__init__.py")]
    (warning,) = raised.value.report.warnings
    assert warning.startswith("user: Python 3.")
    assert "could not read 1 of its files, such as user/broken.py: " in warning


def test_the_application_has_its_own_module_of_that_name(pair: Pair) -> None:
    pair.change("a = 1", "")
    pair.use("import lib\nlib.a")
    pair.use("", "lib/__init__.py")
    assert pair.check() == ReferenceReport()


FAILING = {
    "an error": ("raise OSError('no')", "OSError: no"),
    "the end of the program": ("raise SystemExit(3)", "SystemExit: 3"),
    "the end of the process": ("import os\nos._exit(3)", "the process ended, or it took too long"),
    "a crash": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "the process was killed by signal 11"),
    "no end": ("import time\ntime.sleep(99)", "the process ended, or it took too long"),
}


@pytest.mark.parametrize(("module", "why"), FAILING.values(), ids=FAILING)
def test_a_module_that_cannot_be_imported_any_more(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, module: str, why: str
) -> None:
    monkeypatch.setattr(reference_resolution, "IMPORT_LIMIT", 2)
    rest = {"lib/__init__.py": "", "lib/y.py": "", "lib/a.py": "a = 1"}
    pair.change({**rest, "lib/x.py": "x = 1"}, {**rest, "lib/x.py": module, "lib/a.py": ""})
    pair.use("from lib.x import x\nimport lib.y\nfrom lib.a import a\nimport lib\nlib.y")
    failed = f"lib.x cannot be imported any more ({why}): it could be with lib 1, and cannot with 2"
    assert pair.lines() == [f"app/main.py:1: {failed}", "app/main.py:3: lib.a.a is gone: lib 1 had it, lib 2 has not"]


def test_a_source_that_cannot_be_read_is_a_warning(pair: Pair) -> None:
    pair.change("a = 1", "")
    pair.use("import lib\nlib.(")
    os.mkfifo(pair.app / "pipe.py")
    broken, pipe = pair.check().warnings
    assert broken.startswith(f"{pair.app}/main.py was not checked for references: line 2: ")
    assert pipe == f"{pair.app}/pipe.py was not checked for references: it is no file"


def test_an_old_interpreter_that_is_gone_is_a_warning(pair: Pair) -> None:
    pair.change("a = 1", "")
    pair.use("from lib import a")
    shutil.rmtree(pair.old / "bin")
    (warning,) = pair.check().warnings
    assert warning.startswith(f"References were not compared with the environment before. {pair.old}/bin/python cannot")


def test_a_staged_interpreter_that_does_not_run_fails(pair: Pair) -> None:
    pair.change("a = 1", "")
    pair.use("from lib import a")
    shutil.rmtree(pair.new / "bin")
    with pytest.raises(GateFailure, match=r"^references: .*cannot be run as"):
        pair.check()


def test_the_questions_show_in_no_argument(pair: Pair) -> None:
    pair.change("a = 1", "a = 1")
    pair.use("from lib import a")
    pair.check()
    assert all(not [word for word in argv if "import" in word or len(word) > 200] for argv in pair.runs)
    assert all(argv[1:3] == ["-I", "-B"] for argv in pair.runs) and len(pair.runs) == 2


def test_a_runner_that_refuses_is_told(pair: Pair) -> None:
    pair.change("a = 1", "a = 1")
    pair.use("from lib import a")

    def refuse(argv: Sequence[str], variables: Mapping[str, str], timeout: float | None) -> Output:
        raise EnvironmentFailure("no")

    report = check_references("fail", str(pair.old), str(pair.new), {"lib"}, [str(pair.app)], current_user(), refuse)
    assert report.warnings[0].startswith("References were not compared with the environment before.")


CALLS = {
    "generator": (
        "def f(n): return [n]",
        "def f(n): yield n",
        "lib.f(1)",
        "lib.f became a generator function: lib 1: lib.f(n); lib 2: lib.f(n)",
    ),
    "coroutine": (
        "def f(): return 1",
        "async def f(): return 1",
        "lib.f()",
        "lib.f became a coroutine function: lib 1: lib.f(); lib 2: lib.f()",
    ),
    "keyword": (
        "def f(a, b=1): pass",
        "def f(a): pass",
        "lib.f(1, b=2)",
        "lib.f takes no parameter b: lib 1: lib.f(a, b=1); lib 2: lib.f(a)",
    ),
    "class": (
        "class F:\n  def __init__(self, a=1): pass",
        "class F: pass",
        "lib.F(1)",
        "lib.F takes 0 positional arguments, not 1: lib 1: lib.F(a=1); lib 2: lib.F()",
    ),
    "return type": (
        "def f() -> list: pass",
        "def f() -> 'tuple': pass",
        "lib.f()",
        "lib.f changed its return type: lib 1: lib.f() -> list; lib 2: lib.f() -> 'tuple'",
    ),
    "other parameter": ("def f(a, b=1): pass", "def f(a): pass", "lib.f(1)", None),
    "not called": ("def f(n): return [n]", "def f(n): yield n", "lib.f", None),
    "no change": ("def f(n): yield n", "def f(n): yield n", "lib.f(1)", None),
}


@pytest.mark.parametrize(("before", "after", "call", "expected"), CALLS.values(), ids=CALLS)
def test_calls_that_will_notice(pair: Pair, before: str, after: str, call: str, expected: str | None) -> None:
    pair.change(before, after)
    pair.use(f"import lib\n{call}\n{call}")
    assert pair.check().warnings == ([f"{pair.app}/main.py:2: {expected}"] if expected else [])
