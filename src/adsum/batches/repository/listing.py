"""Batches: listing them by their newest run, and the runs of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school, in_visible_session
from adsum.batches.repository.runs import of_batch
from adsum.batches.repository.tallies import STATUS_COLUMNS, statuses_of_rows
from adsum.batches.rules import (
    BatchFilters,
    BatchState,
    BatchStatus,
    ListedBatch,
    ListedRun,
    OnExisting,
    RunState,
    Tally,
    state_of_run,
)
from adsum.batches.tables import batch_runs
from adsum.platform.ids import Batch
from adsum.roster.tables import sessions

BatchPosition = tuple[date, int]
"""Where a batch stands in a list: learning date and session."""

_ORDER = (batch_runs.c.learning_date, batch_runs.c.session_id)


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
            in_visible_school(caller, c.school_id),
            in_visible_session(caller, c.class_id, c.session_id, c.learning_date),
            *_narrowed(filters),
        )
        .order_by(*(column.desc() for column in _ORDER))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(*_ORDER) < after)
    rows = {Batch(*row[:3]): row[3:] for row in (await connection.execute(statement)).all()}
    return [ListedBatch(*each) for each in (await statuses_of_rows(connection, rows)).items()]


async def runs_of_batch(connection: AsyncConnection, batch: Batch, newest: BatchStatus, limit: int) -> list[ListedRun]:
    """At most `limit` runs of a batch, the newest first. Only that one can be open: `newest` has its counts."""
    c = batch_runs.c
    statement = (
        select(
            *(c.run_id, c.number, c.state, c.on_existing),
            *(
                c.accepted_at,
                c.accepted_role,
                c.user_id,
                c.key_id,
                c.ended_at,
                c.ended_by,
                c.pruned_at,
                c.forced_reason,
            ),
            c.carried_recorded + c.carried_skipped + c.carried_cancelled,
            *(c.recorded_jobs, c.skipped_jobs, c.failed_jobs, c.cancelled_jobs),
        )
        .where(*of_batch(batch), c.class_id == batch.class_id)
        .order_by(c.number.desc())
        .limit(limit)
    )
    return [_listed_run(row, newest) for row in await connection.execute(statement)]


async def runs_that_may_have_failed(connection: AsyncConnection, batch: Batch, limit: int) -> list[str]:
    """The runs of a batch in which students failed, and the open one, of which it is not counted yet: the newest first,
    at most `limit`.
    """
    c = batch_runs.c
    found = select(c.run_id).where(*of_batch(batch), or_(c.failed_jobs > 0, c.state == RunState.OPEN))
    return list(await connection.scalars(found.order_by(c.number.desc()).limit(limit)))


def _listed_run(row: Sequence[Any], newest: BatchStatus) -> ListedRun:
    run_id, number, state, on_existing, accepted_at, role, user_id, key_id, *more = row
    ended_at, ended_by, pruned_at, forced_reason, carried, *counts = more
    tally = newest.tally if run_id == newest.run_id else Tally(*counts)
    return ListedRun(
        run_id=run_id,
        number=number,
        state=state_of_run(RunState(state), tally.failed),
        on_existing=OnExisting(on_existing),
        tally=tally,
        carried=carried,
        accepted_at=accepted_at,
        accepted_role=role,
        user_id=user_id,
        key_id=key_id,
        ended_at=ended_at,
        ended_by=ended_by,
        pruned_at=pruned_at,
        forced_reason=forced_reason,
    )


async def is_run_of(connection: AsyncConnection, batch: Batch, run_id: str) -> bool:
    """Whether the run is one of this batch."""
    c = batch_runs.c
    found = select(c.run_id).where(c.run_id == run_id, *of_batch(batch), c.class_id == batch.class_id)
    return (await connection.execute(found)).one_or_none() is not None


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
    if filters.school_id is not None:
        conditions.append(c.school_id == filters.school_id)
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
    """Where a partial index serves it, in the very words of the index: SQLite compares nothing else."""
    c = batch_runs.c
    match state:
        case BatchState.PROCESSING:
            open_run = batch_runs.alias("open_run")
            # As a list of ids: to spare itself the sorting, SQLite would read all runs that there ever were.
            return [c.run_id.in_(select(open_run.c.run_id).where(open_run.c.state == literal_column("'open'")))]
        case BatchState.CANCELLED:
            return [c.state == RunState.CANCELLED]
        case BatchState.COMPLETED:
            return [c.state == RunState.CLOSED, c.failed_jobs == 0]
        case BatchState.COMPLETED_WITH_ERRORS:
            return [c.state == RunState.CLOSED, c.failed_jobs > literal_column("0")]
