# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection remembers on a host about its units: which are ours, and with what each was started.

The file ``/var/lib/stability/units.json`` (mode 0600: it holds digests of files with secrets) maps each unit to

``service``    the entry of the list that it belongs to,
``unit``, ``paths``, ``generation``    the :class:`Started` of its last successful start; missing before that,
``unfinished`` whether a run began to start it and has not seen it up,
``replaced``   whether a foreign unit file is kept in ``/var/lib/stability/replaced/``,
``found``      the :class:`Found` of a unit of somebody else that was there before.

``given_back`` lists the removed units whose foreign unit file was put back: to remove such a unit once more is no mistake.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any

from .files import STAGED, write_file

FOLDER = "/var/lib/stability"
MANIFEST = f"{FOLDER}/units.json"
REPLACED = f"{FOLDER}/replaced"
LOCK = f"{FOLDER}/units.lock"
GENERATION = "stability-generation.json"
#: Why a process is not the wanted one: its virtual environment has changed.
ENVIRONMENT = "virtual environment"
#: Seconds that a run waits for another run on the same host.
LOCK_WAIT = 120.0
#: What a process writes while it runs must not look like a change of its sources.
_NOT_CONTENT = ("__pycache__",)


class Unreadable(RuntimeError):
    """What is remembered cannot be understood."""


class Busy(RuntimeError):
    """Another run holds the host."""


@dataclass(frozen=True)
class Started:
    """What a process was started with: digests of its unit files and of each watched path, and the generation of
    its virtual environment."""

    unit: str
    paths: Mapping[str, str]
    generation: str

    def reasons(self, wanted: Started) -> list[str]:
        """Return, as phrases, why a process with this start is not one with ``wanted``."""
        reasons = ["unit file"] if self.unit != wanted.unit else []
        for path in sorted({*self.paths, *wanted.paths}):
            if self.paths.get(path) != wanted.paths.get(path):
                reasons.append(path)
        if self.generation != wanted.generation:
            reasons.append(ENVIRONMENT)
        return reasons


@dataclass(frozen=True)
class Found:
    """How a unit of somebody else was when it was replaced: whether it ran, and the links to its unit file.

    Those are the paths, below the folder of unit files, that enable it or give it another name.
    """

    active: bool
    links: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """What is remembered of one unit."""

    service: str
    started: Started | None = None
    replaced: bool = False
    unfinished: bool = False
    found: Found | None = None


@dataclass(frozen=True)
class Manifest:
    """All that is remembered, by unit."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    given_back: frozenset[str] = frozenset()

    def with_given_back(self, unit: str) -> Manifest:
        """Return a manifest that has forgotten ``unit`` but for this."""
        return replace(self.with_entry(unit, None), given_back=self.given_back | {unit})

    def with_entry(self, unit: str, entry: Entry | None) -> Manifest:
        """Return a manifest with ``unit`` set, or forgotten for ``None``."""
        entries = {name: kept for name, kept in self.entries.items() if name != unit}
        if entry is not None:
            entries[unit] = entry
        return replace(self, entries=entries, given_back=self.given_back - {unit})


def read_manifest() -> Manifest:
    """Return the host's manifest; an empty one when there is none. Raises :class:`Unreadable`."""
    try:
        with open(MANIFEST, encoding="utf-8") as stream:
            content = json.load(stream)
        entries = {name: _entry(raw) for name, raw in content["units"].items()}
        return Manifest(entries, frozenset(map(str, content.get("given_back", ()))))
    except FileNotFoundError:
        return Manifest()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unreadable(
            f"{MANIFEST} cannot be understood, so nothing was touched. Restore it from a backup, or move it away: then units of "
            f"the baseline are known by their first line only, and what is kept in {REPLACED} has to be put back by hand."
        ) from None


def kept_names() -> frozenset[str]:
    """Return the names of the files of somebody else that are kept."""
    return frozenset(
        os.path.relpath(os.path.join(folder, name), REPLACED)
        for folder, _folders, names in os.walk(REPLACED)
        for name in names
        if not name.endswith(STAGED)
    )


def _entry(raw: Mapping[str, Any]) -> Entry:
    started, found = raw.get("started"), raw.get("found")
    return Entry(
        str(raw["service"]),
        Started(str(started["unit"]), dict(started["paths"]), str(started["generation"])) if started else None,
        bool(raw.get("replaced")),
        bool(raw.get("unfinished")),
        Found(bool(found["active"]), tuple(map(str, found["links"]))) if found else None,
    )


def write_manifest(manifest: Manifest) -> None:
    """Write the manifest atomically."""
    os.makedirs(FOLDER, mode=0o755, exist_ok=True)
    units = {name: asdict(entry) for name, entry in sorted(manifest.entries.items())}
    content = {"version": 1, "units": units, "given_back": sorted(manifest.given_back)}
    write_file(MANIFEST, (json.dumps(content, indent=1) + "\n").encode(), 0o600)


@contextmanager
def locked() -> Iterator[None]:
    """Hold the host for one run; :class:`Busy` when another one does not end within two minutes."""
    os.makedirs(FOLDER, mode=0o755, exist_ok=True)
    with open(LOCK, "w", encoding="utf-8") as stream:
        deadline = time.monotonic() + LOCK_WAIT
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Busy(f"Another run holds {LOCK}. Wait until it has ended, then run again.") from None
                time.sleep(0.2)
        yield


def digest_text(*texts: str) -> str:
    """Return one digest of several texts."""
    digest = sha256()
    for text in texts:
        digest.update(f"{len(text)}:".encode())
        digest.update(text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def digest_path(path: str) -> str:
    """Return a digest of the content of a file, or of a folder with everything below it; empty when it is missing.

    Names, contents, targets of links and executable bits count; compiled Python files do not. A pattern such as ``/etc/api/*.env``
    (systemd.exec(5), ``EnvironmentFile=``) stands for all that match it.
    """
    digest = sha256()
    try:
        mode = os.stat(path).st_mode
    except OSError:
        # A link that leads nowhere matches itself.
        matches = sorted(name for name in glob.glob(path) if os.path.exists(name))
        return digest_text(*matches, *map(digest_path, matches)) if matches else ""
    if not stat.S_ISDIR(mode):
        _digest_file(digest, os.path.realpath(path), os.path.basename(path))
        return digest.hexdigest()
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _NOT_CONTENT)
        linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*names, *linked]):
            full = os.path.join(folder, name)
            _digest_file(digest, full, os.path.relpath(full, path))
    return digest.hexdigest()


def _digest_file(digest: Any, full: str, shown: str) -> None:
    try:
        details = os.lstat(full)
        if stat.S_ISLNK(details.st_mode):
            content = os.readlink(full).encode("utf-8", "surrogateescape")
        elif stat.S_ISREG(details.st_mode):
            with open(full, "rb") as stream:
                content = stream.read()
        else:
            content = b""
    except OSError:
        return
    executable = bool(details.st_mode & 0o111)
    digest.update(f"{len(shown)}:{executable}:{len(content)}:".encode())
    digest.update(shown.encode("utf-8", "surrogateescape"))
    digest.update(content)


def generation(virtualenv: str | None) -> str:
    """Return the generation of a virtual environment that ``pip_pinned`` keeps; empty when it has none."""
    if not virtualenv:
        return ""
    try:
        with open(os.path.join(virtualenv, GENERATION), encoding="utf-8") as stream:
            return str(json.load(stream)["generation"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
