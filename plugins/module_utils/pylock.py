# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock files: ``pylock.toml`` (PEP 751), read as pins with hashes.

Extras of the lock file are not chosen; of its dependency groups, those that it calls the default count. Where its archives come
from is for the index options to say: the hashes make sure that they are the same.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional
from urllib.parse import quote

from .direct_references import BUILD_WHEEL, Unpinned, is_hash, parse_reference
from .markers import Comparison, InvalidMarker, Joined, Marker, parse_marker
from .names import normalised
from .pep440 import InvalidClause, is_version, parse_specifier
from .problems import Problem, show
from .requirements import Pin
from .toml import InvalidToml, parse_toml

_NO_HASH = "a hash of sha256, sha384 or sha512"
_AGAIN = "Make the file again with the tool that wrote it"


@dataclass(frozen=True)
class Condition:
    """What must hold on the host for a lock file to be usable: one of the markers, else it is the problem."""

    markers: tuple[Marker, ...]
    problem: Problem


@dataclass(frozen=True)
class LockFile:
    """What a lock file pins, markers not evaluated yet, and where it may be used."""

    pins: tuple[Pin, ...] = ()
    conditions: tuple[Condition, ...] = ()


def is_lock_file(path: str) -> bool:
    """Whether the name of the file says that it is a lock file."""
    return fnmatch.fnmatchcase(os.path.basename(path), "pylock*.toml")


class _Reader:
    """Reads one lock file."""

    def __init__(self, path: str, place: str, problems: list[Problem]) -> None:
        self.folder = os.path.dirname(path)
        self.place = place
        self.problems = problems
        self.sets: dict[str, frozenset[str]] = {}

    def refuse(self, place: str, found: object, expected: str, remedy: str) -> None:
        self.problems.append(Problem(f"{self.place}{place}", show(found), expected, remedy))

    def read(self, content: Mapping[str, Any]) -> LockFile:
        version = content.get("lock-version")
        if not isinstance(version, str) or not re.match(r"1(?:\.\d+)?\Z", version):
            self.refuse(", lock-version", version, 'version "1.0" of PEP 751', _AGAIN)
            return LockFile()
        groups, packages = content.get("default-groups"), content.get("packages")
        chosen = groups if isinstance(groups, list) else []
        self.sets = {
            "extras": frozenset(),
            "dependency_groups": frozenset(normalised(str(group)) for group in chosen),
        }
        if not isinstance(packages, list):
            self.refuse(", packages", packages, "a list of tables", _AGAIN)
            return LockFile()
        pins = (self.package(f", packages[{index}]", package) for index, package in enumerate(packages))
        return LockFile(tuple(pin for pin in pins if pin is not None), tuple(self.conditions(content)))

    def conditions(self, content: Mapping[str, Any]) -> list[Condition]:
        """Return where the file may be used."""
        found = []
        python, environments = content.get("requires-python"), content.get("environments")
        remedy = "Make it again for this one"
        if python is not None:
            try:
                marker = _of_python(str(python))
            except InvalidClause as error:
                self.refuse(", requires-python", python, f"versions of Python ({error})", _AGAIN)
            else:
                expected = "the version of the environment's interpreter"
                problem = Problem(f"{self.place}, requires-python", show(python), expected, remedy)
                found += [Condition((marker,), problem)] if marker else []
        if isinstance(environments, list) and environments:
            markers = [self.marker(", environments", text) for text in environments]
            known = tuple(marker for marker in markers if marker is not None)
            expected = "an environment marker that holds for the environment's interpreter"
            found.append(Condition(known, Problem(f"{self.place}, environments", show(environments), expected, remedy)))
        return found

    def marker(self, place: str, text: object) -> Optional[Marker]:
        """Return the marker; ``None``, and a problem, where it cannot be read."""
        try:
            return parse_marker(str(text), self.sets)
        except InvalidMarker as error:
            self.refuse(place, text, f"an environment marker ({error})", _AGAIN)
            return None

    def package(self, place: str, package: object) -> Optional[Pin]:
        """Return the pin of one package; ``None``, and a problem, where it pins nothing."""
        name = package.get("name") if isinstance(package, Mapping) else None
        if not isinstance(package, Mapping) or not isinstance(name, str):
            self.refuse(place, package, "a table with a name", _AGAIN)
            return None
        place = f"{place} ({name})"
        marker = None
        if "marker" in package:
            marker = self.marker(f"{place}.marker", package["marker"])
        pin = Pin(normalised(name), "", marker=marker, place=f"{self.place}{place}")
        try:
            return self.pinned(pin, package)
        except Unpinned as refused:
            shown = {key: package[key] for key in package if key not in ("dependencies", "tool", "wheels", "sdist")}
            self.refuse(place, shown, refused.expected, refused.remedy)
            return None

    def pinned(self, pin: Pin, package: Mapping[str, Any]) -> Pin:
        """Return the pin with what the package says of its version and its content. Raises :class:`Unpinned`."""
        for kind, why in (("vcs", "A commit says neither a version nor what it is built with"),
                          ("directory", "What is in a folder has no version to pin")):  # fmt: skip
            if kind in package:
                raise Unpinned("wheels, a source distribution or an archive", f"{why}. {BUILD_WHEEL}")
        version = package.get("version")
        if "archive" in package:
            return self.referenced(pin, package["archive"], str(version or ""))
        if not isinstance(version, str) or not is_version(version):
            raise Unpinned("a version", _AGAIN)
        wheels = package.get("wheels", [])
        files = [*(wheels if isinstance(wheels, list) else []), package.get("sdist")]
        hashes = frozenset(digest for file in files for digest in _hashes_of(file))
        if not hashes:
            raise Unpinned(f"wheels or a source distribution, each with {_NO_HASH}", _AGAIN)
        return Pin(pin.name, version, (), pin.marker, hashes, pin.place)

    def referenced(self, pin: Pin, archive: object, version: str) -> Pin:
        """Return the pin of an archive at an address or a path. Raises :class:`Unpinned`."""
        hashes = _hashes_of(archive)
        if not isinstance(archive, Mapping) or not hashes or "subdirectory" in archive:
            raise Unpinned(f"an archive with {_NO_HASH}, and no subdirectory", BUILD_WHEEL)
        url = archive.get("url")
        if not isinstance(url, str):
            url = "file://" + quote(os.path.normpath(os.path.join(self.folder, str(archive.get("path", "")))))
        best = min(hashes, key=lambda digest: (not digest.startswith("sha256:"), digest))
        url = f"{url.partition('#')[0]}#{best.replace(':', '=', 1)}"
        reference = parse_reference(pin.name, url, version)
        return Pin(pin.name, reference.version, (), pin.marker, frozenset(), pin.place, url, hashes)


def _of_python(specifier: str) -> Optional[Marker]:
    """Return a specifier of Python's version as a marker; ``None`` for an empty one. Raises :class:`InvalidClause`."""
    marker: Optional[Marker] = None
    for clause in parse_specifier(specifier):
        comparison = Comparison("python_full_version", clause.operator, clause.text)
        marker = comparison if marker is None else Joined("and", marker, comparison)
    return marker


def _hashes_of(file: object) -> frozenset[str]:
    """Return the hashes of a file that pip can compare."""
    hashes = file.get("hashes") if isinstance(file, Mapping) else None
    written = (f"{algorithm}:{digits}" for algorithm, digits in hashes.items()) if isinstance(hashes, Mapping) else ()
    return frozenset(text.lower() for text in written if is_hash(text))


def read_lock_file(path: str, text: str, place: str, problems: list[Problem]) -> LockFile:
    """Return what the lock file at ``path`` with that ``text`` pins; what is wrong goes to ``problems``, beginning with ``place``."""
    reader = _Reader(path, place, problems)
    try:
        return reader.read(parse_toml(text))
    except InvalidToml as error:
        reader.refuse("", os.path.basename(path), f"a file in TOML ({error})", _AGAIN)
        return LockFile()
