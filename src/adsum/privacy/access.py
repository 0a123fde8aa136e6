"""Which callers may handle the data of a student: those who see all of the student's schools."""

from __future__ import annotations

from adsum.accounts.access import Caller
from adsum.accounts.visibility import can_see_school
from adsum.platform.database.engine import Connection
from adsum.platform.errors import NotFound
from adsum.privacy.rules import OtherSchools
from adsum.roster.repository.membership import schools_of_student


async def require_student(connection: Connection, student_id: int, caller: Caller) -> int | None:
    """The school of a student; None if they are of several.

    Raises:
        NotFound: the student does not exist or is not visible.
        OtherSchools: not all of their schools are visible.
    """
    schools = await schools_of_student(connection, student_id)
    visible = [can_see_school(caller, school_id) for school_id in schools]
    if not any(visible):
        raise NotFound(f"there is no student {student_id}", studentId=student_id)
    if not all(visible):
        detail = f"student {student_id} has data at schools that you do not see: this needs the rights of all of them"
        raise OtherSchools(detail, studentId=student_id)
    return schools[0] if len(schools) == 1 else None
