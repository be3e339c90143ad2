# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments whose interpreter does not do what one does: the audit tells of them, and goes on."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_environments
from ansible_collections.stability.baseline.plugins.module_utils.audit_applications import Allowance
from ansible_collections.stability.baseline.plugins.module_utils.audit_environments import (
    Known,
    Looking,
    read_environment,
)


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    place = tmp_path / "venv"
    (place / "bin").mkdir(parents=True)
    (place / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages").mkdir(parents=True)
    (place / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    return place


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sleep 600", "did not end within 1 seconds and was killed."),
        # What it has started keeps its output open.
        ("sleep 600 & exit 3", "does not run: exit status 3"),
        ("echo broken >&2; exit 1", "does not run: broken"),
    ],
)
def test_an_interpreter_that_does_not_answer_is_told(
    venv: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(audit_environments, "PATIENCE", 1.0)
    program = venv / "bin" / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    unseen: list[str] = []
    begun = time.monotonic()
    assert read_environment(str(venv), Known(), Looking(Allowance(), remember=False), unseen) is None
    assert time.monotonic() - begun < 10
    assert len(unseen) == 1 and unseen[0].startswith(f"{venv} (") and reason in unseen[0]


def test_an_interpreter_that_answers_is_read(venv: Path) -> None:
    (venv / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    unseen: list[str] = []
    held = read_environment(str(venv), Known(), Looking(Allowance(), remember=False), unseen)
    assert held is not None and unseen == []
    assert held.python.split(".")[:2] == [str(part) for part in sys.version_info[:2]]
