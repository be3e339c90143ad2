# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the failed deployments everything runs as it did before."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["holder", "web", "late"])
def test_it_runs(node, name):
    unit = f"{name}.service"
    assert node.show(unit, "ActiveState", "NeedDaemonReload", "UnitFileState") == ["active", "no", "enabled"]


def test_nothing_staged_is_left(node):
    assert "stability-staged" not in node.run("ls -A /etc/systemd/system")
