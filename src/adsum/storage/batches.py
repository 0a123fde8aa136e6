"""Batches: listing them by their newest run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.domain.access import Caller
from adsum.domain.batches import BatchState, BatchStatus, RunState
from adsum.domain.filters import BatchFilters
from adsum.domain.ids import Batch
from adsum.storage.tables import batch_runs, sessions
from adsum.storage.tallies import STATUS_COLUMNS, statuses_of_rows
from adsum.storage.visibility import sees_class, sees_school

BatchPosition = tuple[date, int]
"""Where a batch stands in a list: learning date and session."""

_ORDER = (batch_runs.c.learning_date, batch_runs.c.session_id)


@dataclass(frozen=True, slots=True)
class ListedBatch:
    """A batch, and how far its newest run has come."""

    batch: Batch
    status: BatchStatus

    @property
    def position(self) -> BatchPosition:
        return (self.batch.learning_date, self.batch.session_id)


async def list_batches(
    connection: AsyncConnection, caller: Caller, filters: BatchFilters, after: BatchPosition | None, limit: int
) -> list[ListedBatch]:
    """At most `limit` batches that the caller sees, the latest learning date first, from beyond `after`.

    A teacher sees the batches of the days on which they were assigned to the class.
    """
    c = batch_runs.c
    statement = (
        select(c.class_id, c.session_id, c.learning_date, *STATUS_COLUMNS)
        .where(
            _is_newest(),
            sees_school(caller, c.school_id),
            sees_class(caller, c.class_id, c.learning_date),
            *_narrowed(filters),
        )
        .order_by(*(column.desc() for column in _ORDER))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(*_ORDER) < after)
    rows = {Batch(*row[:3]): row[3:] for row in (await connection.execute(statement)).all()}
    return [ListedBatch(*each) for each in (await statuses_of_rows(connection, rows)).items()]


def _is_newest() -> ColumnElement[bool]:
    newer = batch_runs.alias("newer")
    return ~(
        select(newer.c.run_id)
        .where(
            newer.c.session_id == batch_runs.c.session_id,
            newer.c.learning_date == batch_runs.c.learning_date,
            newer.c.number > batch_runs.c.number,
        )
        .exists()
    )


def _narrowed(filters: BatchFilters) -> list[ColumnElement[bool]]:
    c = batch_runs.c
    conditions: list[ColumnElement[bool]] = []
    if filters.class_id is not None:
        # The class as its sessions, which is what the indexes know.
        of_class = select(sessions.c.id).where(sessions.c.class_id == filters.class_id)
        conditions += [c.session_id.in_(of_class), c.class_id == filters.class_id]
    if filters.session_id is not None:
        conditions.append(c.session_id == filters.session_id)
    if filters.first_day is not None:
        conditions.append(c.learning_date >= filters.first_day)
    if filters.last_day is not None:
        conditions.append(c.learning_date <= filters.last_day)
    if filters.state is not None:
        conditions.extend(_in_state(filters.state))
    return conditions


def _in_state(state: BatchState) -> list[ColumnElement[bool]]:
    c = batch_runs.c
    match state:
        case BatchState.PROCESSING:
            return [c.state == RunState.OPEN]
        case BatchState.CANCELLED:
            return [c.state == RunState.CANCELLED]
        case BatchState.COMPLETED:
            return [c.state == RunState.CLOSED, c.failed_jobs == 0]
        case BatchState.COMPLETED_WITH_ERRORS:
            return [c.state == RunState.CLOSED, c.failed_jobs > 0]
