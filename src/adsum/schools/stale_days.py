"""Marks summaries as out of date: `batch_runs.summarised` is false until reports summarise the run again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from sqlalchemy import Date

from adsum.platform.database.engine import Connection
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.days import Span
from adsum.platform.ids import Batch

_MARK_DAYS = sql_file("adsum.schools", "mark_runs_of_days_stale", parameters={"first_day": Date(), "last_day": Date()})
_MARK_SESSIONS = sql_file("adsum.schools", "mark_runs_of_sessions_stale")
_MARK_CLASSES = sql_file("adsum.schools", "mark_runs_of_classes_stale")
_MARK_BATCH = sql_file("adsum.schools", "mark_runs_of_batch_stale", parameters={"learning_date": Date()})
_MARK_RECORDS = sql_file("adsum.schools", "mark_runs_of_records_stale")


async def mark_stale_days(connection: Connection, school_id: int, days: tuple[date, date] | None = None) -> None:
    """Marks the days of a school from the first to the last, or all days, because its calendar changes.

    The school has to be locked. A run that ends meanwhile is summarised after this transaction, so open runs are not
    locked.
    """
    first_day, last_day = days or (date.min, date.max)
    values = {"school_id": school_id, "first_day": first_day, "last_day": last_day}
    await _MARK_DAYS.fetch_all(connection, values)


async def mark_stale_sessions(connection: Connection, session_ids: Collection[int]) -> None:
    """Marks all days of some sessions, because their times change. The school has to be locked."""
    values = input_rows({"session_id": session_id} for session_id in session_ids)
    await _MARK_SESSIONS.fetch_all(connection, values)


async def mark_stale_classes(connection: Connection, spans: Mapping[int, Span]) -> None:
    """Marks the days of classes, each within its span, because their enrolments change. The school has to be locked.

    Reports leave out students who were not enrolled. A summary lacks those who were not when it was made.
    """
    rows = (
        {
            "class_id": class_id,
            "first_day": (span.begin or date.min).isoformat(),
            "last_day": (span.end or date.max).isoformat(),
        }
        for class_id, span in spans.items()
    )
    await _MARK_CLASSES.fetch_all(connection, input_rows(rows))


async def mark_stale_batch(connection: Connection, batch: Batch) -> None:
    """Marks one batch, because its records change."""
    values = {"session_id": batch.session_id, "learning_date": batch.learning_date}
    await _MARK_BATCH.fetch_all(connection, values)


async def mark_stale_records(connection: Connection, record_ids: Collection[int]) -> None:
    """Marks the batches of some records, because the records change."""
    await _MARK_RECORDS.fetch_all(connection, input_rows({"id": record_id} for record_id in record_ids))
