# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed distributions and the integrity of their files, read without pip.

The rules are those of the specifications "Recording installed projects" (``METADATA``, ``RECORD``) and
"Direct URL Data Structure" (``direct_url.json``).
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from .names import normalised

_FOLDER = re.compile(r"(?P<name>[^-]+)(?:-(?P<version>[^-]+))?(?:-[^-]+)*\.(?P<kind>dist-info|egg-info)\Z")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Distribution:
    """An installed distribution.

    ``name`` is normalised, ``path`` is its ``.dist-info`` folder (or ``.egg-info``, file or folder), ``version`` is empty when
    its metadata cannot be read. ``direct`` says that it was installed from an address or a file instead of by name.
    """

    name: str
    version: str
    path: str
    recorded: bool
    direct: bool = False


@dataclass(frozen=True)
class Integrity:
    """Files that differ from what ``RECORD`` says, and files that are missing, as ``RECORD`` names them."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def _metadata_headers(path: str) -> dict[str, str]:
    """Return the fields ``name`` and ``version`` of a metadata file; what is missing is left out."""
    found: dict[str, str] = {}
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            field, colon, value = line.partition(":")
            if not line.strip():
                break
            if colon and field.lower() in ("name", "version"):
                found.setdefault(field.lower(), value.strip())
            if len(found) == 2:
                break
    return found


def _read(folder: str, entry: str, match: re.Match[str]) -> Distribution:
    path = os.path.join(folder, entry)
    if match.group("kind") == "dist-info":
        metadata = os.path.join(path, "METADATA")
    else:
        metadata = os.path.join(path, "PKG-INFO") if os.path.isdir(path) else path
    try:
        headers = _metadata_headers(metadata)
    except (FileNotFoundError, NotADirectoryError):
        headers = {}
    return Distribution(
        name=normalised(headers.get("name", "") or match.group("name")),
        version=headers.get("version", ""),
        path=path,
        recorded=os.path.isfile(os.path.join(path, "RECORD")),
        direct=os.path.isfile(os.path.join(path, "direct_url.json")),
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


def _digest(path: str, algorithm: str) -> str:
    """Return a file's digest the way ``RECORD`` spells it: urlsafe base64 without padding."""
    digest = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def _is_as_recorded(path: str, digest: str, size: str) -> Optional[bool]:
    """Whether a file is the recorded one; ``None`` when it is missing."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode) or (size.isdigit() and status.st_size != int(size)):
        return False
    algorithm, _sign, expected = digest.partition("=")
    if algorithm not in hashlib.algorithms_guaranteed or not expected:
        return True
    return _digest(path, algorithm) == expected.rstrip("=")


def _is_compiled(name: str) -> bool:
    """Whether a recorded file is byte code, which Python makes again by itself."""
    return name.endswith((".pyc", ".pyo"))


def _rows(distribution: Distribution) -> list[tuple[str, str, str]]:
    """Return name, digest and size of each file in ``RECORD``, without byte code."""
    record = os.path.join(distribution.path, "RECORD")
    with open(record, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        rows = [[*row, "", "", ""][:3] for row in csv.reader(stream)]
    return [(name, digest, size) for name, digest, size in rows if name and not _is_compiled(name)]


def verify_files(distribution: Distribution) -> Integrity:
    """Compare the files of a distribution with its ``RECORD``.

    The installer adds the file ``INSTALLER`` last; a ``RECORD`` that does not list it is that of an installation which
    was never completed, so ``INSTALLER`` counts as missing.
    """
    folder, info = os.path.split(distribution.path)
    if not distribution.recorded:
        return Integrity(missing=(f"{info}/RECORD",))
    changed, missing, complete = [], [], False
    for name, digest, size in _rows(distribution):
        complete = complete or name == f"{info}/INSTALLER"
        known = _is_as_recorded(os.path.join(folder, name), digest, size)
        if known is None:
            missing.append(name)
        elif not known:
            changed.append(name)
    if not complete:
        missing.append(f"{info}/INSTALLER")
    return Integrity(tuple(changed), tuple(missing))


def without_shared(integrity: Integrity, distribution: Distribution, others: Iterable[Distribution]) -> Integrity:
    """Return the integrity without changed files that are what another distribution recorded for the same path.

    Two distributions may own one path (``tests/__init__.py``); whichever was installed last is right.
    """
    if not integrity.changed:
        return integrity
    folder = os.path.dirname(distribution.path)
    open_paths = {os.path.normpath(os.path.join(folder, name)): name for name in integrity.changed}
    for other in others:
        if other.path == distribution.path or not other.recorded:
            continue
        for name, digest, size in _rows(other):
            path = os.path.normpath(os.path.join(os.path.dirname(other.path), name))
            if path in open_paths and digest and _is_as_recorded(path, digest, size):
                del open_paths[path]
    left = set(open_paths.values())
    return Integrity(tuple(name for name in integrity.changed if name in left), integrity.missing)


def removable(distributions: Iterable[Distribution]) -> Optional[Distribution]:
    """Return, of several entries of one name, the one that pip should remove; ``None`` when it can remove none.

    pip knows the files by ``RECORD``, or by ``installed-files.txt`` of its older versions. A whole one is preferred.
    """
    able = [
        one
        for one in distributions
        if one.version and (one.recorded or os.path.isfile(os.path.join(one.path, "installed-files.txt")))
    ]
    whole = [one for one in able if one.recorded and not verify_files(one).missing] if len(able) > 1 else []
    return next(iter(whole + able), None)
