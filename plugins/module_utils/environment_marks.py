# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marks in an environment: its generation, and the journal of a change in place that was never completed.

``stability-generation.json`` tells the services which environment they were started on. It is written inside the staged copy,
so that the restart that is owed is switched in together with the environment. ``stability-change.json`` was written by
versions that changed an environment in place; one that is still there says that the environment is half-changed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Optional

from .files import write_file

GENERATION_FILE = "stability-generation.json"
JOURNAL_FILE = "stability-change.json"
#: How the name of the folder beside an environment ends in which a change is prepared, and environments are kept.
WORK_FOLDER = ".stability"
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


@dataclass(frozen=True)
class Mark:
    """The generation of an environment: 128 random bits, and when it became the environment.

    ``number`` grows with each switch, ``previous`` is the generation that this one replaced (empty: none was kept), and
    ``rolled_back`` says that it was put back instead of made.
    """

    generation: str
    changed_at: Optional[str] = None
    number: int = 0
    previous: str = ""
    rolled_back: bool = False


def work_folder_of(virtualenv: str) -> str:
    """Return the work folder of an environment, a link to it resolved."""
    parent, name = os.path.split(os.path.realpath(virtualenv))
    return os.path.join(parent, f".{name}{WORK_FOLDER}")


def is_generation(value: object) -> bool:
    """Whether a value looks like the generations that are written here, so that it may become a name."""
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value) is not None


def new_generation() -> str:
    """Return 128 random bits."""
    return secrets.token_hex(16)


def read_mark(virtualenv: str) -> Optional[Mark]:
    """Return the mark of an environment; ``None`` when it has none of ours."""
    content = _read(os.path.join(virtualenv, GENERATION_FILE))
    if not isinstance(content, dict) or not is_generation(content.get("generation")):
        return None
    number, changed_at, previous = content.get("number"), content.get("changed_at"), content.get("previous")
    return Mark(
        generation=content["generation"],
        changed_at=changed_at if isinstance(changed_at, str) else None,
        number=number if isinstance(number, int) else 0,
        previous=str(previous) if is_generation(previous) else "",
        rolled_back=content.get("rolled_back") is True,
    )


def write_mark(virtualenv: str, number: int, previous: str, rolled_back: bool = False) -> Mark:
    """Give the environment a new generation and the time, durably."""
    now = datetime.now(timezone.utc).replace(microsecond=0).isoformat()
    mark = Mark(new_generation(), now, number, previous, rolled_back)
    write_file(os.path.join(virtualenv, GENERATION_FILE), (json.dumps(asdict(mark)) + "\n").encode())
    return mark


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
