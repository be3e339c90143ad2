# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether pins explain everything that is installed, and everything that they need."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import installed_distributions
from ansible_collections.stability.baseline.plugins.module_utils.locked_pins import find_unlocked, unpinned
from ansible_collections.stability.baseline.plugins.module_utils.requirements import Pin

MARKERS = {"python_version": "3.11", "sys_platform": "linux"}


def install(site: Path, **required: list[str]) -> None:
    """Install distributions of version 1 that require something."""
    for name, requirements in required.items():
        info = site / f"{name}-1.dist-info"
        info.mkdir()
        lines = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1\n{lines}\nRequires-Dist: not-a-field\n")


def unlocked(site: Path, *pins: Pin, but: tuple[str, ...] = ()) -> list[str]:
    return list(find_unlocked(pins, installed_distributions([str(site)]), MARKERS, but).messages)


NEEDS_B = "not locked: a needs b, which is not pinned. Add b==1 to pins."


@pytest.mark.parametrize(
    ("requires", "extras", "messages"),
    [
        (["b>=1"], (), [NEEDS_B]),
        (["B.x[y] (>=1) ; python_version > '3'"], (), ["not locked: a needs b-x, which is not pinned. Add b-x==<version> to pins."]),
        (["b; sys_platform == 'win32'"], (), []),
        (["b; extra == 'x'"], (), []),
        (["b; extra == 'x'"], ("x",), [NEEDS_B]),
        (["b; extra == 'X_y' and python_version < '3'"], ("x-y",), []),
        (["a[x]", "b; extra == 'x'"], (), [NEEDS_B]),
        (["pip", "setuptools>=1", "wheel"], (), []),
        (["not a requirement ("], (), []),
        (["a"], (), []),
    ],
)  # fmt: skip
def test_what_a_pin_needs(tmp_path: Path, requires: list[str], extras: tuple[str, ...], messages: list[str]) -> None:
    install(tmp_path, a=requires)
    if messages == [NEEDS_B]:
        install(tmp_path, b=[])
    assert unlocked(tmp_path, Pin("a", "1", extras)) == messages
    assert unlocked(tmp_path, Pin("a", "1", extras), Pin("b", "1"), Pin("b-x", "1")) == []


def test_extras_that_are_asked_for_further_down(tmp_path: Path) -> None:
    install(tmp_path, a=["b[x]"], b=["c[y]; extra == 'x'", "a[back]"], c=["d; extra == 'y'", "e; extra == 'z'"])
    assert unlocked(tmp_path, Pin("a", "1"), Pin("b", "1"), Pin("c", "1")) == [
        "not locked: c needs d, which is not pinned. Add d==<version> to pins."
    ]


def test_all_at_once_each_name_once(tmp_path: Path) -> None:
    install(tmp_path, a=["c"], b=["c", "d"], c=[], x=[], pip=[], setuptools=[], wheel=[])
    pins = Pin("a", "1"), Pin("b", "1")
    found = find_unlocked(pins, installed_distributions([str(tmp_path)]), MARKERS)
    assert found.names == ("c", "d", "x")
    assert found.text.splitlines() == [
        "not locked: a, b need c, which is not pinned. Add c==1 to pins.",
        "not locked: b needs d, which is not pinned. Add d==<version> to pins.",
        "not locked: x is installed, and nothing pins it. Add x==1 to pins, or uninstall it.",
    ]
    assert unpinned(pins, installed_distributions([str(tmp_path)])) == ["c", "x"]


def test_what_is_about_to_be_replaced_does_not_count(tmp_path: Path) -> None:
    install(tmp_path, a=["c"], b=["c"])
    (message,) = unlocked(tmp_path, Pin("a", "2"), Pin("b", "1"), but=("a",))
    assert message.startswith("not locked: b needs c")


def test_what_is_not_installed_or_has_no_metadata_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "a-1.dist-info").mkdir()
    assert unlocked(tmp_path, Pin("a", "1"), Pin("b", "1")) == []
