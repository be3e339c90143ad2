# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generations that are kept: environments as they were before a change, complete, in the work folder."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from .commands import EnvironmentFailure, User, acting_as
from .dist_info import Distribution, installed_distributions, written_after
from .environment_layout import sites_of
from .environment_marks import JOURNAL_FILE, Mark, is_generation, new_generation, read_mark, write_mark
from .environment_place import Place
from .environment_plan import plan
from .environment_reading import Examined, observe
from .environment_staging import remove_gate_scripts
from .environment_switch import KEPT, Switch, clean, discard, switch
from .files import write_file
from .own_files import own_files
from .pep440 import same_version

ROLLED_BACK = "rolled back"
_SIZES = "sizes.json"
_SHOWN = 5


@dataclass(frozen=True)
class Generation:
    """A kept environment: ``name`` is that of its folder in the work folder, ``path`` the whole path of it."""

    id: str
    name: str
    path: str
    mark: Optional[Mark]

    @property
    def number(self) -> int:
        """Its place in the order of switches; 0 for an environment that we had never changed."""
        return self.mark.number if self.mark else 0


def generation_at(place: Place, user: User) -> str:
    """Return the generation of the live environment; empty when it has none."""
    with acting_as(user):
        mark = read_mark(place.target)
    return mark.generation if mark else ""


def kept_generations(place: Place, user: User) -> list[Generation]:
    """Return what is kept, the newest first. The marks are read as the user, whose files they are."""
    if not os.path.isdir(place.work):
        return []
    ids = [name[len(KEPT) :] for name in os.listdir(place.work) if name.startswith(KEPT)]
    found = []
    with acting_as(user):
        for one in filter(is_generation, ids):
            path = os.path.join(place.work, f"{KEPT}{one}")
            found.append(Generation(one, f"{KEPT}{one}", path, read_mark(path)))
    return sorted(found, key=lambda generation: (generation.number, generation.id), reverse=True)


def identity(place: Place, user: User) -> tuple[Optional[Mark], str]:
    """Return the mark of the live environment, and the id under which it will be kept: a new one where it has none."""
    with acting_as(user):
        mark = read_mark(place.target)
    taken = {generation.id for generation in kept_generations(place, user)}
    return mark, mark.generation if mark and mark.generation not in taken else new_generation()


def next_number(place: Place, user: User, mark: Optional[Mark]) -> int:
    """Return a number that is greater than that of any generation."""
    numbers = [generation.number for generation in kept_generations(place, user)]
    return max([mark.number if mark else 0, *numbers]) + 1


def own_bytes(folder: str) -> int:
    """Return the size of the files that nothing else links to: what removing the folder would free."""
    size = 0
    for entry in _files(folder):
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            size += status.st_size
    return size


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry


def _remembered_sizes(place: Place) -> dict[str, int]:
    with suppress(OSError, ValueError), open(os.path.join(place.work, _SIZES), encoding="utf-8") as stream:
        content = json.load(stream)
        if isinstance(content, dict):
            return {name: size for name, size in content.items() if isinstance(size, int)}
    return {}


def show_generations(place: Place, user: User, fresh: bool = False) -> list[dict[str, object]]:
    """Return what is kept as the module shows it; the sizes are those of the last change unless ``fresh`` asks for new ones."""
    known = {} if fresh else _remembered_sizes(place)
    shown: list[dict[str, object]] = []
    for generation in kept_generations(place, user):
        size = known.get(generation.id)
        if size is None:
            with acting_as(user):
                size = own_bytes(generation.path)
        changed_at = generation.mark.changed_at if generation.mark else None
        shown.append({"id": generation.id, "changed_at": changed_at, "bytes": size})
    return shown


def tidy(place: Place, user: User, keep: int) -> list[dict[str, object]]:
    """Remove the generations beyond the newest ``keep`` and all leftovers; return what is kept, with its space."""
    for generation in kept_generations(place, user)[keep:]:
        discard(place, generation.name)
    clean(place, user)
    shown = show_generations(place, user, fresh=True)
    if shown:
        sizes = json.dumps({str(one["id"]): one["bytes"] for one in shown})
        with acting_as(place.actor()):
            write_file(os.path.join(place.work, _SIZES), sizes.encode())
    return shown


def exchange_with(place: Place, user: User, generation: Generation, keep: bool, rolled_back: bool) -> bool:
    """Let a kept generation take the environment's place under a new mark; return whether that was done at once.

    The mark is new because a service that was started on this very environment may have imported from another one since.
    """
    mark, own = identity(place, user)
    kept = own if keep and os.path.lexists(place.target) else ""
    number = next_number(place, user, mark)
    with acting_as(user):
        remove_gate_scripts(generation.path)
        new = write_mark(generation.path, number, kept, rolled_back)
    return switch(place, Switch(generation.name, f"{KEPT}{kept}" if kept else "", new.generation))


def _versions(distributions: Mapping[str, list[Distribution]], without: Iterable[str] = ()) -> dict[str, list[str]]:
    left_out = set(without)
    return {name: sorted(one.version for one in found) for name, found in distributions.items() if name not in left_out}


def _else_the_same(
    place: Place, examined: Examined, generation: Generation, distributions: Mapping[str, list[Distribution]]
) -> bool:
    """Whether what nothing pins, and every file of the users' own, is in a generation as it is in the live environment."""
    pinned, live = {pin.name for pin in examined.pins}, examined.observed.distributions
    if _versions(distributions, pinned) != _versions(live, pinned):
        return False
    with acting_as(examined.user):
        return own_files(generation.path, distributions) == own_files(place.target, live)


def fulfilling(place: Place, examined: Examined) -> Optional[Generation]:
    """Return the newest generation that is whole and holds what is pinned, and else the same as the live environment."""
    environment, user, observed = examined.environment, examined.user, examined.observed
    if environment.reinstall == "always" or not examined.plan.steps or observed.state.rebuild:
        return None
    pinned = {pin.name: pin.version for pin in examined.pins}
    for generation in kept_generations(place, user):
        with acting_as(user):
            distributions = installed_distributions(sites_of(generation.path))
        held = _versions(distributions)
        fits = all(
            len(held.get(name, ())) == 1 and same_version(held[name][0], version) for name, version in pinned.items()
        )
        if not fits or (observed.state.complete and not _else_the_same(place, examined, generation, distributions)):
            continue
        state = observe(generation.path, user, pinned, examined.hashes).state
        if not plan(examined.pins, state, environment.reinstall).changed:
            return generation
    return None


@dataclass(frozen=True)
class Difference:
    """A distribution that is another one after a roll back; ``None`` stands for not installed."""

    name: str
    before: Optional[str]
    after: Optional[str]

    def result(self) -> dict[str, object]:
        """Return it as the module's return value shows it."""
        return {"name": self.name, "before": self.before, "after": self.after, "reason": ROLLED_BACK, "files": []}


@dataclass(frozen=True)
class RollBack:
    """What a roll back does: the exchange with ``generation``, or nothing."""

    generation: Optional[Generation]
    steps: tuple[Difference, ...] = ()
    create: bool = False
    leftovers: tuple[str, ...] = ()
    finish: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything changes."""
        return self.generation is not None

    @property
    def drift(self) -> list[str]:
        """The names of installed distributions that are touched."""
        return [step.name for step in self.steps if step.before is not None]

    def diff(self, virtualenv: str) -> dict[str, str]:
        """Return the texts before and after, one line for each thing that changes."""
        before, after = [], []
        if self.generation is not None:
            after.append(f"generation {self.generation.id}  # {ROLLED_BACK}")
        for step in self.steps:
            before += [f"{step.name}=={step.before}"] if step.before is not None else []
            after += [f"{step.name}=={step.after}"] if step.after is not None else []
        return {
            "before_header": virtualenv,
            "after_header": virtualenv,
            "before": "".join(f"{line}\n" for line in before),
            "after": "".join(f"{line}\n" for line in after),
        }


def plan_roll_back(place: Place, user: User) -> RollBack:
    """Return what goes back to the environment before the last change; nothing where that was done already.

    Raises :class:`EnvironmentFailure` where nothing is kept to go back to.
    """
    with acting_as(user):
        mark = read_mark(place.standing)
        unfinished = os.path.lexists(os.path.join(place.standing, JOURNAL_FILE))
    if mark is not None and mark.rolled_back and not unfinished:
        return RollBack(None)
    wanted = mark.previous if mark else ""
    for generation in kept_generations(place, user):
        if generation.id == wanted:
            return RollBack(generation, _differences(place, generation, user))
    raise EnvironmentFailure(
        f"state: {place.final} has no environment from before to go back to; none is kept before its first change, nor beyond "
        "keep_generations. Pin the versions that it must hold."
    )


def _seconds(moment: str) -> float:
    """Return the seconds since 1970 of a time that a mark names; 0 for one that is none."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0


def written_in_place(place: Place, generation: Generation, user: User) -> list[str]:
    """Return a warning of files of a kept environment that are no longer what was installed; none where there are none.

    It shares files with the environments after it, and what is written into one of these is written into all.
    """
    with acting_as(user):
        mark = read_mark(place.standing)
        put_away = _seconds(mark.changed_at) if mark and mark.changed_at else 0.0
        own = [one for found in installed_distributions(sites_of(generation.path)).values() for one in found]
        # The time of the mark has whole seconds.
        paths = sorted(written_after(own, put_away + 1))
    if not paths:
        return []
    names = [os.path.relpath(path, generation.path) for path in paths]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [
        f"Files were written in place after the change, in the environment from before as well: {', '.join(names[:_SHOWN])}{more}. "
        "Pin their distributions and run with state: present to install them again."
    ]


def _differences(place: Place, generation: Generation, user: User) -> tuple[Difference, ...]:
    with acting_as(user):
        now = _versions(installed_distributions(sites_of(place.standing)))
        then = _versions(installed_distributions(sites_of(generation.path)))
    different = [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
    return tuple(Difference(name, _text(now.get(name)), _text(then.get(name))) for name in different)


def _text(versions: Optional[list[str]]) -> Optional[str]:
    return None if versions is None else ", ".join(version or "unknown" for version in versions)
