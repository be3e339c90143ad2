# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch: the staged copy takes the environment's place at once, and what was there is kept.

Whatever moment a run is killed at, what is at the environment's path is complete. A journal in the work folder says what is
being switched, so that the next run can tell the old environment from a copy that nobody needs.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Optional

from .commands import User, acting_as
from .environment_marks import read_mark
from .environment_place import Place, mounted_in
from .files import remove_file, sync_folder, write_file

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
#: What a kernel or a file system says that cannot do it; anything else is a failure of its own.
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM}
#: How the names begin in the work folder of what was kept, and of what is being removed.
KEPT, DISCARDED = "generation-", "discarded-"
_JOURNAL = "switch.json"


def _library() -> Optional[object]:
    """Return the C library; ``None`` where this Python was built without ctypes."""
    try:
        import ctypes
    except ImportError:
        return None
    return ctypes.CDLL(None, use_errno=True)


def _renamed(one: str, other: str, flags: int) -> bool:
    """Call renameat2(2); ``False`` where it is not there or the file system cannot do it."""
    call = getattr(_library(), "renameat2", None)
    if call is None:
        return False
    import ctypes

    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), other)


def sync_file_system(folder: str) -> None:
    """Bring everything that was written to the folder's file system to the disk: one commit instead of one for each file."""
    call = getattr(_library(), "syncfs", None)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if call is None:
            os.sync()
        elif call(descriptor) != 0:
            # Something could not be written: what is on the disk may not be what was installed.
            raise OSError(errno.EIO, os.strerror(errno.EIO), folder)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Switch:
    """What is switched: ``new`` and ``kept`` are names in the work folder, ``generation`` is the mark of the new one.

    ``kept`` is the name that the old environment gets, empty when it is not kept.
    """

    new: str
    kept: str
    generation: str


def _read_switch(place: Place) -> Optional[Switch]:
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        with open(os.path.join(place.work, _JOURNAL), encoding="utf-8") as stream:
            content = json.load(stream)
        return Switch(str(content["new"]), str(content["kept"]), str(content["generation"]))
    return None


def _put_away(place: Place, old: str, kept: str) -> None:
    """Give the old environment the name under which it is kept, or that of what is removed."""
    os.rename(old, os.path.join(place.work, kept or f"{DISCARDED}{secrets.token_hex(8)}"))


def _rename_twice(place: Place, new: str) -> None:
    """The way where folders cannot be exchanged; killed in between, the next run puts the old environment back."""
    os.rename(place.target, place.replaced)
    try:
        os.rename(new, place.target)
    except OSError:
        os.rename(place.replaced, place.target)
        raise


def switch(place: Place, what: Switch) -> bool:
    """Let a folder of the work folder take the environment's place; return whether that was done at once.

    ``False`` means two renames: the path was empty in between. An ``OSError`` leaves the old environment in its place.
    """
    new = os.path.join(place.work, what.new)
    with acting_as(place.actor()):
        write_file(os.path.join(place.work, _JOURNAL), json.dumps(asdict(what)).encode())
        old, at_once = new, True
        if not os.path.lexists(place.target):
            if not _renamed(new, place.target, _NOREPLACE):
                os.rename(new, place.target)
        elif not _renamed(new, place.target, _EXCHANGE):
            _rename_twice(place, new)
            old, at_once = place.replaced, False
        sync_folder(place.parent)
        sync_folder(place.work)
        if os.path.lexists(old):
            _put_away(place, old, what.kept)
        remove_file(os.path.join(place.work, _JOURNAL))
    return at_once


def repair(place: Place, user: User) -> bool:
    """Bring a work folder that a killed run left into order; return whether the environment itself was put back."""
    if not os.path.isdir(place.work):
        return False
    actor = place.actor()
    with acting_as(actor):
        what = _read_switch(place) or Switch("", "", "")
        put_back = place.standing == place.replaced
        if put_back:
            os.rename(place.replaced, place.target)
            sync_folder(place.parent)
        elif os.path.lexists(place.replaced):
            _put_away(place, place.replaced, what.kept)
    _settle(place, what, user, actor)
    with acting_as(actor):
        remove_file(os.path.join(place.work, _JOURNAL))
    clean(place, user)
    return put_back


def _settle(place: Place, what: Switch, user: User, actor: User) -> None:
    """Keep the old environment under its name where the folders were exchanged and nobody was left to do it."""
    if not what.new:
        return
    with acting_as(user):
        mark = read_mark(place.target)
    exchanged = os.path.join(place.work, os.path.basename(what.new))
    if mark is not None and mark.generation == what.generation and os.path.lexists(exchanged):
        with acting_as(actor):
            _put_away(place, exchanged, what.kept)


def remove_tree(path: str, user: User, actor: User) -> None:
    """Remove a folder of the work folder; what is not the user's own in there needs the owner of the folder above.

    Raises ``OSError`` where a file system is mounted in there, whose content would go, too.
    """
    mounted = mounted_in(path)
    if mounted:
        raise OSError(errno.EBUSY, "A file system is mounted there; unmount it", mounted)
    with acting_as(user):
        shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        with acting_as(actor):
            shutil.rmtree(path, ignore_errors=os.getuid() == 0)
    if os.path.lexists(path):
        _remove_as_root(path)


def _remove_as_root(path: str) -> None:
    """Remove what root has left in a folder of the user's, such as byte code.

    The folder around it is held by a descriptor, and ``rmtree`` follows no link, so that nothing else can be put in its place.
    """
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        shutil.rmtree(f"/proc/self/fd/{descriptor}/{os.path.basename(path)}")
    finally:
        os.close(descriptor)


def clean(place: Place, user: User) -> None:
    """Remove what no run needs any more, and the work folder itself when nothing is kept in there."""
    if not os.path.isdir(place.work):
        return
    actor = place.actor()
    stale = [name for name in os.listdir(place.work) if name.startswith(DISCARDED)]
    for name in (*stale, *[os.path.basename(place.staged)] * os.path.lexists(place.staged)):
        remove_tree(os.path.join(place.work, name), user, actor)
    with acting_as(actor), suppress(OSError):
        if not any(name.startswith(KEPT) for name in os.listdir(place.work)):
            shutil.rmtree(place.work)


def discard(place: Place, name: str) -> None:
    """Take a kept environment out of those that are kept; :func:`clean` removes it."""
    with acting_as(place.actor()):
        _put_away(place, os.path.join(place.work, name), "")
