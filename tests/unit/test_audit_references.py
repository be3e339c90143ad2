# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an application uses of an environment that does not have it: found, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_references
from ansible_collections.stability.baseline.plugins.module_utils.audit_references import (
    Reference,
    find_missing,
    which_logs,
)
from ansible_collections.stability.baseline.plugins.module_utils.audit_source_rules import SourceRules
from ansible_collections.stability.baseline.plugins.module_utils.commands import current_user
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import installed_distributions
from ansible_collections.stability.baseline.plugins.module_utils.environment_layout import sites_of
from ansible_collections.stability.baseline.plugins.module_utils.source_tree import parse_source

Find = Callable[..., list[str]]
LIBRARY = {
    "lib/__init__.py": """
        import os as system
        from .part import inner
        plain = first, *rest = [1, 2]
        annotated: int = 1
        bare: int
        if system.name == "posix":
            conditional = 1
        try:
            import nothing
        except ImportError as error:
            nothing = None
        for looped in range(2):
            pass
        with open(system.devnull) as opened:
            pass
        def function(): local = 1
        class Class: member = 1
        globals()["dynamic"] = 1
        """,
    "lib/part.py": "inner = 1\ndef keep(*spaces):\n    pass\n",
    # Names that a test, a block or a pattern may bind here or elsewhere.
    "lib/depends.py": """
        import contextlib, os, sys
        from typing import TYPE_CHECKING
        if sys.platform == "win32":
            import winreg as registry
        elif os.name == "nt":
            by_name = 1
        else:
            if sys.version_info >= (99,):
                by_version = 1
        try:
            import nothing_at_all as tried
        except ImportError:
            pass
        else:
            by_else = 1
        finally:
            by_finally = 1
        with contextlib.suppress(ImportError):
            import nothing_at_all as suppressed
        while os.environ.get("NEVER_SET"):
            by_while = 1
        for index, (one, *others) in ():
            by_for = 1
        if os.environ.get("NEVER_SET") and (walrus := 1):
            pass
        [inner_walrus := variable for variable in ()]
        if not TYPE_CHECKING:
            at_run_time = 1
        from .windows import *
        if sys.platform == "win32":
            from .listed import *
        """,
    "lib/windows.py": """
        import sys
        __all__ = []
        if sys.platform == "win32":
            starred = _hidden = 1
            __all__.append("starred")
        """,
    "lib/listed.py": "__all__ = ['listed']\nlisted = unlisted = 1\n",
    # Names that functions set when somebody calls them.
    "lib/later.py": """
        import importlib, sys
        this = sys.modules[__name__]
        def connect():
            global connection
            connection = {}
            globals()["by_key"] = 1
            globals().update(by_keyword=1, **{"by_pair": 1})
            globals().setdefault("by_default", 1)
            vars(this)["by_vars"] = 1
            this.by_this = this.__dict__["by_dict"] = 1
            setattr(sys.modules[__name__], "by_setattr", 1)
            setattr(importlib.import_module(__name__), "by_import", 1)
            local = 1
        class Maker:
            def make(self):
                global made
                made = self
        """,
    "lib/anything.py": "def load(names):\n    for name in names:\n        globals()[name] = 1\n",
    "lib/execs.py": "def load(text):\n    exec(text, globals())\n",
    # alembic.context: another module sets what the stub says, as long as it runs.
    "lib/handed.py": "from .part import keep\nkeep(globals(), locals())\n",
    "lib/handed.pyi": "handed: int\n",
    "lib/read.pyi": "gone: int\n",
    "lib/read.py": "dict(globals())\nos = __import__('os', globals(), locals())\n",
    "lib/executed.py": "exec('executed = 1')\n",
    "lib/evaluates.py": "def load(text, space):\n    exec(text)\n    exec(text, space)\n    eval(text, globals())\n",
    "lib/installs.py": """
        def install(name):
            globals()[name] = 1
        install("installed")
        """,
    "lib/keeps.py": """
        def __getattr__(name):
            if name != "there":
                raise AttributeError(name)
            return globals().setdefault(name, 1)
        """,
    "lib/others.py": """
        import lib.state
        from . import later as other
        def begin(objects):
            lib.state.by_module = other.by_other = 1
            objects.by_object = 1
            setattr(objects, "by_text", 1)
        """,
    "lib/state.py": "from . import others\nclass State: pass\nstate = State()\n",
    "lib/typed.py": """
        import typing
        from typing import TYPE_CHECKING as TC
        if typing.TYPE_CHECKING:
            import os as checked
            from .part import inner as Checked
            from .part import *
            declared: int
        elif False:
            never = 1
        else:
            otherwise = 1
        if typing.TYPE_CHECKING and otherwise:
            both = 1
        """,
    "lib/removed.py": """
        import os, sys
        removed = again = for_now = 1
        del removed, os, again
        again = 1
        if sys:
            del for_now
        [variable for variable in "ab"]
        function = lambda: (inside := 1)
        """,
    "lib/pattern.py": """
        match [1, 2, {}]:
            case [first, *rest, {"key": _, **more}] as whole if whole:
                matched = 1
            case _:
                unmatched = 1
        """,
    "lib/lazy.py": "def __getattr__(name):\n    if name == 'there':\n        return 1\n    raise AttributeError(name)\n",
    "lib/broken.py": "raise RuntimeError('never')\n",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    virtualenv = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", virtualenv], check=True)
    (site,) = map(Path, sites_of(str(virtualenv)))
    record = ""
    for name, text in LIBRARY.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(textwrap.dedent(text))
        record += f"{name},,\n"
    (site / "lib-1.0.dist-info").mkdir()
    (site / "lib-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lib\nVersion: 1.0\n")
    (site / "lib-1.0.dist-info" / "RECORD").write_text(record)
    return virtualenv


@pytest.fixture
def find(environment: Path, tmp_path: Path) -> Find:
    def finding(text: str) -> list[str]:
        (tmp_path / "app.py").write_text(textwrap.dedent(text))
        distributions = installed_distributions(sites_of(str(environment)))
        found = find_missing(str(environment), distributions, [str(tmp_path)], current_user())
        assert found.unseen == []
        assert all(one.file == str(tmp_path / "app.py") for one in found.missing)
        return [f"{one.line}: {one.spelled} ({one.distribution})" for one in found.missing]

    return finding


@pytest.mark.parametrize(
    "name",
    [
        *("system", "inner", "plain", "first", "rest", "annotated", "conditional", "nothing", "looped", "opened"),
        *("function", "Class", "part", "lazy"),
    ],
)
def test_what_the_source_shows_is_there_without_asking(find: Find, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(audit_references, "ask_environment", None)
    assert find(f"import lib\nfrom lib import {name}\nlib.{name}\n") == []


DEPENDS = (
    *("registry", "by_name", "by_version", "tried", "by_else", "by_finally", "suppressed", "by_while", "by_for"),
    *("index", "one", "others", "walrus", "inner_walrus", "at_run_time"),
)
HERE = ("matched", "first", "rest", "more", "whole", "by_finally", "inner_walrus", "at_run_time", "otherwise", "again")
LATER = (
    *("connection", "by_key", "by_keyword", "by_pair", "by_default", "by_vars", "by_this", "by_dict", "by_setattr"),
    *("by_import", "made"),
)
ELSEWHERE = [
    *(f"depends.{name}" for name in DEPENDS),
    *(f"later.{name}" for name in LATER),
    *(f"pattern.{name}" for name in ("first", "rest", "more", "whole", "matched", "unmatched")),
    *("anything.whatever", "execs.whatever", "handed.handed", "typed.otherwise", "removed.again"),
]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_depends_or_comes_later_is_there_without_asking(
    find: Find, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module, _dot, attribute = name.partition(".")
    monkeypatch.setattr(audit_references, "ask_environment", None)
    assert find(f"from lib.{module} import {attribute}\nimport lib.{module}\nlib.{name}\n") == []


def test_the_attributes_of_what_depends_or_comes_later_are_no_finding(find: Find) -> None:
    uses = [f"lib.{name}.attribute.more\n" for name in ELSEWHERE if name.rpartition(".")[2] not in HERE]
    modules = {name.partition(".")[0] for name in ELSEWHERE}
    assert find("".join([*(f"import lib.{name}\n" for name in modules), *uses])) == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("import lib\nlib.dynamic\nlib.Class.member\nlib.system.path\n", []),
        ("import lib\nlib.gone\n", ["2: lib.gone (lib)"]),
        ("import lib\nlib.local\nlib.part.gone\n", ["2: lib.local (lib)", "3: lib.part.gone (lib)"]),
        ("from lib import gone\ngone.more()\n", ["1: lib.gone (lib)"]),
        ("from lib.lazy import there, gone\n", ["1: lib.lazy.gone (lib)"]),
        ("import lib.nowhere\n", ["1: lib.nowhere (lib)"]),
        ("import lib\ntry:\n    lib.gone\nexcept AttributeError:\n    pass\n", []),
        ("import lib\nif hasattr(lib, 'gone'):\n    lib.gone\n", []),
        # Why it cannot be imported says nothing about its names.
        ("from lib.broken import anything\n", []),
        ("import nobodys\nnobodys.gone\n", []),
        ("import lib\nlib.gone = 1\nlib.gone\n", []),
        # A star import brings what it brings elsewhere, and not what __all__ leaves out.
        (
            "from lib.depends import starred, listed, _hidden, unlisted\n",
            ["1: lib.depends._hidden (lib)", "1: lib.depends.unlisted (lib)"],
        ),
        ("from lib.later import local\n", ["1: lib.later.local (lib)"]),
        ("from lib.executed import executed, gone\n", ["1: lib.executed.gone (lib)"]),
        ("from lib.evaluates import gone\n", ["1: lib.evaluates.gone (lib)"]),
        ("from lib.handed import gone\n", ["1: lib.handed.gone (lib)"]),
        ("from lib.read import gone\n", ["1: lib.read.gone (lib)"]),
        ("from lib.installs import installed, gone\n", ["1: lib.installs.gone (lib)"]),
        ("from lib.keeps import there, gone\n", ["1: lib.keeps.gone (lib)"]),
        ("from lib import state\nstate.by_module\nstate.by_object\n", ["3: state.by_object (lib)"]),
        ("from lib.later import by_other\nfrom lib.state import state\nstate.by_object, state.by_text\n", []),
        ("from lib.state import state\nstate.by_nobody\n", ["2: state.by_nobody (lib)"]),
        # Only type checkers see it.
        *(
            (f"from lib.typed import {name}\n", [f"1: lib.typed.{name} (lib)"])
            for name in ("checked", "Checked", "inner", "declared", "never", "both")
        ),
        ("import lib.typed\nlib.typed.checked.path\n", ["2: lib.typed.checked.path (lib)"]),
        ("import lib.typed\ndef function(one: 'lib.typed.Checked'): pass\n", []),
        ("from __future__ import annotations\nimport lib.typed\ndef function(one: lib.typed.Checked): pass\n", []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lib.typed import Checked\n", []),
        *(
            (f"from lib.removed import {name}\n", [f"1: lib.removed.{name} (lib)"])
            for name in ("removed", "os", "for_now", "variable", "inside")
        ),
    ],
)
def test_what_is_not_there_is_found(find: Find, text: str, missing: list[str]) -> None:
    assert find(text) == missing


def test_what_cannot_be_looked_at_is_told(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import lib\nlib.gone\n")
    (tmp_path / "broken.py").write_text("import lib\nlib.(\n")
    distributions = installed_distributions(sites_of(str(environment)))
    found = find_missing(str(environment), distributions, [str(tmp_path)], current_user())
    assert found.missing == [Reference(str(tmp_path / "app.py"), 2, "lib.gone", "lib")]
    (told,) = found.unseen
    assert told.startswith(f"{tmp_path}/broken.py was not checked for references: ")


def test_a_distribution_that_is_imported_and_logs_is_found(tmp_path: Path) -> None:
    for name, text in (("quiet", "import os\n"), ("talks", "import logging\nlogging.getLogger(__name__)\n")):
        (tmp_path / f"{name}.py").write_text(text)
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (tmp_path / f"{name}-1.dist-info" / "RECORD").write_text(f"{name}.py,,\n")
    distributions = installed_distributions([str(tmp_path)])
    assert which_logs(distributions, ["os", "quiet", "talks"]) == "talks"
    assert which_logs(distributions, ["os", "quiet"]) == ""


def test_each_file_is_read_and_parsed_once_for_all_rules(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import lib, logging\nlib.gone\nlogging.FileHandler('app.log')\nclass Held:\n    def __del__(self):\n        self.x = 1\n"
    (tmp_path / "app.py").write_text(source)
    parsed: list[bytes] = []

    def parse(content: bytes) -> ast.Module:
        parsed.append(content)
        return parse_source(content)

    monkeypatch.setattr(audit_references, "parse_source", parse)
    rules, distributions = SourceRules(), installed_distributions(sites_of(str(environment)))
    found = find_missing(str(environment), distributions, [str(tmp_path)], current_user(), (), rules)
    assert [one.spelled for one in found.missing] == ["lib.gone"]
    assert [(one.rule, one.line) for one in rules.judge()] == [("SB203", 3), ("SB301", 5)]
    assert parsed == [source.encode()]
