# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed distributions and the integrity of their files, read without pip.

The rules are those of the specifications "Recording installed projects" (``METADATA``, ``RECORD``) and
"Direct URL Data Structure" (``direct_url.json``).
"""

from __future__ import annotations

import csv
import errno
import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Optional

from .direct_references import DirectUrl, read_direct_url
from .file_hashes import FileHashes
from .names import normalised

_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}
_FOLDER = re.compile(r"(?P<name>[^-]+)(?:-(?P<version>[^-]+))?(?:-[^-]+)*\.(?P<kind>dist-info|egg-info)\Z")
#: A file in ``RECORD``: its name, its digest (``sha256=…``) and its size, the latter two maybe empty.
Row = tuple[str, str, str]


@dataclass(frozen=True)
class Distribution:
    """An installed distribution.

    ``name`` is normalised, ``path`` is its ``.dist-info`` folder (or ``.egg-info``, file or folder), ``version`` is empty when
    its metadata cannot be read. ``origin`` is where it came from when it was not installed by name.
    """

    name: str
    version: str
    path: str
    recorded: bool
    origin: Optional[DirectUrl] = None


@dataclass(frozen=True)
class Integrity:
    """Files that differ from what ``RECORD`` says, and files that are missing, as ``RECORD`` names them."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def _fields(path: str) -> Iterator[tuple[str, str]]:
    """Yield the fields of a metadata file, their names in lower case, without continued lines."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if not line.strip():
                break
            field, colon, value = line.partition(":")
            if colon and not line.startswith((" ", "\t")):
                yield field.lower(), value.strip()


def _metadata_headers(path: str) -> dict[str, str]:
    """Return the fields ``name`` and ``version`` of a metadata file; what is missing is left out."""
    found: dict[str, str] = {}
    for field, value in _fields(path):
        if field in ("name", "version"):
            found.setdefault(field, value)
        if len(found) == 2:
            break
    return found


def _metadata_of(path: str) -> str:
    """Return the path of the metadata file of a ``.dist-info`` or ``.egg-info``."""
    if path.endswith(".dist-info"):
        return os.path.join(path, "METADATA")
    return os.path.join(path, "PKG-INFO") if os.path.isdir(path) else path


#: A section of ``requires.txt``: the extra, the marker, or both, for which what follows is required.
_SECTION = re.compile(r"\[(?P<extra>[^:\]]*):?(?P<marker>.*)\]\Z")


def _older_requirements(path: str) -> Iterator[str]:
    """Yield what setuptools' old ``requires.txt`` lists, in the words of today's metadata."""
    condition = ""
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in map(str.strip, stream):
            match = _SECTION.match(line)
            if match is not None:
                extra, marker = match.group("extra"), match.group("marker")
                conditions = [f"({marker})"] * bool(marker) + [f'extra == "{extra}"'] * bool(extra)
                condition = " and ".join(conditions)
            elif line:
                yield f"{line} ; {condition}" if condition else line


def requirements_of(distribution: Distribution) -> list[str]:
    """Return what a distribution requires, each as its metadata spell it, markers not evaluated."""
    with suppress(FileNotFoundError, NotADirectoryError):
        found = [value for field, value in _fields(_metadata_of(distribution.path)) if field == "requires-dist"]
        if found:
            return found
    with suppress(FileNotFoundError, NotADirectoryError):
        return list(_older_requirements(os.path.join(distribution.path, "requires.txt")))
    return []


def _read(folder: str, entry: str, match: re.Match[str]) -> Distribution:
    path = os.path.join(folder, entry)
    try:
        headers = _metadata_headers(_metadata_of(path))
    except (FileNotFoundError, NotADirectoryError):
        headers = {}
    return Distribution(
        name=normalised(headers.get("name", "") or match.group("name")),
        version=headers.get("version", ""),
        path=path,
        recorded=os.path.isfile(os.path.join(path, "RECORD")),
        origin=read_direct_url(path),
    )


def installed_distributions(folders: Iterable[str]) -> dict[str, list[Distribution]]:
    """Return the distributions in the ``site-packages`` ``folders`` by name; a healthy one has one entry.

    Folders that begin with ``~`` are what pip left when it was killed, and no distributions.
    """
    found: dict[str, list[Distribution]] = {}
    for folder in folders:
        for entry in sorted(os.listdir(folder)):
            match = _FOLDER.match(entry)
            if match is not None and not entry.startswith("~"):
                distribution = _read(folder, entry, match)
                found.setdefault(distribution.name, []).append(distribution)
    return found


def leftovers(folders: Iterable[str]) -> list[str]:
    """Return the paths of what a killed pip left: it renames to ``~…`` before it removes."""
    return [
        os.path.join(folder, entry)
        for folder in folders
        for entry in sorted(os.listdir(folder))
        if entry.startswith("~")
    ]


def _is_as_recorded(path: str, digest: str, size: str, hashes: FileHashes) -> Optional[bool]:
    """Whether a file is the recorded one; ``None`` when it is missing."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or (size.isdigit() and status.st_size != int(size)):
            return False
        algorithm, _sign, expected = digest.partition("=")
        if algorithm not in hashlib.algorithms_guaranteed or not expected:
            return True
        return hashes.digest(path, status, algorithm) == expected.rstrip("=")
    except OSError as error:
        # A damaged RECORD may name what no file system can hold, and a link may lead to itself.
        if error.errno in _NOT_THERE:
            return None
        raise


def lost_files(distributions: Iterable[Distribution], gone: Collection[str]) -> Iterator[tuple[str, Row]]:
    """Yield each path among ``gone`` that a distribution recorded and that is not there, with its row of ``RECORD``."""
    records = Records()
    for distribution in distributions:
        folder = os.path.dirname(distribution.path)
        for row in records.rows(distribution):
            path = os.path.normpath(os.path.join(folder, row[0]))
            if path in gone and not os.path.lexists(path):
                yield path, row


def written_after(distributions: Iterable[Distribution], moment: float) -> Iterator[str]:
    """Yield the path of each recorded file that was written in place after a ``moment`` (seconds since 1970) and differs now."""
    records = Records()
    for distribution in distributions:
        folder = os.path.dirname(distribution.path)
        for row in records.rows(distribution):
            path = os.path.join(folder, row[0])
            with suppress(OSError):
                if os.lstat(path).st_mtime > moment and not is_compiled(path) and not is_row(path, row):
                    yield os.path.normpath(path)


def dead_links(distribution: Distribution) -> list[str]:
    """Return the paths of recorded files that are links to nothing, or to themselves, at which installers stop."""
    folder = os.path.dirname(distribution.path)
    paths = (os.path.join(folder, name) for name in listed_files(distribution))
    return [path for path in paths if os.path.islink(path) and not os.path.exists(path)]


def is_row(path: str, row: Row) -> bool:
    """Whether a file is the one that a row of ``RECORD`` describes."""
    return _is_as_recorded(path, row[1], row[2], FileHashes()) is True


def is_compiled(name: str) -> bool:
    """Whether a recorded file is byte code, which Python makes again by itself."""
    return name.endswith((".pyc", ".pyo"))


class Records:
    """What ``RECORD`` of each distribution lists, read once for all who ask."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {}

    def rows(self, distribution: Distribution) -> list[Row]:
        """Return name, digest and size of each file; none when the distribution has no ``RECORD`` that can be read."""
        known = self._rows.get(distribution.path)
        if known is None:
            known = self._rows[distribution.path] = _read_rows(distribution) if distribution.recorded else []
        return known


def listed_files(distribution: Distribution, records: Optional[Records] = None) -> list[str]:
    """Return the names of a distribution's files, relative to the folder that it lies in, by ``RECORD`` or its predecessor.

    None where the distribution does not say.
    """
    names = [name for name, _digest, _size in (records or Records()).rows(distribution)]
    if names:
        return names
    info, listed = os.path.basename(distribution.path), os.path.join(distribution.path, "installed-files.txt")
    with (
        suppress(FileNotFoundError, NotADirectoryError),
        open(listed, encoding="utf-8", errors="surrogateescape") as stream,
    ):
        return [os.path.normpath(os.path.join(info, line.strip())) for line in stream]
    return []


def _read_rows(distribution: Distribution) -> list[Row]:
    record = os.path.join(distribution.path, "RECORD")
    rows = []
    with open(record, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        try:
            for row in csv.reader(stream):
                name, digest, size = row if len(row) == 3 else [*row, "", "", ""][:3]
                if "\0" in name:
                    # Power was lost; Python before 3.11 calls that an error, too.
                    return []
                # Some archives list their folders as well.
                if name and not name.endswith("/"):
                    rows.append((name, digest, size))
        except csv.Error:
            return []
    return rows


def recorded_sources(distribution: Distribution) -> list[str]:
    """Return the paths of a distribution's Python files beside it, of which an installer makes byte code."""
    folder = os.path.dirname(distribution.path)
    names = listed_files(distribution) if distribution.recorded else []
    return [os.path.join(folder, name) for name in names if name.endswith(".py") and not name.startswith(("../", "/"))]


def verify_files(
    distribution: Distribution, hashes: Optional[FileHashes] = None, records: Optional[Records] = None
) -> Integrity:
    """Compare the files of a distribution, byte code excepted, with its ``RECORD``.

    The installer adds the file ``INSTALLER`` last; a ``RECORD`` that does not list it is that of an installation which
    was never completed, so ``INSTALLER`` counts as missing.
    """
    folder, info = os.path.split(distribution.path)
    if not distribution.recorded:
        return Integrity(missing=(f"{info}/RECORD",))
    hashes = hashes or FileHashes()
    changed, missing, complete = [], [], False
    for name, digest, size in (records or Records()).rows(distribution):
        if is_compiled(name):
            continue
        complete = complete or name == f"{info}/INSTALLER"
        known = _is_as_recorded(os.path.join(folder, name), digest, size, hashes)
        if known is None:
            missing.append(name)
        elif not known:
            changed.append(name)
    if not complete:
        missing.append(f"{info}/INSTALLER")
    return Integrity(tuple(changed), tuple(missing))


def without_shared(
    integrity: Integrity,
    distribution: Distribution,
    others: Iterable[Distribution],
    records: Optional[Records] = None,
) -> Integrity:
    """Return the integrity without changed files that are what another distribution recorded for the same path.

    Two distributions may own one path (``tests/__init__.py``); whichever was installed last is right.
    """
    if not integrity.changed:
        return integrity
    records, hashes = records or Records(), FileHashes()
    folder = os.path.dirname(distribution.path)
    open_paths = {os.path.normpath(os.path.join(folder, name)): name for name in integrity.changed}
    for other in others:
        if other.path == distribution.path or not other.recorded:
            continue
        for name, digest, size in records.rows(other):
            path = os.path.normpath(os.path.join(os.path.dirname(other.path), name))
            if path in open_paths and digest and _is_as_recorded(path, digest, size, hashes):
                del open_paths[path]
    left = set(open_paths.values())
    return Integrity(tuple(name for name in integrity.changed if name in left), integrity.missing)


def removable(distributions: Iterable[Distribution]) -> Optional[Distribution]:
    """Return, of several entries of one name, the one that pip should remove; ``None`` when it can remove none.

    pip knows the files by a ``RECORD`` that can be read, or by ``installed-files.txt`` of its older versions. A whole one is
    preferred.
    """
    records = Records()
    able = [
        one
        for one in distributions
        if one.version and (records.rows(one) or os.path.isfile(os.path.join(one.path, "installed-files.txt")))
    ]
    whole = [one for one in able if one.recorded and not verify_files(one).missing] if len(able) > 1 else []
    return next(iter(whole + able), None)
