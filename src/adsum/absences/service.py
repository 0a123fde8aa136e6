"""Planned absences: entered, changed and revoked by the office."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain

from adsum.absences.apply import apply_absences
from adsum.absences.repository.planned import (
    add_absences,
    change_absence,
    find_absence,
    list_planned_absences,
    list_versions,
    queue_due_absences,
    same_absences,
    sessions_of_absences,
    sessions_of_students,
    sessions_to_choose,
)
from adsum.absences.repository.records import find_kept_records
from adsum.absences.rules import (
    Absence,
    AbsenceFilters,
    AbsencePosition,
    AbsenceVersion,
    AbsenceWarning,
    Author,
    PlannedAbsence,
    SessionChoice,
    validate_absence,
    validate_numbers,
    warning_of_kept,
    warnings_of,
)
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_named_school, violations_of_school
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.errors import Invalid, NotFound, StaleVersion, Violation, refuse
from adsum.platform.paging import Key, PageRequest, RowPage, begin_of, by_number, page_of
from adsum.platform.texts import list_key
from adsum.roster.repository.classes import sessions_among
from adsum.roster.repository.membership import in_one_school
from adsum.roster.repository.students import schools_of_students
from adsum.roster.session_fence import advance_fences
from adsum.roster.timetable.repository import times_of_sessions


@dataclass(frozen=True, slots=True)
class AbsenceResult:
    """The absences that were entered or changed, and the number of records that they changed.

    `entered_before`: the ids of those that had been entered before. `warnings`: of their effect.
    """

    absences: Sequence[PlannedAbsence]
    changed_records: int
    entered_before: Collection[int] = ()
    warnings: Sequence[AbsenceWarning] = ()

    @property
    def is_new(self) -> bool:
        """Whether at least one was entered."""
        return len(self.entered_before) < len(self.absences)


@dataclass(frozen=True, slots=True)
class ListedAbsence:
    """An absence with the warnings of its effect. A revoked absence has none."""

    planned: PlannedAbsence
    warnings: Sequence[AbsenceWarning]


class Absences:
    """Planned absences. Every method raises Forbidden without `attendance:overrule`."""

    def __init__(self, database: Database, reader: StandbyReader, now: Clock) -> None:
        self._database = database
        self._reader = reader
        self._now = now

    @repeats_if_contended
    async def add(
        self,
        student_ids: Sequence[int],
        absence: Absence,
        caller: Caller,
        keyed: KeyedRequest[AbsenceResult] | None = None,
        *,
        school_id: int | None = None,
    ) -> AbsenceResult:
        """Enters the same absence for each student. A student who has the same absence keeps it.

        It is one of the school `school_id`; by default of the first school that all students have.

        Later registers record its status. Existing records change at once, unless the office or another absence has set
        their marks; marks of open runs change after the run has ended.

        Raises:
            Invalid: with all violations.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            school_id = await _validate(connection, student_ids, absence, caller, school_id)
            await _fence_sessions(connection, student_ids)
            existing = await same_absences(connection, school_id, student_ids, absence)
            # Again, because a record may have been merged into another one before the lock.
            await _validate(connection, student_ids, absence, caller, school_id)
            author = Author(caller, self._now())
            missing = [student_id for student_id in student_ids if student_id not in existing]
            added = await add_absences(connection, school_id, missing, absence, author) if missing else []
            await queue_due_absences(connection, added)
            changed = await apply_absences(connection, added, author) if added else 0
            entered = existing | {each.student_id: each for each in added}
            planned = [entered[student_id] for student_id in student_ids]
            result = AbsenceResult(
                planned,
                changed,
                {each.id for each in existing.values()},
                await _warnings_of_all(connection, absence, planned),
            )
            await store_result(connection, keyed, result)
        return result

    async def page(self, caller: Caller, filters: AbsenceFilters, page: PageRequest) -> RowPage[ListedAbsence]:
        """A page of the visible absences, in the order of the filters.

        Raises:
            NotFound: the caller does not see the school of the filter.
            Invalid: a cursor of another query.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("absences", filters)
        after = begin_of(page, query, _position)
        async with self._reader.snapshot(caller) as connection:
            await require_named_school(connection, caller, filters.school_id)
            rows = await list_planned_absences(connection, caller, filters, after, page.limit + 1)
            found = page_of(rows, page, query, lambda row: (row.absence.first_day.toordinal(), row.id))
            warnings = await _warnings(connection, found.items)
        return RowPage([ListedAbsence(each, warnings.get(each.id, ())) for each in found.items], found.next_cursor)

    async def get(self, absence_id: int, caller: Caller) -> ListedAbsence:
        """One absence. Its warnings name the records that it does not change, too.

        Raises NotFound if no visible school has it.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            planned = await _find(connection, absence_id, caller)
            warnings = await _warnings_of_all(connection, planned.absence, [planned])
        return ListedAbsence(planned, warnings)

    async def sessions_to_choose(
        self, school_id: int, student_ids: Collection[int], day: date, named: Collection[int], caller: Caller
    ) -> Sequence[SessionChoice]:
        """Sessions to which an absence of these students from `day` on can be limited, and the sessions `named`."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            found = await sessions_to_choose(connection, caller, school_id, student_ids, day, named)
        return sorted(found, key=lambda each: list_key(each.class_title))

    async def history(self, absence_id: int, caller: Caller, page: PageRequest) -> RowPage[AbsenceVersion]:
        """The versions of an absence, the newest first. Raises NotFound, and Invalid for a cursor of another query."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("absence", absence_id)
        before = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            await _find(connection, absence_id, caller)
            versions = await list_versions(connection, absence_id, before, page.limit + 1)
        return page_of(versions, page, query, lambda version: (version.version,))

    @repeats_if_contended
    async def change(
        self, absence_id: int, versions: Collection[int] | None, change: Callable[[Absence], Absence], caller: Caller
    ) -> AbsenceResult:
        """Changes an absence, if its version is one of `versions`, or any version if that is None.

        Records to which the absence no longer applies return to the mark before it. A record that began with the
        absence is cleared.

        Args:
            absence_id: of the absence.
            versions: that the caller has read.
            change: returns the new content for the present one.
            caller: of the office.

        Raises:
            NotFound: no visible school has this absence.
            StaleVersion: the absence has another version.
            Invalid: with all violations; or the absence is revoked.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            planned = await _find(connection, absence_id, caller, lock=True)
            if planned.revoked_at is not None:
                detail = f"absence {absence_id} was revoked: enter a new absence"
                raise Invalid(detail, [Violation("absence_revoked", detail, "/id")])
            absence = change(planned.absence)
            if absence.is_same_as(planned.absence):
                return AbsenceResult([planned], 0)
            _require_version(planned, versions)
            of_school, before = planned.school_id, planned.absence
            await _validate(connection, [planned.student_id], absence, caller, of_school, before=before)
            return await self._store(connection, replace(planned, absence=absence, version=planned.version + 1), caller)

    @repeats_if_contended
    async def revoke(self, absence_id: int, versions: Collection[int] | None, caller: Caller) -> AbsenceResult:
        """Revokes an absence, so that it applies to no day. To revoke it again changes nothing. Raises as `change`."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            planned = await _find(connection, absence_id, caller, lock=True)
            if planned.revoked_at is not None:
                return AbsenceResult([planned], 0)
            _require_version(planned, versions)
            revoked = replace(planned, version=planned.version + 1, revoked_at=self._now())
            return await self._store(connection, revoked, caller)

    async def _store(self, connection: Connection, changed: PlannedAbsence, caller: Caller) -> AbsenceResult:
        await _fence_sessions(connection, [changed.student_id])
        author = Author(caller, self._now())
        await change_absence(connection, changed, author)
        await queue_due_absences(connection, [changed])
        return AbsenceResult(
            [changed],
            await apply_absences(connection, [changed], author),
            warnings=await _warnings_of_all(connection, changed.absence, [changed]),
        )


async def _warnings(connection: Connection, planned: Sequence[PlannedAbsence]) -> dict[int, Sequence[AbsenceWarning]]:
    """The warnings of each of these absences that has any, by id."""
    of_hours = {each.id: each for each in planned if each.absence.from_time is not None and each.revoked_at is None}
    sessions = await sessions_of_absences(connection, of_hours) if of_hours else {}
    times = await times_of_sessions(connection, set(chain.from_iterable(sessions.values())))
    found = {
        absence_id: list(warnings_of(of_hours[absence_id].absence, ids, times)) for absence_id, ids in sessions.items()
    }
    return {absence_id: warnings for absence_id, warnings in found.items() if warnings}


async def _warnings_of_all(
    connection: Connection, absence: Absence, planned: Sequence[PlannedAbsence]
) -> Sequence[AbsenceWarning]:
    """The warnings of the same absence of several students; of a revoked one, none."""
    if planned[0].revoked_at is not None:
        return []
    warnings = await _warnings_of_kept(connection, absence, planned)
    if absence.from_time is None:
        return warnings
    by_absence = await sessions_of_absences(connection, [each.id for each in planned])
    sessions = sorted(set(chain.from_iterable(by_absence.values())))
    return [*warnings_of(absence, sessions, await times_of_sessions(connection, sessions)), *warnings]


async def _warnings_of_kept(
    connection: Connection, absence: Absence, planned: Sequence[PlannedAbsence]
) -> Sequence[AbsenceWarning]:
    """The warning that names the records that keep the mark of the office or of another absence."""
    student_ids = [each.student_id for each in planned]
    kept, number = await find_kept_records(connection, planned[0].school_id, student_ids, absence)
    return [warning_of_kept(kept, number)] if kept else []


async def _fence_sessions(connection: Connection, student_ids: Sequence[int]) -> None:
    """Takes the fences of all sessions that may record these students, so that no run of theirs opens meanwhile."""
    await advance_fences(connection, await sessions_of_students(connection, student_ids))


async def _validate(
    connection: Connection,
    student_ids: Sequence[int],
    absence: Absence,
    caller: Caller,
    school_id: int | None,
    *,
    before: Absence | None = None,
) -> int:
    """Returns the school of the absence: the given one, or one of the students. `before`: the absence that it changes.

    Raises Invalid if the absence cannot be entered there.
    """
    refuse([*validate_numbers(student_ids, absence), *await violations_of_school(connection, caller, school_id)])
    schools_by_student = await schools_of_students(connection, in_one_school(caller, school_id), student_ids)
    of_students = [schools_by_student[each] for each in student_ids if each in schools_by_student]
    schools = _common_schools(of_students) if school_id is None else [school_id]
    # With several schools, the statuses and sessions of the first one show the other violations.
    statuses = await find_statuses(connection, schools[:1])
    known_sessions = await sessions_among(connection, schools[:1], absence.session_ids or ())
    refuse(
        [
            *_validate_students(student_ids, schools_by_student, schools, school_id),
            *validate_absence(absence, next(iter(statuses.values()), SchoolStatuses()), before),
            *_validate_sessions(absence, known_sessions),
        ]
    )
    return schools[0]


def _common_schools(schools: Sequence[Sequence[int]]) -> list[int]:
    """The first school that all students have, the home school of the first one if it can be; else one of each."""
    common = [each for each in chain.from_iterable(schools) if all(each in of_student for of_student in schools)]
    return common[:1] or sorted({of_student[0] for of_student in schools})


def _validate_students(
    student_ids: Sequence[int], existing: Collection[int], schools: Collection[int], school_id: int | None
) -> Iterator[Violation]:
    at_school = "" if school_id is None else f" at school {school_id}"
    for i, student_id in enumerate(student_ids):
        if student_id not in existing:
            detail = f"there is no student {student_id}{at_school}"
            yield Violation("unknown_student", detail, f"/studentIds/{i}", {"studentId": student_id})
    if len(schools) > 1:
        yield Violation(
            "several_schools", "these students belong to several schools: enter each school separately", "/studentIds"
        )


def _validate_sessions(absence: Absence, existing: Collection[int]) -> Iterator[Violation]:
    for i, session_id in enumerate(absence.session_ids or ()):
        if session_id not in existing:
            yield Violation("unknown_session", f"the school has no session {session_id}", f"/sessionIds/{i}")


def _require_version(planned: PlannedAbsence, versions: Collection[int] | None) -> None:
    if versions is not None and planned.version not in versions:
        detail = f"absence {planned.id} was changed meanwhile: its version is {planned.version} now"
        raise StaleVersion(detail, current={**planned.absence.to_json(), "version": planned.version}, changes=[])


async def _find(connection: Connection, absence_id: int, caller: Caller, *, lock: bool = False) -> PlannedAbsence:
    planned = await find_absence(connection, caller, absence_id, lock=lock)
    if planned is None:
        raise NotFound(f"there is no absence {absence_id}", id=absence_id)
    return planned


def _position(key: Key) -> AbsencePosition:
    ordinal, absence_id = key
    return date.fromordinal(ordinal), absence_id
