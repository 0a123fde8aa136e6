"""Unexplained absences: records with an absent status that is not authorised, and explaining them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.disputed_marks.repository import resolve_dispute
from adsum.attendance.repository import apply_changes, find_records_with_statuses
from adsum.attendance.rules import Correction, Record, change_of
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, StatusFlag
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Violation, refuse
from adsum.platform.texts import validate_reason
from adsum.schools.service import require_school

StudentDay = tuple[int, date]
"""A student id and a day."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """An authorised status, and the reason of the absence."""

    status: str
    reason: str


class UnexplainedAbsences:
    """Finds and explains them. Every method raises NotFound for a school that the caller may not see."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def find(
        self, school_id: int, student_days: Collection[StudentDay], caller: Caller
    ) -> Mapping[StudentDay, Sequence[Record]]:
        """The unexplained records of students on days, in one statement. Raises Forbidden without `attendance:read`."""
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            codes = (await statuses_of_school(connection, school_id)).unexplained
            records = await find_records_with_statuses(connection, caller, school_id, student_days, codes)
        found: defaultdict[StudentDay, list[Record]] = defaultdict(list)
        for record in records:
            found[record.student_id, record.learning_date].append(record)
        return found

    async def explain(
        self, school_id: int, student_day: StudentDay, status: str, reason: str, caller: Caller
    ) -> Sequence[Record]:
        """Gives all unexplained records of a student on a day an authorised status, each with an entry in its history.

        Records that have been explained meanwhile, or are no longer absent, keep their marks.

        Returns:
            The records before the change; empty if all have been explained meanwhile.

        Raises:
            Forbidden: without `attendance:overrule`.
            Invalid: the status is not an authorised absence of this school, or the reason is missing or cannot be
                stored.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            return await explain_day(
                connection, school_id, student_day, Explanation(status, reason), caller, now=self._now()
            )


async def explain_day(
    connection: Connection,
    school_id: int,
    student_day: StudentDay,
    explanation: Explanation,
    caller: Caller,
    *,
    now: datetime,
) -> Sequence[Record]:
    """As `UnexplainedAbsences.explain`, in an open transaction, of a school that the caller sees."""
    statuses = await statuses_of_school(connection, school_id)
    refuse([*_validate_status(explanation.status, statuses), *_validate_reason(explanation.reason)])
    days, codes = [student_day], statuses.unexplained
    records = await find_records_with_statuses(connection, caller, school_id, days, codes, lock=True)
    correction = Correction(status=explanation.status, reason=explanation.reason.strip())
    for record in records:
        await resolve_dispute(connection, record.id, now)
    await apply_changes(connection, {record.id: change_of(record, correction, caller, now) for record in records})
    return records


def explanations(statuses: SchoolStatuses) -> list[str]:
    """The codes of authorised absences that are in use, in the school's order."""
    absences = [each for each in statuses if each.is_in_use and each.counts_as is CountsAs.ABSENT]
    return [each.code for each in absences if StatusFlag.AUTHORISED in each.flags]


def _validate_status(status: str, statuses: SchoolStatuses) -> list[Violation]:
    allowed = explanations(statuses)
    if status in allowed:
        return []
    detail = f"{status[:40]!r} is not an authorised absence of this school: use one of {', '.join(allowed)}"
    return [Violation("unknown_status", detail, "/status", {"allowed": allowed})]


def _validate_reason(reason: str) -> list[Violation]:
    if not reason.strip():
        return [Violation("reason_missing", "a reason is required", "/reason")]
    return list(validate_reason(reason.strip()))
