# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``stability.baseline.apply`` would say of the lists on this host: each problem is told beside its item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from .adopt_model import Item, in_order
from .adopt_secrets import filled
from .environments import parse_environments
from .hardening_paths import check_hardening_paths
from .manifest import Unreadable
from .problems import InvalidInput, Problem
from .services import Service, parse_services
from .systemd_host import HostError, known_directives
from .unit_question import Known
from .unit_run import Earlier, ask, prepare

_OPTION = "services"
_PLACE = re.compile(rf"{_OPTION}\[(\d+)\]\.?")


def _told(problem: Problem) -> str:
    said = _PLACE.sub("", problem.option, 1).partition(" (")[0]
    return f"apply refuses {said or 'it'}: found {problem.found}; expected {problem.expected}. {problem.remedy}"


def _drop_unknown(item: Item, known: Mapping[str, set[str]]) -> None:
    """Take out directives that the host's systemd ignores, as it does today."""
    directives = {}
    for section, entries in item.values.get("directives", {}).items():
        kept = {name: value for name, value in entries.items() if name in known.get(section, (name,))}
        for name in entries.keys() - kept.keys():
            item.mark(f"{name}= is left out: this systemd ignores it in [{section}]; look whether it is misspelt")
        directives[section] = kept
    if "directives" in item.values:
        item.values = in_order({**item.values, "directives": {name: kept for name, kept in directives.items() if kept}})


def _parsed(item: Item) -> Optional[Service]:
    try:
        return parse_services([filled(item.values)], _OPTION)[0]
    except InvalidInput as invalid:
        for problem in invalid.problems:
            item.mark(_told(problem))
        return None


def _judge_paths(item: Item, service: Service, version: int) -> None:
    """Take the hardening out where it would deny a service what it needs, and say so."""
    denied, doubtful = check_hardening_paths([service], version)
    if denied and "hardening" not in item.values:
        item.values = in_order({**item.values, "hardening": "none"})
        for problem in denied:
            item.mark(
                f"hardening: none, since basic has: {problem.found}; expected {problem.expected}. {problem.remedy}"
            )
        return
    for warning in doubtful:
        item.mark(_PLACE.sub("", warning, 1).rstrip("."))


def _plan(items: Sequence[Item], known: Known) -> list[tuple[int, Problem]]:
    """Return what a run in check mode refuses, each with the index of its item; -1 where it names none."""
    try:
        prepare(ask([filled(item.values) for item in items], known), Earlier(), check_mode=True)
    except InvalidInput as invalid:
        found = []
        for problem in invalid.problems:
            place = _PLACE.match(problem.option)
            named = [index for index, item in enumerate(items) if f"{item.name}." in problem.option]
            found.append((int(place[1]) if place else named[0] if named else -1, problem))
        return found
    return []


def check_services(items: Sequence[Item], unseen: list[str]) -> None:
    """Mark what apply would refuse, or warn of, in the services."""
    try:
        version, known = Known().version, known_directives()
        for item in items:
            _drop_unknown(item, known)
        parsed = [(item, _parsed(item)) for item in items]
        good = [item for item, service in parsed if service is not None]
        for item, service in parsed:
            if service is not None:
                _judge_paths(item, service, version)
        while good:
            refused = _plan(good, Known())
            for index, problem in refused:
                if index >= 0:
                    good[index].mark(_told(problem))
            indexes = {index for index, _problem in refused if index >= 0}
            unseen += [f"what apply would say ({problem})" for index, problem in refused if index < 0]
            if not indexes:
                return
            good = [item for index, item in enumerate(good) if index not in indexes]
    except (HostError, Unreadable, OSError) as error:
        unseen.append(f"what apply would say ({error})")


def check_environments(items: Iterable[Item]) -> None:
    """Mark what apply would refuse in the environments."""
    for item in items:
        try:
            parse_environments([filled(item.values)], "environments")
        except InvalidInput as invalid:
            for problem in invalid.problems:
                said = problem.option.partition(".")[2]
                item.mark(f"apply refuses {said}: found {problem.found}; expected {problem.expected}. {problem.remedy}")
