# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate says of a staged copy that must not take the environment's place."""

from __future__ import annotations

from .commands import EnvironmentFailure


class GateFailure(EnvironmentFailure):
    """The staged copy must not take the environment's place."""
