# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``pip check`` says, from the metadata alone: no process is started, and no pip is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from .dist_info import Distribution, requirements_of
from .pep508 import InvalidRequirement, Requirement, parse_requirement


def _required(distribution: Distribution, markers: Mapping[str, str]) -> Iterator[tuple[str, Requirement]]:
    """Yield what a distribution requires without extras, each as its metadata spells it, less the marker."""
    for text in requirements_of(distribution):
        try:
            requirement = parse_requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.holds({**markers, "extra": ""}):
            yield text.partition(";")[0].strip(), requirement


def find_conflicts(distributions: Mapping[str, list[Distribution]], markers: Mapping[str, str]) -> list[str]:
    """Return the lines of ``pip check``, sorted: of each installed distribution, what is missing or has a wrong version.

    A requirement with a direct reference says nothing of a version. Of several entries of one name the first one counts.
    """
    lines = []
    for name, own in sorted(distributions.items()):
        shown = f"{name} {own[0].version}"
        for text, requirement in _required(own[0], markers):
            found = distributions.get(requirement.name)
            if not found:
                lines.append(f"{shown} requires {requirement.name}, which is not installed.")
            elif not all(clause.matches(found[0].version) for clause in requirement.specifier):
                spelled = "".join(text.split())
                lines.append(f"{shown} has requirement {spelled}, but you have {found[0].name} {found[0].version}.")
    return lines


def changed_at(distributions: Mapping[str, list[Distribution]]) -> float:
    """Return when a distribution was installed last, in seconds since the epoch; 0 when there is none."""
    return max((os.stat(one.path).st_mtime for own in distributions.values() for one in own), default=0.0)
