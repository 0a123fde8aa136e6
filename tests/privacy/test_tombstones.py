"""An erasure leaves tombstones, so that no platform and no file of marks brings the student back by accident."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from sqlalchemy import select

from adsum.accounts.access import system_caller
from adsum.platform.database.tombstones import Erased, find_tombstones, tombstones
from adsum.roster.by_source.rules import SourcedStudent
from tests.attendance.corrections.conftest import Register
from tests.support.api import violations
from tests.support.schools import add_school, make_bare_school, make_student
from tests.support.statements import statements_sent

STUDENT = "student-1"


async def test_every_source_id_of_the_erased_has_a_tombstone(register: Register) -> None:
    student_id, school_id = register.api.school.student_ids[0], register.api.school.school_id
    async with register.adsum.database.transaction() as connection:
        other = await make_bare_school(connection, name="Parkschule")
        await add_school(connection, student_id, other, source_id="p-17")
        await make_student(connection, school_id, source_id="s-4", merged_into=student_id)

    await register.adsum.student_data.erase(student_id, system_caller())

    async with register.adsum.database.snapshot() as connection:
        found = await find_tombstones(connection, Erased.STUDENT, [school_id, other])
    names = [(school_id, "s-4"), (other, "p-17"), (other, "s-4")]
    assert [found.has(*name) for name in names] == [True, True, False]


async def test_an_erasure_leaves_no_tombstone_of_an_id_that_names_another_student(register: Register) -> None:
    student_id, school_id = register.api.school.student_ids[0], register.api.school.school_id
    async with register.adsum.database.transaction() as connection:
        other = await make_bare_school(connection, name="Parkschule")
        await add_school(connection, student_id, other, source_id="p-17")
        await make_student(connection, other, source_id="p-17", given="Grace")

    await register.adsum.student_data.erase(student_id, system_caller())

    async with register.adsum.database.snapshot() as connection:
        assert (await connection.scalars(select(tombstones.c.digest))).all() == []
        assert not (await find_tombstones(connection, Erased.STUDENT, [school_id, other])).has(other, "p-17")


async def with_erased_student(register: Register) -> int:
    async with register.adsum.database.transaction() as connection:
        student_id = await make_student(connection, register.api.school.school_id, source_id=STUDENT)
    await register.adsum.student_data.erase(student_id, system_caller())
    return student_id


async def put(register: Register, what: str, source_id: str, **body: Any) -> Any:
    return await register.api.change("PUT", f"/{what}/by-source/{source_id}", "office", None, json=body)


async def test_a_platform_cannot_put_an_erased_student_or_their_enrolment(register: Register) -> None:
    await with_erased_student(register)
    await put(register, "classes", "c-1", title="7c")

    student = await put(register, "students", STUDENT, givenName="Ada", familyName="Byron")
    enrolment = await put(register, "enrolments", "e-1", classSourcedId="c-1", studentSourcedId=STUDENT)

    assert [answer.status_code for answer in (student, enrolment)] == [HTTPStatus.CONFLICT] * 2
    assert violations(student) == {("/path/sourcedId", "erased_person")}
    assert violations(enrolment) == {("/studentSourcedId", "erased_person")}

    path = f"/schools/{register.api.school.school_id}/readmissions"
    readmitted = await register.api.post(path, {"sourcedId": STUDENT}, "office")
    assert readmitted.status_code == HTTPStatus.NO_CONTENT, readmitted.text
    again = await put(register, "students", STUDENT, givenName="Ada", familyName="Byron")
    assert again.status_code == HTTPStatus.CREATED
    missing = await register.api.post(path, {"sourcedId": STUDENT}, "office")
    assert missing.status_code == HTTPStatus.NOT_FOUND


async def test_a_new_student_asks_for_one_tombstone_and_not_for_those_of_the_school(register: Register) -> None:
    await with_erased_student(register)

    grace = SourcedStudent("Grace", "Hopper", None, active=True)

    with statements_sent(register.adsum.database) as sent:
        added = await register.adsum.sourced_roster.put_student(
            register.api.school.school_id, "student-2", grace, system_caller()
        )

    assert added.is_new
    asked = [statement for statement, _ in sent if "FROM tombstones" in statement]
    assert ["digest =" in statement for statement in asked] == [True]


async def test_readmitting_needs_the_permission_and_the_school(register: Register) -> None:
    await with_erased_student(register)
    async with register.adsum.database.transaction() as connection:
        other = await make_bare_school(connection, name="Elsewhere")

    def path(school_id: int) -> str:
        return f"/schools/{school_id}/readmissions"

    by_teacher = await register.api.post(path(register.api.school.school_id), {"sourcedId": STUDENT}, "teacher")
    elsewhere = await register.api.post(path(other), {"sourcedId": STUDENT}, "office")
    assert (by_teacher.status_code, elsewhere.status_code) == (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
