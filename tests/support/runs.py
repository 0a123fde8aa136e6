"""Runs for the tests: inserted directly into the database, and their rows there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid6 import uuid7

from adsum.accounts.access import Caller, system_caller
from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.statuses.rules import PRESENT
from adsum.attendance.tables import attendances
from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.repository.submissions import ContextQuery, find_class_contexts, load_snapshots
from adsum.batches.rules import OnExisting, RunState
from adsum.batches.run import AttendanceJob, Plan, Run
from adsum.batches.tables import batch_runs, job_failures
from adsum.platform.ids import Batch
from tests.support.schools import SchoolIds

DAY = date(2024, 12, 25)
ACCEPTED_AT = datetime(2024, 12, 25, 9, tzinfo=UTC)
LATER = datetime(2024, 12, 25, 10, tzinfo=UTC)


def batch_of(school: SchoolIds, day: date = DAY) -> Batch:
    return Batch(school.class_id, school.session_id, day)


def inserts(student_ids: Iterable[int], status: str = PRESENT) -> list[AttendanceJob]:
    return [AttendanceJob(student_id, Mark(status)) for student_id in student_ids]


def updates(versions: Mapping[int, int], status: str = PRESENT, note: str | None = None) -> list[AttendanceJob]:
    """Returns jobs that change the record of each student if it has that version."""
    return [AttendanceJob(student_id, Mark(status, note), version) for student_id, version in versions.items()]


async def make_run(
    connection: AsyncConnection,
    school: SchoolIds,
    wanted: Sequence[AttendanceJob],
    *,
    kept: Sequence[int] = (),
    chunk_size: int = 500,
    batch: Batch | None = None,
    caller: Caller | None = None,
) -> Run:
    """Inserts an open run, as accept does."""
    plan, of = Plan(tuple(wanted), tuple(kept), ()), batch or batch_of(school)
    number = (await load_snapshots(connection, [of]))[of].number
    run = new_run(school, plan, of, number + 1, chunk_size=chunk_size, caller=caller or system_caller())
    fence = await fence_of(connection, of)
    assert await runs.insert_runs(connection, [run], {of.session_id: fence}) == {run.run_id}
    return run


def new_run(school: SchoolIds, plan: Plan, batch: Batch, number: int, *, chunk_size: int = 500, caller: Caller) -> Run:
    """Returns a run that is not inserted yet."""
    return Run(
        run_id=str(uuid7()),
        school_id=school.school_id,
        batch=batch,
        number=number,
        state=RunState.OPEN,
        on_existing=OnExisting.SKIP,
        chunk_size=chunk_size,
        chunks=plan.chunks(chunk_size),
        kept=plan.kept,
        accepted_at=ACCEPTED_AT,
        accepted_role=caller.role,
        user_id=caller.user_id,
        key_id=caller.key_id,
    )


async def fence_of(connection: AsyncConnection, batch: Batch) -> int:
    """Returns the fence of the batch's session."""
    query = ContextQuery(batch.class_id, batch.session_id, None)
    fence = (await find_class_contexts(connection, [query]))[query].fence
    assert fence is not None
    return fence


async def end_run(connection: AsyncConnection, run: Run, state: RunState) -> None:
    """Ends a run externally, regardless of its jobs."""
    counts = {"recorded_jobs": batch_runs.c.total_jobs, "skipped_jobs": 0, "failed_jobs": 0, "cancelled_jobs": 0}
    ended = update(batch_runs).where(batch_runs.c.run_id == run.run_id)
    await connection.execute(ended.values(state=state, ended_at=LATER, **counts))


async def fail_job(connection: AsyncConnection, run: Run, student_id: int) -> None:
    failure = {"run_id": run.run_id, "student_id": student_id, "code": "worker_died", "failed_at": LATER}
    await connection.execute(insert(job_failures).values(failure))


def slices(*of: Run) -> list[JobSlice]:
    """Returns all chunks of these runs."""
    return [JobSlice(run.run_id, number) for run in of for number in range(len(run.chunks))]


async def outcomes(connection: AsyncConnection, *of: Run) -> dict[int, str]:
    """Returns the outcome of each student's job in these runs."""
    found = await jobs.job_outcomes(connection, slices(*of))
    return {student_id: outcome.value for (_, student_id), outcome in found.items()}


async def records(connection: AsyncConnection, batch: Batch) -> Mapping[int, RecordedMark]:
    """Returns the current record of each student, from any source."""
    standing = (await load_snapshots(connection, [batch]))[batch].records
    return {student_id: replace(each, is_offices=False) for student_id, each in standing.items()}


async def failures(connection: AsyncConnection, run: Run) -> dict[int, str]:
    c = job_failures.c
    rows = await connection.execute(select(c.student_id, c.code).where(c.run_id == run.run_id))
    return {row.student_id: row.code for row in rows}


async def count_records(connection: AsyncConnection) -> int:
    return (await connection.execute(select(func.count()).select_from(attendances))).scalar_one()
