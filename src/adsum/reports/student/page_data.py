"""Collects the page of a student: classes, planned absences, unexplained absences, and the record of a period."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.absences.contacts.page_data import CallListPageData, ContactsOfStudent
from adsum.absences.page_data import AbsencePageData, ListedAbsences
from adsum.absences.unexplained import StudentDay
from adsum.accounts.access import Caller
from adsum.platform.paging import MAX_LIMIT, PageRequest, every_item
from adsum.platform.texts import list_key
from adsum.reports.rules import ChronicRule, Scope
from adsum.reports.service import Reports, StudentRecord
from adsum.reports.unexplained.page_data import AbsentDays, UnexplainedPageData
from adsum.reports.year import StudentMarks, Year
from adsum.roster.rules import ClassFilters, ClassRow, StudentRow
from adsum.roster.service import Directory
from adsum.roster.student_contacts.rules import StudentContact
from adsum.roster.student_contacts.service import StudentContacts


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The present of a student.

    Attributes:
        classes: those of today that the visitor sees, by title.
        teachers: their names by class. Classes without teachers are missing.
        people: whom to call, by the roster; None for visitors who are not of the office.
        upcoming: the planned absences of today or later; past: those since the first day of the period. None for
            visitors who may not see any.
        contacts: calls about absences, the newest first. None for visitors who may not see any.
    """

    classes: Sequence[ClassRow]
    teachers: Mapping[int, Sequence[str]]
    people: Sequence[StudentContact] | None
    upcoming: ListedAbsences | None
    past: ListedAbsences | None
    contacts: ContactsOfStudent | None


@dataclass(frozen=True, slots=True)
class PeriodOfStudent:
    """A period of a student. `absences`: the unexplained ones, the newest first."""

    record: StudentRecord
    marks: StudentMarks
    absences: AbsentDays


class StudentPageData:
    """Combines the report about a student with the roster and with absences."""

    def __init__(
        self,
        *,
        directory: Directory,
        student_contacts: StudentContacts,
        reports: Reports,
        year: Year,
        planned_absences: AbsencePageData,
        call_list: CallListPageData,
        unexplained: UnexplainedPageData,
    ) -> None:
        self._directory = directory
        self._student_contacts = student_contacts
        self._reports = reports
        self._year = year
        self._planned_absences = planned_absences
        self._call_list = call_list
        self._unexplained = unexplained

    async def surroundings(self, student: StudentRow, since: date, today: date, caller: Caller) -> Surroundings:
        """The present of a student whom the caller sees. `since`: the first day of past absences."""
        filters = ClassFilters(student_id=student.id)
        classes = await every_item(lambda page: self._directory.classes(caller, filters, page))
        return Surroundings(
            sorted(classes, key=lambda each: (list_key(each.title), each.id)),
            await self._directory.teachers_of_classes(caller, [each.id for each in classes]),
            await self._student_contacts.of_student(student.id, caller) if caller.overrules else None,
            await self._planned_absences.upcoming(student.school_id, student.id, today, caller),
            await self._planned_absences.past(student.school_id, student.id, since, today, caller),
            await self._call_list.of_student(student.id, caller),
        )

    async def period(
        self, scope: Scope, rule: ChronicRule, caller: Caller, *, every: bool, explained: Collection[StudentDay]
    ) -> PeriodOfStudent:
        """The period of the scope, which names the student. `every` and `explained` as in `YearQuery`."""
        assert scope.student_id is not None
        return PeriodOfStudent(
            await self._reports.student(scope, scope.student_id, rule, caller),
            await self._year.marks(scope, caller, every=every),
            await self._unexplained.read(scope, caller, PageRequest(limit=MAX_LIMIT), explained=explained),
        )
