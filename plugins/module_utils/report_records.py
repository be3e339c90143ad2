# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the records that a service was asked to make, as a page of the report shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from .report_page import shown


def records(rows: Optional[Sequence[Mapping[str, Any]]]) -> str:
    """Return what arrived in the journal and what did not; nothing where the service was not asked."""
    if not rows:
        return ""
    arrived = sum(len(row["arrived"]) for row in rows)
    made = arrived + sum(len(row["lost"]) for row in rows)
    lines = "".join(f"<li>{_line(row)}" for row in rows)
    return f"<details class=more><summary>{arrived} of {made} records arrived in the journal</summary><ul>{lines}</ul></details>"


def _line(row: Mapping[str, Any]) -> str:
    logger = "" if row["library"] == row["logger"] else f" <code>{shown(row['logger'])}</code>"
    told = [
        f"{shown(level)} {'without a priority' if priority is None else f'with priority {shown(priority)}'}"
        for level, priority in row["arrived"].items()
    ]
    parts = [
        f"{shown(row['library'])}{logger}, process {shown(row['pid'])} ({shown(row['asked'])}): {', '.join(told) or 'nothing'}"
    ]
    if row["lost"]:
        parts.append(f"not there {', '.join(map(shown, row['lost']))}")
    if row["repeated"]:
        parts.append(f"more than once {', '.join(map(shown, row['repeated']))}")
    return "; ".join(parts)
