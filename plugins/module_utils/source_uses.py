# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scanner of source files finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .source_names import Target


@dataclass(frozen=True)
class Call:
    """What a call passes; ``complete`` is false with ``*arguments`` or ``**options``, which may pass anything more."""

    positional: int
    keywords: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Use:
    """One use of a name that comes from an import, or the import itself.

    ``targets`` are what it may be, ``through`` the imports that it comes by (none: it is the import). A use in an
    ``annotation`` is never evaluated from Python 3.14 on.
    """

    line: int
    spelled: str
    targets: tuple[Target, ...]
    through: tuple[Target, ...] = ()
    guarded: bool = False
    annotation: bool = False
    call: Optional[Call] = None


@dataclass(frozen=True)
class Scan:
    """What a file uses; ``provided`` are the dotted names that it looks for with ``hasattr``, or sets itself."""

    uses: tuple[Use, ...]
    provided: frozenset[str]
