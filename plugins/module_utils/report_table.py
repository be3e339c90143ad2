# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a few lines for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

#: Columns of a terminal that the table fits.
WIDTH = 100
_WORST = 3
_LONGEST_HOST = 30


def number_of(count: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def _shown(text: str) -> str:
    """Return text on one line, without what moves the cursor of a terminal."""
    return "".join("?" if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in text)


def _width(text: str) -> int:
    """Return the columns that text takes: two for a wide letter, none for one that combines."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def _cut(text: str, width: int) -> str:
    """Return text that takes at most ``width`` columns."""
    text = _shown(text)
    if _width(text) <= width:
        return text
    while _width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def table(report: Mapping[str, Any]) -> list[str]:
    """Return the lines: for each host its errors, its warnings and its three worst findings, at most 100 columns wide."""
    hosts = report["hosts"]
    wide = min(_LONGEST_HOST, max([len("host"), *(_width(_shown(host["host"])) for host in hosts)]))
    lines = [f"{_padded('host', wide)}  errors  warnings  worst findings"]
    left = WIDTH - wide - len("  errors  warnings  ")
    for host in hosts:
        name = _padded(_cut(host["host"], wide), wide)
        if not host["audited"]:
            lines.append(f"{name}  {'-':>6}  {'-':>8}  {_cut('not audited: ' + host['problem'], left)}")
            continue
        found = host["counts"]
        telling = _telling(host, left)
        start = f"{name}  {found['error']:>6}  {found['warning']:>8}  "
        lines += [f"{start if index == 0 else ' ' * len(start)}{line}".rstrip() for index, line in enumerate(telling)]
    return [*lines, "", *_end(report)]


def _telling(host: Mapping[str, Any], width: int) -> list[str]:
    open_findings = [finding for finding in host["findings"] if not finding["waived"]]
    lines = [_cut(f"{one['id']} {one['subject']}: {one['seen']}", width) for one in open_findings[:_WORST]]
    if not lines and not host["services"] and not host["environments"]:
        return ["no Python service here"]
    return lines or ["-"]


def _end(report: Mapping[str, Any]) -> list[str]:
    summary, compared = report["summary"], report["compared"]
    waived = f", {summary['waived']} waived" if summary["waived"] else ""
    lines = [
        f"{summary['audited']} of {number_of(summary['hosts'], 'host')}, {number_of(summary['services'], 'service')}: "
        f"{number_of(summary['error'], 'error')}, {number_of(summary['warning'], 'warning')}, {summary['info']} to know{waived}"
    ]
    if compared:
        unseen = f", {len(compared['unseen'])} not seen this time" if compared["unseen"] else ""
        lines.append(
            f"Since {compared['with']}: {compared['new']} new, {len(compared['fixed'])} fixed, {compared['known']} still there{unseen}"
        )
    return lines
