"""Batches as operators and schools look through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.batches.job_outcomes import BatchJob
from adsum.batches.repository import tallies
from adsum.batches.repository.job_list import list_jobs
from adsum.batches.repository.listing import BatchPosition, is_run_of, list_batches, runs_of_batch
from adsum.batches.rules import BatchFilters, BatchStatus, JobFilters, ListedBatch, ListedRun
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import NotFound
from adsum.platform.ids import Batch, parse_batch_id
from adsum.platform.paging import Key, Page, PageRequest, begin_of, by_number, page_of

# Of one batch, the newest first: a class that is corrected every minute must not make an answer without bounds.
MAX_RUNS = 100


@dataclass(frozen=True, slots=True)
class BatchDetails:
    """One batch: how far it has come, its newest runs, and a page of its students. All of one moment."""

    status: BatchStatus
    runs: Sequence[ListedRun]
    jobs: Page[BatchJob]


class Batches:
    """Lists batches, the latest learning date first, and shows one, for whoever may see them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, caller: Caller, filters: BatchFilters, page: PageRequest) -> Page[ListedBatch]:
        """Some of the batches that the caller sees, each as its newest run has it.

        Raises:
            Forbidden: without `batch:read`.
            Invalid: the cursor is of another query, or none.
        """
        require_permission(caller, Permission.BATCH_READ)
        after = begin_of(page, filters, _position)
        async with self._database.snapshot() as connection:
            rows = await list_batches(connection, caller, filters, after, page.limit + 1)
        return page_of(rows, page, filters, _key)

    async def details(self, batch_id: str, caller: Caller, filters: JobFilters, page: PageRequest) -> BatchDetails:
        """One batch, with a page of its students by id.

        What was asked and what is recorded of a student is told only to who may read records.

        Raises:
            Forbidden: without `batch:read`.
            NotFound: there is no such batch, or no such run of it, or the caller does not see its class.
            Invalid: the cursor is of another query, or none.
        """
        require_permission(caller, Permission.BATCH_READ)
        batch = parse_batch_id(batch_id)
        if batch is None:
            raise no_batch(batch_id)
        query = (batch, filters)
        after = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            status = await tallies.batch_status(connection, caller, batch)
            if status is None:
                raise no_batch(batch_id)
            runs = await runs_of_batch(connection, batch, status, MAX_RUNS)
            jobs = await _jobs(connection, status, batch, filters, after or 0, page.limit + 1)
        if not caller.may(Permission.ATTENDANCE_READ):
            jobs = [job.without_marks() for job in jobs]
        return BatchDetails(status, runs, page_of(jobs, page, query, lambda job: (job.student_id,)))


def no_batch(batch_id: str) -> NotFound:
    """The error of who asks for a batch that is not there, or that they do not see."""
    return NotFound(f"there is no batch {batch_id[:80]}")


async def _jobs(
    connection: Connection, status: BatchStatus, batch: Batch, filters: JobFilters, after: int, limit: int
) -> list[BatchJob]:
    run_id, alone = (status.run_id, False) if filters.run_id is None else (str(filters.run_id), True)
    if alone and not await is_run_of(connection, batch, run_id):
        raise NotFound(f"there is no run {run_id} of batch {batch.id}")
    return await list_jobs(connection, batch, run_id, alone=alone, outcome=filters.outcome, after=after, limit=limit)


def _key(row: ListedBatch) -> Key:
    return (row.batch.learning_date.toordinal(), row.batch.session_id)


def _position(key: Key) -> BatchPosition:
    ordinal, session_id = key
    return (date.fromordinal(ordinal), session_id)
