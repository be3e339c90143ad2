# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an application uses of an environment that does not have it: found, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_references
from ansible_collections.stability.baseline.plugins.module_utils.audit_references import Reference, find_missing
from ansible_collections.stability.baseline.plugins.module_utils.commands import current_user
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import installed_distributions
from ansible_collections.stability.baseline.plugins.module_utils.environment_layout import sites_of

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
    "lib/part.py": "inner = 1\n",
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
