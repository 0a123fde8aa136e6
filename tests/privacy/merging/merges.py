"""Two records of one student, and requests that merge them."""

from __future__ import annotations

from typing import Any

import httpx2
from sqlalchemy import update

from adsum.roster.tables import students
from tests.attendance.corrections.conftest import Register
from tests.privacy.test_student_data import student_of
from tests.support.api import DAY
from tests.support.schools import enrol, make_student

NEXT_DAY = "2024-12-26"


async def merge(register: Register, keep: int, remove: int, role: str = "office", **fields: Any) -> httpx2.Response:
    """Merges two records. Their names differ in most tests, so that each test sees whose they are."""
    body = {"removedStudentId": remove, "allowDifferentNames": True, **fields}
    return await register.api.post(f"/students/{keep}/merge", body, role)


async def second_record(
    register: Register, source_id: str = "old-1", first_source_id: str | None = "new-1", **columns: Any
) -> int:
    """Adds a second record of the first student, in the same class; the first one has the source id new-1."""
    async with register.adsum.database.transaction() as connection:
        of_first = update(students).where(students.c.id == student_of(register))
        await connection.execute(of_first.values(source_id=first_source_id))
        student_id = await make_student(
            connection, register.api.school.school_id, given="Adá", source_id=source_id, **columns
        )
        await enrol(connection, register.api.school.class_id, [student_id])
    return student_id


async def mark(register: Register, day: str = DAY, **statuses_by_student: str) -> dict[str, Any]:
    marks = [{"studentId": int(each[1:]), "status": status} for each, status in statuses_by_student.items()]
    return await register.mark(isSelectedAll=False, marks=marks, learningDate=day)


async def statuses_of(register: Register, student_id: int) -> dict[str, str | None]:
    items = (await register.api.get("/attendances", studentId=student_id)).json()["items"]
    return {each["learningDate"]: each["status"] for each in items}
