"""Structured logs: events with fields, the seed's five icons, and no personal data.

Modules log with `log = telemetry.logger(__name__)` and `log.info("batch locked", mark=LogIcon.LOCK, batch_id=…)`. Only
the fields in `FIELDS` are written. The entry point of a process calls `configure_logs` once. Without that call, as in a
library, the host's `logging` configuration applies.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from typing import Any, cast

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter

from adsum.platform.settings import Settings

OWN_LOGGERS = ("adsum", "uvicorn")
# Of audit entries. Its lines are written at every level.
ENTRIES = "adsum.audit_entries"

Fields = MutableMapping[str, Any]

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


# Ids and days are logged with their values. Other filters may hold personal text: only their names are logged.
_QUOTED = frozenset({"school_id", "class_id", "session_id", "student_id", "first_day", "last_day"})


class LogIcon(StrEnum):
    """The seed's five icons. A console line starts with one; in JSON it is the field `mark`."""

    LOCK = "🔐"
    JOB = "🔄"
    COUNTER = "📊"
    COMPLETION = "🎉"
    ERROR = "❌"


def logger(name: str) -> BoundLogger:
    """The logger of a module."""
    processors = [structlog.contextvars.merge_contextvars, describe_exception, only_known_fields, _to_record]
    return cast(
        "BoundLogger", structlog.wrap_logger(logging.getLogger(name), processors=processors, wrapper_class=BoundLogger)
    )


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
    console = settings.log_format == "console"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
                structlog.stdlib.ExtraAdder(allow=FIELDS),
                first_line_only,
                describe_exception,
            ],
            processors=[ProcessorFormatter.remove_processors_meta, _ConsoleLines() if console else _json_line],
        )
    )
    root = logging.getLogger()
    root.addHandler(handler)
    # Other libraries log warnings and errors only.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[settings.log_level]))
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(settings.log_level)
    logging.getLogger(ENTRIES).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


def only_known_fields(_logger: object, _method: str, event: Fields) -> Fields:
    """Removes fields that are not in `FIELDS`. Their names are kept in the field `dropped`."""
    dropped = sorted(event.keys() - FIELDS - {"exc_info"})
    for name in dropped:
        del event[name]
    if dropped:
        event["dropped"] = dropped
    return event


def describe_exception(_logger: object, _method: str, event: Fields) -> Fields:
    """Replaces an exception by its types and the lines of its traceback. Its text may quote a row or a body."""
    found = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error: object = sys.exc_info()[1] if found is True else found
    if isinstance(found, tuple):  # the form of `logging`
        error = cast("tuple[object, ...]", found)[1]
    if isinstance(error, BaseException):
        event["error"] = " from ".join(_types(error))
        event["where"] = [
            f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def first_line_only(_logger: object, _method: str, event: Fields) -> Fields:
    """Removes all lines but the first. Other libraries dump objects in further lines."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _types(error: BaseException) -> list[str]:
    names: list[str] = []
    each: BaseException | None = error
    while each is not None:
        names.append(type(each).__qualname__)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return names


def _to_record(_logger: object, _method: str, event: Fields) -> dict[str, Any]:
    # exc_info None: `logging` would add the text of the exception.
    return {"msg": str(event.pop("event", "")), "extra": dict(event), "exc_info": None}


def _json_line(_logger: object, _method: str, event: Fields) -> str:
    return json.dumps(event, ensure_ascii=False, default=str)


class _ConsoleLines:
    """Renders lines for people, with the icon first."""

    def __init__(self) -> None:
        self._render = structlog.dev.ConsoleRenderer(colors=colours_wanted(), pad_event_to=0)

    def __call__(self, name: object, method: str, event: Fields) -> str:
        mark = event.pop("mark", None)
        event.pop("logger", None)
        line = str(self._render(name, method, event))
        return f"{mark} {line}" if mark else line


def colours_wanted() -> bool:
    """Whether stderr is a terminal, or leads to one through `up`, and NO_COLOR is not set."""
    return (sys.stderr.isatty() or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")
