"""The roster of a class on a day."""

from __future__ import annotations

from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.engine import Database
from adsum.roster.repository.students import roster_of
from tests.support.schools import enrol, make_bare_school, make_class, make_school, make_student

NINTH, TENTH = date(2024, 12, 9), date(2024, 12, 10)


async def ids_on(connection: AsyncConnection, class_id: int, day: date) -> list[int]:
    return [student.student_id for student in await roster_of(connection, class_id, day)]


async def test_an_enrolment_that_ends_on_the_10th_is_on_the_roster_of_the_9th_and_not_of_the_10th(
    database: Database,
) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        class_id = await make_class(connection, school_id)
        student_id = await make_student(connection, school_id)
        await enrol(connection, class_id, [student_id], end=TENTH)

        assert await ids_on(connection, class_id, NINTH) == [student_id]
        assert await ids_on(connection, class_id, TENTH) == []


async def test_an_enrolment_counts_from_its_first_day_on(database: Database) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        class_id = await make_class(connection, school_id)
        student_id = await make_student(connection, school_id)
        await enrol(connection, class_id, [student_id], begin=TENTH)

        assert await ids_on(connection, class_id, NINTH) == []
        assert await ids_on(connection, class_id, TENTH) == [student_id]


async def test_an_enrolment_without_dates_is_valid_on_every_day(database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=2, begin=None)

        assert await ids_on(connection, school.class_id, date(1990, 1, 1)) == school.student_ids
        assert await ids_on(connection, school.class_id, date(2090, 1, 1)) == school.student_ids


async def test_a_student_who_changed_class_in_mid_term_is_on_one_roster_each_day(database: Database) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        old, new = await make_class(connection, school_id), await make_class(connection, school_id, title="7c")
        student_id = await make_student(connection, school_id)
        await enrol(connection, old, [student_id], end=TENTH)
        await enrol(connection, new, [student_id], begin=TENTH)

        assert (await ids_on(connection, old, NINTH), await ids_on(connection, new, NINTH)) == ([student_id], [])
        assert (await ids_on(connection, old, TENTH), await ids_on(connection, new, TENTH)) == ([], [student_id])


async def test_two_overlapping_enrolments_are_one_student(database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=2)
        await enrol(connection, school.class_id, school.student_ids, begin=NINTH, end=None)

        assert await ids_on(connection, school.class_id, TENTH) == school.student_ids


async def test_a_roster_is_sorted_by_name_whatever_the_collation_of_the_database(database: Database) -> None:
    names = [
        ("Ann", "Zimmer"),
        ("Bo", "Åberg"),
        ("Cy", "de Vries"),
        ("Di", "Abel"),
        ("Ed", "De Vries"),
        ("太郎", "山田"),
        ("Al", "de Vries"),
        ("Ann", "Zimmer"),
    ]
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        class_id = await make_class(connection, school_id)
        made = [await make_student(connection, school_id, given=given, family=family) for given, family in names]
        await enrol(connection, class_id, reversed(made))

        roster = await roster_of(connection, class_id, TENTH)

    assert [student.given_name for student in roster] == ["Di", "Bo", "Al", "Cy", "Ed", "Ann", "Ann", "太郎"]
    assert [student.student_id for student in roster][5:7] == [made[0], made[7]]


async def test_a_student_who_is_missing_from_the_newest_file_stays_on_earlier_rosters(database: Database) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        class_id = await make_class(connection, school_id)
        student_id = await make_student(connection, school_id, active=False)
        await enrol(connection, class_id, [student_id], end=TENTH)

        assert await ids_on(connection, class_id, NINTH) == [student_id]
