"""Counts the runs of the last minutes: open, recorded and failed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Integer,
    Subquery,
    case,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class, in_visible_school
from adsum.batches.activity.rules import MINUTE, MINUTES, RunsOfMinutes
from adsum.batches.tables import batch_runs

# A literal, as in the condition of the partial index: SQLite does not use the index for a bound value.
_IS_OPEN = batch_runs.c.state == literal_column("'open'")


async def runs_by_minute(connection: AsyncConnection, caller: Caller, begin: datetime) -> list[RunsOfMinutes]:
    """The visible runs that are open or ended at `begin` or later, counted by their minutes of acceptance and end.

    It reads the indexes of open and of ended runs.
    """
    c = batch_runs.c
    recorded = (c.recorded_jobs - c.carried_recorded).label("recorded")
    accepted, ended = _minute_of_acceptance(begin).label("accepted"), _minute(c.ended_at, begin).label("ended")
    runs: Subquery = union_all(
        select(accepted, ended, recorded, c.failed_jobs.label("failed")).where(
            c.ended_at >= begin, c.pruned_at.is_(None), *_visible(caller)
        ),
        select(accepted, null(), literal(0, Integer), literal(0, Integer)).where(_IS_OPEN, *_visible(caller)),
    ).subquery()
    found = select(
        *(runs.c.accepted, runs.c.ended), func.count(), func.sum(runs.c.recorded), func.sum(runs.c.failed)
    ).group_by(runs.c.accepted, runs.c.ended)
    return [RunsOfMinutes(*row) for row in await connection.execute(found)]


async def oldest_open_run(connection: AsyncConnection, caller: Caller) -> datetime | None:
    """The time at which the oldest visible open run was accepted."""
    return await connection.scalar(select(func.min(batch_runs.c.accepted_at)).where(_IS_OPEN, *_visible(caller)))


def _visible(caller: Caller) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    c = batch_runs.c
    return in_visible_school(caller, c.school_id), in_visible_class(caller, c.class_id, c.learning_date)


def _minute_of_acceptance(begin: datetime) -> ColumnElement[int]:
    return case((batch_runs.c.accepted_at < begin, -1), else_=_minute(batch_runs.c.accepted_at, begin))


def _minute(moment: ColumnElement[datetime], begin: datetime) -> ColumnElement[int]:
    """The number of the minute of a moment. Later moments belong to the last minute."""
    bounds = [(moment < begin + (number + 1) * MINUTE, number) for number in range(MINUTES - 1)]
    return case(*bounds, else_=MINUTES - 1)
