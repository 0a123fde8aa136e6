"""Assigns, lists and ends covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action, Details
from adsum.accounts.named_schools import require_named_school
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.engine import Connection, Database
from adsum.platform.days import A_DAY, today_in, validate_days
from adsum.platform.errors import Invalid, NotFound, Violation, refuse
from adsum.platform.paging import Key, PageRequest, RowPage, begin_of, page_of
from adsum.roster.covers import repository as covers
from adsum.roster.covers.repository import CoverPosition
from adsum.roster.covers.rules import MAX_DAYS, Cover, CoverFilters, CoverRow
from adsum.roster.repository.classes import find_class, find_session


@dataclass(frozen=True, slots=True)
class AssignedCover:
    """The result of an assignment. `is_new` is False if the same cover existed before."""

    row: CoverRow
    is_new: bool


class Covers:
    """Manages covers. Every method raises Forbidden without `school:manage`."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def assign(
        self, cover: Cover, caller: Caller, keyed: KeyedRequest[AssignedCover] | None = None
    ) -> AssignedCover:
        """Assigns a cover, so that the teacher sees and marks the class on its days. Idempotent.

        Raises:
            Invalid: with every violation.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            assigned = await self._assign(connection, cover, caller)
            await store_result(connection, keyed, assigned)
        return assigned

    async def assign_all(
        self,
        several: Sequence[Cover],
        caller: Caller,
        keyed: KeyedRequest[Sequence[AssignedCover]] | None = None,
    ) -> Sequence[AssignedCover]:
        """As `assign`, all of these covers or none. The pointer of a violation begins with `/covers/` and its position.

        Raises:
            Invalid: with every violation.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        violations: dict[int, Sequence[Violation]] = {}
        assigned: dict[int, AssignedCover] = {}
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            # Teachers are locked in the order of their ids.
            for number, cover in sorted(enumerate(several), key=lambda each: each[1].teacher_id):
                try:
                    assigned[number] = await self._assign(connection, cover, caller)
                except Invalid as error:
                    violations[number] = error.violations
            refuse([_in_list(number, each) for number in sorted(violations) for each in violations[number]])
            result = [assigned[number] for number in sorted(assigned)]
            await store_result(connection, keyed, result)
        return result

    async def _assign(self, connection: Connection, cover: Cover, caller: Caller) -> AssignedCover:
        school_id = await _check(connection, cover, caller)
        existing = await covers.same_cover(connection, caller, cover)
        if existing is not None:
            return AssignedCover(existing, is_new=False)
        cover_id = await covers.add_cover(connection, school_id, cover, caller, self._now())
        about, after = cover.teacher_id, _details(cover)
        await record(connection, caller, Action.COVER_ADDED, school_id=school_id, user_id=about, after=after)
        return AssignedCover(await _require_cover(connection, cover_id, caller), is_new=True)

    async def page(self, caller: Caller, filters: CoverFilters, page: PageRequest) -> RowPage[CoverRow]:
        """A page of covers of the caller's schools, by descending first day.

        Raises:
            NotFound: the caller does not see the school of the filter.
            Invalid: a wrong cursor.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        query = ("covers", filters)
        after = begin_of(page, query, _position)
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, filters.school_id)
            rows = await covers.list_covers(connection, caller, filters, after, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.cover.first_day.toordinal(), row.id))

    async def end(self, cover_id: int, caller: Caller) -> None:
        """Ends a cover before the school's today, or deletes it if it has no earlier day.

        Raises:
            NotFound: no such cover in the caller's schools.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.transaction() as connection:
            row = await _require_cover(connection, cover_id, caller, lock=True)
            today = today_in(row.time_zone, self._now())
            if row.cover.last_day < today:
                return
            await covers.end_cover(connection, row, today)
            last_day = today - A_DAY
            await record(
                *(connection, caller, Action.COVER_ENDED),
                school_id=row.school_id,
                user_id=row.cover.teacher_id,
                before=_details(row.cover),
                after={"last_day": last_day.isoformat()} if last_day >= row.cover.first_day else None,
            )


def _details(cover: Cover) -> Details:
    session = {} if cover.session_id is None else {"session_id": cover.session_id}
    days = {"first_day": cover.first_day.isoformat(), "last_day": cover.last_day.isoformat()}
    return {"class_id": cover.class_id} | session | days


def _in_list(number: int, violation: Violation) -> Violation:
    return replace(violation, pointer=f"/covers/{number}{violation.pointer}")


async def _check(connection: Connection, cover: Cover, caller: Caller) -> int:
    """The id of the school of the class. Raises Invalid if the cover cannot be assigned."""
    violations = validate_days(cover.first_day, cover.last_day, MAX_DAYS, f"a cover has at most {MAX_DAYS} days")
    found = await find_class(connection, caller, cover.class_id)
    if found is None:
        detail = f"there is no class {cover.class_id}"
        unknown = Violation("unknown_class", detail, "/classId", {"classId": cover.class_id})
        raise Invalid(detail, [unknown, *violations])
    session = await find_session(connection, cover.session_id) if cover.session_id is not None else None
    if cover.session_id is not None and (session is None or session.class_id != cover.class_id):
        detail = f"class {cover.class_id} has no session {cover.session_id}"
        violations.append(Violation("session_not_of_class", detail, "/sessionId", {"sessionId": cover.session_id}))
    if not await covers.is_teacher_of(connection, cover.teacher_id, found.school_id):
        detail = f"the school has no teacher {cover.teacher_id}"
        violations.append(Violation("unknown_teacher", detail, "/teacherId", {"teacherId": cover.teacher_id}))
    refuse(violations)
    return found.school_id


async def _require_cover(connection: Connection, cover_id: int, caller: Caller, *, lock: bool = False) -> CoverRow:
    row = await covers.find_cover(connection, caller, cover_id, lock=lock)
    if row is None:
        raise NotFound(f"there is no cover {cover_id}", id=cover_id)
    return row


def _position(key: Key) -> CoverPosition:
    ordinal, cover_id = key
    return date.fromordinal(ordinal), cover_id
