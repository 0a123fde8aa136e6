"""Periods of schools, their dry run, and the run that deletes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from functools import partial

from adsum.accounts.access import Caller, Permission, require_confirmed, require_permission, system_caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_school
from adsum.platform.clock import Clock
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database, LockTimeout
from adsum.platform.database.partitions import Partition
from adsum.platform.database.table_changes import between_others
from adsum.platform.errors import Forbidden, refuse
from adsum.platform.telemetry import logger
from adsum.privacy.retention.repository import partitions
from adsum.privacy.retention.repository import periods as statements
from adsum.privacy.retention.repository.deletions import DELETIONS, Deletion
from adsum.privacy.retention.repository.periods import DEFAULT, RetentionRun, SchoolPeriods
from adsum.privacy.retention.rules import (
    NO_PERIODS,
    DeletionNotConfirmed,
    Due,
    Kind,
    Periods,
    Preview,
    deletes_more,
    validate_periods,
)
from adsum.schools.locks import lock_school

# Rows of one short transaction, so that nobody waits long for it. On SQLite 500 records with their history take 10 ms.
PAGE = 500
# The pauses between two transactions are as long as these, so that half of the time belongs to other writers.
SHARE = 0.5
BUDGET_S = 1.0
PAUSE = timedelta(hours=6)
MAX_RUNS = 20

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class SchoolRetention:
    """The periods of a school: its own, those in effect, the days before which data go, and its newest runs.

    `school_id` None: the default of the installation, which has no runs and days of its own.
    """

    school_id: int | None
    own: Periods
    effective: Periods
    cutoffs: Mapping[Kind, date]
    runs: Sequence[RetentionRun] = ()


class Retention:
    """Every method raises Forbidden without `student:data`. The default needs the rights of all schools."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def show(self, school_id: int | None, caller: Caller) -> SchoolRetention:
        """The periods of a school, or the default. Raises NotFound: the school does not exist or is not visible."""
        async with self._database.snapshot() as connection:
            await _require(connection, school_id, caller)
            default, schools = await statements.periods_of_schools(connection, self._now())
            if school_id is None:
                return SchoolRetention(None, default, default, {})
            (school,) = [each for each in schools if each.id == school_id]
            runs = await statements.list_runs(connection, school_id, MAX_RUNS)
        return SchoolRetention(school_id, school.own, school.effective, school.cutoffs, runs)

    async def preview(self, school_id: int | None, periods: Periods | None, caller: Caller) -> Preview:
        """Data that a run would delete with these periods; None: the present ones. For the default: at all schools.

        Raises NotFound: the school does not exist or is not visible; Invalid: with every violation.
        """
        refuse(list(validate_periods(periods or NO_PERIODS)))
        async with self._database.snapshot() as connection:
            await _require(connection, school_id, caller)
            return await self._preview(connection, *await self._after(connection, school_id, periods))

    @repeats_if_contended
    async def set(
        self, school_id: int | None, periods: Periods, caller: Caller, confirmation: str | None = None
    ) -> SchoolRetention:
        """Replaces the periods of a school, or the default. `confirmation`: of the preview of the same periods.

        Raises:
            NotFound: the school does not exist or is not visible.
            Invalid: with every violation.
            ConfirmationNeeded: it deletes more, and the caller has confirmed their sign-in too long ago.
            DeletionNotConfirmed: more data would go than before, and the confirmation is missing, or of other counts.
        """
        refuse(list(validate_periods(periods)))
        async with self._database.transaction() as connection:
            stored_id = await _require(connection, school_id, caller)
            await lock_school(connection, stored_id)
            default, old = await statements.periods_of_schools(connection, self._now())
            schools = await self._after(connection, school_id, periods)
            by_id = {school.id: school.cutoffs for school in old}
            if any(deletes_more(by_id[school.id], school.cutoffs) for school in schools[0]):
                require_confirmed(caller)
                preview = await self._preview(connection, *schools)
                if confirmation != preview.confirmation:
                    raise _unconfirmed(preview)
            await statements.set_periods(connection, stored_id, periods)
            own = {school.id: school.own for school in old}.get(stored_id, default)
            await record(
                *(connection, caller, Action.RETENTION_CHANGED),
                school_id=school_id,
                before=asdict(own),
                after=asdict(periods),
            )
        log.info("retention changed", school_id=school_id, actor=caller.actor)
        return await self.show(school_id, caller)

    async def _after(
        self, connection: Connection, school_id: int | None, periods: Periods | None
    ) -> tuple[list[SchoolPeriods], int]:
        """The schools that periods concern, as they would be with them, and the number of students on hold."""
        default, schools = await statements.periods_of_schools(connection, self._now())
        if periods is not None and school_id is None:
            schools = [replace(school, effective=school.own.over(periods)) for school in schools]
        elif school_id is not None:
            schools = [school for school in schools if school.id == school_id]
            if periods is not None:
                schools = [replace(school, own=periods, effective=periods.over(default)) for school in schools]
        return schools, await statements.count_students_on_hold(connection, school_id)

    async def _preview(self, connection: Connection, schools: Sequence[SchoolPeriods], held: int) -> Preview:
        items: list[Due] = []
        for school in schools:
            items += await statements.due_of(connection, school, school.cutoffs)
        return Preview(items, {school.id: school.cutoffs for school in schools if school.cutoffs}, held)


async def _require(connection: Connection, school_id: int | None, caller: Caller) -> int:
    """The id under which the periods are stored."""
    require_permission(caller, Permission.STUDENT_DATA)
    if school_id is not None:
        await require_school(connection, caller, school_id)
        return school_id
    if caller.schools is not None:
        raise Forbidden("the default of all schools needs the rights of all schools")
    return DEFAULT


def _unconfirmed(preview: Preview) -> DeletionNotConfirmed:
    count = sum(due.count for due in preview.items)
    detail = (
        f"this deletes more than before, {count:,} rows now: look at the preview, and confirm {preview.confirmation}"
    )
    items = [
        {"schoolId": due.school_id, "kind": due.kind, "year": due.year.isoformat(), "count": due.count}
        for due in preview.items
    ]
    return DeletionNotConfirmed(detail, confirmation=preview.confirmation, count=count, items=items)


class RetentionRuns:
    """Deletes what is due, in short transactions. A crash loses none of its work: the next pass goes on.

    The leading sweeper calls `delete_if_due`, and the command `delete_all`. Two at the same time do no harm.
    """

    def __init__(self, database: Database, now: Clock, page: int = PAGE) -> None:
        self._database = database
        self._now = now
        self._page = page
        self._due = now()
        self._steps: AsyncGenerator[int] | None = None
        self._is_refused_logged = False

    async def delete_if_due(self) -> int:
        """Deletes for a second at most; when everything has gone, looks again after six hours. Returns the rows."""
        now = self._now()
        if self._steps is None and now < self._due:
            return 0
        rows, end = 0, time.monotonic() + BUDGET_S
        try:
            self._steps = self._steps or self._pages()
            async for deleted in self._steps:
                rows += deleted
                if time.monotonic() > end:
                    return rows
        except BaseException:
            self._steps = None
            raise
        self._steps, self._due = None, now + PAUSE
        return rows

    async def delete_all(self) -> int:
        """Deletes everything that is due. Returns the number of rows."""
        return sum([deleted async for deleted in self._pages()])

    async def _pages(self) -> AsyncGenerator[int]:
        """One page after the other, with a pause after each."""
        async with self._database.snapshot() as connection:
            _, schools = await statements.periods_of_schools(connection, self._now())
            present = await self._droppable(connection)
        for each in present:
            if _due_everywhere(schools, each):
                yield await self._drop_if_free(each)
        for school in schools:
            for kind, before in school.cutoffs.items():
                for deletion in DELETIONS[kind]:
                    while rows := await self._delete(school.id, kind, before, deletion):
                        yield rows
                await self._end(school.id, kind, before)

    async def _droppable(self, connection: Connection) -> list[Partition]:
        """The partitions that the user of the database may drop: one that serves alone owns none."""
        present = await partitions.partitions_of_records(connection)
        if not present or await partitions.owns_partitions(connection):
            return present
        if not self._is_refused_logged:
            log.info("records are deleted in pages: the database user does not own their tables")
            self._is_refused_logged = True
        return []

    async def _drop_if_free(self, partition: Partition) -> int:
        """Drops a partition whose records are due at every school, without those that keep some of its days.

        Returns 0 if it is in use, a record is of a student on hold, or a batch is being recorded: its rows go in pages,
        and the next pass tries again.
        """
        async with self._database.snapshot() as connection:
            _, schools = await statements.periods_of_schools(connection, self._now())
            if await _is_kept(connection, schools, partition):
                return 0
        # A school at a time: nobody waits while the records of others are counted.
        counts = {school.id: await self._end_days(school, partition) for school in schools}
        try:
            return await between_others(
                self._database, partial(self._drop, partition=partition, counts=counts), patience=0
            )
        except LockTimeout:
            log.info("a school year is deleted in pages: its table is in use", table=partition.name)
            return 0

    async def _end_days(self, school: SchoolPeriods, partition: Partition) -> int:
        """Begins the records of a school after those that are due. Returns their number in a partition."""
        before = school.cutoffs[Kind.RECORDS]
        async with self._database.transaction() as connection:
            await lock_school(connection, school.id)
            if await self._is_due(connection, school.id, Kind.RECORDS, before):
                await statements.set_records_from(connection, school.id, before)
            return await partitions.count_of_school(connection, school.id, partition.first, partition.end)

    async def _drop(self, connection: Connection, partition: Partition, counts: Mapping[int, int]) -> int:
        """Drops a partition with `counts` records by school, in a transaction that counts none. Returns these."""
        _, schools = await statements.periods_of_schools(connection, self._now())
        for school in schools:
            await lock_school(connection, school.id)
        # Again: somebody may have raised a period, or placed a hold, before the schools were locked.
        _, schools = await statements.periods_of_schools(connection, self._now())
        if set(counts) != {school.id for school in schools} or await _is_kept(connection, schools, partition):
            return 0
        for school in schools:
            if rows := counts[school.id]:
                before = school.cutoffs[Kind.RECORDS]
                await statements.add_deleted(connection, school.id, Kind.RECORDS, before, rows, self._now())
        await partitions.drop_record_partitions(connection, partition)
        return sum(counts.values())

    async def _delete(self, school_id: int, kind: Kind, before: date, deletion: Deletion) -> int:
        began = time.monotonic()
        async with self._database.transaction() as connection:
            # A hold that is being placed waits, or is seen. Marking does not take this lock.
            await lock_school(connection, school_id)
            if not await self._is_due(connection, school_id, kind, before):
                return 0
            if kind is Kind.RECORDS:
                await statements.set_records_from(connection, school_id, before)
            rows = await deletion(connection, school_id, before, self._page)
            if rows:
                await statements.add_deleted(connection, school_id, kind, before, rows, self._now())
        await asyncio.sleep((time.monotonic() - began) * (1 - SHARE) / SHARE if rows else 0)
        return rows

    async def _is_due(self, connection: Connection, school_id: int, kind: Kind, before: date) -> bool:
        """Whether the periods still say so: somebody may have raised them since the pass began."""
        _, schools = await statements.periods_of_schools(connection, self._now())
        cutoffs = next(school.cutoffs for school in schools if school.id == school_id)
        return kind in cutoffs and cutoffs[kind] >= before

    async def _end(self, school_id: int, kind: Kind, before: date) -> None:
        async with self._database.transaction() as connection:
            deleted = await statements.end_run(connection, school_id, kind, before, self._now())
            if deleted is not None:
                after = {"kind": kind.value, "before": before.isoformat(), "rows": deleted}
                await record(connection, system_caller(), Action.RETENTION_RUN, school_id=school_id, after=after)
        if deleted is not None:
            log.info("retention has deleted data", school_id=school_id, kind=kind.value, rows=deleted)
            await self._database.truncate_log()


async def _is_kept(connection: Connection, schools: Sequence[SchoolPeriods], partition: Partition) -> bool:
    """Whether a partition may not be dropped now."""
    return (
        not _due_everywhere(schools, partition)
        or bool(await partitions.count_records_on_hold(connection, partition.first, partition.end))
        or bool(await partitions.count_open_runs(connection, partition.end))
    )


def _due_everywhere(schools: Sequence[SchoolPeriods], partition: Partition) -> bool:
    """Whether no school keeps records of the days of a partition."""
    cutoffs = [school.cutoffs.get(Kind.RECORDS) for school in schools]
    return bool(cutoffs) and all(day is not None and day >= partition.end for day in cutoffs)
