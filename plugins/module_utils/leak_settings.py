# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sampler on a host is told: one file, which the role writes and each round reads."""

from __future__ import annotations

import json
from typing import NamedTuple

FOLDER = "/usr/local/lib/stability/leakwatch"
FILE = f"{FOLDER}/settings.json"
#: The unit that takes one round of samples.
SERVICE = "stability-leakwatch.service"
#: The samples.
STORE = "/var/lib/stability/leakwatch.sqlite"
#: Grows when its tables become others; what an older version has written is then forgotten: it is no more than some days of samples.
FORM = 2
#: The note in it in which is told what was found.
FOUND = "found"
#: The name of the metrics in the folder of the textfile collector.
METRICS = "stability_leakwatch.prom"
#: What has a name like this belongs to SQLite; it is there while something is written, and after somebody was killed at that.
JOURNALS = (f"{STORE}-journal", f"{STORE}-wal", f"{STORE}-shm")


class Settings(NamedTuple):
    """The settings: ``interval`` in seconds, ``size`` in bytes.

    A service is restarted when its cap is reached in less than ``restart_time_to_cap`` seconds, or when it grows by more than
    ``restart_slope`` bytes an hour (0: never), and not ``restart_not_between`` two minutes of the day.
    """

    interval: float = 60.0
    days: float = 7.0
    size: int = 64 * 1024**2
    textfile_dir: str = ""
    alert_unit: str = ""
    restart_time_to_cap: float = 0.0
    restart_slope: float = 0.0
    restart_not_between: tuple[tuple[int, int], ...] = ()

    @property
    def text(self) -> str:
        """The content of the file."""
        return json.dumps(self._asdict(), indent=1) + "\n"


def settings_in(text: str) -> Settings:
    """Return what a file says; raises :class:`ValueError` when it cannot be understood."""
    try:
        read = Settings(**json.loads(text))
        return read._replace(restart_not_between=tuple((begin, end) for begin, end in read.restart_not_between))
    except (TypeError, ValueError):
        raise ValueError(f"{FILE} cannot be understood") from None
