# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a service: what runs before the first line of the application, as the unit's environment says.

``STABILITY_LOG_LEVEL`` is the level of the root logger, ``STABILITY_LOG_FORMAT`` is ``text`` or ``json``,
``STABILITY_LOGGERS`` has words ``name=LEVEL``, ``STABILITY_IDENTIFIER`` is what the journal calls the service, ``STABILITY_PROBE``
is the folder for the sockets by which its processes are asked.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LEVEL, FORM, LOGGERS = "STABILITY_LOG_LEVEL", "STABILITY_LOG_FORMAT", "STABILITY_LOGGERS"
#: Who starts a service.
_SYSTEMD = 1
IDENTIFIER, PROBE = "STABILITY_IDENTIFIER", "STABILITY_PROBE"


def start() -> None:
    """Do what the environment asks for. What goes wrong is one line on stderr, and the application goes on without.

    Python itself tells what is not named here, and goes on as well (site.execsitecustomize).
    """
    if sys.stderr is None:
        # Nobody hears it, and Python would not even start if something complained.
        return
    if LEVEL in os.environ:
        _try("the runtime has no effect", _log, os.environ[LEVEL])
    if os.environ.get(PROBE):
        _try("this process cannot be asked", _listen, os.environ[PROBE])


def _try(trouble: str, do: Callable[[str], None], setting: str) -> None:
    try:
        do(setting)
    except (AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        sys.stderr.write(f"stability: {trouble}: {type(error).__name__}: {error}\n")


def _log(level: str) -> None:
    from . import runtime_hooks, runtime_joined, runtime_journal, runtime_logging

    journal = runtime_journal.Journal(os.environ.get(IDENTIFIER) or os.path.basename(sys.argv[0] or "python"))
    if not (journal.is_at(1) or journal.is_at(2)) and os.getppid() != _SYSTEMD:
        # A tool that the service has started, whose output somebody reads.
        return
    runtime = runtime_logging.Runtime(journal, os.environ.get(FORM) or "text")
    words = os.environ.get(LOGGERS, "").split()
    runtime.install(level, {word.rpartition("=")[0]: word.rpartition("=")[2] for word in words})
    runtime_hooks.install(runtime)
    runtime_joined.install(runtime)
    if journal.is_at(2):
        journal.begin()


def _listen(folder: str) -> None:
    from . import runtime_probe

    runtime_probe.install(folder)
