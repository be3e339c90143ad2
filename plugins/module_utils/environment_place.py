# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an environment lies, where the work on it lies, and what must hold there before anything is touched.

A change is prepared in a work folder beside the environment and switched in by a rename, so whoever may write to a folder on
the way there could put something else in its place.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from .commands import EnvironmentFailure, User, acting_as, current_user, user_with
from .environment_marks import work_folder_of
from .environments import Environment
from .problems import InvalidInput, Problem, show

#: The most bytes of a name in the file systems of Linux (NAME_MAX).
_LONGEST_NAME = 255
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Place:
    """Where everything of one environment is.

    ``final`` is the path as it was given, which its scripts name; ``target`` is the folder that it leads to.
    """

    final: str
    target: str

    @classmethod
    def of(cls, virtualenv: str) -> Place:
        """Return the place of the environment at a path, a link to it resolved."""
        return cls(virtualenv, os.path.realpath(virtualenv))

    @property
    def parent(self) -> str:
        """The folder that holds the environment and its work folder."""
        return os.path.dirname(self.target)

    @property
    def work(self) -> str:
        """The work folder: on the same file system, as it is beside the environment."""
        return work_folder_of(self.target)

    @property
    def staged(self) -> str:
        """The copy in which a change is made."""
        return os.path.join(self.work, "staged")

    @property
    def replaced(self) -> str:
        """The environment between two renames, where the folders cannot be exchanged at once."""
        return os.path.join(self.work, "replaced")

    @property
    def standing(self) -> str:
        """The folder that holds the environment now: a run killed between two renames left it in the work folder."""
        half_done = os.path.lexists(self.replaced) and not os.path.lexists(self.target)
        return self.replaced if half_done else self.target

    def actor(self) -> User:
        """Return who renames beside the environment: the owner of the folder above it, or ourselves when not root."""
        if os.geteuid() != 0:
            return current_user()
        status = os.stat(_existing(self.parent))
        return user_with(status.st_uid, status.st_gid)


def _existing(folder: str) -> str:
    """Return the folder, or the nearest one above it that is there."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _way(folder: str) -> Iterator[str]:
    """Yield the folder and all those above it."""
    yield folder
    while folder != "/":
        folder = os.path.dirname(folder)
        yield folder


def mounted_in(path: str, mounts: str = "/proc/self/mountinfo") -> str:
    """Return where a file system is mounted at a path or below it, also a part of the same one (a bind mount); else nothing."""
    if os.path.ismount(path):
        return path
    with suppress(OSError), open(mounts, encoding="utf-8", errors="surrogateescape") as stream:
        points = (line.split()[4] for line in stream)
        plain = (re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), point) for point in points)
        return next((point for point in plain if f"{point}/".startswith(f"{path}/")), "")
    return ""


def _is_private(gid: int, user: User) -> bool:
    """Whether nobody but root and the user is in a group."""
    trusted = {"root", user.name}
    with suppress(KeyError):
        if set(grp.getgrgid(gid).gr_mem) - trusted:
            return False
    return not any(entry.pw_gid == gid and entry.pw_name not in trusted for entry in pwd.getpwall())


def _others_in(folder: str, user: User, direct: bool) -> str:
    """Return who else may put something else in the place of what is in the folder; nobody is an empty text.

    In a sticky folder others cannot touch what is ours, but they can make what is not there yet.
    """
    status = os.stat(folder)
    if status.st_uid not in (0, user.uid):
        return f"it belongs to {user_with(status.st_uid, status.st_gid).name}"
    if not status.st_mode & _OTHERS or (status.st_mode & stat.S_ISVTX and not direct):
        return ""
    if status.st_mode & stat.S_IWOTH:
        return "everybody may write to it"
    return "" if _is_private(status.st_gid, user) else "its group may write to it"


def _refuse(environment: Environment, place: Place, found: str, expected: str, remedy: str) -> NoReturn:
    option = environment.option("virtualenv")
    raise InvalidInput([Problem(option, f"{show(place.final)}, {found}", expected, remedy)])


def _check_way(environment: Environment, place: Place, user: User) -> None:
    beside = os.path.realpath(os.path.dirname(place.final))
    for parent in dict.fromkeys((place.parent, beside)):
        lowest = _existing(parent)
        for folder in _way(lowest):
            others = _others_in(folder, user, direct=folder == lowest)
            if others:
                _refuse(
                    environment,
                    place,
                    f"below {folder}, where others could exchange it ({others})",
                    f"folders that only root and {user.name} may write to",
                    f"Change the owner or the mode of {folder}, or name another folder",
                )


def _check_rights(environment: Environment, place: Place) -> None:
    actor, folder = place.actor(), _existing(place.parent)
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        remedy = "Mount it for writing, then run again"
        _refuse(environment, place, "on a read-only file system", "a file system that can be written to", remedy)
    with acting_as(actor):
        may = os.access(folder, os.W_OK | os.X_OK, effective_ids=True)
    if not may:
        _refuse(
            environment,
            place,
            f"in {folder}, to which {actor.name} may not write",
            "the right to rename beside the environment",
            f"Let {actor.name} own a folder of its own above the environment, or run as root",
        )


def _check_work_folder(place: Place, user: User) -> None:
    try:
        status = os.lstat(place.work)
    except FileNotFoundError:
        return
    ours = status.st_uid in (0, user.uid, place.actor().uid)
    if not stat.S_ISDIR(status.st_mode) or not ours or status.st_mode & _OTHERS:
        raise EnvironmentFailure(
            f"{place.work} is not a folder of our own that nobody else may write to. Remove it, then run again."
        )


def check_place(environment: Environment, place: Place, user: User) -> None:
    """Refuse a place where an environment cannot be exchanged safely, before anything is touched.

    Raises :class:`InvalidInput`, and :class:`EnvironmentFailure` for what is in the way of the work folder.
    """
    if len(os.fsencode(os.path.basename(place.work))) > _LONGEST_NAME:
        _refuse(
            environment,
            place,
            "a name that is too long",
            f"a name of at most {_LONGEST_NAME - len(os.path.basename(work_folder_of('/')))} bytes",
            "Choose a shorter one: the work folder beside it has a longer name",
        )
    mounted = mounted_in(place.target) if os.path.lexists(place.target) else ""
    if mounted == place.target:
        _refuse(
            environment,
            place,
            "where a file system is mounted",
            "a folder that can be renamed",
            "Mount the folder above it, and let the environment be a plain folder in there",
        )
    if mounted:
        _refuse(
            environment,
            place,
            f"in which a file system is mounted ({mounted})",
            "a folder without mount points: they would move away together with what is replaced",
            "Mount it outside of the environment, and link to it",
        )
    _check_way(environment, place, user)
    _check_rights(environment, place)
    _check_work_folder(place, user)


def make_work_folder(place: Place) -> list[str]:
    """Make the work folder and the folders above it; return those that were made, the highest first."""
    made = [folder for folder in _way(place.work) if not os.path.lexists(folder)][::-1]
    with acting_as(place.actor()):
        for folder in made:
            os.mkdir(folder, 0o755)
            # Whatever the mask of the process is: the gates may run as another user.
            os.chmod(folder, 0o755)
    return made


def remove_empty(folders: list[str], actor: User) -> None:
    """Remove the folders that are empty, the lowest first."""
    with acting_as(actor):
        for folder in reversed(folders):
            with suppress(OSError):
                os.rmdir(folder)
