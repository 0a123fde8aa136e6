"""Collects the data of the pages of planned absences, and checks their forms."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from adsum.absences.rules import (
    Absence,
    AbsenceFilters,
    AbsenceVersion,
    AbsenceWarning,
    PlannedAbsence,
    SessionChoice,
    content_by_field,
    validate_absence,
    validate_numbers,
)
from adsum.absences.service import Absences, ListedAbsence
from adsum.accounts.access import Caller, Permission
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.errors import Violation, refuse
from adsum.platform.pages.fields import day_or_violation
from adsum.platform.paging import MAX_LIMIT, PageRequest, RowPage, every_item
from adsum.platform.texts import list_key
from adsum.roster.rules import ClassFilters, ClassRow, NamedIds, Names, StudentFilters, StudentRow, name_order
from adsum.roster.service import Directory, Naming
from adsum.schools.rules import School
from adsum.schools.service import Schools

MAX_OF_DAY = 10
MAX_OF_STUDENT = 20
AUTHORISED = "authorised"
MAX_CHOSEN = 500
"""The students of one form. A form has at most 1,000 fields."""


@dataclass(frozen=True, slots=True)
class TypedAbsence:
    """The fields of a form, as they were typed."""

    first_day: str = ""
    last_day: str = ""
    from_time: str = ""
    to_time: str = ""
    status: str = ""
    reason: str = ""
    session_ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, absence: Absence) -> TypedAbsence:
        return cls(
            absence.first_day.isoformat(),
            absence.last_day.isoformat() if absence.last_day != absence.first_day else "",
            absence.from_time or "",
            absence.to_time or "",
            absence.status,
            absence.reason,
            absence.session_ids or (),
        )

    def absence(self, violations: list[Violation], today: date) -> Absence:
        """The absence. A day that cannot be read is a violation, and another day stands for it."""
        first = day_or_violation(self.first_day, "/from", violations)
        last = day_or_violation(self.last_day, "/to", violations) if self.last_day else first
        return Absence(
            first or last or today,
            last or first or today,
            self.status,
            self.session_ids or None,
            self.from_time or None,
            self.to_time or None,
            reason=self.reason.strip(),
        )


@dataclass(frozen=True, slots=True)
class ListedAbsences:
    """A page of absences, with the names and statuses that it refers to."""

    page: RowPage[ListedAbsence]
    names: Names
    statuses: Mapping[str, ShownStatus]


@dataclass(frozen=True, slots=True)
class TypedSearch:
    """The search for students in the form: by words, in a class, or both."""

    words: str = ""
    class_id: int | None = None

    @property
    def is_empty(self) -> bool:
        return not self.words.strip() and self.class_id is None


@dataclass(frozen=True, slots=True)
class EntryOptions:
    """The students, sessions and statuses that the form offers.

    Attributes:
        chosen: the names of the chosen students by id.
        found: students whom the search finds, without those who are chosen, by name; `has_more`: there are more.
        classes: the active classes of the school.
        sessions: of the chosen students.
        statuses: of the school, by code.
    """

    chosen: Mapping[int, str]
    found: Sequence[StudentRow]
    has_more: bool
    classes: Sequence[ClassRow]
    sessions: Sequence[SessionChoice]
    statuses: Mapping[str, ShownStatus]

    @property
    def usual_status(self) -> str:
        """The first authorised absence in use, or the first status."""
        in_use = [each for each in self.statuses.values() if each.is_in_use]
        return next((each.code for each in in_use if each.tone == AUTHORISED), in_use[0].code)


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A version of an absence, its content, and whether it revokes the absence."""

    version: AbsenceVersion
    content: Absence
    is_revoked: bool


@dataclass(frozen=True, slots=True)
class AbsenceView:
    """One absence and its surroundings. `history` has the newest version first."""

    planned: PlannedAbsence
    warnings: Sequence[AbsenceWarning]
    school: School
    history: RowPage[ShownVersion]
    sessions: Sequence[SessionChoice]
    names: Names
    statuses: Mapping[str, ShownStatus]


class AbsencePageData:
    """Combines absences with students, classes, sessions, statuses and names."""

    def __init__(
        self, absences: Absences, directory: Directory, schools: Schools, statuses: Statuses, naming: Naming
    ) -> None:
        self._absences = absences
        self._directory = directory
        self._schools = schools
        self._statuses = statuses
        self._naming = naming

    async def listed(
        self, school_id: int, filters: AbsenceFilters, page: PageRequest, caller: Caller
    ) -> ListedAbsences:
        """A page of the absences of a school. Raises Invalid for a cursor of another query."""
        found = await self._absences.page(caller, replace(filters, school_id=school_id), page)
        return ListedAbsences(
            found,
            await self._naming.names_of(_named_ids([each.planned for each in found.items]), caller),
            shown_statuses(await self._statuses.all_of(school_id, caller)),
        )

    async def of_day(self, school_id: int, day: date, caller: Caller) -> ListedAbsences | None:
        """The first absences of a school on a day; None for callers who may not see planned absences."""
        if not caller.may(Permission.ATTENDANCE_OVERRULE):
            return None
        filters = AbsenceFilters(first_day=day, last_day=day)
        return await self.listed(school_id, filters, PageRequest(limit=MAX_OF_DAY), caller)

    async def upcoming(self, school_id: int, student_id: int, today: date, caller: Caller) -> ListedAbsences | None:
        """The absences of a student of today or later, the earliest first.

        None for callers who may not see planned absences.
        """
        if not caller.may(Permission.ATTENDANCE_OVERRULE):
            return None
        filters = AbsenceFilters(student_id=student_id, first_day=today, earliest_first=True)
        return await self.listed(school_id, filters, PageRequest(limit=MAX_OF_STUDENT), caller)

    async def past(
        self, school_id: int, student_id: int, since: date, today: date, caller: Caller
    ) -> ListedAbsences | None:
        """The absences of a student that include a day since `since` and before today, the latest first.

        None for callers who may not see planned absences.
        """
        if not caller.may(Permission.ATTENDANCE_OVERRULE):
            return None
        filters = AbsenceFilters(student_id=student_id, first_day=since, last_day=today - timedelta(days=1))
        return await self.listed(school_id, filters, PageRequest(limit=MAX_OF_STUDENT), caller)

    async def classes(self, school_id: int, caller: Caller) -> Sequence[ClassRow]:
        """The active classes of a school, by title."""
        filters = ClassFilters(school_id, active=True)
        found = await every_item(lambda page: self._directory.classes(caller, filters, page))
        return sorted(found, key=lambda each: (list_key(each.title), each.id))

    async def entry_options(
        self,
        school_id: int,
        search: TypedSearch,
        student_ids: Collection[int],
        day: date,
        session_ids: Collection[int],
        caller: Caller,
    ) -> EntryOptions:
        """The choices of the form. `day` is the first day of the absence; `session_ids` are the chosen sessions."""
        found, has_more = await self._found(school_id, search, caller)
        names = await self._directory.student_names(caller, student_ids)
        ordered = sorted(names.items(), key=lambda item: name_order(item[1].family, item[1].given, item[0]))
        sessions = await self._absences.sessions_to_choose(school_id, student_ids, day, session_ids, caller)
        return EntryOptions(
            {student_id: f"{name.given} {name.family}".strip() for student_id, name in ordered},
            [student for student in found if student.id not in names],
            has_more,
            await self.classes(school_id, caller),
            sessions,
            shown_statuses(await self._statuses.all_of(school_id, caller)),
        )

    async def found_ids(self, school_id: int, search: TypedSearch, caller: Caller) -> list[int]:
        """The students whom a search finds."""
        found, _ = await self._found(school_id, search, caller)
        return [student.id for student in found]

    async def read(
        self, school_id: int, typed: TypedAbsence, today: date, caller: Caller, student_ids: Sequence[int]
    ) -> Absence:
        """The typed absence. Raises Invalid with every violation that shows without the students."""
        violations: list[Violation] = []
        absence = typed.absence(violations, today)
        wrong_days = {violation.pointer for violation in violations}
        statuses = await self._statuses.all_of(school_id, caller)
        others = [*validate_numbers(student_ids, absence), *validate_absence(absence, statuses)]
        if len(student_ids) > MAX_CHOSEN:
            others.append(Violation("too_long", f"choose at most {MAX_CHOSEN} students at once", "/studentIds"))
        refuse([*violations, *(each for each in others if each.pointer not in wrong_days)])
        return absence

    async def view(self, absence_id: int, caller: Caller, cursor: str | None = None) -> AbsenceView:
        """An absence with the page of its history at `cursor`. Raises NotFound, and Invalid for a wrong cursor."""
        found = await self._absences.get(absence_id, caller)
        planned = found.planned
        history = await self._absences.history(absence_id, caller, PageRequest(cursor))
        versions = [_shown(version) for version in history.items]
        absence = planned.absence
        ids = _named_ids([planned, *(replace(planned, absence=version.content) for version in versions)])
        people = {version.user_id for version in history.items if version.user_id is not None}
        return AbsenceView(
            planned,
            found.warnings,
            await self._schools.find(planned.school_id, caller),
            RowPage(versions, history.next_cursor),
            await self._absences.sessions_to_choose(
                planned.school_id, [planned.student_id], absence.first_day, absence.session_ids or (), caller
            ),
            await self._naming.names_of(replace(ids, people=people), caller),
            shown_statuses(await self._statuses.all_of(planned.school_id, caller)),
        )

    async def session_titles(self, session_ids: Collection[int], caller: Caller) -> Sequence[str]:
        """The titles of these sessions, as `7b · Mathematics`."""
        found = await self._directory.session_titles(caller, session_ids)
        return sorted((f"{titles.class_title} · {titles.title}" for titles in found.values()), key=list_key)

    async def _found(self, school_id: int, search: TypedSearch, caller: Caller) -> tuple[list[StudentRow], bool]:
        if search.is_empty:
            return [], False
        filters = StudentFilters(search.words.strip() or None, class_id=search.class_id, school_id=school_id)
        page = await self._directory.students(caller, filters, PageRequest(limit=MAX_LIMIT))
        active = [student for student in page.items if student.active]
        ordered = sorted(active, key=lambda each: each.name_order)
        return ordered, page.next_cursor is not None


def _shown(version: AbsenceVersion) -> ShownVersion:
    content = content_by_field(version.content)
    content |= {name: date.fromisoformat(content[name]) for name in ("first_day", "last_day")}
    sessions = content["session_ids"]
    content["session_ids"] = tuple(sessions) if sessions else None
    return ShownVersion(version, Absence(**content), bool(version.content.get("revoked")))


def _named_ids(planned: Sequence[PlannedAbsence]) -> NamedIds:
    return NamedIds(
        students={each.student_id for each in planned},
        sessions={session_id for each in planned for session_id in each.absence.session_ids or ()},
    )
