"""Collects the data of the page `/admin/covers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from adsum.accounts.access import Caller, Role
from adsum.platform.paging import MAX_LIMIT, PageRequest, RowPage, every_item
from adsum.platform.texts import list_key
from adsum.roster.covers.rules import Cover, CoverFilters, CoverRow
from adsum.roster.covers.service import AssignedCover, Covers
from adsum.roster.people.rules import PersonFilters, PersonRow, by_name
from adsum.roster.people.service import People
from adsum.roster.rules import ClassFilters, ClassRow, NamedIds, Names, SessionFilters, SessionRow
from adsum.roster.service import Directory, Naming

COVERS_PER_PAGE = 100
# A longer list is not useful: search by a word of the title.
MAX_CLASSES = 12


@dataclass(frozen=True, slots=True)
class CoverChoice:
    """A class to be covered, its active sessions, and the teachers who can cover it, by name."""

    chosen: ClassRow
    sessions: Sequence[SessionRow]
    teachers: Sequence[PersonRow]


class CoverPageData:
    """Combines covers, classes, people and names, and assigns covers of the classes of one school."""

    def __init__(self, covers: Covers, directory: Directory, people: People, naming: Naming) -> None:
        self._covers = covers
        self._directory = directory
        self._people = people
        self._naming = naming

    async def covers_since(
        self, school_id: int, first_day: date, caller: Caller, cursor: str | None
    ) -> tuple[RowPage[CoverRow], Names]:
        """A page of covers that hold on `first_day` or later, with the names that they refer to."""
        filters = CoverFilters(school_id, first_day=first_day)
        page = await self._covers.page(caller, filters, PageRequest(cursor, COVERS_PER_PAGE))
        covers = [row.cover for row in page.items]
        ids = NamedIds(
            classes={cover.class_id for cover in covers},
            sessions={cover.session_id for cover in covers if cover.session_id is not None},
            people={id_ for row in page.items for id_ in (row.cover.teacher_id, *row.replaced_ids)},
        )
        return page, await self._naming.names_of(ids, caller)

    async def classes(self, school_id: int, words: str, caller: Caller) -> RowPage[ClassRow]:
        """Active classes with these words, by title."""
        filters = ClassFilters(school_id, words.strip() or None, active=True)
        found = await self._directory.classes(caller, filters, PageRequest(limit=MAX_CLASSES))
        return RowPage(sorted(found.items, key=lambda row: list_key(row.title)), found.next_cursor)

    async def assign(self, school_id: int, cover: Cover, caller: Caller) -> AssignedCover:
        """As `Covers.assign`. Raises NotFound if the class belongs to another school."""
        await self._directory.find_class_of_school(caller, school_id, cover.class_id)
        return await self._covers.assign(cover, caller)

    async def choice(self, school_id: int, class_id: int, caller: Caller) -> CoverChoice:
        """The choices for a cover of this class. Raises NotFound."""
        sessions = await self._directory.sessions(caller, SessionFilters(class_id), PageRequest(limit=MAX_LIMIT))
        people = await every_item(lambda page: self._people.page(PersonFilters(school_id), caller, page))
        teachers = [each.row for each in people if each.row.role == Role.TEACHER and not each.row.disabled]
        return CoverChoice(
            await self._directory.find_class_of_school(caller, school_id, class_id),
            [session for session in sessions.items if session.active],
            sorted(teachers, key=by_name),
        )
