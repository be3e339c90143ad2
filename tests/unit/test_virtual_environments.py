# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How environments are made, as far as an interpreter need not run for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.commands import Output, current_user
from ansible_collections.stability.baseline.plugins.module_utils.environments import Environment
from ansible_collections.stability.baseline.plugins.module_utils.pip_runner import Pip
from ansible_collections.stability.baseline.plugins.module_utils.virtual_environments import make_environment


class Recorder(Pip):
    """Runs nothing: an interpreter with or without ensurepip, of which only the arguments are kept."""

    def __init__(self, name: str, has_ensurepip: bool) -> None:
        super().__init__(Environment("", "/nowhere"), current_user(), "/nowhere")
        self.name = name
        self.has_ensurepip = has_ensurepip
        self.argv: list[str] = []

    def run(self, argv: Sequence[str], variables: Mapping[str, str], timeout: float | None = None) -> Output:
        if argv[-1] == "import ensurepip":
            return Output(0 if self.has_ensurepip else 1, "", "")
        self.argv = list(argv)
        folder = Path(argv[-1])
        folder.mkdir()
        (folder / "pyvenv.cfg").write_text("home = /usr/bin\ncommand = made\n")
        return Output(0, "", "")


@pytest.mark.parametrize(
    ("installer", "has_ensurepip", "without"),
    [("pip", True, False), ("pip", False, False), ("uv", True, False), ("uv", False, True)],
)
def test_an_environment_has_a_pip_where_it_needs_or_can_get_one(
    tmp_path: Path, installer: str, has_ensurepip: bool, without: bool
) -> None:
    recorder = Recorder(installer, has_ensurepip)
    make_environment(str(tmp_path / "staged"), str(tmp_path / "venv"), "/usr/bin/python3", current_user(), recorder)
    assert ("--without-pip" in recorder.argv) is without
    said = (tmp_path / "staged" / "pyvenv.cfg").read_text()
    assert ("--without-pip" in said) is without and f"{tmp_path}/venv" in said
