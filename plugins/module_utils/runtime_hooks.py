# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a service: warnings, exceptions that nobody has caught, and dumps of a crash become records, once each.

Each hook of :mod:`sys` and :mod:`threading` takes the place of the one that prints; one that the application sets later wins.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from .runtime_logging import Runtime

_NAME = "uncaught"


def install(runtime: Runtime) -> None:
    """Let all of them be logged by ``runtime``."""
    logging.captureWarnings(True)
    if not faulthandler.is_enabled():
        faulthandler.enable()
    _main_thread(runtime)
    _other_threads(runtime)
    _unraisable(runtime)


def _main_thread(runtime: Runtime) -> None:
    before = sys.excepthook

    def excepthook(kind: type[BaseException], exception: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, Exception):
            runtime.report(logging.CRITICAL, _NAME, "Uncaught exception", exception)
        else:
            before(kind, exception, trace)

    sys.excepthook = excepthook


def _other_threads(runtime: Runtime) -> None:
    before = threading.excepthook

    def excepthook(found: threading.ExceptHookArgs) -> None:
        if isinstance(found.exc_value, Exception):
            name = found.thread.name if found.thread is not None else "a thread that is gone"
            runtime.report(logging.ERROR, _NAME, f"Uncaught exception in {name}", found.exc_value)
        else:
            before(found)

    threading.excepthook = excepthook


def _unraisable(runtime: Runtime) -> None:
    before = sys.unraisablehook

    def unraisablehook(found: sys.UnraisableHookArgs) -> None:
        if isinstance(found.exc_value, Exception):
            where = "" if found.object is None else f" {found.object!r}"
            runtime.report(logging.ERROR, _NAME, f"{found.err_msg or 'Exception ignored in:'}{where}", found.exc_value)
        else:
            before(found)

    sys.unraisablehook = unraisablehook
