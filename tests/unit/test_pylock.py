# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock files of PEP 751."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import pylock
from ansible_collections.stability.baseline.plugins.module_utils.problems import Problem
from ansible_collections.stability.baseline.plugins.module_utils.pylock import is_lock_file, read_lock_file
from ansible_collections.stability.baseline.plugins.module_utils.requirements import pins_for
from hypothesis import given
from hypothesis import strategies as st

A, B = "a" * 64, "b" * 64
HEAD = 'lock-version = "1.0"\ncreated-by = "test"\n'
ENVIRONMENT = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}
WHEELS = f'wheels = [{{name = "x.whl", url = "https://example.org/x.whl", hashes = {{sha256 = "{A}"}}}}]\n'
ONE = f'[[packages]]\nname = "One"\nversion = "1.0"\n{WHEELS}'


def read(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of the pins, and the problems, those of the conditions included."""
    problems: list[Problem] = []
    lock = read_lock_file("/opt/pylock.toml", text, "lock", problems)
    for condition in lock.conditions:
        if not any(marker.holds(ENVIRONMENT) for marker in condition.markers):
            problems.append(condition.problem)
    return [pin.line for pin in pins_for(lock.pins, ENVIRONMENT)], [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("name", "is_lock"),
    [("pylock.toml", True), ("pylock.dev.toml", True), ("lock.toml", False), ("pylock.txt", False)],
)
def test_names_of_lock_files(name: str, is_lock: bool) -> None:
    assert is_lock_file(f"/opt/{name}") is is_lock


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("packages = []\n", []),
        (ONE, [f"one==1.0 --hash=sha256:{A}"]),
        (f'{ONE}sdist = {{name = "one-1.0.tar.gz", hashes = {{sha256 = "{B}", md5 = "x"}}}}', [f"one==1.0 --hash=sha256:{A} --hash=sha256:{B}"]),
        (f"{ONE}marker = \"sys_platform == 'win32'\"", []),
        (f"default-groups = ['Web']\n{ONE}marker = \"'web' in dependency_groups and 'x' not in extras\"", [f"one==1.0 --hash=sha256:{A}"]),
        (f"{ONE}marker = \"'web' in dependency_groups or 'x' in extras\"", []),
        (f'requires-python = ">=3.9,<4"\nenvironments = ["sys_platform == \'linux\'"]\n{ONE}', [f"one==1.0 --hash=sha256:{A}"]),
        (
            f'[[packages]]\nname = "two"\narchive = {{url = "https://example.org/two-2.0.tar.gz#x", hashes = {{sha512 = "{A}{A}", sha256 = "{B}"}}}}',
            [f"two @ https://example.org/two-2.0.tar.gz#sha256={B}"],
        ),
        (
            f'[[packages]]\nname = "two"\nversion = "2.0"\narchive = {{path = "w/two-2.0-py3-none-any.whl", hashes = {{sha256 = "{B}"}}}}',
            [f"two @ file:///opt/w/two-2.0-py3-none-any.whl#sha256={B}"],
        ),
    ],
)  # fmt: skip
def test_what_a_lock_file_pins(text: str, lines: list[str]) -> None:
    assert read(HEAD + text) == (lines, [])


AGAIN = "Make the file again with the tool that wrote it"
WHEEL = "Build a wheel, pin name==version and give its folder as find_links"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f'lock, lock-version: found null; expected version "1.0" of PEP 751. {AGAIN}.'),
        ('lock-version = "2.0"', f'lock, lock-version: found "2.0"; expected version "1.0" of PEP 751. {AGAIN}.'),
        (HEAD, f"lock, packages: found null; expected a list of tables. {AGAIN}."),
        (f"{HEAD}packages = [1]", f"lock, packages[0]: found 1; expected a table with a name. {AGAIN}."),
        (
            f"{HEAD}{ONE}marker = \"'x' in nowhere\"",
            f"lock, packages[0] (One).marker: found \"'x' in nowhere\"; expected an environment marker (the marker \"'x' in nowhere\" "
            f"uses nowhere, which is no marker variable). {AGAIN}.",
        ),
        (
            f'{HEAD}[[packages]]\nname = "one"\nvcs = {{type = "git"}}',
            'lock, packages[0] (one): found {"name": "one", "vcs": {"type": "git"}}; expected wheels, a source distribution or an '
            f"archive. A commit says neither a version nor what it is built with. {WHEEL}.",
        ),
        (
            f'{HEAD}[[packages]]\nname = "one"\ndirectory = {{path = ".", editable = true}}',
            'lock, packages[0] (one): found {"name": "one", "directory": {"path": ".", "editable": true}}; expected wheels, a source '
            f"distribution or an archive. What is in a folder has no version to pin. {WHEEL}.",
        ),
        (
            f'{HEAD}[[packages]]\nname = "one"\n{WHEELS}',
            f'lock, packages[0] (one): found {{"name": "one"}}; expected a version. {AGAIN}.',
        ),
        (
            f'{HEAD}[[packages]]\nname = "one"\nversion = "1"',
            'lock, packages[0] (one): found {"name": "one", "version": "1"}; expected wheels or a source distribution, each with a hash '
            f"of sha256, sha384 or sha512. {AGAIN}.",
        ),
        (
            f'{HEAD}[[packages]]\nname = "one"\narchive = {{url = "https://example.org/one-1.zip"}}',
            'lock, packages[0] (one): found {"name": "one", "archive": {"url": "https://example.org/one-1.zip"}}; expected an archive '
            f"with a hash of sha256, sha384 or sha512, and no subdirectory. {WHEEL}.",
        ),
        (
            f'{HEAD}requires-python = ">=3.12"\npackages = []',
            'lock, requires-python: found ">=3.12"; expected the version of the environment\'s interpreter. Make it again for this one.',
        ),
        (
            f'{HEAD}requires-python = "x"\npackages = []',
            f"lock, requires-python: found \"x\"; expected versions of Python ('x' has no operator and version). {AGAIN}.",
        ),
        (
            f"{HEAD}environments = [\"sys_platform == 'win32'\"]\npackages = []",
            "lock, environments: found [\"sys_platform == 'win32'\"]; expected an environment marker that holds for the environment's "
            "interpreter. Make it again for this one.",
        ),
        (
            "lock-version = ",
            f'lock: found "pylock.toml"; expected a file in TOML (line 1: a value is expected). {AGAIN}.',
        ),
    ],
)  # fmt: skip
def test_what_a_lock_file_may_not_say(text: str, message: str) -> None:
    assert read(text)[1] == [message]


TOML = st.recursive(
    st.one_of(
        st.booleans(), st.integers(), st.sampled_from(["1.0", "one", "x; y", "", ">=3", A, "file:///one-1.0.zip"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "version", "marker", "wheels", "archive", "url", "hashes", "sha256"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["packages", "environments", "requires-python", "default-groups"]), TOML))
def test_any_content_is_read_or_refused_with_its_place(content: dict[str, object]) -> None:
    problems: list[Problem] = []
    lock = pylock._Reader("/opt/pylock.toml", "lock", problems).read({"lock-version": "1.0", **content})
    assert all(pin.all_hashes for pin in lock.pins)
    assert all(str(problem).startswith("lock, ") for problem in problems)
