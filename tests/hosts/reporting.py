# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests tell a program that started them: one JSON object a line, in the file that ``STABILITY_REPORT`` names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

VARIABLE = "STABILITY_REPORT"


def tell(**facts: Any) -> None:
    """Add one line, if anybody wants to know; several processes may do so at once."""
    path = os.environ.get(VARIABLE)
    if path:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(facts) + "\n")


def told(path: Path) -> list[dict[str, Any]]:
    """Return what was told, in its order; nothing when there is no such file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
