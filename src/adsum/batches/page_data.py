"""The data of the pages `/batches` and `/batches/{batchId}`, from the services of several features."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeAlias
from urllib.parse import urlencode

from adsum.accounts.access import Caller, Permission
from adsum.accounts.visibility import sees_names
from adsum.attendance.statuses.rules import shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.batches.activity.service import ActivityService
from adsum.batches.job_outcomes import BatchJob, reason_text
from adsum.batches.listing import MAX_RUNS, BatchDetails, Batches
from adsum.batches.rules import (
    BatchFilters,
    BatchState,
    JobFilters,
    ListedBatch,
    ListedRun,
    Outcome,
    RunAuthor,
    UndoneRun,
)
from adsum.batches.service import AttendancesService
from adsum.batches.timeline import BatchTimeline, Timeline
from adsum.platform.days import WrongDay, day_near
from adsum.platform.ids import MAX_ID, parse_batch_id
from adsum.platform.pages.charts import bar_chart
from adsum.platform.paging import MAX_LIMIT, PageRequest, RowPage
from adsum.platform.texts import list_key
from adsum.roster.rules import (
    ClassFilters,
    ClassRow,
    NamedIds,
    NameOrder,
    Names,
    SessionTitles,
    StudentName,
    name_order,
)
from adsum.roster.service import Directory, Naming

ROWS = 25
RUNNING = 10
FAILED = 5
MISSING = 5
# A class fits into one page, which is sorted by name.
STUDENTS = MAX_LIMIT
ALL_OUTCOMES = "all"
# Outcomes that need attention come first.
OUTCOME_ORDER = (Outcome.FAILED, Outcome.PENDING, Outcome.CANCELLED, Outcome.RECORDED, Outcome.SKIPPED)

MissingRegisters: TypeAlias = Callable[[Caller, int], Awaitable[RowPage[Any]]]
"""Returns the first registers that are missing today, for a caller, up to a limit."""


@dataclass(frozen=True, slots=True)
class TypedBatchFilters:
    """The filters of the list of batches as the visitor typed them."""

    state: str = ""
    class_id: str = ""
    first: str = ""
    last: str = ""

    def query(self, **more: str) -> str:
        """The query string with these filters."""
        values = {"state": self.state, "classId": self.class_id, "from": self.first, "to": self.last, **more}
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def invalid_fields(self) -> frozenset[str]:
        """The names of the fields that cannot be parsed."""
        is_valid = {
            "state": self.state in {"", *BatchState},
            "classId": not self.class_id or _number(self.class_id) is not None,
            "from": not self.first or _day(self.first) is not None,
            "to": not self.last or _day(self.last) is not None,
        }
        return frozenset(name for name, valid in is_valid.items() if not valid)

    @property
    def filters(self) -> BatchFilters:
        """The parsed filters. Call it only if `invalid_fields` is empty."""
        state = BatchState(self.state) if self.state else None
        return BatchFilters(
            class_id=_number(self.class_id), first_day=_day(self.first), last_day=_day(self.last), state=state
        )


class BatchPageData:
    """Collects the values that the templates of batches show.

    Args:
        attendances: returns the status of a batch.
        batches: lists batches and their students.
        timeline: returns the events of a batch.
        activity: returns figures of the last minutes, and the state of the queue.
        directory: returns the names of classes, sessions and students.
        naming: returns the names of the people who have submitted batches.
        statuses: returns the statuses of a school.
        missing_registers: returns registers that are missing today.
    """

    def __init__(
        self,
        attendances: AttendancesService,
        batches: Batches,
        timeline: Timeline,
        activity: ActivityService,
        directory: Directory,
        naming: Naming,
        statuses: Statuses,
        missing_registers: MissingRegisters,
    ) -> None:
        self._attendances = attendances
        self._batches = batches
        self._timeline = timeline
        self._activity = activity
        self._directory = directory
        self._naming = naming
        self._statuses = statuses
        self._missing_registers = missing_registers

    async def live(self, caller: Caller) -> dict[str, Any]:
        """The values of `batches_now.html`: the part of the list that is refreshed."""
        activity, queue = await asyncio.gather(self._activity.now(caller), self._activity.queue(caller))
        running = await self._in_state(caller, BatchState.PROCESSING, RUNNING)
        failed = await self._in_state(caller, BatchState.COMPLETED_WITH_ERRORS, FAILED)
        minutes = activity.minutes
        return {
            "activity": activity,
            "queue": queue,
            "running": running,
            "failed": failed,
            "reason_text": reason_text,
            "reasons": await self._timeline.failures(caller, [each.status for each in failed.items]),
            "titles": await self._titles(caller, [*running.items, *failed.items]),
            "throughput": bar_chart([each.recorded for each in minutes], [each.failed for each in minutes]),
            "depth": bar_chart([each.open for each in minutes]),
            "is_own": _sees_own(caller),
        }

    async def list(self, caller: Caller, typed: TypedBatchFilters, cursor: str | None) -> dict[str, Any]:
        """The values of `batches.html`. `page` is None if a filter cannot be parsed."""
        live = await self.live(caller)
        filters = None if typed.invalid_fields else _own(caller, typed.filters)
        page = None if filters is None else await self._batches.submitted(caller, filters, PageRequest(cursor, ROWS))
        return {
            **live,
            "typed": typed,
            "is_continued": cursor is not None,
            "page": page,
            "page_titles": await self._titles(caller, page.items if page is not None else ()),
            **await self._authors(caller, page),
            "missing": await self._missing(caller),
            "classes": await self._classes(caller) if _sees_own(caller) else (),
        }

    async def progress(self, caller: Caller, batch_id: str) -> dict[str, Any]:
        """The values of `batch_now.html`: the part of one batch that is refreshed."""
        details = await self._batches.details(batch_id, caller, JobFilters(), PageRequest(limit=1))
        return await self._progress(caller, details)

    async def details(self, caller: Caller, batch_id: str, outcome: str, cursor: str | None) -> dict[str, Any]:
        """The values of `batch.html`. `outcome` is the one in the query string; see `selected_outcome`."""
        tally = (await self._attendances.get_batch_status(batch_id, caller)).tally
        counts = {
            Outcome.FAILED: tally.failed,
            Outcome.PENDING: tally.remaining,
            Outcome.CANCELLED: tally.cancelled,
            Outcome.RECORDED: tally.recorded,
            Outcome.SKIPPED: tally.skipped,
        }
        selected = selected_outcome(outcome, counts)
        details = await self._batches.details(batch_id, caller, JobFilters(selected), PageRequest(cursor, STUDENTS))
        progress = await self._progress(caller, details)
        named = await self._names(caller, details, progress["timeline"])
        return {
            **progress,
            "jobs": _by_name(details.jobs.items, named["names"]),
            "batch": parse_batch_id(batch_id),
            "outcome": selected,
            "cursor": cursor,
            "counts": {each: counts[each] for each in OUTCOME_ORDER if counts[each]},
            **named,
        }

    async def _progress(self, caller: Caller, details: BatchDetails) -> dict[str, Any]:
        timeline = await self._timeline.of_batch(details.status.batch_id, caller, MAX_RUNS)
        return {
            "details": details,
            "timeline": timeline,
            "events": timeline.events(details.runs),
            "people": await self._people(caller, [*details.runs, *timeline.undone]),
            "reason_text": reason_text,
            "is_paused": not details.status.has_ended and await self._is_paused(caller),
        }

    async def _is_paused(self, caller: Caller) -> bool:
        queue = await self._activity.queue(caller)
        return queue is not None and queue.state.is_paused

    async def _in_state(self, caller: Caller, state: BatchState, limit: int) -> RowPage[ListedBatch]:
        return await self._batches.submitted(caller, _own(caller, BatchFilters(state=state)), PageRequest(limit=limit))

    async def _authors(self, caller: Caller, page: RowPage[ListedBatch] | None) -> dict[str, Any]:
        """The authors of the batches of a list, if it has those of others."""
        if page is None or _sees_own(caller):
            return {"authors": {}, "people": Names()}
        authors = await self._batches.authors(caller, page.items)
        return {"authors": authors, "people": await self._people(caller, authors.values())}

    async def _people(self, caller: Caller, rows: Iterable[ListedRun | RunAuthor | UndoneRun]) -> Names:
        ids = NamedIds(people={each.user_id for each in rows if each.user_id is not None})
        return await self._naming.names_of(ids, caller)

    async def _titles(self, caller: Caller, rows: Iterable[ListedBatch]) -> Mapping[int, SessionTitles]:
        """Empty for a caller without `roster:read`, who sees ids."""
        session_ids = {each.batch.session_id for each in rows}
        if not session_ids or not sees_names(caller):
            return {}
        return await self._directory.session_titles(caller, session_ids)

    async def _classes(self, caller: Caller) -> Sequence[ClassRow]:
        """The classes of a teacher, by title."""
        if not sees_names(caller):
            return ()
        page = await self._directory.classes(caller, ClassFilters(), PageRequest(limit=MAX_LIMIT))
        return sorted(page.items, key=lambda each: list_key(each.title))

    async def _missing(self, caller: Caller) -> RowPage[Any] | None:
        """None for a caller without `attendance:read`, and for teachers, whose start page has them."""
        if not caller.may(Permission.ATTENDANCE_READ) or _sees_own(caller):
            return None
        return await self._missing_registers(caller, MISSING)

    async def _names(self, caller: Caller, details: BatchDetails, timeline: BatchTimeline) -> dict[str, Any]:
        """The names of the class, its session, the students and the statuses. Empty without `roster:read`."""
        batch = parse_batch_id(details.status.batch_id)
        if batch is None or not sees_names(caller):
            return {"titles": {}, "names": {}, "statuses": {}}
        return {
            "titles": await self._directory.session_titles(caller, [batch.session_id]),
            "names": await self._directory.student_names(caller, [job.student_id for job in details.jobs.items]),
            "statuses": shown_statuses(await self._statuses.all_of(timeline.school_id, caller)),
        }


def selected_outcome(requested: str, counts: Mapping[Outcome, int]) -> Outcome | None:
    """The outcome whose students the page lists. None: all students.

    Without a valid request it is FAILED if any student failed.
    """
    if requested in set(Outcome):
        return Outcome(requested)
    if requested == ALL_OUTCOMES:
        return None
    return Outcome.FAILED if counts[Outcome.FAILED] else None


def _by_name(jobs: Iterable[BatchJob], names: Mapping[int, StudentName]) -> Sequence[BatchJob]:
    """The jobs in the order of the names of their students; by id for callers who see no names."""

    def order(job: BatchJob) -> NameOrder:
        name = names.get(job.student_id, StudentName("", ""))
        return name_order(name.family, name.given, job.student_id)

    return sorted(jobs, key=order)


def _sees_own(caller: Caller) -> bool:
    """Whether the page lists only what the caller has submitted, as it does for teachers."""
    return caller.teaches_only


def _own(caller: Caller, filters: BatchFilters) -> BatchFilters:
    return replace(filters, submitted_by=caller.user_id) if _sees_own(caller) else filters


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text[:20]) <= MAX_ID else None


def _day(text: str) -> date | None:
    try:
        return day_near(text)
    except WrongDay:
        return None
