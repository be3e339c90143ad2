# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether pins say everything that an environment holds: what is installed and not pinned, what a pinned one needs and is not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from .dist_info import Distribution, requirements_of
from .pep508 import InvalidRequirement, Requirement, parse_requirement
from .requirements import Pin
from .virtual_environments import SEED


@dataclass(frozen=True)
class Unlocked:
    """The normalised names that the pins lack, and a message for each fault."""

    names: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All messages, one a line."""
        return "\n".join(self.messages)


def unpinned(pins: Iterable[Pin], distributions: Mapping[str, list[Distribution]]) -> list[str]:
    """Return the names of what is installed and not pinned; pip, setuptools and wheel need not be."""
    return sorted(set(distributions) - {pin.name for pin in pins} - set(SEED))


def _requirements(distribution: Distribution) -> list[Requirement]:
    found = []
    for text in requirements_of(distribution):
        try:
            found.append(parse_requirement(text))
        except InvalidRequirement:
            continue
    return found


class _Needs:
    """Follows what the pinned distributions need, with the extras that pins and they themselves ask for."""

    def __init__(self, pins: Iterable[Pin], markers: Mapping[str, str]) -> None:
        self.markers = markers
        self.extras = {pin.name: {"", *pin.extras} for pin in pins}
        self.missing: dict[str, set[str]] = {}

    def _holds(self, requirement: Requirement, extras: Collection[str]) -> bool:
        marker = requirement.marker
        return marker is None or any(marker.holds({**self.markers, "extra": extra}) for extra in extras)

    def follow(self, name: str, requirements: Iterable[Requirement]) -> set[str]:
        """Take in what one distribution needs; return the names of those that more extras are asked of."""
        more = set()
        for requirement in requirements:
            known = self.extras.get(requirement.name)
            if known is not None and known.issuperset(requirement.extras):
                continue
            if not self._holds(requirement, self.extras[name]):
                continue
            if known is not None:
                known.update(requirement.extras)
                more.add(requirement.name)
            elif requirement.name not in SEED:
                self.missing.setdefault(requirement.name, set()).add(name)
        return more


def unpinned_needs(
    pins: Collection[Pin],
    distributions: Mapping[str, list[Distribution]],
    markers: Mapping[str, str],
    but: Collection[str],
) -> dict[str, set[str]]:
    """Return what pinned distributions require and is not pinned, with the names of those that require it.

    Markers and extras are evaluated with ``markers``. What is installed of the names in ``but`` is not looked at.
    """
    needs = _Needs(pins, markers)
    read = {
        pin.name: [requirement for one in distributions.get(pin.name, ()) for requirement in _requirements(one)]
        for pin in pins
        if pin.name not in but
    }
    open_names = set(read)
    while open_names:
        open_names = {more for name in sorted(open_names) for more in needs.follow(name, read[name]) if more in read}
    return needs.missing


def find_unlocked(
    pins: Collection[Pin],
    distributions: Mapping[str, list[Distribution]],
    markers: Mapping[str, str],
    but: Collection[str] = (),
) -> Unlocked:
    """Return everything that keeps ``pins`` from being all that ``distributions`` hold and need.

    ``but`` are names whose installed distribution is about to be replaced, so that what it needs does not count.
    """
    installed = {name: ", ".join(one.version for one in found) for name, found in distributions.items()}
    needed = unpinned_needs(pins, distributions, markers, but)
    messages = []
    for name, who in sorted(needed.items()):
        verb = "needs" if len(who) == 1 else "need"
        pin = f"{name}=={installed.get(name) or '<version>'}"
        messages.append(f"not locked: {', '.join(sorted(who))} {verb} {name}, which is not pinned. Add {pin} to pins.")
    extraneous = [name for name in unpinned(pins, distributions) if name not in needed]
    for name in extraneous:
        pin = f"{name}=={installed[name] or '<version>'}"
        messages.append(f"not locked: {name} is installed, and nothing pins it. Add {pin} to pins, or uninstall it.")
    return Unlocked(tuple(sorted({*needed, *extraneous})), tuple(messages))
