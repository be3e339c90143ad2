# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ``[Service]`` section hides from its process, and what it makes read-only: systemd.exec(5), "Sandboxing"."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from .values import FALSE, TRUE

_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")
#: What is left below /dev (seen with systemd 247, 252 and 257).
_DEVICES = (
    "core", "fd", "full", "hugepages", "log", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
    "tty", "urandom", "zero",
)  # fmt: skip
_OF_SYSTEM = ("/usr", "/boot", "/efi")
_OF_KERNEL = ("/dev", "/proc", "/sys")
#: Directives whose folders systemd makes for the service, and where.
_MADE_BELOW = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "ConfigurationDirectory": "/etc",
}
#: Directives that give a process file systems of its own.
_OWN_MOUNTS = (
    "BindPaths", "BindReadOnlyPaths", "InaccessiblePaths", "MountFlags", "PrivateDevices", "PrivateMounts", "PrivateTmp",
    "ProtectControlGroups", "ProtectHome", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
    "ProtectSystem", "ReadOnlyPaths", "ReadWritePaths", "TemporaryFileSystem",
)  # fmt: skip
#: path_resolution(7): the kernel follows no more links than this.
_MOST_LINKS = 40

Section = Mapping[str, Sequence[str]]


def covers(folder: str, path: str) -> bool:
    """Whether ``path`` is ``folder`` or lies below it."""
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _on_one_way(first: str, second: str) -> bool:
    """Whether one of two paths lies on the way to the other."""
    return covers(first, second) or covers(second, first)


def steps(path: str) -> Iterator[str]:
    """Yield everything on the way to an absolute path that the kernel looks at, behind symbolic links, too.

    What is not there is taken for a folder or file.
    """
    ahead = [name for name in path.split("/") if name]
    here, links = "", 0
    while ahead and links <= _MOST_LINKS:
        name = ahead.pop(0)
        if name in (".", ".."):
            here = os.path.dirname(here).rstrip("/") if name == ".." else here
            continue
        step = f"{here}/{name}"
        yield step
        try:
            target = os.readlink(step)
        except OSError:
            here = step
            continue
        links += 1
        here = "" if target.startswith("/") else here
        ahead = [part for part in target.split("/") if part] + ahead


def _words(lines: Iterable[str]) -> list[str]:
    """Return the words of a directive that was written as ``lines``; an empty line takes back those before it."""
    words: list[str] = []
    for line in lines:
        try:
            found = shlex.split(line)
        except ValueError:
            found = line.split()
        words = [*words, *found] if found else []
    return words


def _paths(section: Section, *directives: str, part: int = 0) -> tuple[str, ...]:
    """Return the paths that ``directives`` name, also as they are behind links; of ``a:b`` the given ``part``.

    What holds a specifier could be any path.
    """
    found = []
    for word in (word for directive in directives for word in _words(section.get(directive, ()))):
        parts = word.lstrip("-+").split(":")
        path = parts[min(part, len(parts) - 1)].replace("%%", "\0")
        path = "/" if "%" in path else path.replace("\0", "%")
        found += [path, os.path.realpath(path)]
    return tuple(dict.fromkeys(found))


def made_folders(section: Section) -> tuple[str, ...]:
    """Return the folders that systemd makes for the service before it starts (``StateDirectory=`` and its kin)."""
    words = {above: _words(section.get(directive, ())) for directive, above in _MADE_BELOW.items()}
    return tuple(f"{above}/{word.split(':')[0]}" for above, names in words.items() for word in names)


def has_own_mounts(section: Section) -> bool:
    """Whether a process under ``section`` sees file systems of its own."""
    return any(_last(section, name).lower() not in {"", *FALSE} for name in _OWN_MOUNTS)


@dataclass(frozen=True)
class Hiding:
    """A directive (``ProtectHome=yes``) and the ``folders`` whose content it hides.

    ``whole`` is whether the folders themselves can no longer be entered; then no bind mount below them can be reached.
    """

    directive: str
    folders: tuple[str, ...]
    whole: bool = False
    left: tuple[str, ...] = ()

    def folder_of(self, path: str) -> str:
        """Return which of the folders holds ``path``, that it is hidden there; or nothing."""
        if any(covers(name, path) for name in self.left):
            return ""
        for folder in self.folders:
            for place in (folder, os.path.realpath(folder)):
                if covers(place, path) and (self.whole or path != place):
                    return folder
        return ""


@dataclass(frozen=True)
class Sandbox:
    """What a section does to the paths of a host.

    The directive ``freezing`` makes the folders ``frozen`` read-only. ``shown`` are bind mounts, ``writable`` and
    ``read_only`` what the section says so of (no preset has ``ProtectHome=read-only``), ``taken`` what it takes away on purpose.
    """

    hiding: tuple[Hiding, ...]
    freezing: str
    frozen: tuple[str, ...]
    shown: tuple[str, ...]
    writable: tuple[str, ...]
    read_only: tuple[str, ...]
    taken: tuple[str, ...]

    def hidden(self, path: str) -> Optional[tuple[Hiding, str]]:
        """Return what hides ``path`` from the process, and the last thing on the way to it that is hidden."""
        found = None
        for step in steps(path):
            if any(covers(folder, step) for folder in self.taken):
                return None
            for hiding in self.hiding:
                if hiding.folder_of(step) and not self._shows(hiding, step):
                    found = (hiding, step)
        return found

    def _shows(self, hiding: Hiding, path: str) -> bool:
        """Whether a bind mount brings ``path`` back; what lies above one is there, too, but for what else was in it."""
        return not hiding.whole and any(_on_one_way(path, mount) for mount in self.shown)

    def freezes(self, path: str) -> bool:
        """Whether ``path`` becomes read-only although nothing in the section says that it shall.

        A folder of which a part is to be written counts as spoken of.
        """
        real = os.path.realpath(path)
        if any(covers(folder, real) for folder in (*self.read_only, *self.taken)):
            return False
        if any(_on_one_way(real, place) for place in self.writable):
            return False
        return any(covers(folder, real) for folder in self.frozen)


def _last(section: Section, directive: str) -> str:
    lines = section.get(directive, ())
    return lines[-1].strip() if lines else ""


def _hiding(section: Section) -> Iterator[Hiding]:
    homes, temporary, devices = (_last(section, name) for name in ("ProtectHome", "PrivateTmp", "PrivateDevices"))
    if homes == "tmpfs" or homes.lower() in TRUE:
        yield Hiding(f"ProtectHome={homes}", _HOMES, whole=homes != "tmpfs")
    if temporary == "disconnected" or temporary.lower() in TRUE:
        yield Hiding(f"PrivateTmp={temporary}", _TEMPORARY)
    if devices.lower() in TRUE:
        yield Hiding(f"PrivateDevices={devices}", ("/dev",), left=tuple(f"/dev/{name}" for name in _DEVICES))


def _frozen(section: Section) -> tuple[str, tuple[str, ...]]:
    system = _last(section, "ProtectSystem")
    if system == "strict":
        return "ProtectSystem=strict", ("/",)
    if system == "full":
        return "ProtectSystem=full", (*_OF_SYSTEM, "/etc")
    return (f"ProtectSystem={system}", _OF_SYSTEM) if system.lower() in TRUE else ("", ())


def sandbox_of(section: Section) -> Optional[Sandbox]:
    """Return what a ``[Service]`` section, its lines by directive, does to paths.

    ``None`` for one with a root folder of its own: what is where in that is not known here.
    """
    if "RootDirectory" in section or "RootImage" in section:
        return None
    hiding = tuple(_hiding(section))
    own_temporary = _TEMPORARY if any("/tmp" in one.folders for one in hiding) else ()
    mounts = _paths(section, "BindPaths", part=1)
    read_only_mounts = _paths(section, "BindReadOnlyPaths", part=1)
    homes = _HOMES if _last(section, "ProtectHome") == "read-only" else ()
    freezing, frozen = _frozen(section)
    written = (*_paths(section, "ReadWritePaths"), *mounts, *made_folders(section))
    return Sandbox(
        hiding=hiding,
        freezing=freezing,
        frozen=frozen,
        shown=(*mounts, *read_only_mounts),
        writable=(*written, *_OF_KERNEL, *own_temporary),
        read_only=(*_paths(section, "ReadOnlyPaths"), *read_only_mounts, *homes),
        taken=_paths(section, "InaccessiblePaths", "TemporaryFileSystem"),
    )
