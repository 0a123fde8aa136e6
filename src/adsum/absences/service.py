"""Absences known beforehand: entered, changed and revoked by the office, and what registers make of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from adsum.absences import repository as absences
from adsum.absences.apply import apply_absences
from adsum.absences.filters import AbsenceFilters
from adsum.absences.repository import AbsencePosition, AbsenceRow, AbsenceVersion, Teller
from adsum.absences.rules import Absence, validate_absence, validate_number
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Invalid, NotFound, StaleVersion, Violation
from adsum.platform.paging import Key, Page, PageRequest, begin_of, by_number, page_of
from adsum.roster.repository import sessions_among
from adsum.roster.session_fence import advance_fences
from adsum.roster.student_repository import schools_of_students


@dataclass(frozen=True, slots=True)
class Told:
    """What became of an absence that was told of: the rows, and how many records say something else since."""

    rows: Sequence[AbsenceRow]
    corrected: int


class Absences:
    """Every method raises Forbidden without `attendance:overrule`. `now` is the clock."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def add(self, student_ids: Sequence[int], absence: Absence, caller: Caller) -> Told:
        """Enters the same absence of each student.

        Registers that are taken from now on say it; what is recorded already is corrected, but for what the office has
        marked, and what an open run is about to record is corrected when it has ended.

        Raises:
            Invalid: with one violation for every wrong thing.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            school_id = await _check(connection, student_ids, absence, caller)
            await _fence_sessions(connection, student_ids)
            teller = Teller(caller, self._now())
            rows = await absences.add_absences(connection, school_id, student_ids, absence, teller)
            await absences.queue_due_absences(connection, rows)
            return Told(rows, await apply_absences(connection, rows, caller, teller.at))

    async def page(self, caller: Caller, filters: AbsenceFilters, page: PageRequest) -> Page[AbsenceRow]:
        """Some absences of the caller's schools, those that begin last first. Raises Invalid for a wrong cursor."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("absences", filters)
        after = begin_of(page, query, _position)
        async with self._database.snapshot() as connection:
            rows = await absences.list_absences(connection, caller, filters, after, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.absence.first_day.toordinal(), row.id))

    async def get(self, absence_id: int, caller: Caller) -> AbsenceRow:
        """One absence. Raises NotFound where the caller's schools have none."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            return await _found(connection, absence_id, caller)

    async def history(self, absence_id: int, caller: Caller, page: PageRequest) -> Page[AbsenceVersion]:
        """The versions of an absence, the newest first. Raises NotFound, and Invalid for a wrong cursor."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("absence", absence_id)
        before = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            await _found(connection, absence_id, caller)
            versions = await absences.list_versions(connection, absence_id, before, page.limit + 1)
        return page_of(versions, page, query, lambda version: (version.version,))

    async def change(
        self, absence_id: int, versions: Collection[int] | None, changed: Callable[[Absence], Absence], caller: Caller
    ) -> Told:
        """Changes an absence, if it is of one of the `versions` that the caller saw; None: whatever it says.

        Records that say it and are not concerned any more say again what they said before; where a register was taken
        with it, the mark is cleared, since nobody has said anything else of that student.

        Raises:
            NotFound: the caller's schools have no such absence.
            StaleVersion: it was changed meanwhile.
            Invalid: with one violation for every wrong thing; an absence that was revoked is not changed any more.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            row = await _found(connection, absence_id, caller, to_change=True)
            if row.revoked_at is not None:
                detail = f"absence {absence_id} was revoked: enter another one"
                raise Invalid(detail, [Violation("absence_revoked", detail, "/id")])
            absence = changed(row.absence)
            if absence == row.absence:
                return Told([row], 0)
            _refuse_stale(row, versions)
            await _check(connection, [row.student_id], absence, caller)
            return await self._put(connection, replace(row, absence=absence, version=row.version + 1), caller)

    async def revoke(self, absence_id: int, versions: Collection[int] | None, caller: Caller) -> Told:
        """Revokes an absence, as if it were changed to concern no day; twice is once. Raises as `change`."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            row = await _found(connection, absence_id, caller, to_change=True)
            if row.revoked_at is not None:
                return Told([row], 0)
            _refuse_stale(row, versions)
            return await self._put(connection, replace(row, version=row.version + 1, revoked_at=self._now()), caller)

    async def _put(self, connection: Connection, row: AbsenceRow, caller: Caller) -> Told:
        await _fence_sessions(connection, [row.student_id])
        now = self._now()
        await absences.change_absence(connection, row, Teller(caller, now))
        await absences.queue_due_absences(connection, [row])
        return Told([row], await apply_absences(connection, [row], caller, now))


async def _fence_sessions(connection: Connection, student_ids: Sequence[int]) -> None:
    """Takes the fences of all sessions that may record these students, so that no run of theirs opens meanwhile."""
    session_ids = await absences.sessions_of_students(connection, student_ids)
    if session_ids:
        await advance_fences(connection, session_ids)


async def _check(connection: Connection, student_ids: Sequence[int], absence: Absence, caller: Caller) -> int:
    """The school of these students, if the absence can be entered of them. Raises Invalid."""
    too_many = validate_number(student_ids, absence)
    if too_many:
        raise _invalid(too_many)
    found = await schools_of_students(connection, caller, student_ids)
    violations = [
        Violation("unknown_student", f"there is no student {student_id}", f"/studentIds/{i}", {"studentId": student_id})
        for i, student_id in enumerate(student_ids)
        if student_id not in found
    ]
    schools = sorted(set(found.values()))
    if len(schools) > 1:
        violations.append(
            Violation("several_schools", "these students are of several schools: enter them apart", "/studentIds")
        )
    # Of the first, where there are several: so everything else that is wrong is told, too.
    statuses = await find_statuses(connection, schools[:1])
    violations += validate_absence(absence, next(iter(statuses.values()), SchoolStatuses()))
    known = await sessions_among(connection, schools[:1], absence.session_ids or ())
    violations += [
        Violation("unknown_session", f"the school has no session {session_id}", f"/sessionIds/{i}")
        for i, session_id in enumerate(absence.session_ids or ())
        if session_id not in known
    ]
    if violations:
        raise _invalid(violations)
    return schools[0]


def _refuse_stale(row: AbsenceRow, versions: Collection[int] | None) -> None:
    if versions is not None and row.version not in versions:
        detail = f"absence {row.id} was changed meanwhile: it is version {row.version} now"
        raise StaleVersion(detail, current={"version": row.version, **row.absence.to_json()}, changes=[])


async def _found(connection: Connection, absence_id: int, caller: Caller, *, to_change: bool = False) -> AbsenceRow:
    found = await absences.find_absences(connection, caller, [absence_id], to_change=to_change)
    if not found:
        raise NotFound(f"there is no absence {absence_id}", id=absence_id)
    return found[0]


def _invalid(violations: Sequence[Violation]) -> Invalid:
    return Invalid("; ".join(violation.detail for violation in violations[:3]), violations)


def _position(key: Key) -> AbsencePosition:
    ordinal, absence_id = key
    return date.fromordinal(ordinal), absence_id
