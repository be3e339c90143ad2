# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distributions that come from an address: direct references (PEP 508) and ``direct_url.json`` (PEP 610).

A reference pins when its file name says the version and a hash says the content; a wheel in a folder of the host needs no
hash, as one in ``find_links`` needs none.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional
from urllib.parse import unquote, urlsplit

from .masking import has_credentials
from .names import normalised
from .pep440 import is_version

#: The algorithms that pip accepts, and the number of hexadecimal digits of each.
HASH_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
#: What to do about a requirement that has no version to pin.
BUILD_WHEEL = "Build a wheel, pin name==version and give its folder as find_links"
_WHEEL = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl\Z")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SOURCE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.(?:tar\.gz|zip)\Z")


class Unpinned(ValueError):
    """A requirement that pins nothing, with what was expected instead and what to do."""

    def __init__(self, expected: str, remedy: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.remedy = remedy


@dataclass(frozen=True)
class DirectUrl:
    """Where an installed distribution came from: the address, and the hashes (``sha256:…``) that the installer saw."""

    url: str
    hashes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reference:
    """The address of one archive, with the version that its name says and the hashes of its fragment."""

    url: str
    version: str
    hashes: frozenset[str]


def is_hash(text: str) -> bool:
    """Whether ``text`` is an algorithm that pip accepts, a colon, and as many hexadecimal digits as it has."""
    algorithm, _colon, digits = text.partition(":")
    return algorithm in HASH_DIGITS and re.fullmatch(rf"[0-9a-fA-F]{{{HASH_DIGITS[algorithm]}}}", digits) is not None


def _fragment_hashes(fragment: str) -> frozenset[str]:
    parts = [part.replace("=", ":", 1).lower() for part in fragment.split("&") if part]
    for part in parts:
        if not is_hash(part):
            raise Unpinned("an address with nothing but a hash behind #", "Write #sha256=<64 hexadecimal digits>")
    return frozenset(parts)


def parse_reference(name: str, url: str, version: str = "") -> Reference:
    """Return what a direct reference of the project ``name`` pins; ``version`` is what a lock file says of it.

    Raises :class:`Unpinned`.
    """
    scheme = url.partition(":")[0].lower()
    if "+" in scheme:
        raise Unpinned(
            "the address of an archive", f"A commit says neither a version nor what it is built with. {BUILD_WHEEL}"
        )
    if has_credentials(url):
        raise Unpinned("an address without credentials", "Pin name==version and give the index as index_url")
    if not re.match(r"https?://[^/]|file:///", url, re.IGNORECASE):
        raise Unpinned("an address: https://…, http://… or file:///…", "Write the whole address")
    parts = urlsplit(url)
    file_name = unquote(os.path.basename(parts.path))
    match = _WHEEL.match(file_name) or _SOURCE.match(file_name)
    if match is None or normalised(match.group("name")) != name or not is_version(match.group("version")):
        raise Unpinned(f"the address of an archive of {name}, with its version in the file's name", BUILD_WHEEL)
    return Reference(url, version or match.group("version"), _fragment_hashes(parts.fragment))


def needs_hash(url: str) -> bool:
    """Whether only a hash makes the address a pin: all but wheels on the host itself."""
    parts = urlsplit(url)
    return parts.scheme.lower() != "file" or not parts.path.endswith(".whl")


def _by_algorithm(hashes: Iterable[str]) -> dict[str, set[str]]:
    sorted_out: dict[str, set[str]] = {}
    for text in hashes:
        algorithm, _colon, digits = text.partition(":")
        sorted_out.setdefault(algorithm, set()).add(digits)
    return sorted_out


def _comparable(url: str) -> tuple[str, str, str, str]:
    """Return what two spellings of one address have in common (RFC 3986, section 6.2.2 and 6.2.3)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url, "", "", ""
    host = (parts.hostname or "").replace("localhost", "") if parts.scheme == "file" else parts.hostname or ""
    shown = "" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}"
    path = unquote(parts.path)
    return parts.scheme, f"{host}{shown}", posixpath.normpath(path) if path else "/", unquote(parts.query)


def same_origin(url: str, hashes: Iterable[str], origin: Optional[DirectUrl]) -> bool:
    """Whether a distribution with this ``origin`` is the one that a pin with ``url`` (empty: from an index) asks for.

    Not every installer writes the hash that it saw; where it did not, the address decides.
    """
    if origin is None or not url:
        return origin is None and not url
    if _comparable(url) != _comparable(origin.url):
        return False
    wanted, seen = _by_algorithm(hashes), _by_algorithm(origin.hashes)
    return all(wanted[algorithm] & seen[algorithm] for algorithm in wanted.keys() & seen.keys())


def _seen_hashes(archive: object) -> frozenset[str]:
    if not isinstance(archive, dict):
        return frozenset()
    several, one = archive.get("hashes"), archive.get("hash")
    found = [f"{algorithm}:{digits}" for algorithm, digits in several.items()] if isinstance(several, dict) else []
    if isinstance(one, str):
        found.append(one.replace("=", ":", 1))
    return frozenset(text.lower() for text in found)


def read_direct_url(folder: str) -> Optional[DirectUrl]:
    """Return what ``direct_url.json`` in a ``.dist-info`` folder says; one that cannot be read is an unknown origin."""
    try:
        with open(os.path.join(folder, "direct_url.json"), encoding="utf-8") as stream:
            content = json.load(stream)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError):
        return DirectUrl("")
    if not isinstance(content, dict) or not isinstance(content.get("url"), str):
        return DirectUrl("")
    return DirectUrl(content["url"], _seen_hashes(content.get("archive_info")))
