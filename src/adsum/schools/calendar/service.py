"""Manages the closed days and the terms of a school. Existing records stay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final, TypeAlias

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_school
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.engine import Connection, Database
from adsum.platform.days import TIME, validate_days, violation_of_time_text
from adsum.platform.errors import Conflict, NotFound, Violation, refuse
from adsum.platform.paging import Key, PageRequest, RowPage, begin_of, by_number, page_of
from adsum.platform.texts import UNSTORABLE, UNSTORABLE_TEXT, validate_reason
from adsum.schools.calendar import repository as calendars
from adsum.schools.calendar.rules import MAX_TITLE, ClosedDay, ClosedDayFilters, RecordedClosedDay, Term, closed_spans
from adsum.schools.locks import lock_rosters, lock_school
from adsum.schools.stale_days import mark_stale_days

MAX_DAYS_AT_ONCE: Final = 366

MarksOnClosedDays: TypeAlias = Callable[[Connection, int, Sequence[ClosedDay]], Awaitable[Mapping[date, int]]]
"""Returns the number of marks in the sessions that closed days of a school close, by day."""


class SchoolCalendar:
    """Closed days and terms.

    Every method raises NotFound if the school does not exist or is not visible. Methods that read raise Forbidden
    without `roster:read`, methods that change without `school:manage`.
    """

    def __init__(self, database: Database, now: Clock, marks_on: MarksOnClosedDays) -> None:
        self._database = database
        self._now = now
        self._marks_on = marks_on

    async def closed_days(
        self, school_id: int, filters: ClosedDayFilters, caller: Caller, page: PageRequest
    ) -> RowPage[RecordedClosedDay]:
        """One page of closed days, by day. Raises Invalid if the cursor is wrong."""
        require_permission(caller, Permission.ROSTER_READ)
        query = (school_id, filters)
        after = begin_of(page, query, _by_day)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            found = await calendars.list_closed_days(connection, school_id, filters, after, page.limit + 1)
            rows = await self._with_marks(connection, school_id, found)
        return page_of(rows, page, query, lambda row: (row.day.toordinal(),))

    async def close_day(self, school_id: int, closed: ClosedDay, caller: Caller) -> RecordedClosedDay:
        """Closes the school on a day. Replaces an existing closed day. Raises Invalid."""
        (row,) = await self.close_days(school_id, closed, closed.day, caller)
        return row

    async def close_days(
        self,
        school_id: int,
        closed: ClosedDay,
        last: date,
        caller: Caller,
        keyed: KeyedRequest[list[RecordedClosedDay]] | None = None,
    ) -> list[RecordedClosedDay]:
        """Closes the school from `closed.day` up to and including `last`, in one transaction. Raises Invalid.

        Marks of these days stay: see `marks` of each.
        """
        days = _days_to_close(closed, last, caller)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            await require_school(connection, caller, school_id)
            await lock_school(connection, school_id)
            await mark_stale_days(connection, school_id, (closed.day, last))
            now = self._now()
            replaced = await calendars.open_days(connection, school_id, closed.day, last)
            stored = [await calendars.close_day(connection, school_id, each, caller, now) for each in days]
            rows = await self._with_marks(connection, school_id, stored)
            after = _span_of(days) | ({"fromTime": closed.from_time} if closed.from_time is not None else {})
            before = {"closedDays": closed_spans(replaced)} if replaced else None
            await record(connection, caller, Action.CALENDAR_CHANGED, school_id=school_id, before=before, after=after)
            await store_result(connection, keyed, rows)
        return rows

    async def marks_on(self, school_id: int, closed: ClosedDay, last: date, caller: Caller) -> Mapping[date, int]:
        """The number of marks in the sessions that `close_days` would close, by day. Raises Invalid."""
        days = _days_to_close(closed, last, caller)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            return await self._marks_on(connection, school_id, days)

    async def _with_marks(
        self, connection: Connection, school_id: int, rows: Sequence[RecordedClosedDay]
    ) -> list[RecordedClosedDay]:
        closed = [ClosedDay(row.day, row.reason, row.from_time) for row in rows]
        marks = await self._marks_on(connection, school_id, closed)
        return [replace(row, marks=marks.get(row.day, 0)) for row in rows]

    async def open_day(self, school_id: int, day: date, caller: Caller) -> None:
        """Removes a closed day. Raises NotFound if the school is not closed on that day."""
        await self.open_days(school_id, day, day, caller)

    async def open_days(self, school_id: int, first: date, last: date, caller: Caller) -> int:
        """Removes the closed days from `first` up to and including `last`, in one transaction. Returns their number.

        Raises:
            NotFound: the school is not closed on any of them.
            Invalid: the days are reversed, or too many.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        refuse(_validate_days(first, last))
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            await lock_school(connection, school_id)
            opened = await calendars.open_days(connection, school_id, first, last)
            if opened:
                before = _span_of(opened) | {"closedDays": closed_spans(opened)}
                await record(connection, caller, Action.CALENDAR_CHANGED, school_id=school_id, before=before)
            await mark_stale_days(connection, school_id, (first, last))
        if not opened:
            until = "" if first == last else f" to {last.isoformat()}"
            raise NotFound(f"school {school_id} is not closed on {first.isoformat()}{until}", date=first.isoformat())
        return len(opened)

    async def terms(self, school_id: int, caller: Caller, page: PageRequest) -> RowPage[Term]:
        """One page of terms, by id. Raises Invalid if the cursor is wrong."""
        require_permission(caller, Permission.ROSTER_READ)
        after = begin_of(page, school_id, by_number) or 0
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            rows = await calendars.list_terms(connection, school_id, after, page.limit + 1)
        return page_of(rows, page, school_id, lambda row: (row.id,))

    async def add_term(
        self,
        school_id: int,
        title: str,
        begin: date,
        end: date,
        caller: Caller,
        keyed: KeyedRequest[Term] | None = None,
    ) -> Term:
        """Adds a term from `begin` up to but without `end`. A school with terms is closed outside of them.

        Raises Invalid.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        refuse(_validate_term(title, begin, end))
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            await require_school(connection, caller, school_id)
            await lock_school(connection, school_id)
            await mark_stale_days(connection, school_id)
            term = await calendars.add_term(connection, school_id, title, begin, end)
            after = {"termId": term.id, "beginDate": begin.isoformat(), "endDate": end.isoformat()}
            await record(connection, caller, Action.CALENDAR_CHANGED, school_id=school_id, after=after)
            await store_result(connection, keyed, term)
        return term

    async def remove_term(self, school_id: int, term_id: int, caller: Caller) -> None:
        """Removes a term. Raises NotFound if the school has no such term, Conflict if a class runs in it."""
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            await lock_rosters(connection, [school_id])
            await lock_school(connection, school_id)
            if await calendars.is_term_of_class(connection, school_id, term_id):
                raise Conflict("classes run in this term: change it in the roster file", id=term_id)
            dates = await calendars.remove_term(connection, school_id, term_id)
            if dates is not None:
                begin, end = dates
                before = {"termId": term_id, "beginDate": begin.isoformat(), "endDate": end.isoformat()}
                await record(connection, caller, Action.CALENDAR_CHANGED, school_id=school_id, before=before)
            await mark_stale_days(connection, school_id)
        if dates is None:
            raise NotFound(f"school {school_id} has no term {term_id}", id=term_id)


def _span_of(days: Sequence[ClosedDay]) -> dict[str, str]:
    """The first and the last of these days, for the audit log."""
    return {"closedFrom": days[0].day.isoformat(), "closedTo": days[-1].day.isoformat()}


def _days_to_close(closed: ClosedDay, last: date, caller: Caller) -> list[ClosedDay]:
    """The closed days of a range. Raises Forbidden, Invalid."""
    require_permission(caller, Permission.SCHOOL_MANAGE)
    refuse([*_validate_closed_day(closed), *_validate_days(closed.day, last)])
    return [replace(closed, day=closed.day + timedelta(days=i)) for i in range((last - closed.day).days + 1)]


def _validate_closed_day(closed: ClosedDay) -> list[Violation]:
    violations = list(validate_reason(closed.reason))
    if not closed.reason.strip():
        violations.append(Violation("too_short", "a reason is required", "/reason", {"minimum": 1}))
    if closed.from_time is not None and not TIME.fullmatch(closed.from_time):
        violations.append(violation_of_time_text(closed.from_time, "/fromTime"))
    return violations


def _validate_days(first: date, last: date) -> list[Violation]:
    too_many = f"at most {MAX_DAYS_AT_ONCE} days are closed or opened at once"
    return validate_days(first, last, MAX_DAYS_AT_ONCE, too_many, "out_of_range")


def _validate_term(title: str, begin: date, end: date) -> list[Violation]:
    violations: list[Violation] = []
    if not title.strip():
        violations.append(Violation("too_short", "a term has a title", "/title", {"minimum": 1}))
    if len(title) > MAX_TITLE:
        violations.append(
            Violation("too_long", f"a title has at most {MAX_TITLE} characters", "/title", {"maximum": MAX_TITLE})
        )
    if UNSTORABLE.search(title):
        violations.append(Violation("wrong_text", f"a title {UNSTORABLE_TEXT}", "/title"))
    if end <= begin:
        violations.append(
            Violation("days_reversed", f"the end, {end}, is not after the beginning, {begin}", "/endDate")
        )
    return violations


def _by_day(key: Key) -> date:
    return date.fromordinal(by_number(key))
