"""The statements in files that repeat `accounts.visibility` choose the same teachers as its functions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from sqlalchemy import insert, select, update

from adsum.accounts.access import PERMISSIONS, Caller, Role, system_caller
from adsum.accounts.visibility import is_taught_by
from adsum.batches.repository.submissions import ContextQuery, find_class_contexts
from adsum.operations.migrations import tables
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Connection, Database
from adsum.registers.repository import list_registers
from adsum.registers.rules import RegisterFilters
from tests.support.schools import SchoolIds, assign, make_class, make_school, make_session, make_user

FIRST, LAST = date(2024, 12, 9), date(2024, 12, 11)
DAYS = [FIRST + timedelta(days=number) for number in range(-1, 4)]


async def test_statements_in_files_apply_the_rule_of_visibility(database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, begin=None)
        await connection.execute(update(tables.schools).values(weekdays="1234567"))
        sessions = [school.session_id, await make_session(connection, school.class_id, period="2")]
        teachers = await make_teachers(connection, school, covered=sessions[1])

        seen: set[frozenset[int]] = set()
        for session_id in sessions:
            for day in DAYS:
                by_rule = await by_functions(connection, school, session_id, day)
                assert await by_register_details(connection, session_id, day) == by_rule
                assert await by_class_contexts(connection, school, session_id, day, teachers) == by_rule
                seen.add(frozenset(by_rule))
        assert len(seen) > 2, "the cases differ"


async def make_teachers(connection: Connection, school: SchoolIds, *, covered: int) -> list[int]:
    """Teachers with every kind of assignment and cover, from `FIRST` to `LAST` where they are limited."""
    ids = [await make_user(connection, Role.TEACHER, school.school_id) for _ in range(7)]
    always, limited, ended, of_class, of_session, elsewhere, _nowhere = ids
    after = LAST + timedelta(days=1)
    await assign(connection, school.class_id, always, begin=None)
    await assign(connection, school.class_id, limited, begin=FIRST, end=after)
    await assign(connection, school.class_id, ended, begin=None, end=FIRST)
    await assign(connection, await make_class(connection, school.school_id, title="7c"), elsewhere, begin=None)
    covers = [
        {
            "school_id": school.school_id,
            "class_id": school.class_id,
            "session_id": session_id,
            "user_id": user_id,
            "begin_date": FIRST,
            "end_date": after,
            "created_at": system_clock(),
            "created_role": Role.OFFICE,
        }
        for user_id, session_id in ((of_class, None), (of_session, covered))
    ]
    await connection.execute(insert(tables.class_covers), covers)
    return [*ids, school.teacher_id]


async def by_functions(connection: Connection, school: SchoolIds, session_id: int, day: date) -> set[int]:
    s, u = tables.sessions.c, tables.users.c
    taught = {
        user_id
        for user_id in await connection.scalars(select(u.id))
        if await connection.scalar(select(s.id).where(s.id == session_id, is_taught_by(user_id, s.class_id, s.id, day)))
    }
    assert school.teacher_id in taught, "make_school assigns the teacher without dates"
    return taught


async def by_register_details(connection: Connection, session_id: int, day: date) -> set[int]:
    filters = RegisterFilters(day=day, with_upcoming=True)
    registers = await list_registers(connection, system_caller(), filters, system_clock(), None, 10)
    (register,) = [each for each in registers if each.session_id == session_id]
    return {each.user_id for each in register.teachers}


async def by_class_contexts(
    connection: Connection, school: SchoolIds, session_id: int, day: date, teachers: Collection[int]
) -> set[int]:
    queries = {ContextQuery(school.class_id, session_id, user_id): user_id for user_id in teachers}
    contexts = await find_class_contexts(connection, list(queries))
    callers = {
        user_id: Caller(Role.TEACHER, PERMISSIONS[Role.TEACHER], user_id, schools=frozenset({school.school_id}))
        for user_id in teachers
    }
    return {user_id for query, user_id in queries.items() if contexts[query].is_visible_to(callers[user_id], day)}
