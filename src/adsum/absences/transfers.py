"""Warns of planned absences of students who transfer to another school in a roster import."""

from __future__ import annotations

from collections.abc import Sequence

from adsum.absences.repository.planned import absences_of_transfers
from adsum.platform.database.engine import Connection
from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import file_violation, row_violation

FILE = "users.csv"


async def warnings_of_transfers(connection: Connection) -> Sequence[Violation]:
    """A warning for each absence of today or later at a school that its student leaves in the import that runs.

    An absence remains that of the school that entered it: its status and sessions belong to that school.
    """
    warnings: list[Violation] = []
    for planned, source_id, line in await absences_of_transfers(connection):
        first_day, last_day = planned.absence.first_day, planned.absence.last_day
        detail = (
            f"student {source_id} leaves the school at which absence {planned.id} is planned from {first_day} to"
            f" {last_day}: it does not apply at the new school, enter it there"
        )
        code, params = "absence_at_former_school", {"studentId": planned.student_id, "absenceId": planned.id}
        warnings.append(
            file_violation(code, FILE, detail, **params)
            if line is None
            else row_violation(code, FILE, line, detail, **params)
        )
    return warnings
