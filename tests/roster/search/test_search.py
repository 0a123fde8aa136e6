"""One search: the best matches first, and nothing that the caller does not see."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import update

from adsum.accounts.access import Caller, Permission, Role, system_caller
from adsum.operations.migrations import tables
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, Invalid
from adsum.roster.search.rules import Hits
from adsum.roster.search.service import Search
from tests.support.schools import (
    add_school,
    assign,
    caller,
    enrol,
    make_bare_school,
    make_class,
    make_school,
    make_student,
    make_user,
)

TODAY = date(2025, 3, 12)


@pytest.fixture
def search(database: Database) -> Search:
    return Search(database, lambda: datetime(2025, 3, 12, 9, tzinfo=UTC))


def names(hits: Hits) -> list[str]:
    return [f"{row.given_name} {row.family_name}" for row in hits.students.rows]


async def test_whole_words_come_before_beginnings_and_these_before_parts(search: Search, database: Database) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        for given, family in (("Ali", "Baba"), ("Lina", "Olsen"), ("Wei", "Li"), ("Anna-Lisa", "Li"), ("Ada", "Byron")):
            await make_student(connection, school_id, given=given, family=family)
    hits = await search.find("li", 10, caller(Role.OFFICE, school_id))
    assert names(hits) == ["Anna-Lisa Li", "Wei Li", "Lina Olsen", "Ali Baba"]
    assert names(await search.find("Li, Wei", 10, caller(Role.OFFICE, school_id))) == ["Wei Li"]


async def test_current_students_and_classes_come_before_former_ones(search: Search, database: Database) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        await make_student(connection, school_id, given="Ada", family="Abel", active=False)
        await make_student(connection, school_id, given="Ada", family="Zorn")
        await make_class(connection, school_id, title="7 Ada", active=False)
        await make_class(connection, school_id, title="8 Ada")
    hits = await search.find("ada", 10, caller(Role.OFFICE, school_id))
    assert names(hits) == ["Ada Zorn", "Ada Abel"]
    assert [row.title for row in hits.classes.rows] == ["8 Ada", "7 Ada"]


async def test_names_are_found_however_accented_and_wildcards_are_letters(search: Search, database: Database) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        await make_student(connection, school_id, given="Zoë", family="Müller", source_id="s-100%")
    office = caller(Role.OFFICE, school_id)
    for words in ("zoe mueller", "MÜLLER, Zoé", "100%", "s-100"):
        assert names(await search.find(words, 10, office)) == ["Zoë Müller"], words
    for words in ("z_e", "m%r", "zoe meier"):
        assert names(await search.find(words, 10, office)) == [], words


async def test_one_letter_is_not_searched(search: Search, database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection)
    office = caller(Role.OFFICE, school.school_id)
    for words in ("", "  ", " , ", "f", "É", "7", "f g", "\u02bc\u02bc"):
        for found in (
            search.find(words, 10, office),
            search.students_of_day(words, school.school_id, TODAY, 10, office),
        ):
            with pytest.raises(Invalid) as refused:
                await found
            assert [(each.code, each.pointer) for each in refused.value.violations] == [("too_short", "/q")], words
    assert names(await search.find("f gi", 10, office)) == names(await search.find("family", 10, office))


@pytest.mark.parametrize(("given", "family"), [("偉", "王"), ("はな", "林"), ("민준", "김")])
async def test_one_character_of_a_chinese_japanese_or_korean_name_is_searched(
    search: Search, database: Database, given: str, family: str
) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        student_id = await make_student(connection, school_id, given=given, family=family)
    hits = await search.find(family, 10, caller(Role.OFFICE, school_id))
    assert [row.id for row in hits.students.rows] == [student_id]


async def test_more_matches_than_the_limit_are_said_by_kind(search: Search, database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=4)
    office = caller(Role.OFFICE, school.school_id)
    hits = await search.find("family", 3, office)
    assert (len(hits.students.rows), hits.students.has_more, hits.classes.has_more, hits.has_more) == (
        *(3, True),
        *(False, True),
    )
    assert not (await search.find("family", 4, office)).has_more
    assert hits.schools == {school.school_id: "Lindenhof"}


async def test_a_teacher_finds_the_classes_of_today_and_their_students_only(search: Search, database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=1)
        other = await make_class(connection, school.school_id, title="7b of a colleague")
        left = await make_class(connection, school.school_id, title="7b of last year")
        await assign(connection, left, school.teacher_id, end=TODAY)
        theirs, former, past = [
            await make_student(connection, school.school_id, given=given, family="Family") for given in ("X", "Y", "Z")
        ]
        await enrol(connection, other, [theirs])
        await enrol(connection, school.class_id, [former], end=TODAY)
        await enrol(connection, left, [past])
    teacher = caller(Role.TEACHER, school.school_id, school.teacher_id)
    assert names(await search.find("family", 10, teacher)) == ["Given 1 Family 0001"]
    assert [row.id for row in (await search.find("7b", 10, teacher)).classes.rows] == [school.class_id]


async def test_an_office_finds_its_own_school_only(search: Search, database: Database) -> None:
    async with database.transaction() as connection:
        here, there = await make_school(connection, students=1), await make_school(connection, students=1)
        second = await make_student(connection, there.school_id, given="At", family="Family of both")
        await add_school(connection, second, here.school_id)
    office = caller(Role.OFFICE, here.school_id)
    hits = await search.find("family", 10, office)
    assert names(hits) == ["Given 1 Family 0001", "At Family of both"]
    assert hits.schools.keys() == {here.school_id}
    assert [row.id for row in (await search.find("7b", 10, office)).classes.rows] == [here.class_id]
    assert len((await search.find("7b", 10, system_caller())).classes.rows) == 2


async def test_people_are_found_by_those_who_manage_users_only(search: Search, database: Database) -> None:
    async with database.transaction() as connection:
        school, other = await make_school(connection), await make_school(connection)
        for school_id, email in ((school.school_id, "todd@here.example"), (other.school_id, "todd@there.example")):
            await make_user(connection, Role.VIEWER, school_id, family_name="Todd", email=email)
        district = await make_user(connection, Role.ADMIN, None, family_name="Todd", email="todd@district.example")
        erased = await make_user(connection, Role.VIEWER, school.school_id, family_name="Todd")
        gone = update(tables.users).where(tables.users.c.id == erased)
        await connection.execute(gone.values(erased_at=datetime(2025, 1, 1, tzinfo=UTC)))
    office = caller(Role.OFFICE, school.school_id)
    admin = Caller(Role.ADMIN, office.permissions | {Permission.USER_MANAGE}, schools=office.schools)
    for by, emails in (
        (office, []),
        (admin, ["todd@here.example"]),
        (system_caller(), ["todd@district.example", "todd@here.example", "todd@there.example"]),
    ):
        hits = await search.find("todd", 10, by)
        assert sorted(row.email or "" for row in hits.people.rows) == emails
    assert [row.id for row in (await search.find("TODD@district", 10, system_caller())).people.rows] == [district]


async def test_a_student_is_found_by_the_name_of_a_merged_record(search: Search, database: Database) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        kept = await make_student(connection, school_id, given="Maria", family="Rossi")
        await make_student(connection, school_id, given="Mary", family="Ross", source_id="second", merged_into=kept)
    assert names(await search.find("second", 10, caller(Role.OFFICE, school_id))) == ["Maria Rossi"]


async def test_a_search_needs_the_right_to_read_rosters(search: Search) -> None:
    with pytest.raises(Forbidden):
        await search.find("ada", 10, caller(Role.OPERATOR, 1))
