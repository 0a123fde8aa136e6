"""Fixtures for tests of reports: a school with records, and its reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest

from adsum.accounts.access import Caller, Role
from adsum.attendance.rules import Mark
from adsum.batches.repository.jobs import insert_records
from adsum.batches.repository.runs import close_runs
from adsum.batches.run import AttendanceJob
from adsum.platform.database.engine import Database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.reports.rules import Counts, GroupBy, Scope
from adsum.reports.service import Reports, Summaries
from tests.support.runs import LATER, make_run, slices
from tests.support.schools import SchoolIds, caller, make_school

MONDAY = date(2024, 9, 2)
WEEK = [MONDAY + timedelta(days) for days in range(5)]


@dataclass(frozen=True, slots=True)
class Reported:
    """A school, and its reports for different callers."""

    database: Database
    school: SchoolIds
    reports: Reports

    @property
    def office(self) -> Caller:
        return caller(Role.OFFICE, self.school.school_id)

    @property
    def teacher(self) -> Caller:
        return caller(Role.TEACHER, self.school.school_id, self.school.teacher_id)

    def scope(self, **fields: Any) -> Scope:
        return replace(Scope(self.school.school_id, WEEK[0], WEEK[-1]), **fields)

    async def take(self, day: date, marks: Mapping[int, str | Mark], session_id: int | None = None, **of: Any) -> None:
        """Takes a register. `marks` has the status of each student by their position in the class."""
        batch = Batch(of.get("class_id", self.school.class_id), session_id or self.school.session_id, day)
        jobs = [
            AttendanceJob(self.school.student_ids[place], mark if isinstance(mark, Mark) else Mark(mark))
            for place, mark in sorted(marks.items())
        ]
        async with self.database.transaction() as connection:
            run = await make_run(connection, self.school, jobs, batch=batch, caller=self.teacher)
            await insert_records(connection, slices(run))
            await close_runs(connection, [run.run_id], LATER)

    async def counts(self, by: GroupBy, actor: Caller | None = None, **fields: Any) -> dict[Any, Counts]:
        report = await self.reports.rates(self.scope(**fields), by, actor or self.office, PageRequest(limit=200))
        return {rate.key: rate.counts for rate in report.items}


@pytest.fixture
async def reported(database: Database) -> Reported:
    return await reported_school(database)


@pytest.fixture
async def reported_on_postgres(postgres_database: Database) -> Reported:
    return await reported_school(postgres_database)


async def reported_school(database: Database) -> Reported:
    async with database.transaction() as connection:
        school = await make_school(connection, students=3)
    return Reported(database, school, Reports(database, StandbyReader(database), Summaries(database)))


async def absent(reported: Reported) -> int:
    """Returns the number of missed sessions in that week according to the report."""
    return sum(counts.absent for counts in (await reported.counts(GroupBy.DAY)).values())
