"""Lists batches, and shows one with its runs and students."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_named_school
from adsum.batches.job_outcomes import BatchJob
from adsum.batches.repository import tallies
from adsum.batches.repository.listing import (
    BatchPosition,
    SubmittedPosition,
    authors_of_runs,
    failed_students,
    is_run_of,
    list_batches,
    list_jobs,
    list_submitted,
    runs_of_batch,
)
from adsum.batches.rules import BatchFilters, BatchStatus, FailedStudent, JobFilters, ListedBatch, ListedRun, RunAuthor
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.errors import NotFound
from adsum.platform.ids import Batch, parse_batch_id
from adsum.platform.paging import Key, PageRequest, RowPage, begin_of, by_number, page_of

MAX_RUNS = 100
"""Runs in the details of one batch, the newest first. It bounds the answer for a class that is marked very often."""


@dataclass(frozen=True, slots=True)
class BatchDetails:
    """One batch: its status, its newest runs, and a page of its students, from one snapshot of the database."""

    status: BatchStatus
    runs: Sequence[ListedRun]
    jobs: RowPage[BatchJob]


class Batches:
    """Lists the batches that a caller sees, and shows one of them."""

    def __init__(self, database: Database, reader: StandbyReader) -> None:
        self._database = database
        self._reader = reader

    async def page(self, caller: Caller, filters: BatchFilters, page: PageRequest) -> RowPage[ListedBatch]:
        """A page of the batches that the caller sees, each with the status of its newest run, the latest day first.

        Raises:
            Forbidden: without `batch:read`.
            NotFound: the caller does not see the school of the filter.
            Invalid: the cursor is not one of this query.
        """
        require_permission(caller, Permission.BATCH_READ)
        after = begin_of(page, filters, _position)
        async with self._reader.snapshot(caller) as connection:
            await require_named_school(connection, caller, filters.school_id)
            rows = await list_batches(connection, caller, filters, after, page.limit + 1)
        return page_of(rows, page, filters, _key)

    async def submitted(self, caller: Caller, filters: BatchFilters, page: PageRequest) -> RowPage[ListedBatch]:
        """As `page`, in another order: open batches first, then the others, each the latest submission first.

        Raises:
            Forbidden, NotFound, Invalid: as `page`.
        """
        require_permission(caller, Permission.BATCH_READ)
        query = ("submitted", filters)
        after = begin_of(page, query, _submitted_position)
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, filters.school_id)
            rows = await list_submitted(connection, caller, filters, after, page.limit + 1)
        return page_of(rows, page, query, _submitted_key)

    async def authors(self, caller: Caller, batches: Sequence[ListedBatch]) -> Mapping[str, RunAuthor]:
        """The author of the newest run, by its id, of batches that the caller has received.

        Raises:
            Forbidden: without `batch:read`.
        """
        require_permission(caller, Permission.BATCH_READ)
        async with self._database.snapshot() as connection:
            return await authors_of_runs(connection, [each.status.run_id for each in batches])

    async def failed_students(
        self, caller: Caller, batches: Sequence[ListedBatch], limit: int
    ) -> Mapping[str, Sequence[FailedStudent]]:
        """At most `limit` students who failed, by batch id, of each of the batches, which the caller has received.

        Raises:
            Forbidden: without `batch:read`.
        """
        require_permission(caller, Permission.BATCH_READ)
        async with self._database.snapshot() as connection:
            found = await failed_students(connection, [each.status.run_id for each in batches], limit)
        return {each.status.batch_id: found.get(each.status.run_id, []) for each in batches}

    async def details(self, batch_id: str, caller: Caller, filters: JobFilters, page: PageRequest) -> BatchDetails:
        """One batch with a page of its students by id.

        Requested and recorded marks are left out for callers without `attendance:read`.

        Raises:
            Forbidden: without `batch:read`.
            NotFound: there is no such batch, or no such run of it, or the caller does not see its class.
            Invalid: the cursor is not one of this query.
        """
        require_permission(caller, Permission.BATCH_READ)
        batch = parse_or_refuse(batch_id)
        query = (batch, filters)
        after = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            status = await require_status(connection, caller, batch)
            runs = await runs_of_batch(connection, batch, status, MAX_RUNS)
            jobs = await _jobs(connection, status, batch, filters, after or 0, page.limit + 1)
        if not caller.may(Permission.ATTENDANCE_READ):
            jobs = [job.without_marks() for job in jobs]
        return BatchDetails(status, runs, page_of(jobs, page, query, lambda job: (job.student_id,)))


def no_batch(batch_id: str) -> NotFound:
    """The error for a batch that does not exist, or that the caller does not see."""
    return NotFound(f"there is no batch {batch_id[:80]}", batchId=batch_id[:80])


def parse_or_refuse(batch_id: str) -> Batch:
    """Parses the id of a batch. Raises NotFound: it is not the id of any batch."""
    batch = parse_batch_id(batch_id)
    if batch is None:
        raise no_batch(batch_id)
    return batch


async def require_status(connection: Connection, caller: Caller, batch: Batch) -> BatchStatus:
    """The status of the newest run. Raises NotFound: there is no such batch, or the caller does not see it."""
    status = await tallies.batch_status(connection, caller, batch)
    if status is None:
        raise no_batch(batch.id)
    return status


async def _jobs(
    connection: Connection, status: BatchStatus, batch: Batch, filters: JobFilters, after: int, limit: int
) -> list[BatchJob]:
    run_id, alone = (status.run_id, False) if filters.run_id is None else (str(filters.run_id), True)
    if alone and not await is_run_of(connection, batch, run_id):
        raise NotFound(f"there is no run {run_id} of batch {batch.id}", batchId=batch.id, runId=run_id)
    return await list_jobs(connection, batch, run_id, alone=alone, outcome=filters.outcome, after=after, limit=limit)


def _key(row: ListedBatch) -> Key:
    return (row.batch.learning_date.toordinal(), row.batch.session_id)


def _position(key: Key) -> BatchPosition:
    ordinal, session_id = key
    return (date.fromordinal(ordinal), session_id)


_PART = 48


def _submitted_key(row: ListedBatch) -> Key:
    """The sort key of a batch. A run id has 128 bits, and each part of a key at most 63."""
    number = UUID(row.status.run_id).int
    return (int(row.status.is_locked), *(number >> shift & (1 << _PART) - 1 for shift in (2 * _PART, _PART, 0)))


def _submitted_position(key: Key) -> SubmittedPosition:
    is_open, first, second, third = key
    number = first << 2 * _PART | second << _PART | third
    return SubmittedPosition(bool(is_open), str(UUID(int=number)))
