"""Which runs the summaries lack, or have otherwise than they are now: `batch_runs.summarised` says so."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.tables import attendances
from adsum.batches.tables import batch_runs
from adsum.platform.ids import Batch


async def stale_day(connection: AsyncConnection, school_id: int) -> date | None:
    """The first day of a school whose summaries are to be made anew; None: there is none."""
    return await connection.scalar(stale(school_id))


def stale(school_id: int) -> Select[date]:
    """The statement of `stale_day`."""
    c = batch_runs.c
    return select(c.learning_date).where(*is_stale(school_id)).order_by(c.learning_date).limit(1)


def is_stale(school_id: int) -> tuple[ColumnElement[bool], ...]:
    """The runs of a school that have ended, and are not in its summaries as they are now."""
    c = batch_runs.c
    return c.school_id == school_id, c.ended_at.is_not(None), ~c.summarised


async def forget_school(connection: AsyncConnection, school_id: int, days: tuple[date, date] | None = None) -> None:
    """Says that what was recorded in a school, from a day to a day or ever, is to be summarised again.

    Its calendar changes, and it has to be locked: so what ends meanwhile is summarised afterwards, and nobody who
    works on an open run is waited for.
    """
    c = batch_runs.c
    within = [] if days is None else [c.learning_date >= days[0], c.learning_date <= days[1]]
    await _forget(connection, c.school_id == school_id, c.ended_at.is_not(None), *within)


async def forget_sessions(connection: AsyncConnection, session_ids: Collection[int]) -> None:
    """The same, of all that was recorded in these sessions: their times have changed."""
    c = batch_runs.c
    await _forget(connection, c.session_id.in_(sorted(session_ids)), c.ended_at.is_not(None))


async def forget_batch(connection: AsyncConnection, batch: Batch) -> None:
    """The same, of one batch: its records have changed."""
    c = batch_runs.c
    await _forget(connection, c.session_id == batch.session_id, c.learning_date == batch.learning_date)


async def forget_records(connection: AsyncConnection, record_ids: Collection[int]) -> None:
    """The same, of these records, which have changed."""
    made = select(attendances.c.run_id).where(attendances.c.id.in_(record_ids))
    await _forget(connection, batch_runs.c.run_id.in_(made))


async def _forget(connection: AsyncConnection, *which: ColumnElement[bool]) -> None:
    c = batch_runs.c
    if connection.dialect.name != "sqlite":
        # Whoever summarises these runs just now is waited for, in the same order: of a run that is not summarised yet,
        # but will be when they commit, the update would find nothing to do, and the change would be in no summary.
        locked = select(c.run_id).where(*which).order_by(c.run_id).with_for_update(key_share=True).subquery()
        await connection.execute(select(func.count()).select_from(locked))
    await connection.execute(update(batch_runs).where(*which, c.summarised).values(summarised=False))
