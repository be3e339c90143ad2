# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two marks that a change leaves in an environment: its generation, and, until it is complete, its journal.

``stability-generation.json`` tells the services which environment they were started on; it is written before anything
changes, so a restart is owed even when the run is killed right after. ``stability-change.json`` says what an unfinished
run was doing; it is gone when the run ends well.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Optional

from .files import remove_file, write_file

GENERATION_FILE = "stability-generation.json"
JOURNAL_FILE = "stability-change.json"
#: What an unfinished run was doing: making the environment, installing, or checking what was installed.
CREATING, INSTALLING, CHECKING = "creating", "installing", "checking"


@dataclass(frozen=True)
class Journal:
    """An unfinished change: its phase, the versions before it (``None``: not installed), the conflicts before it.

    ``conflicts`` is ``None`` when they were not looked at.
    """

    phase: str
    before: Mapping[str, Optional[str]] = field(default_factory=dict)
    conflicts: Optional[tuple[str, ...]] = None


def _read(path: str) -> object:
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def read_generation(virtualenv: str) -> Optional[bytes]:
    """Return the content of the generation file; ``None`` when there is none."""
    with suppress(FileNotFoundError), open(os.path.join(virtualenv, GENERATION_FILE), "rb") as stream:
        return stream.read()
    return None


def write_generation(virtualenv: str) -> None:
    """Give the environment a new generation (128 random bits) and the time, durably."""
    now = datetime.now(timezone.utc).replace(microsecond=0).isoformat()
    content = {"generation": secrets.token_hex(16), "changed_at": now}
    write_file(os.path.join(virtualenv, GENERATION_FILE), (json.dumps(content) + "\n").encode())


def restore_generation(virtualenv: str, content: Optional[bytes]) -> None:
    """Put an earlier generation back, for a run that changed nothing."""
    path = os.path.join(virtualenv, GENERATION_FILE)
    if content is None:
        remove_file(path)
    else:
        write_file(path, content)


def read_journal(virtualenv: str) -> Optional[Journal]:
    """Return the journal of an unfinished change; ``None`` when there is none. A damaged one counts as ``installing``."""
    path = os.path.join(virtualenv, JOURNAL_FILE)
    if not os.path.lexists(path):
        return None
    content = _read(path)
    if not isinstance(content, dict) or content.get("phase") not in (CREATING, INSTALLING, CHECKING):
        return Journal(INSTALLING)
    before, conflicts = content.get("before"), content.get("conflicts")
    return Journal(
        phase=content["phase"],
        before={str(name): version for name, version in before.items()} if isinstance(before, dict) else {},
        conflicts=tuple(map(str, conflicts)) if isinstance(conflicts, list) else None,
    )


def write_journal(virtualenv: str, journal: Journal) -> None:
    """Write the journal durably."""
    write_file(os.path.join(virtualenv, JOURNAL_FILE), (json.dumps(asdict(journal)) + "\n").encode(), 0o600)


def remove_journal(virtualenv: str) -> None:
    """Say that the change is complete."""
    remove_file(os.path.join(virtualenv, JOURNAL_FILE))
