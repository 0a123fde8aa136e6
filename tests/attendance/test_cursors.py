"""Cursors, as text and over rows."""

from __future__ import annotations

import base64
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adsum.accounts.access import Role
from adsum.attendance.rules import Record, RecordFilters
from adsum.attendance.service import Records
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid
from adsum.platform.ids import MAX_ID, Batch
from adsum.platform.paging import PageRequest, WrongCursor, cursor_after, position
from adsum.roster.rules import SessionFilters
from tests.support.schools import SchoolIds, caller, make_record, make_school

KEYS = st.lists(st.integers(0, MAX_ID), max_size=5).map(tuple)
# Three days of five students: small, so that what is inserted meanwhile falls before, at and after the cursor.
PLACES = st.sets(st.tuples(st.integers(0, 2), st.integers(0, 4)))


@given(KEYS, st.builds(RecordFilters, st.none() | st.integers(1, 9)))
def test_a_cursor_returns_its_key_for_the_same_query(key: tuple[int, ...], query: RecordFilters) -> None:
    assert position(cursor_after(key, query), query) == key


def test_a_cursor_is_refused_with_other_filters() -> None:
    cursor = cursor_after((1,), RecordFilters(class_id=1))

    with pytest.raises(WrongCursor):
        position(cursor, RecordFilters(class_id=2))
    with pytest.raises(WrongCursor):
        position(cursor, SessionFilters(class_id=1))


@given(st.text())
def test_arbitrary_text_is_refused_as_a_cursor(text: str) -> None:
    with pytest.raises(WrongCursor):
        position(text, RecordFilters())


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "null", "1", '["x", "1"]', '["x", true]', '["x", 1.0]', '["x", -1]', "[" * 9999, f'["x", {2**63}]'],
)
def test_other_json_is_refused_as_a_cursor(content: str) -> None:
    with pytest.raises(WrongCursor):
        position(base64.urlsafe_b64encode(content.encode()).decode(), RecordFilters())


@pytest.mark.parametrize("key", [(), (1,), (1, 1, 1, 1, 1), (1, 0, 1, 1), (1, 4_000_000, 1, 1), (1, MAX_ID, 1, 1)])
async def test_a_cursor_with_a_forged_key_is_invalid(records: Records, key: tuple[int, ...]) -> None:
    forged = PageRequest(cursor_after(key, RecordFilters()))

    with pytest.raises(Invalid) as refused:
        await records.page(caller(Role.ADMIN), RecordFilters(), forged)

    assert [(violation.code, violation.pointer) for violation in refused.value.violations] == [
        ("wrong_cursor", "/query/cursor")
    ]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=PLACES, meanwhile=st.lists(PLACES, max_size=4), limit=st.integers(1, 6))
async def test_paging_returns_every_row_once_and_in_order_despite_concurrent_inserts(
    database: Database,
    records: Records,
    before: set[tuple[int, int]],
    meanwhile: list[set[tuple[int, int]]],
    limit: int,
) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=5)
    await write(database, school, before)
    written = set(before)

    listed: list[Record] = []
    cursor: str | None = None
    while True:
        page = await records.page(caller(Role.OFFICE, school.school_id), RecordFilters(), PageRequest(cursor, limit))
        assert len(page.items) <= limit
        listed += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
        if meanwhile:
            new = meanwhile.pop() - written
            await write(database, school, new)
            written |= new

    positions = [row.position for row in listed]
    assert positions == sorted(set(positions))
    assert before <= {place(school, row) for row in listed}


def place(school: SchoolIds, row: Record) -> tuple[int, int]:
    return (row.learning_date - date(2024, 12, 1)).days, school.student_ids.index(row.student_id)


async def write(database: Database, school: SchoolIds, places: set[tuple[int, int]]) -> None:
    async with database.transaction() as connection:
        for day, student in places:
            batch = Batch(school.class_id, school.session_id, date(2024, 12, 1) + timedelta(day))
            await make_record(connection, school.school_id, batch, school.student_ids[student])
