# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit that was killed has left below ``/run``: folders of questions, and units of its processes."""

from __future__ import annotations

import os
import shutil
import time

#: Where units are that are gone at the next boot.
UNITS = "/run/systemd/system"
_RUN = "/run"
#: Seconds after which nobody works with such a folder any more.
_OLD = 3600.0


def remove_units(folder: str) -> None:
    """Remove the units that belong to a folder, by its name."""
    for name in os.listdir(UNITS):
        if name.startswith(f"{folder}-"):
            os.unlink(f"{UNITS}/{name}")


def remove_left_over(prefix: str) -> None:
    """Remove old folders whose names begin so, and their units; without root there are none of ours."""
    for name in os.listdir(_RUN) if os.geteuid() == 0 else ():
        if name.startswith(prefix) and os.stat(f"{_RUN}/{name}").st_mtime < time.time() - _OLD:
            remove_units(name)
            shutil.rmtree(f"{_RUN}/{name}")
