"""Searches students, classes and people at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Invalid, Violation
from adsum.platform.texts import is_searchable
from adsum.roster.people.repository import search_people
from adsum.roster.people.rules import PersonRow
from adsum.roster.repository.classes import search_classes
from adsum.roster.repository.students import search_students
from adsum.roster.rules import StudentRow
from adsum.roster.search.rules import Hits, hits_of
from adsum.schools.repository import names_of_schools, today_of_schools


class Search:
    """Finds what the caller sees in lists: of a teacher, the classes that they teach today and their students."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def find(self, words: str, limit: int, caller: Caller) -> Hits:
        """At most `limit` students, classes and people each that match the words.

        Each word occurs in the names, the title or the ids: see `search_spellings`. Those that have the words as whole
        words come first, then those with words that begin with them. People are found by callers with `user:manage`,
        by email too.

        Raises:
            Forbidden: without `roster:read`.
            Invalid: the words are not `is_searchable`.
        """
        require_permission(caller, Permission.ROSTER_READ)
        _require_searchable(words)
        async with self._database.snapshot() as connection:
            today = await today_of_schools(connection, caller, self._now())
            students = await search_students(connection, caller, words, today, limit + 1)
            classes = await search_classes(connection, caller, words, today, limit + 1)
            people = await _people(connection, caller, words, limit + 1)
            schools = {row.school_id for row in (*students, *classes, *people) if row.school_id is not None}
            names = await names_of_schools(connection, schools)
        return hits_of(students, classes, people, names, limit)

    async def students_of_day(
        self, words: str, school_id: int, day: date, limit: int, caller: Caller
    ) -> Sequence[StudentRow]:
        """At most `limit` students of a school who are enrolled on a day, as `find`: the best matches first.

        Raises Forbidden, Invalid: as `find`.
        """
        require_permission(caller, Permission.ROSTER_READ)
        _require_searchable(words)
        async with self._database.snapshot() as connection:
            return await search_students(connection, caller, words, day, limit, school_id=school_id, day=day)


def _require_searchable(words: str) -> None:
    if not is_searchable(words):
        detail = "a search needs a word of at least two letters"
        raise Invalid(detail, [Violation("too_short", detail, "/q", {"minimum": 2})])


async def _people(connection: Connection, caller: Caller, words: str, limit: int) -> list[PersonRow]:
    return await search_people(connection, caller, words, limit) if caller.may(Permission.USER_MANAGE) else []
