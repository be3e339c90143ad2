# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of projects and distributions."""

from __future__ import annotations

import re


def normalised(name: str) -> str:
    """Return ``name`` the way names are compared: PEP 503, lower case, ``-`` for any run of ``-``, ``_`` and ``.``."""
    return re.sub(r"[-_.]+", "-", name).lower()
