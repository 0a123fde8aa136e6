"""Collects the data of the overview of a day: registers, absences, disputes and failed batches that need attention."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

from adsum.absences.contacts.service import Contacts
from adsum.absences.unexplained import StudentDay
from adsum.accounts.access import Caller, Permission
from adsum.attendance.disputed_marks.rules import DisputeFilters
from adsum.attendance.disputed_marks.service import DisputedMarks
from adsum.attendance.rules import OpenDispute
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.batches.job_outcomes import reason_text
from adsum.batches.listing import Batches
from adsum.batches.rules import BatchFilters, BatchState, FailedStudent, ListedBatch
from adsum.platform.paging import MAX_LIMIT, PageRequest, RowPage
from adsum.registers.on_site.service import OnSite, OnSiteCount
from adsum.registers.rules import Register, RegisterCount, RegisterFilters
from adsum.registers.service import Registers
from adsum.reports.rules import Counts, GroupBy, Scope, total
from adsum.reports.service import Reports
from adsum.reports.unexplained.page_data import AbsentDays, UnexplainedPageData
from adsum.roster.rules import NamedIds, Names
from adsum.roster.service import Naming
from adsum.schools.calendar.rules import ClosedDayFilters, RecordedClosedDay
from adsum.schools.calendar.service import SchoolCalendar

# Older unexplained absences are left to the reports.
LOOKBACK = timedelta(days=13)
# A register names its missing students only if they are few.
FEW = 3
# Batches with failed marks, and the students of each whom the page names.
FAILED_BATCHES = 10
FAILED_STUDENTS = 20

StoppedWebhooks: TypeAlias = Callable[[Caller], Awaitable[Sequence[object]]]


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of the day. `on_site`: students who are on site or unknown now; None: the day is not today."""

    registers: RegisterCount
    counts: Counts
    on_site: OnSiteCount | None


@dataclass(frozen=True, slots=True)
class DayOverview:
    """The content of the page.

    Attributes:
        since: the first day of the unexplained absences.
        to_call: the number of students about whose unexplained absence on the day nobody was called yet; None: the
            caller makes no calls.
        closed: the closing of the school on the day.
        failed_students: the first students of each of the batches in `failed`, by its id.
    """

    since: date
    to_call: int | None
    closed: RecordedClosedDay | None
    figures: Figures
    registers: RowPage[Register]
    unexplained: AbsentDays
    disputes: RowPage[OpenDispute]
    failed: RowPage[ListedBatch]
    failed_students: Mapping[str, Sequence[FailedStudent]]
    names: Names
    statuses: Mapping[str, ShownStatus]


@dataclass(frozen=True, slots=True)
class Cursors:
    """The cursors of the lists on the page. None: the first page.

    `explained`: the absences that the visitor has just explained, which stay in the list.
    """

    registers: str | None = None
    unexplained: str | None = None
    explained: Sequence[StudentDay] = ()


class OverviewPageData:
    """Reads the overview of a day from the services of the API, with their permissions."""

    def __init__(  # noqa: PLR0913 - the services of the page
        self,
        *,
        registers: Registers,
        on_site: OnSite,
        reports: Reports,
        unexplained: UnexplainedPageData,
        contacts: Contacts,
        disputed_marks: DisputedMarks,
        batches: Batches,
        statuses: Statuses,
        naming: Naming,
        calendar: SchoolCalendar,
        stopped_webhooks: StoppedWebhooks,
    ) -> None:
        self._registers = registers
        self._on_site = on_site
        self._reports = reports
        self._unexplained = unexplained
        self._contacts = contacts
        self._disputed_marks = disputed_marks
        self._batches = batches
        self._statuses = statuses
        self._naming = naming
        self._calendar = calendar
        self._stopped_webhooks = stopped_webhooks

    async def read(self, caller: Caller, school_id: int, day: date, cursors: Cursors, *, is_today: bool) -> DayOverview:
        """The overview of a school on a day.

        Raises:
            Forbidden: without `attendance:read` and `roster:read`.
            NotFound: there is no such school, or the caller does not see it.
        """
        filters = RegisterFilters(day=day, school_id=school_id)
        registers = await self._registers.page(caller, filters, PageRequest(cursors.registers, MAX_LIMIT))
        unexplained = await self._unexplained.read(
            Scope(school_id, day - LOOKBACK, day), caller, PageRequest(cursors.unexplained), explained=cursors.explained
        )
        dispute_filters = DisputeFilters(school_id=school_id, last_day=day)
        disputes = await self._disputed_marks.page(caller, dispute_filters, PageRequest())
        failed = await self._failed(caller, school_id, day)
        failed_students: Mapping[str, Sequence[FailedStudent]] = {}
        if failed.items:
            failed_students = await self._batches.failed_students(caller, failed.items, FAILED_STUDENTS)
        return DayOverview(
            since=day - LOOKBACK,
            to_call=await self._to_call(caller, school_id, day),
            closed=await self._closed(caller, school_id, day),
            figures=await self._figures(caller, filters, school_id, day, is_today=is_today),
            registers=registers,
            unexplained=unexplained,
            disputes=disputes,
            failed=failed,
            failed_students=failed_students,
            names=await self._naming.names_of(_named_ids(registers, disputes, failed, failed_students), caller),
            statuses=shown_statuses(await self._statuses.all_of(school_id, caller)),
        )

    async def stopped_webhooks(self, caller: Caller) -> Sequence[object]:
        """The webhooks of the notice above the page, for those who manage them."""
        return await self._stopped_webhooks(caller) if caller.may(Permission.WEBHOOK_MANAGE) else ()

    async def _figures(
        self, caller: Caller, filters: RegisterFilters, school_id: int, day: date, *, is_today: bool
    ) -> Figures:
        rates = await self._reports.rates(Scope(school_id, day, day), GroupBy.SCHOOL, caller, PageRequest())
        on_site = await self._on_site.count(school_id, caller) if is_today else None
        registers = await self._registers.count(caller, filters)
        return Figures(registers, total(rate.counts for rate in rates.items), on_site)

    async def _to_call(self, caller: Caller, school_id: int, day: date) -> int | None:
        if not caller.may(Permission.ATTENDANCE_OVERRULE):
            return None
        return await self._contacts.count_to_call(school_id, day, caller)

    async def _closed(self, caller: Caller, school_id: int, day: date) -> RecordedClosedDay | None:
        page = await self._calendar.closed_days(school_id, ClosedDayFilters(day, day), caller, PageRequest())
        return page.items[0] if page.items else None

    async def _failed(self, caller: Caller, school_id: int, day: date) -> RowPage[ListedBatch]:
        if not caller.may(Permission.BATCH_READ):
            return RowPage([], None)
        filters = BatchFilters(
            school_id=school_id, first_day=day - LOOKBACK, last_day=day, state=BatchState.COMPLETED_WITH_ERRORS
        )
        return await self._batches.page(caller, filters, PageRequest(limit=FAILED_BATCHES))


def reasons_of(failed: Sequence[FailedStudent]) -> Sequence[str]:
    """The texts of the reasons of these failures, each once."""
    return list(dict.fromkeys(reason_text(each.reason) for each in failed))


def few_missing(register: Register) -> Sequence[int]:
    """The students without a mark in a partly taken register, if they are few enough to be named."""
    missing = register.missing_student_ids or ()
    return missing if register.marked and len(missing) <= FEW else ()


def _named_ids(
    registers: RowPage[Register],
    disputes: RowPage[OpenDispute],
    failed: RowPage[ListedBatch],
    failed_students: Mapping[str, Sequence[FailedStudent]],
) -> NamedIds:
    rows = disputes.items
    batches = [each.batch for each in failed.items]
    reminders = [each.reminder for each in registers.items if each.reminder is not None]
    return NamedIds(
        students={row.student_id for row in rows}
        | {id_ for each in registers.items for id_ in few_missing(each)}
        | {each.student_id for students in failed_students.values() for each in students},
        classes={row.class_id for row in rows} | {batch.class_id for batch in batches},
        sessions={row.session_id for row in rows} | {batch.session_id for batch in batches},
        people={row.user_id for row in disputes.items if row.user_id is not None}
        | {each.reminded_by_user_id for each in reminders if each.reminded_by_user_id is not None},
    )
