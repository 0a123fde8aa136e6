"""Collects the data of the desk: students who are found, the sessions of one of them, and the entries of the day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.accounts.access import Caller
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.paging import every_item
from adsum.platform.texts import is_searchable
from adsum.registers.desk.rules import DeskEntry, DeskFilters, default_status
from adsum.registers.desk.service import DeskDay, DeskEntries
from adsum.registers.rules import DeskKind
from adsum.roster.rules import NamedIds, Names, StudentRow
from adsum.roster.search.service import Search
from adsum.roster.service import Directory, Naming

MAX_FOUND = 8


@dataclass(frozen=True, slots=True)
class FoundStudents:
    """The best matches of a search for students. `has_more`: there are more."""

    students: Sequence[StudentRow]
    has_more: bool


@dataclass(frozen=True, slots=True)
class DeskView:
    """The desk of a school on a day.

    Attributes:
        entries: of the day, the newest first.
        names: of the students and authors of the entries.
        statuses: of the school.
        missed: the statuses that missed sessions can have.
        defaults: the usual one of them, by kind.
        chosen: the chosen student, and their day; None: none is chosen.
    """

    entries: Sequence[DeskEntry]
    names: Names
    statuses: Mapping[str, ShownStatus]
    missed: Sequence[ShownStatus]
    defaults: Mapping[DeskKind, str]
    chosen: tuple[StudentRow, DeskDay] | None = None


class DeskPageData:
    """Combines the desk with students, names and statuses."""

    def __init__(
        self, desk: DeskEntries, directory: Directory, search: Search, statuses: Statuses, naming: Naming
    ) -> None:
        self._desk = desk
        self._directory = directory
        self._search = search
        self._statuses = statuses
        self._naming = naming

    async def found(self, school_id: int, day: date, words: str, caller: Caller) -> FoundStudents | None:
        """The students of a school who are enrolled on the day and whom these words find. None: they are too short."""
        if not is_searchable(words):
            return None
        best = await self._search.students_of_day(words, school_id, day, MAX_FOUND + 1, caller)
        return FoundStudents(best[:MAX_FOUND], len(best) > MAX_FOUND)

    async def read(self, school_id: int, day: date, student_id: int | None, caller: Caller) -> DeskView:
        """The desk of a school on a day, with a chosen student.

        Raises:
            Invalid, NotFound: there is no such student at the school.
        """
        filters = DeskFilters(school_id, first_day=day, last_day=day)
        entries = await every_item(lambda page: self._desk.page(caller, filters, page))
        statuses = await self._statuses.all_of(school_id, caller)
        shown = shown_statuses(statuses)
        chosen = None
        if student_id is not None:
            of = await self._desk.student_day(student_id, caller, school_id=school_id, day=day)
            chosen = (await self._directory.find_student(caller, student_id), of)
        return DeskView(
            entries,
            await self._naming.names_of(_named_ids(entries), caller),
            shown,
            [shown[code] for code in statuses.absences],
            {kind: default_status(kind, statuses) for kind in DeskKind},
            chosen,
        )

    async def entry(self, entry_id: int, caller: Caller) -> tuple[DeskEntry, Names]:
        """An entry with the names in it. Raises NotFound."""
        entry = await self._desk.find(entry_id, caller)
        return entry, await self._naming.names_of(_named_ids([entry]), caller)


def _named_ids(entries: Sequence[DeskEntry]) -> NamedIds:
    people = {each.entered_by_user_id for each in entries if each.entered_by_user_id is not None}
    return NamedIds(students={each.student_id for each in entries}, people=people)
