# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a service: structlog and loguru take the way of stdlib logging as soon as they are imported.

What the application configures of them afterwards replaces what is done here, as if nothing had been.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from .runtime_logging import Runtime

#: Documented by loguru: with "False" it adds no handler of its own at its import.
_LOGURU_HANDLER = "LOGURU_AUTOINIT"


def install(runtime: Runtime) -> None:
    """Join both, whenever they are imported."""
    sys.meta_path.insert(0, Finder(runtime))


class Finder:
    """Finds nothing by itself; what the others find of the two libraries is joined when it has been run."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: dict[str, Callable[[Any, Runtime, Callable[[Any], None]], None]] = {
            "structlog": _join_structlog,
            "loguru": _join_loguru,
        }

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec that the other finders have for one of the libraries, with more to run."""
        join = self._waiting.pop(name, None)
        if join is None:
            return None
        for finder in list(sys.meta_path):
            # Old ones have find_module only.
            find = getattr(finder, "find_spec", None) if finder is not self else None
            spec: ModuleSpec | None = find(name, path, target) if find is not None else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, self._runtime, join)  # type: ignore[assignment]
                return spec
        self._waiting[name] = join
        return None


class _Loader:
    """Loads what another loader loads, which may be that of other modules as well, and joins it then."""

    def __init__(
        self, loader: Any, runtime: Runtime, join: Callable[[Any, Runtime, Callable[[Any], None]], None]
    ) -> None:
        self._loader, self._runtime, self._join = loader, runtime, join

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        """Do what the loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """Run the module, which from now on is that of its own loader, and join it."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._join(module, self._runtime, self._loader.exec_module)


def _complain(library: str, error: Exception) -> None:
    """Tell that a library goes its own way; it is not one that is known."""
    sys.stderr.write(f"stability: {library} is not joined with logging: {type(error).__name__}: {error}\n")


def _join_structlog(module: Any, runtime: Runtime, run: Callable[[Any], None]) -> None:
    run(module)
    try:
        if not module.is_configured():
            configure_structlog(module)
    except (AttributeError, TypeError) as error:
        _complain("structlog", error)


def configure_structlog(structlog: Any) -> None:
    """Let structlog hand its events to stdlib logging, until the application configures it."""

    class Logger(structlog.stdlib.BoundLogger):  # type: ignore[misc]
        """A logger that also has the name for info which those have that structlog makes without a configuration."""

        msg = structlog.stdlib.BoundLogger.info

    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _hand_over,
        ],
        wrapper_class=Logger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    # An application that asks whether it still has to configure structlog does have to.
    inner: Any = getattr(structlog, "_config", None)
    state: Any = getattr(inner, "_CONFIG", None)
    if hasattr(state, "is_configured"):
        state.is_configured = False
    plain, is_ours = structlog.configure, True

    def configure(*given: Any, **options: Any) -> None:
        nonlocal is_ours
        if is_ours:
            # What the application leaves out is what structlog has for it by itself, not what was done here.
            is_ours = False
            structlog.reset_defaults()
        plain(*given, **options)

    structlog.configure = configure
    if inner is not None:
        inner.configure = configure


def _hand_over(_logger: object, _method: str, event: dict[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    own: dict[str, Any] = {name: event.pop(name) for name in ("exc_info", "stack_info", "stacklevel") if name in event}
    text = str(event.pop("event", ""))
    return (text,), {**own, "extra": {"stability_fields": event}}


def _join_loguru(module: Any, runtime: Runtime, run: Callable[[Any], None]) -> None:
    if _LOGURU_HANDLER in os.environ:
        run(module)
        return
    os.environ[_LOGURU_HANDLER] = "False"
    try:
        run(module)
    finally:
        del os.environ[_LOGURU_HANDLER]
    try:
        # The first one that is added has the number 0, which applications remove before they add their own.
        module.logger.add(_sink(runtime), level=0, format="{message}", diagnose=False)
    except (AttributeError, TypeError, ValueError) as error:
        _complain("loguru", error)


def _sink(runtime: Runtime) -> Any:
    """Return a sink that goes past the loggers of :mod:`logging`: they may hand their records to loguru."""

    def sink(message: Any) -> None:
        found = message.record
        if not logging.getLogger(found["name"]).isEnabledFor(found["level"].no):
            return
        exception = found["exception"]
        record = logging.LogRecord(
            found["name"] or "loguru",
            found["level"].no,
            found["file"].path,
            found["line"],
            found["message"],
            (),
            (exception.type, exception.value, exception.traceback) if exception else None,
            found["function"],
        )
        record.levelname = found["level"].name
        if found["extra"]:
            record.stability_fields = found["extra"]
        runtime.handler.handle(record)

    return sink
