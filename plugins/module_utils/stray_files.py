# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stray files: what can be imported from a distribution's import package although no distribution brought it.

An installer removes what ``RECORD`` lists, so they survive every installation. A file is stray when

- it lies, at any depth, in a regular import package: a folder whose ``__init__`` exactly one distribution recorded. What lies
  directly in a namespace package belongs to nobody that could be asked;
- Python can import it: ``.py``, ``.so``, and ``.pyc`` that has no source beside it. Data and caches of any kind are not;
- no installed distribution recorded it, it is no link to a file that one did, and it is not what programs write as a cache of
  their own in such a place: ``__pycache__``, hidden folders, the tables of PLY (``parsetab.py`` and its like).
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Optional

from .commands import User, acting_as
from .dist_info import Distribution, Records, installed_distributions, listed_files

_CACHE_FOLDER = "__pycache__"
_INIT = re.compile(r"__init__\.(?:py|pyc|[^/]*so)\Z")
#: What the parser generator PLY writes beside the module that uses it, the first time it is used.
_GENERATED = re.compile(r"\w*(?:parse|lex|yacc)tab\.py\Z")


@dataclass
class _Site:
    """What is known of one ``site-packages`` folder; all names in it are relative to it."""

    path: str
    recorded: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    #: The one distribution that recorded a folder's ``__init__``; empty where several did.
    owners: dict[str, str] = field(default_factory=dict)
    tops: dict[str, set[str]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def add(self, distribution: Distribution, names: Iterable[str]) -> None:
        """Add the files of a distribution."""
        tops = self.tops.setdefault(distribution.name, set())
        for name in names:
            folder, slash, base = name.rpartition("/")
            if not slash or name.startswith(("../", "/")):
                self.recorded.add(name)
                continue
            if "./" in name or "//" in name:
                name = os.path.normpath(name)
                folder, _slash, base = name.rpartition("/")
            self.recorded.add(name)
            if base.startswith("__init__.") and _INIT.match(base):
                known = self.owners.setdefault(folder, distribution.name)
                self.owners[folder] = known if known == distribution.name else ""
            if folder not in self.folders:
                self._add_folders(folder)
            tops.add(folder.partition("/")[0])

    def _add_folders(self, folder: str) -> None:
        while folder and folder not in self.folders:
            self.folders.add(folder)
            folder = folder.rpartition("/")[0]


def _packages_of(distribution: Distribution) -> set[str]:
    """Return the import packages of a distribution that does not list its files: what it says, or what its name suggests."""
    with suppress(FileNotFoundError, NotADirectoryError):
        path = os.path.join(distribution.path, "top_level.txt")
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return {line.strip() for line in stream}
    return {distribution.name.replace("-", "_"), distribution.name.partition("-")[0]}


def _sites(distributions: Mapping[str, list[Distribution]], records: Records) -> list[_Site]:
    sites: dict[str, _Site] = {}
    for distribution in (one for found in distributions.values() for one in found):
        folder = os.path.dirname(distribution.path)
        site = sites.setdefault(folder, _Site(folder))
        names = listed_files(distribution, records)
        if names:
            site.add(distribution, names)
        else:
            site.unknown |= _packages_of(distribution)
    return list(sites.values())


def _is_importable(name: str, beside: set[str]) -> bool:
    """Whether Python would import the file, which no distribution recorded."""
    if name.endswith(".pyc"):
        return f"{name[:-1]}" not in beside
    return name.endswith((".py", ".so")) and not _GENERATED.match(name)


def _walk(site: _Site, folder: str, owner: str) -> Iterator[tuple[str, str]]:
    """Yield the owner and the name of each stray file below a folder; ``owner`` is that of a package around it."""
    owner = site.owners.get(folder) or owner
    with os.scandir(os.path.join(site.path, folder)) as found:
        entries = list(found)
    names = {entry.name for entry in entries}
    for entry in entries:
        name = f"{folder}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            hidden = entry.name == _CACHE_FOLDER or entry.name.startswith(".")
            if not hidden and (owner or name in site.folders):
                yield from _walk(site, name, owner)
        elif owner and name not in site.recorded and _is_importable(entry.name, names):
            target = os.path.relpath(os.path.realpath(entry.path), site.path) if entry.is_symlink() else name
            if target not in site.recorded:
                yield owner, name


def stray_files(
    names: Iterable[str], distributions: Mapping[str, list[Distribution]], records: Optional[Records] = None
) -> dict[str, tuple[str, ...]]:
    """Return the stray files in the import packages of the distributions called ``names``, by name, as ``RECORD`` would
    name them.

    ``distributions`` is everything that is installed, since any of them may have brought a file.
    """
    wanted = set(names)
    found: dict[str, list[str]] = {}
    for site in _sites(distributions, records or Records()):
        tops = {top for name in wanted for top in site.tops.get(name, ())}
        for top in sorted(tops - site.unknown):
            path = os.path.join(site.path, top)
            if not top.endswith((".dist-info", ".data")) and os.path.isdir(path) and not os.path.islink(path):
                for owner, name in _walk(site, top, ""):
                    found.setdefault(owner, []).append(name)
    return {name: tuple(sorted(files)) for name, files in found.items() if name in wanted}


def _remove(site: str, name: str) -> None:
    """Remove a file, its byte code, and the folders that are empty then."""
    folder, base = os.path.split(os.path.join(site, name))
    os.unlink(os.path.join(folder, base))
    cache = os.path.join(folder, _CACHE_FOLDER)
    for path in glob.glob(os.path.join(glob.escape(cache), f"{glob.escape(os.path.splitext(base)[0])}.*.pyc")):
        os.unlink(path)
    with suppress(OSError):
        os.rmdir(cache)
    with suppress(OSError):
        while len(folder) > len(site):
            os.rmdir(folder)
            folder = os.path.dirname(folder)


def remove_stray_files(names: Iterable[str], sites: Iterable[str], user: User) -> list[str]:
    """Remove, as ``user``, the stray files of the distributions called ``names`` as they are installed in ``sites`` now.

    To be called after an installation: what is stray then is known only then. Returns the names, as ``RECORD`` would have them.
    """
    removed = []
    with acting_as(user):
        distributions = installed_distributions(sites)
        for name, files in sorted(stray_files(names, distributions).items()):
            for site in {os.path.dirname(one.path) for one in distributions[name]}:
                for file in files:
                    with suppress(FileNotFoundError):
                        _remove(site, file)
                        removed.append(file)
    return removed
