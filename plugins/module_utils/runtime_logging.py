# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a service: stdlib logging that reaches the journal, whatever the application has configured of it.

Two things are done. The root logger gets a handler on stderr, which any configuration by the application takes out again. And
each ``StreamHandler`` on stderr or stdout, the application's own ones too, writes records with their priority.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import runtime_journal

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a record has that is in the journal already.
_WRITTEN = "_stability_written"
#: Lines of source whose records are remembered by what they begin with.
_MOST_HEADS = 1000
#: For people; the journal has priority, file, line and function as fields of their own.
TEXT = "%(levelname)s %(name)s: %(message)s"


class TextFormatter(logging.Formatter):
    """One line for people, with the fields of a structured record behind the message."""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, object] = getattr(record, "stability_fields", {})
        if not fields:
            return super().format(record)
        told = " ".join(f"{name}={value!r}" for name, value in fields.items())
        plain = logging.makeLogRecord({**record.__dict__, "msg": f"{record.getMessage()} {told}", "args": ()})
        return super().format(plain)


class JsonFormatter(logging.Formatter):
    """One JSON object for each record, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        # It takes 2 ms at the start of a process, which text does not need.
        import json

        found: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        found.update(getattr(record, "stability_fields", {}))
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            found["stack"] = record.stack_info
        return json.dumps(found, ensure_ascii=False, default=repr)

    @staticmethod
    def converter(seconds: float | None) -> Any:
        """Return the time in UTC."""
        import time

        return time.gmtime(seconds)


FORMATTERS: dict[str, Callable[[], logging.Formatter]] = {"text": lambda: TextFormatter(TEXT), "json": JsonFormatter}


class _Record:
    """Stands for a handler, and for its stream, while one record is emitted as ``StreamHandler.emit`` does it."""

    __slots__ = ("format", "handleError", "record", "runtime", "stream", "target")
    terminator = ""

    def __init__(self, runtime: Runtime, handler: logging.StreamHandler[Any], record: logging.LogRecord) -> None:
        self.format = handler.format
        self.handleError = handler.handleError
        self.stream = self
        self.runtime, self.target, self.record = runtime, handler.stream, record

    def write(self, message: str) -> None:
        """Write the formatted record to the journal that the stream leads to."""
        # What was printed before comes before.
        self.target.flush()
        record, runtime = self.record, self.runtime
        key = (record.levelno, record.name, record.pathname, record.lineno, record.funcName)
        head = runtime.heads.get(key) or runtime.head(key)
        if not runtime.journal.send(message, head):
            self.target.write(runtime_journal.lines(message, runtime_journal.priority_of(record.levelno)) + "\n")
            self.target.flush()

    def flush(self) -> None:
        """Do nothing: what was written is on its way."""


class Runtime:
    """What this process does for its records.

    Args:
        journal: the way to the journal.
        form: ``text`` or ``json``.
    """

    def __init__(self, journal: runtime_journal.Journal, form: str) -> None:
        self.journal = journal
        self.handler = logging.StreamHandler(sys.stderr)
        self.handler.setLevel(logging.NOTSET)
        self.handler.setFormatter(FORMATTERS[form]())
        self._plain_emit: Callable[[Any, logging.LogRecord], None] = logging.StreamHandler.emit
        self._plain_config = logging.basicConfig
        self.heads: dict[tuple[object, ...], bytes] = {}

    def install(self, level: str, loggers: Mapping[str, str]) -> None:
        """Configure the root logger and the given ones, and let records have their priority.

        Raises:
            ValueError: a level has no such name; nothing has been done then.
        """
        wrong = [one for one in (level, *loggers.values()) if not isinstance(logging.getLevelName(one), int)]
        if wrong:
            raise ValueError(f"no level has the name {wrong[0]}")
        logging.root.addHandler(self.handler)
        logging.root.setLevel(level)
        for name, own in loggers.items():
            logging.getLogger(name).setLevel(own)
        runtime, journal, handler, plain_emit = self, self.journal, self.handler, self._plain_emit

        def emit(self: logging.StreamHandler[Any], record: logging.LogRecord) -> None:
            # What StreamHandler.emit does, with a priority where the stream leads to the journal.
            try:
                is_journal = self.terminator == "\n" and journal.is_at(self.stream.fileno())
            except (AttributeError, OSError, RuntimeError, TypeError, ValueError):
                is_journal = False
            if not is_journal:
                plain_emit(self, record)
            elif self is not handler or not hasattr(record, _WRITTEN):
                # A handler of the application below the root logger has been first: without the runtime that is all there is.
                record.__dict__[_WRITTEN] = True
                plain_emit(_Record(runtime, self, record), record)

        def basic_config(**options: Any) -> None:
            # Without this, a basicConfig() of the application would do nothing, because the root logger has a handler.
            if logging.root.handlers == [runtime.handler]:
                logging.root.removeHandler(runtime.handler)
            runtime._plain_config(**options)

        basic_config.__doc__, basic_config.__name__ = logging.basicConfig.__doc__, "basicConfig"
        logging.StreamHandler.emit = emit  # type: ignore[assignment,method-assign]
        logging.basicConfig = basic_config

    def head(self, key: tuple[int, str, str, int, object]) -> bytes:
        """Return what all records of one line of source begin with."""
        level, name, path, line, function = key
        if len(self.heads) >= _MOST_HEADS:
            # Somebody makes names of loggers at run time.
            self.heads.clear()
        fields: dict[str, object] = {"CODE_FILE": path, "CODE_LINE": line, "CODE_FUNC": function, "LOGGER": name}
        head = self.heads[key] = self.journal.head(runtime_journal.priority_of(level), fields)
        return head

    def report(self, level: int, name: str, message: str, exception: BaseException) -> None:
        """Log an exception that nobody has caught, past the application's configuration of logging."""
        trace = exception.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        code = trace.tb_frame.f_code if trace is not None else None
        record = logging.LogRecord(
            name,
            level,
            code.co_filename if code is not None else "",
            trace.tb_lineno if trace is not None else 0,
            message,
            (),
            (type(exception), exception, exception.__traceback__),
            code.co_name if code is not None else None,
        )
        self.handler.handle(record)
