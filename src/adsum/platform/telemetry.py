"""Structured logs: events with fields, the seed's five icons, and no personal data.

Modules log with `log = telemetry.logger(__name__)` and `log.info("batch locked", mark=LogIcon.LOCK, batch_id=…)`. Only
the fields in `FIELDS` are written. The entry point of a process calls `configure_logs` once. Without that call, as in a
library, the host's `logging` configuration applies.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast

import structlog
from typing_extensions import override

from adsum.platform.settings import Settings
from adsum.platform.texts import OBEYED

OWN_LOGGERS = ("adsum", "uvicorn")
# Of audit entries. Its lines are written at every level.
ENTRIES = "adsum.audit_entries"

Fields = dict[str, Any]

# The fields of log lines. Names, notes, emails, tokens, bodies and free texts must not be added.
FIELDS = frozenset({
    "event", "level", "timestamp", "logger", "mark", "request_id", "trace_id", "error", "where", "code", "dropped",
    "method", "route", "status", "ms", "host", "port", "pid", "signal", "exit_code", "attempt", "delay_ms",
    "batch_id", "run_id", "run_ids", "run_number", "state", "job_id", "chunk", "chunks", "student_id", "student_ids",
    "school_id", "class_id", "session_id", "learning_date", "queue", "stalled", "worker", "version", "newest_version",
    "jobs", "total", "added", "recorded", "skipped", "failed", "cancelled", "remaining", "accepted", "progress",
    "file", "row", "rows", "imported", "changed", "unchanged", "ended", "revision", "concurrency", "seconds", "actor",
    "list", "form", "filters", "first_day", "last_day", "warnings", "policy", "quota", "webhook_id", "kind",
    "allowed", "needed", "table", "shards",
    # Of audit entries, whose details hold ids, codes and counts.
    "entry_id", "position", "hash", "at", "action", "caller_role", "caller_user_id", "caller_key_id", "os_user",
    "address", "agent", "user_id", "key_id", "before", "after", "provider",
})  # fmt: skip


# The fields that every line has. A record of another library cannot replace them.
_OF_EVERY_LINE = ("event", "level", "logger", "timestamp")
_COPIED = FIELDS.difference(_OF_EVERY_LINE)

# With these, structlog renders a text as `repr` does, which escapes control characters; without them, as it is.
_RENDERED_AS_REPR = frozenset(" \t=\r\n\"'")

# Characters that begin a new line or a column, or that a terminal obeys.
_CONTROL = re.compile(rf"[\t\n]|{OBEYED.pattern}")

# Ids and days are logged with their values. Other filters may hold personal text: only their names are logged.
_QUOTED = frozenset({"school_id", "class_id", "session_id", "student_id", "first_day", "last_day"})

_FIELDS_OF_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log_fields", default=MappingProxyType({}))


class LogIcon(StrEnum):
    """The seed's five icons. A console line starts with one; in JSON it is the field `mark`."""

    LOCK = "🔐"
    JOB = "🔄"
    COUNTER = "📊"
    COMPLETION = "🎉"
    ERROR = "❌"


class EventLogger:
    """The logger of a module. Each method logs an event with fields, and with those of `logged_with`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: Any) -> None:
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._log(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Logs an error with the exception that is being handled."""
        self._log(logging.ERROR, event, fields | _description(sys.exc_info()[1]))

    def _log(self, level: int, event: str, fields: Fields) -> None:
        if not self._logger.isEnabledFor(level):
            return
        fields = {**_FIELDS_OF_CONTEXT.get(), **fields}
        if not FIELDS.issuperset(fields):
            _drop_unknown(fields)
        # Not by `Logger.log`, which walks the stack to find the line of its caller.
        record = self._logger.makeRecord(self._logger.name, level, "", 0, event, (), None, extra=fields)
        self._logger.handle(record)


def logger(name: str) -> EventLogger:
    """The logger of a module."""
    return EventLogger(name)


@contextmanager
def logged_with(fields: Mapping[str, str]) -> Generator[None]:
    """Adds fields to every line that is logged in the block, and in tasks that begin there. A block within it adds its
    own fields, and replaces those of the same name.
    """
    token = _FIELDS_OF_CONTEXT.set({**_FIELDS_OF_CONTEXT.get(), **fields})
    try:
        yield
    finally:
        _FIELDS_OF_CONTEXT.reset(token)


def log_export(name: str, form: str, actor: str, filters: Mapping[str, Any]) -> None:
    """Logs one line when an export begins.

    Args:
        name: the name of the list.
        form: the format of the file, such as `csv`.
        actor: the caller.
        filters: the filters of the list by name.
    """
    quoted = {field: str(value) for field, value in filters.items() if field in _QUOTED}
    logger(__name__).info("list exported", actor=actor, list=name, form=form, filters=sorted(filters), **quoted)


def configure_logs(settings: Settings) -> None:
    """Sends the log lines of this process to stderr in the configured format. Call it once, at the start."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ConsoleLines() if settings.log_format == "console" else _JsonLines())
    root = logging.getLogger()
    root.addHandler(handler)
    # Other libraries log warnings and errors only.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[settings.log_level]))
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(settings.log_level)
    logging.getLogger(ENTRIES).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


def _drop_unknown(fields: Fields) -> None:
    """Removes fields that are not in `FIELDS`. Their names are kept in the field `dropped`."""
    dropped = sorted(fields.keys() - FIELDS)
    for name in dropped:
        del fields[name]
    fields["dropped"] = dropped


def _description(error: BaseException | None) -> Fields:
    """The types of an exception and the lines of its traceback. Its text may quote a row or a body."""
    if error is None:
        return {}
    where = [
        f"{_module_of(frame.filename)}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return {"error": " from ".join(_types(error)), "where": where}


def _module_of(path: str) -> str:
    """The path of a file, of an installed package without the folder of packages."""
    return path.rpartition("site-packages/")[2]


def _types(error: BaseException) -> list[str]:
    names: list[str] = []
    each: BaseException | None = error
    while each is not None:
        names.append(type(each).__qualname__)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return names


def _event_of(record: logging.LogRecord, timestamp: str) -> Fields:
    """The fields of a line: of a module of Adsum, or of another library."""
    event = _of_every_line(record, record.getMessage(), timestamp)
    for name, value in vars(record).items():
        if name in _COPIED:
            event[name] = value
    return event | _description(_error_of(record.exc_info))


def _event_of_unrenderable(record: logging.LogRecord, timestamp: str, error: Exception) -> Fields:
    """The fields of a line in place of a record whose arguments do not fit its message, or whose fields have no text.

    It has the message without its arguments, the line that logged it, and the type of the error.
    """
    message: Any = vars(record)["msg"]
    message = message if isinstance(message, str) else type(message).__qualname__
    event = _of_every_line(record, f"cannot write a log record: {message}", timestamp)
    return event | {"error": type(error).__qualname__, "where": [f"{_module_of(record.pathname)}:{record.lineno}"]}


def _of_every_line(record: logging.LogRecord, message: str, timestamp: str) -> Fields:
    return {
        # Other libraries dump objects in further lines.
        "event": message.partition("\n")[0],
        "level": record.levelname.lower(),
        "logger": record.name,
        "timestamp": timestamp,
    }


def _error_of(exc_info: object) -> BaseException | None:
    """The exception of a record. Records that a library makes itself may have True, or the exception alone."""
    candidates = cast("tuple[object, ...]", exc_info) if isinstance(exc_info, tuple) else (exc_info,)
    return next((each for each in candidates if isinstance(each, BaseException)), None)


def _escaped(text: str) -> str:
    """The text without control characters, in the notation of JSON."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _on_one_line(value: object) -> object:
    """A value that structlog renders without control characters."""
    if isinstance(value, str):
        return value if _RENDERED_AS_REPR.intersection(value) else _escaped(value)
    text = repr(value)
    return _escaped(text) if _CONTROL.search(text) else value


class _Lines(logging.Formatter, ABC):
    """Renders a record as one line. One that cannot be rendered becomes a line that says so: `logging` would print a
    traceback, whose text may quote a row or a body.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        timestamp = self._timestamp_of(record)
        try:
            return self._line_of(_event_of(record, timestamp))
        except Exception as error:  # noqa: BLE001 - arguments and fields of other libraries are of any type
            return self._line_of(_event_of_unrenderable(record, timestamp, error))

    @abstractmethod
    def _timestamp_of(self, record: logging.LogRecord) -> str: ...

    @abstractmethod
    def _line_of(self, event: Fields) -> str: ...


class _JsonLines(_Lines):
    """Renders lines for machines."""

    def __init__(self) -> None:
        super().__init__()
        self._encode = json.JSONEncoder(ensure_ascii=False, default=str).encode

    @override
    def _timestamp_of(self, record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")

    @override
    def _line_of(self, event: Fields) -> str:
        # JSON escapes the other control characters.
        return _escaped(self._encode(event))


class _ConsoleLines(_Lines):
    """Renders lines for people, with the icon first."""

    def __init__(self) -> None:
        super().__init__()
        self._render = structlog.dev.ConsoleRenderer(colors=colours_wanted(), pad_event_to=0)

    @override
    def _timestamp_of(self, record: logging.LogRecord) -> str:
        return self.formatTime(record, "%H:%M:%S")

    @override
    def _line_of(self, event: Fields) -> str:
        del event["logger"]
        mark = event.pop("mark") if isinstance(event.get("mark"), LogIcon) else None
        for name, value in event.items():
            event[name] = _escaped(value) if name in _OF_EVERY_LINE else _on_one_line(value)
        line = self._render(None, "", event)
        return f"{mark} {line}" if mark else line


def colours_wanted() -> bool:
    """Whether stderr is a terminal, or leads to one through `up`, and NO_COLOR is not set."""
    return (sys.stderr.isatty() or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")
