# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers what was found in the source of an application, so that source is not parsed again that has not changed.

What has changed a moment ago is not remembered: its times may not tell the next change.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Optional

from .dist_info import Distribution
from .environment_lock import environment_key
from .file_hashes import cache_path
from .files import write_file
from .source_tree import source_files

#: Grows when the same source may be judged in another way.
_FORM = 3
_SETTLED = 2.0
#: What is remembered: what is used and missing, and what is wrong with the source.
USES, FAULTS = "uses", "faults"


def _states(paths: Iterable[str]) -> Optional[list[Sequence[Any]]]:
    """Return what tells whether files have changed; ``None`` where that is not to be told."""
    found: list[Sequence[Any]] = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            return None
        if time.time() - max(status.st_mtime, status.st_ctime) < _SETTLED:
            return None
        found.append((path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return found


def mark_of(
    python: str, distributions: Mapping[str, list[Distribution]], sources: Sequence[str], own: Iterable[str]
) -> str:
    """Return a mark of everything that decides what is found; empty where that has just changed, or cannot be seen."""
    unread: list[str] = []
    files = [file.path for file in source_files(sources, unread)]
    records = [os.path.join(one.path, "METADATA") for found in distributions.values() for one in found]
    states = _states([*files, *(path for path in records if os.path.exists(path))])
    if unread or states is None:
        return ""
    versions = sorted((name, one.version, one.path) for name, found in distributions.items() for one in found)
    everything = json.dumps([_FORM, python, versions, sorted(own), list(sources), states])
    return hashlib.sha256(everything.encode("utf-8", "surrogatepass")).hexdigest()


def _place(virtualenv: str, what: str) -> str:
    return cache_path(f"{environment_key(virtualenv)}-{what}")


def recall(virtualenv: str, mark: str, what: str = USES) -> Optional[list[list[Any]]]:
    """Return what was found with that mark, as the fields of each; ``None`` where nothing is remembered.

    What somebody else could have written is nothing.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        descriptor = os.open(_place(virtualenv, what), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, encoding="utf-8") as stream:
            status = os.fstat(descriptor)
            ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
            kept = json.load(stream) if mark and ours else {}
        if kept["mark"] == mark:
            return [list(fields) for fields in kept["found"]]
    return None


def remember(virtualenv: str, mark: str, what: str = USES, found: Iterable[Sequence[Any]] = ()) -> None:
    """Keep what was found, the fields of each; where that cannot be written, the next audit looks again."""
    if mark:
        place = _place(virtualenv, what)
        content = json.dumps({"mark": mark, "found": list(found)})
        with suppress(OSError):
            os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
            write_file(place, content.encode(), 0o600)
