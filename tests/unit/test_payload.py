# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module takes to the host: ansible-core parses each of its files in every run, and the host compiles what it imports."""

from __future__ import annotations

from pathlib import Path

import pytest
from matrix.closure import CORE, ON_HOST, closure

ROOT = Path(__file__).parents[2]
#: The most characters that a module may take along. An import that only a type checker follows counts, too.
LIMITS = {"systemd_units": 375_000, "journald": 175_000, "pip_pinned": 475_000}


@pytest.mark.parametrize("module", LIMITS)
def test_a_module_takes_no_more_along_than_it_may(module: str) -> None:
    sizes = {path: len((ROOT / path).read_text(encoding="utf-8")) for path in closure(ROOT, [module], ON_HOST)}
    assert sum(sizes.values()) <= LIMITS[module], sorted(sizes.items(), key=lambda item: -item[1])


def test_the_services_take_nothing_of_the_packages_along() -> None:
    packages = {f"{CORE}/{name}.py" for name in ("environments", "requirements", "pep440", "environment_switch")}
    assert packages.isdisjoint(closure(ROOT, ["systemd_units"], ON_HOST))


def test_the_runtime_goes_along_only_where_a_service_asks_for_it() -> None:
    def has_runtime(path: str) -> bool:
        return path.startswith((f"{CORE}/runtime_start", f"{CORE}/runtime_files", f"{CORE}/runtime_journal"))

    assert not any(map(has_runtime, closure(ROOT, ["systemd_units"], ON_HOST)))
    # What is tested of the module stands on the runtime all the same.
    assert any(map(has_runtime, closure(ROOT, ["systemd_units"])))
