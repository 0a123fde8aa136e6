"""Absences that nobody has explained: of which sessions they are, and settling those of a student and day at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.corrections import change_of
from adsum.attendance.disputed_marks import repository as contradictions
from adsum.attendance.history import apply_changes
from adsum.attendance.repository import RecordRow, list_absences
from adsum.attendance.rules import Correction
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, Status, StatusFlag
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Invalid, Violation
from adsum.platform.texts import validate_reason
from adsum.schools.service import require_school

StudentAndDay = tuple[int, date]


class Explaining:
    """`now` is the clock. Every method raises NotFound for a school that the caller does not see."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def absences(
        self, school_id: int, of: Collection[StudentAndDay], caller: Caller
    ) -> Mapping[StudentAndDay, Sequence[RecordRow]]:
        """The records that are absences without an explanation, by student and day; one statement for all.

        Raises:
            Forbidden: without `attendance:read`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            statuses = await _statuses(connection, school_id)
            rows = await list_absences(connection, caller, school_id, of, _unexplained(statuses))
        found: defaultdict[StudentAndDay, list[RecordRow]] = defaultdict(list)
        for row in rows:
            found[row.student_id, row.learning_date].append(row)
        return found

    async def explain(
        self, school_id: int, absent: StudentAndDay, status: str, reason: str, caller: Caller
    ) -> Sequence[RecordRow]:
        """Gives all unexplained absences of a student on a day an authorised status, each with a history entry.

        What has been explained, or is no absence any more, is left alone: nobody's work is overwritten.

        Returns:
            The records as they were; none: somebody else has settled them meanwhile.

        Raises:
            Forbidden: without `attendance:overrule`.
            Invalid: the status explains nothing here, or there is no reason, or it cannot be kept.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            statuses = await _statuses(connection, school_id)
            violations = [*_validate_status(status, statuses), *_validate_reason(reason)]
            if violations:
                raise Invalid("; ".join(violation.detail for violation in violations), violations)
            rows = await list_absences(connection, caller, school_id, [absent], _unexplained(statuses), to_change=True)
            now, correction = self._now(), Correction(status=status, reason=reason.strip())
            for row in rows:
                await contradictions.resolve(connection, row.id, now)
            await apply_changes(connection, {row.id: change_of(row, correction, caller, now) for row in rows})
        return rows


def explanations(statuses: SchoolStatuses) -> list[str]:
    """The codes that explain an absence, in the school's order."""
    return [each.code for each in statuses if each.is_in_use and _is_absence(each) and _is_authorised(each)]


def _unexplained(statuses: SchoolStatuses) -> list[str]:
    """The codes of absences that are not authorised, retired ones too."""
    return [each.code for each in statuses if _is_absence(each) and not _is_authorised(each)]


def _is_absence(status: Status) -> bool:
    return status.counts_as is CountsAs.ABSENT


def _is_authorised(status: Status) -> bool:
    return StatusFlag.AUTHORISED in status.flags


async def _statuses(connection: Connection, school_id: int) -> SchoolStatuses:
    return (await find_statuses(connection, [school_id]))[school_id]


def _validate_status(status: str, statuses: SchoolStatuses) -> list[Violation]:
    allowed = explanations(statuses)
    if status in allowed:
        return []
    detail = f"{status[:40]!r} explains no absence here: one of {', '.join(allowed)}"
    return [Violation("unknown_status", detail, "/status", {"allowed": allowed})]


def _validate_reason(reason: str) -> list[Violation]:
    if not reason.strip():
        return [Violation("reason_missing", "say why the student was absent", "/reason")]
    return list(validate_reason(reason.strip()))
