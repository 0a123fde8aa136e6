"""Reminders: the office asks the teachers of a missing register to take it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_named_school, violations_of_school
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Database
from adsum.platform.days import today_in
from adsum.platform.errors import Violation, refuse
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.registers.reminders.repository import add_reminders, list_reminders, reminded_days
from adsum.registers.reminders.rules import (
    MAX_REGISTERS,
    PAUSE,
    Reminded,
    ReminderFilters,
    SentReminder,
    ShownReminder,
    oldest_reminded,
    validate_day,
)
from adsum.registers.repository import list_registers
from adsum.registers.rules import LocalTime, Register, RegisterFilters, Reminder
from adsum.schools.locks import lock_school
from adsum.schools.repository import time_zone_of, today_of_school


class Reminders:
    """Sends and shows reminders. `now` is the clock."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    @repeats_if_contended
    async def remind(
        self,
        school_id: int,
        day: date | None,
        session_ids: Sequence[int] | None,
        caller: Caller,
        keyed: KeyedRequest[Reminded] | None = None,
    ) -> Reminded:
        """Reminds the teachers of missing registers, which then see a notice until the register is taken.

        Args:
            school_id: of the registers.
            day: of the registers; None: the school's today.
            session_ids: of the registers; None: all that are missing on that day.
            caller: of the office.
            keyed: the request, if it has an idempotency key.

        Raises:
            Forbidden: without `attendance:overrule`.
            Invalid: there is no such school, or the caller does not see it; the day is older than `SHOWN`; or sessions
                have no missing register on it: one violation for each.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            refuse(await violations_of_school(connection, caller, school_id))
            # Two requests at once would not find each other's reminders.
            await lock_school(connection, school_id)
            now = self._now()
            today = await today_of_school(connection, school_id, now)
            refuse(list(validate_day(day or today, today)))
            filters = RegisterFilters(day=day or today, school_id=school_id)
            found = await list_registers(connection, caller, filters, now, None, MAX_REGISTERS)
            missing = [each for each in found if not each.is_processing]
            if session_ids is not None:
                refuse(list(_not_missing(session_ids, {each.session_id for each in missing})))
                missing = [each for each in missing if each.session_id in session_ids]
            result = _reminded(missing, Reminder(now, caller.role.value, caller.user_id, caller.key_id))
            await add_reminders(connection, result.sent)
            await store_result(connection, keyed, result)
        return result

    async def page(self, caller: Caller, filters: ReminderFilters, page: PageRequest) -> RowPage[SentReminder]:
        """A page of all reminders, the newest first. They stay when the register is taken.

        Raises:
            Forbidden: without `attendance:overrule`.
            NotFound: the caller does not see the school of the filter.
            Invalid: the cursor belongs to another query, or is not a cursor.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("reminders", filters)
        before = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, filters.school_id)
            rows = await list_reminders(connection, caller, filters, before, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.id,))

    async def shown_to(self, caller: Caller, open_path: str = "") -> Sequence[ShownReminder]:
        """The missing registers of the last days that the caller teaches or covers and is reminded of, by day.

        The register whose page is open at `open_path` is left out: the caller is taking it.

        For a teacher without reminders this is one query.

        Raises:
            Forbidden: without `attendance:read`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        now, found = self._now(), list[ShownReminder]()
        if caller.user_id is None:
            return found  # a program teaches nothing
        async with self._database.snapshot() as connection:
            # The day before that of UTC may be today in a time zone.
            since = oldest_reminded(now.date()) - timedelta(1)
            for day in await reminded_days(connection, caller, caller.user_id, since):
                filters = RegisterFilters(day=day, teacher_id=caller.user_id, reminded_only=True)
                for each in await list_registers(connection, caller, filters, now, None, MAX_REGISTERS):
                    zone = await time_zone_of(connection, each.school_id)
                    today = today_in(zone, now)
                    if each.reminder is not None and not each.is_processing and day >= oldest_reminded(today):
                        reminded = LocalTime.at(zone, each.reminder.reminded_at)
                        found.append(ShownReminder(each, today, reminded))
        return [each for each in found if each.path != open_path]


def _reminded(missing: Sequence[Register], reminder: Reminder) -> Reminded:
    """The result of a reminder of these registers."""
    taught = [each for each in missing if any(not teacher.is_erased for teacher in each.teachers)]
    reachable = [each for each in taught if any(teacher.has_login for teacher in each.teachers)]
    recent = [each for each in reachable if each.reminder and reminder.reminded_at - each.reminder.reminded_at < PAUSE]
    return Reminded(
        [replace(each, reminder=reminder) for each in reachable if each not in recent],
        recent,
        [each for each in taught if each not in reachable],
        [each for each in missing if each not in taught],
    )


def _not_missing(session_ids: Sequence[int], missing: Collection[int]) -> Iterator[Violation]:
    for i, session_id in enumerate(session_ids):
        if session_id not in missing:
            detail = f"no register of session {session_id} is missing on that day"
            yield Violation("register_not_missing", detail, f"/sessionIds/{i}", {"sessionId": session_id})
