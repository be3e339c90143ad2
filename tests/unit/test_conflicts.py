# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts from metadata, in the words of pip check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.commands import current_user
from ansible_collections.stability.baseline.plugins.module_utils.conflicts import changed_at, find_conflicts
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import installed_distributions
from ansible_collections.stability.baseline.plugins.module_utils.interpreters import ask_interpreter

MARKERS = ask_interpreter(sys.executable, current_user()).markers


def install(site: Path, name: str, version: str, *requirements: str) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [f"Requires-Dist: {requirement}\n" for requirement in requirements]
    lines += [f"Provides-Extra: {extra}\n" for extra in ("more",)]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{''.join(lines)}")
    (info / "RECORD").write_text("")


def pip_check(site: Path) -> list[str]:
    """Return what pip says of a folder, which it finds as the only one beside its own."""
    program = (
        f"import sys; sys.path = [{str(site)!r}, *sys.path]; import runpy; runpy.run_module('pip', run_name='__main__')"
    )
    argv = [sys.executable, "-c", program, "check", "--disable-pip-version-check"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""})
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        (["b"], []),
        (["b>=1,<3"], []),
        (["b<2"], ["a 1 has requirement b<2, but you have b 2.0."]),
        (["b (<2)"], ["a 1 has requirement b<2, but you have b 2.0."]),
        (["B_lib==1 ; python_version > '3'"], ["a 1 requires b-lib, which is not installed."]),
        (["b<2; python_version < '3'", "b==3; extra == 'more'", "c; sys_platform == 'win32'"], []),
        (["b[more]>2"], ["a 1 has requirement b[more]>2, but you have b 2.0."]),
        (["b @ https://example.org/b-1.zip"], []),
        (["b~=2.0", "c"], ["a 1 requires c, which is not installed."]),
    ],
)
def test_conflicts_are_those_of_pip_check(tmp_path: Path, requirements: list[str], expected: list[str]) -> None:
    install(tmp_path, "a", "1", *requirements)
    install(tmp_path, "b", "2.0")
    found = find_conflicts(installed_distributions([str(tmp_path)]), MARKERS)
    assert [line.replace("(", "").replace(")", "") for line in found] == expected
    said = [line for line in pip_check(tmp_path) if line.startswith("a 1 ")]
    assert len(said) == len(expected), json.dumps(said)


def test_when_something_was_installed_last(tmp_path: Path) -> None:
    install(tmp_path, "a", "1")
    install(tmp_path, "b", "2")
    os.utime(tmp_path / "a-1.dist-info", (9, 9))
    os.utime(tmp_path / "b-2.dist-info", (7, 7))
    assert changed_at(installed_distributions([str(tmp_path)])) == 9
    assert changed_at({}) == 0
