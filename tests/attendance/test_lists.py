"""Filters of the list of records."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.accounts.access import Role
from adsum.attendance.rules import RecordFilters
from adsum.attendance.service import Records
from adsum.platform.database.engine import Database
from adsum.platform.errors import NotFound
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from tests.support.schools import SchoolIds, caller, make_record, make_school, make_session

ADMIN = caller(Role.ADMIN)
FIRST = PageRequest()


@pytest.fixture
async def recorded(database: Database) -> SchoolIds:
    """Two students in two sessions on two days; on the second day and session the first is absent, one is cleared."""
    async with database.transaction() as connection:
        school = await make_school(connection, students=2)
        second = await make_session(connection, school.class_id, period="2")
        ada, ben = school.student_ids
        for session_id, day, student_id, status in (
            (school.session_id, 9, ada, "present"),
            (school.session_id, 9, ben, "late"),
            (second, 9, ada, None),
            (school.session_id, 10, ada, "present"),
            (second, 10, ada, "absent"),
        ):
            batch = Batch(school.class_id, session_id, date(2024, 12, day))
            await make_record(connection, school.school_id, batch, student_id, status=status)
        return school


async def test_records_are_found_by_school_class_session_student_days_and_status(
    records: Records, recorded: SchoolIds
) -> None:
    async def found(filters: RecordFilters) -> list[tuple[int, str | None]]:
        page = await records.page(ADMIN, filters, FIRST)
        return [(row.learning_date.day, row.status) for row in page.items]

    everything = [(9, "present"), (9, "late"), (9, None), (10, "present"), (10, "absent")]
    ninth, tenth = date(2024, 12, 9), date(2024, 12, 10)
    assert await found(RecordFilters()) == everything
    assert await found(RecordFilters(school_id=recorded.school_id)) == everything
    with pytest.raises(NotFound):
        await found(RecordFilters(school_id=recorded.school_id + 1))
    assert await found(RecordFilters(class_id=recorded.class_id)) == everything
    assert await found(RecordFilters(class_id=recorded.class_id + 1)) == []
    assert await found(RecordFilters(session_id=recorded.session_id)) == [(9, "present"), (9, "late"), (10, "present")]
    assert await found(RecordFilters(student_id=recorded.student_ids[1])) == [(9, "late")]
    assert await found(RecordFilters(student_id=10**15)) == []
    assert await found(RecordFilters(first_day=tenth)) == [(10, "present"), (10, "absent")]
    assert await found(RecordFilters(last_day=ninth)) == [(9, "present"), (9, "late"), (9, None)]
    assert await found(RecordFilters(first_day=ninth, last_day=ninth, status="present")) == [(9, "present")]
