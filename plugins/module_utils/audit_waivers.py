# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers: findings that may stay as they are until a date, for a reason."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from . import values as v
from .audit_model import Finding
from .audit_rules import BY_ID
from .problems import InvalidInput, ListOf, Problem, show

#: The rule about waivers themselves, which none silences.
EXPIRED = "SB001"
_KEYS = ("id", "subject", "until", "reason")


@dataclass(frozen=True)
class Waiver:
    """It silences the rule ``id`` for the subjects that ``subject`` (a pattern, fnmatch(3)) fits, up to and with ``until``."""

    id: str
    subject: str
    until: date
    reason: str

    def fits(self, finding: Finding) -> bool:
        """Whether a finding is meant."""
        return finding.id == self.id and fnmatchcase(finding.subject, self.subject)


def _rule(value: object) -> str:
    known = [identifier for identifier in BY_ID if identifier != EXPIRED]
    line = v.filled_text(value)
    if line not in known:
        near = difflib.get_close_matches(line, known, n=1, cutoff=0.7)
        raise v.Refused("the id of a rule", f"Did you mean {near[0]}" if near else f"The rules are {', '.join(known)}")
    return line


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


def _day(value: object) -> date:
    try:
        text = value.isoformat()[:10] if isinstance(value, date) else v.filled_text(value)
        # Python 3.11 takes more forms than a host with an older one.
        if not _DAY.match(text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise v.Refused("a date, such as 2027-01-31", "Write year, month and day") from None


_CHECKERS: Mapping[str, v.Checker] = {"id": _rule, "subject": v.filled_text, "until": _day, "reason": v.filled_text}


def parse_waivers(raw: object, option: str) -> list[Waiver]:
    """Return the checked waivers of a list; raises :class:`InvalidInput` with every problem, named by ``option``."""
    problems: list[Problem] = []
    waivers = []
    for index, member in ListOf("waivers", ", ".join(_KEYS)).members(raw, option, problems):
        place, before = f"{option}[{index}]", len(problems)
        checked = _checked(member, place, problems)
        if len(problems) == before:
            waivers.append(Waiver(**checked))
    if problems:
        raise InvalidInput(problems)
    return waivers


def _checked(member: Mapping[Any, Any], place: str, problems: list[Problem]) -> dict[str, Any]:
    for key in member:
        if key not in _KEYS:
            problems.append(
                Problem(f"{place}.{key}", "an unknown key", "a key of a waiver", f"The keys are {', '.join(_KEYS)}")
            )
    checked: dict[str, Any] = {}
    for key, check in _CHECKERS.items():
        if member.get(key) is None:
            problems.append(
                Problem(f"{place}.{key}", "nothing", "a value", "Say which rule, whose, until when, and why")
            )
            continue
        try:
            checked[key] = check(member[key])
        except v.Refused as refused:
            problems += [
                Problem(f"{place}.{key}", show(member[key]), fault.expected, fault.remedy) for fault in refused.faults
            ]
    return checked


def waive(findings: Iterable[Finding], waivers: Sequence[Waiver], today: date) -> list[Finding]:
    """Return the findings, marked where a waiver fits that has not expired by ``today``, and one for each that has."""
    marked = []
    for finding in findings:
        fitting = [waiver for waiver in waivers if waiver.until >= today and waiver.fits(finding)]
        waived = {"until": fitting[0].until.isoformat(), "reason": fitting[0].reason} if fitting else None
        marked.append(replace(finding, waived=waived))
    expired = [
        Finding(EXPIRED, f"{waiver.id} {waiver.subject}", f"it ended on {waiver.until.isoformat()}: {waiver.reason}")
        for waiver in waivers
        if waiver.until < today
    ]
    return marked + expired
