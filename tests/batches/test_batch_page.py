"""The pages of batches, requested as a browser requests them."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from sqlalchemy import update

from adsum.accounts.access import Role
from adsum.roster.tables import students
from tests.absences.conftest import Office, office
from tests.support.pages import Pages, visible_text

__all__ = ["office"]


@pytest.fixture
async def batch_id(office: Office) -> str:
    """A register whose students have names in another order than their ids."""
    first, second, third = office.school.student_ids
    async with office.adsum.database.transaction() as connection:
        for student, family in ((first, "Zuse"), (second, "Äbel"), (third, "Byron")):
            await connection.execute(update(students).where(students.c.id == student).values(family_name=family))
    return (await office.take())["batchId"]


async def test_the_students_of_a_batch_are_listed_by_family_name(office: Office, batch_id: str) -> None:
    pages = Pages(office.api)
    named = visible_text(await pages.open(f"/batches/{batch_id}"))
    assert 0 < named.index("Äbel") < named.index("Byron") < named.index("Zuse")
    by_id = (await pages.open(f"/batches/{batch_id}", "operator")).text
    places = [by_id.index(f'<th scope="row">{student}</th>') for student in office.school.student_ids]
    assert places == sorted(places)


async def test_a_teacher_sees_a_submission_without_what_concerns_operators(office: Office, batch_id: str) -> None:
    await office.api.sign_in(Role.ADMIN, None)
    pages = Pages(office.api)
    (run,) = (await office.api.get(f"/attendances/batches/{batch_id}", "office")).json()["runs"]
    of_operators = (run["runId"], "Worker", "The logs of the workers")
    teachers = await pages.open(f"/batches/{batch_id}", "teacher")
    admins = await pages.open(f"/batches/{batch_id}", "admin")

    assert {each: each in visible_text(teachers) for each in of_operators} == dict.fromkeys(of_operators, False)
    assert {each: each in visible_text(admins) for each in of_operators} == dict.fromkeys(of_operators, True)
    assert "batch" not in visible_text(teachers).casefold().replace(batch_id, "")
    assert "· Submission" in teachers.text


async def test_a_teacher_filters_submissions_by_a_class_of_theirs(office: Office, batch_id: str) -> None:
    pages = Pages(office.api)
    page = await pages.open("/batches", "teacher")
    assert f'<option value="{office.school.class_id}">7b</option>' in page.text
    assert "Class number" not in visible_text(page)
    chosen = await pages.open(f"/batches?classId={office.school.class_id}", "teacher")
    assert f'<option value="{office.school.class_id}" selected>' in chosen.text
    assert f'href="/batches/{batch_id}"' in chosen.text
    other = await pages.open(f"/batches?classId={office.school.class_id + 1}", "teacher")
    assert "No submission matches these filters." in visible_text(other)
    assert "Class number" in visible_text(await pages.open("/batches", "office"))
    assert page.status_code == chosen.status_code == other.status_code == HTTPStatus.OK
