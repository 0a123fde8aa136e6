"""Right after a bulk insert Postgres has no statistics. A register is then read without comparing each mark with each
enrolment.
"""

from __future__ import annotations

from datetime import date

from adsum.accounts.access import system_caller
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from adsum.registers.repository import list_registers
from adsum.registers.rules import RegisterFilters
from tests.support.schools import make_records, make_school
from tests.support.statements import rows_handled, too_many

STUDENTS = 300
DAY = date(2024, 12, 18)


async def test_the_register_of_a_large_class_is_read(postgres_database: Database) -> None:
    async with postgres_database.transaction() as connection:
        school = await make_school(connection, students=STUDENTS)
        batch = Batch(school.class_id, school.session_id, DAY)
        await make_records(connection, school.school_id, [batch], school.student_ids[1:])
    filters = RegisterFilters(DAY, missing_only=False)
    with rows_handled(postgres_database) as handled:
        async with postgres_database.transaction() as connection:
            (register,) = await list_registers(connection, system_caller(), filters, system_clock(), None, 10)
    assert register.missing_student_ids == (school.student_ids[0],)
    assert len(handled) == 3
    assert too_many(handled, STUDENTS) == []
