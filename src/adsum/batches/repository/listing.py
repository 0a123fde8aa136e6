"""Reads batches by their newest run, the runs of one batch, its jobs, and the failures of runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, String, and_, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school, in_visible_session
from adsum.attendance.rules import Mark
from adsum.batches.job_outcomes import BatchJob, CurrentRecord, reason_of
from adsum.batches.repository.runs import of_batch
from adsum.batches.repository.tallies import STATUS_COLUMNS, statuses_of_rows
from adsum.batches.rules import (
    BatchFilters,
    BatchState,
    BatchStatus,
    FailedStudent,
    FailureCount,
    ListedBatch,
    ListedRun,
    OnExisting,
    Outcome,
    RunAuthor,
    RunState,
    RunUndo,
    Tally,
    state_of_run,
)
from adsum.batches.tables import batch_runs
from adsum.platform.database.columns import BigInt, Instant, RunId
from adsum.platform.database.filters import equal, in_period
from adsum.platform.database.sql_files import sql_file
from adsum.platform.ids import Batch
from adsum.roster.tables import sessions

_LIST_JOBS = sql_file(
    "adsum.batches",
    "list_jobs",
    parameters={
        "run_id": RunId,
        "is_alone": Boolean(),
        "after": BigInt,
        "candidates": BigInt,
        "outcome": String(),
        "limit": BigInt,
    },
    returns={
        "student_id": BigInt,
        "run_id": RunId,
        "requested_status": String(),
        "requested_note": String(),
        "expected_version": BigInt,
        "is_kept": Boolean(),
        "on_existing": String(),
        "outcome": String(),
        "failure": String(),
        "record_id": BigInt,
        "record_status": String(),
        "record_note": String(),
        "record_version": BigInt,
    },
)
_COUNT_FAILURES = sql_file(
    "adsum.batches",
    "count_failures",
    returns={"run_id": RunId, "code": String(), "students": BigInt, "last_at": Instant()},
)
_FAILED_STUDENTS = sql_file(
    "adsum.batches",
    "failed_students",
    parameters={"run_ids": String(), "limit": BigInt},
    returns={"run_id": RunId, "student_id": BigInt, "code": String()},
)
ALL_JOBS = 2**62
"""A limit above the number of jobs of any run."""

BatchPosition = tuple[date, int]
"""The sort key of a batch in a list: learning date and session."""


@dataclass(frozen=True, slots=True)
class SubmittedPosition:
    """The position of a batch in the list by submission: whether its newest run is open, and the id of that run."""

    is_open: bool
    run_id: str


_ORDER = (batch_runs.c.learning_date, batch_runs.c.session_id)


async def list_batches(
    connection: AsyncConnection, caller: Caller, filters: BatchFilters, after: BatchPosition | None, limit: int
) -> list[ListedBatch]:
    """At most `limit` batches that the caller sees, the latest learning date first, after the position `after`.

    A teacher sees the batches of the days on which they were assigned to the class.
    """
    statement = _visible_batches(caller, filters).order_by(*(column.desc() for column in _ORDER)).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(*_ORDER) < after)
    return await _listed(connection, statement)


async def list_submitted(
    connection: AsyncConnection, caller: Caller, filters: BatchFilters, after: SubmittedPosition | None, limit: int
) -> list[ListedBatch]:
    """As `list_batches`, in another order: open batches first, then the others, each the latest submission first."""
    c = batch_runs.c
    found: list[ListedBatch] = []
    for is_open in (True, False):
        is_over = after is not None and is_open and not after.is_open
        if is_over or len(found) >= limit:
            continue
        conditions = _in_state(BatchState.PROCESSING) if is_open else [c.state != RunState.OPEN]
        if after is not None and after.is_open is is_open:
            conditions.append(c.run_id < after.run_id)
        # Run ids are in the order of acceptance, which their index has.
        of_part = _visible_batches(caller, filters).where(*conditions).order_by(c.run_id.desc())
        found += await _listed(connection, of_part.limit(limit - len(found)))
    return found


def _visible_batches(caller: Caller, filters: BatchFilters) -> Select[*tuple[Any, ...]]:
    c = batch_runs.c
    return select(c.class_id, c.session_id, c.learning_date, *STATUS_COLUMNS).where(
        _is_newest(),
        in_visible_school(caller, c.school_id),
        in_visible_session(caller, c.class_id, c.session_id, c.learning_date),
        *_filter_conditions(filters),
    )


async def _listed(connection: AsyncConnection, statement: Select[*tuple[Any, ...]]) -> list[ListedBatch]:
    rows = {Batch(*row[:3]): row[3:] for row in (await connection.execute(statement)).all()}
    return [ListedBatch(*each) for each in (await statuses_of_rows(connection, rows)).items()]


async def runs_of_batch(connection: AsyncConnection, batch: Batch, newest: BatchStatus, limit: int) -> list[ListedRun]:
    """At most `limit` runs of a batch, the newest first. Only that one can be open; its counts are in `newest`."""
    c = batch_runs.c
    statement = (
        select(
            *(c.run_id, c.number, c.state, c.on_existing, c.accepted_at, c.accepted_role, c.user_id, c.key_id),
            *(c.ended_at, c.ended_by, c.pruned_at, c.forced_reason),
            *(c.undone_at, c.undone_jobs, c.not_undone_jobs),
            c.carried_recorded + c.carried_skipped + c.carried_cancelled,
            *(c.recorded_jobs, c.skipped_jobs, c.failed_jobs, c.cancelled_jobs),
        )
        .where(*of_batch(batch), c.class_id == batch.class_id)
        .order_by(c.number.desc())
        .limit(limit)
    )
    return [_listed_run(row, newest) for row in await connection.execute(statement)]


async def authors_of_runs(connection: AsyncConnection, run_ids: Collection[str]) -> dict[str, RunAuthor]:
    """The authors of these runs, by run."""
    c = batch_runs.c
    found = select(c.run_id, c.accepted_role, c.user_id, c.key_id).where(c.run_id.in_(run_ids))
    return {row[0]: RunAuthor(*row[1:]) for row in await connection.execute(found)}


async def runs_that_may_have_failed(connection: AsyncConnection, batch: Batch, limit: int) -> list[str]:
    """At most `limit` runs of a batch in which students failed, and the open run, whose failures are not counted yet.
    The newest is first.
    """
    c = batch_runs.c
    found = select(c.run_id).where(*of_batch(batch), or_(c.failed_jobs > 0, c.state == RunState.OPEN))
    return list(await connection.scalars(found.order_by(c.number.desc()).limit(limit)))


def _listed_run(row: Sequence[Any], newest: BatchStatus) -> ListedRun:
    run_id, number, state, on_existing, accepted_at, role, user_id, key_id, *more = row
    ended_at, ended_by, pruned_at, forced_reason, undone_at, undone, left, carried, *counts = more
    undo = RunUndo(undone_at, undone, left)
    tally = newest.tally if run_id == newest.run_id else Tally(*counts)
    return ListedRun(
        run_id=run_id,
        number=number,
        state=undo.state or state_of_run(RunState(state), tally.failed),
        ended_as=state_of_run(RunState(state), tally.failed),
        undo=undo,
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


def _filter_conditions(filters: BatchFilters) -> list[ColumnElement[bool]]:
    c = batch_runs.c
    conditions = equal((c.school_id, filters.school_id))
    if filters.class_id is not None:
        # By the sessions of the class, which are in the indexes.
        of_class = select(sessions.c.id).where(sessions.c.class_id == filters.class_id)
        conditions += [c.session_id.in_(of_class), c.class_id == filters.class_id]
    conditions += equal((c.session_id, filters.session_id))
    if filters.submitted_by is not None:
        own, run = batch_runs.alias("own"), batch_runs.alias("run")
        is_same = and_(run.c.session_id == own.c.session_id, run.c.learning_date == own.c.learning_date)
        of_user = select(run.c.run_id).select_from(own).join(run, is_same).where(own.c.user_id == filters.submitted_by)
        # As a list of ids: otherwise the runs of everybody are read in the order of the list, to avoid sorting.
        conditions.append(c.run_id.in_(of_user))
    conditions += in_period(c.learning_date, filters.first_day, filters.last_day)
    if filters.state is not None:
        conditions.extend(_in_state(filters.state))
    return conditions


def _in_state(state: BatchState) -> list[ColumnElement[bool]]:
    """The states of `state_of_run`, and those of undone runs. Written like the condition of the partial index, where
    there is one: SQLite compares the texts.
    """
    c = batch_runs.c
    match state:
        case BatchState.PROCESSING:
            open_run = batch_runs.alias("open_run")
            # As a list of ids: otherwise SQLite reads all runs in the order of the index, to avoid sorting.
            return [c.run_id.in_(select(open_run.c.run_id).where(open_run.c.state == literal_column("'open'")))]
        case BatchState.CANCELLED:
            return [c.state == RunState.CANCELLED, c.undone_at.is_(None)]
        case BatchState.COMPLETED:
            return [c.state == RunState.CLOSED, c.failed_jobs == 0, c.undone_at.is_(None)]
        case BatchState.COMPLETED_WITH_ERRORS:
            return [c.state == RunState.CLOSED, c.failed_jobs > literal_column("0"), c.undone_at.is_(None)]
        case BatchState.UNDONE:
            return [c.undone_at.is_not(None), c.not_undone_jobs == 0]
        case BatchState.PARTLY_UNDONE:
            return [c.undone_at.is_not(None), c.not_undone_jobs > 0]


async def list_jobs(
    connection: AsyncConnection,
    batch: Batch,
    run_id: str,
    *,
    alone: bool,
    outcome: Outcome | None,
    after: int,
    limit: int,
) -> list[BatchJob]:
    """At most `limit` jobs of a run by student id, above the id `after`.

    A retry holds only the students who had failed. The other students of its batch are listed as the runs before it
    have them, so that the outcomes add up to the run's counts. With `alone` they are left out.
    """
    values = {
        "run_id": run_id,
        "is_alone": alone,
        "after": after,
        # Without a filter, only the records of one page are looked up.
        "candidates": limit if outcome is None else ALL_JOBS,
        "outcome": outcome,
        "limit": limit,
    }
    return [_job(batch, *row) for row in await _LIST_JOBS.fetch_all(connection, values)]


async def count_failures(connection: AsyncConnection, run_ids: Sequence[str]) -> dict[str, list[FailureCount]]:
    """By run, the numbers of failed students by reason, the most frequent first. It does not check permissions."""
    found: dict[str, list[FailureCount]] = {}
    if run_ids:
        for run_id, *failure in await _COUNT_FAILURES.fetch_all(connection, {"run_ids": json.dumps(run_ids)}):
            found.setdefault(run_id, []).append(FailureCount(*failure))
    return found


async def failed_students(
    connection: AsyncConnection, run_ids: Sequence[str], limit: int
) -> dict[str, list[FailedStudent]]:
    """By run, the first `limit` students who failed, by id, in one statement. It does not check permissions."""
    found: dict[str, list[FailedStudent]] = {}
    values = {"run_ids": json.dumps(run_ids), "limit": limit}
    for run_id, *failed in await _FAILED_STUDENTS.fetch_all(connection, values):
        found.setdefault(run_id, []).append(FailedStudent(*failed))
    return found


def _job(
    batch: Batch, student_id: int, run_id: str, status: str | None, note: str | None, version: int | None, *more: Any
) -> BatchJob:
    is_kept, on_existing, outcome, failure, record_id, *record = more
    reason = reason_of(
        Outcome(outcome),
        failure=failure,
        is_kept=is_kept,
        is_update=version is not None,
        on_existing=OnExisting(on_existing),
    )
    mark = Mark(status, note) if status is not None else None
    recorded = CurrentRecord(record_id, *record) if record_id is not None else None
    return BatchJob(batch, student_id, run_id, mark, Outcome(outcome), reason, recorded)
