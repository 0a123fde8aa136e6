"""What the office's start page tells of a day, read from the services that the API has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from adsum.absences.explain import explanations
from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor
from adsum.attendance.disputed_marks.repository import ContradictionRow
from adsum.attendance.filters import ContradictionFilters
from adsum.attendance.repository import RecordRow
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.batches.rules import BatchFilters, BatchState, ListedBatch
from adsum.platform.paging import MAX_LIMIT, Page, PageRequest
from adsum.registers.rules import Register, RegisterCount, RegisterFilters
from adsum.reports.rules import Counts, GroupBy, Scope, total
from adsum.roster.rules import NamedIds, Names
from adsum.schools.context import SchoolDay
from adsum.wiring import Adsum

# An absence that nobody explains within two weeks is a matter for the reports.
LOOKS_BACK = timedelta(days=13)


@dataclass(frozen=True, slots=True)
class Figures:
    """The day in numbers. `there`: how many are in the house now; None: the day is not today."""

    registers: RegisterCount
    counts: Counts
    there: int | None


@dataclass(frozen=True, slots=True)
class UnexplainedLine:
    """A student and a day: the absences that nobody has explained."""

    student_id: int
    records: Sequence[RecordRow]

    @property
    def day(self) -> str:
        return self.records[0].learning_date.isoformat()


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the page."""

    figures: Figures
    registers: Page[Register]
    unexplained: Page[UnexplainedLine]
    contradictions: Page[ContradictionRow]
    failed: Page[ListedBatch]
    names: Names
    statuses: Mapping[str, ShownStatus]
    explanations: Sequence[ShownStatus]


@dataclass(frozen=True, slots=True)
class Pages:
    """Where each list of the page begins; None: at its beginning."""

    registers: str | None = None
    unexplained: str | None = None


async def overview_of(adsum: Adsum, visitor: Visitor, of: SchoolDay, pages: Pages) -> Overview:
    """The day of a school as this visitor sees it."""
    caller, school_id = visitor.caller, of.school.id
    filters = RegisterFilters(day=of.day, school_id=school_id)
    registers = await adsum.registers.page(caller, filters, PageRequest(pages.registers, MAX_LIMIT))
    unexplained = await _unexplained(adsum, visitor, of, pages.unexplained)
    standing = ContradictionFilters(school_id=school_id, last_day=of.day)
    contradictions = await adsum.contradictions.page(caller, standing, PageRequest())
    failed = await _failed(adsum, visitor, of)
    statuses = await adsum.statuses.all_of(school_id, caller)
    shown = shown_statuses(statuses)
    return Overview(
        figures=await _figures(adsum, visitor, of, filters),
        registers=registers,
        unexplained=unexplained,
        contradictions=contradictions,
        failed=failed,
        names=await adsum.naming.names_of(_named(registers, unexplained, contradictions, failed), caller),
        statuses=shown,
        explanations=[shown[code] for code in explanations(statuses)],
    )


async def _figures(adsum: Adsum, visitor: Visitor, of: SchoolDay, filters: RegisterFilters) -> Figures:
    scope = Scope(of.school.id, of.day, of.day)
    rates = await adsum.reports.rates(scope, GroupBy.SCHOOL, visitor.caller, PageRequest())
    there = await adsum.on_site.count(of.school.id, visitor.caller) if of.is_today else None
    registers = await adsum.registers.count(visitor.caller, filters)
    return Figures(registers, total(rate.counts for rate in rates.items), there)


async def _unexplained(adsum: Adsum, visitor: Visitor, of: SchoolDay, cursor: str | None) -> Page[UnexplainedLine]:
    scope = Scope(of.school.id, of.day - LOOKS_BACK, of.day)
    report = await adsum.reports.unexplained(scope, visitor.caller, PageRequest(cursor))
    days = [(item.day.student_id, item.day.day) for item in report.items]
    records = await adsum.explaining.absences(of.school.id, days, visitor.caller)
    # A report is of a moment before: what was explained since has no records any more.
    lines = [UnexplainedLine(key[0], records[key]) for key in days if key in records]
    return Page(lines, report.next_cursor)


async def _failed(adsum: Adsum, visitor: Visitor, of: SchoolDay) -> Page[ListedBatch]:
    if not visitor.caller.may(Permission.BATCH_READ):
        return Page([], None)
    filters = BatchFilters(
        school_id=of.school.id,
        first_day=of.day - LOOKS_BACK,
        last_day=of.day,
        state=BatchState.COMPLETED_WITH_ERRORS,
    )
    return await adsum.batches.page(visitor.caller, filters, PageRequest())


def _named(
    registers: Page[Register],
    unexplained: Page[UnexplainedLine],
    contradictions: Page[ContradictionRow],
    failed: Page[ListedBatch],
) -> NamedIds:
    records = [record for line in unexplained.items for record in line.records]
    rows = [*records, *contradictions.items]
    batches = [each.batch for each in failed.items]
    return NamedIds(
        students={row.student_id for row in rows} | {id_ for each in registers.items for id_ in few_missing(each)},
        classes={row.class_id for row in rows} | {batch.class_id for batch in batches},
        sessions={row.session_id for row in rows} | {batch.session_id for batch in batches},
        people={row.user_id for row in contradictions.items if row.user_id is not None},
    )


def few_missing(register: Register) -> Sequence[int]:
    """Who has no mark in a register that is taken in part, where they are few enough to be named."""
    missing = register.missing_student_ids or ()
    return missing if register.marked and len(missing) <= 3 else ()
