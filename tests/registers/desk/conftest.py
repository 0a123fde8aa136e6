"""Fixtures of the desk: a day with four sessions."""

from __future__ import annotations

import pytest

from adsum.schools.calendar.rules import SessionTime
from tests.absences.conftest import Office
from tests.registers.desk.entering import HOURS
from tests.support.schools import enrol, give_times, make_class, make_session


@pytest.fixture
async def lessons(office: Office) -> list[int]:
    """Four sessions of the class on Wednesdays, at `HOURS`; the class of the register is the first."""
    school = office.school
    async with office.adsum.database.transaction() as connection:
        ids = [school.session_id]
        for i in range(3):
            class_id = await make_class(connection, school.school_id, title=f"Class {i}")
            await enrol(connection, class_id, school.student_ids)
            ids.append(await make_session(connection, class_id, title=f"Lesson {i}"))
        await give_times(connection, {each: [SessionTime(3, *times)] for each, times in zip(ids, HOURS, strict=True)})
    return ids
