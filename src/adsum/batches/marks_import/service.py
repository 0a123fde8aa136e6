"""Marks from a file: all of it is checked, then each class, session and day is recorded as a batch of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.batches.marks_import.groups import Group, Names, Violations, group_marks, unknown_class
from adsum.batches.marks_import.repository import sessions_seen, students_seen
from adsum.batches.marks_import.rules import read_marks
from adsum.batches.rules import OnExisting
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Submission
from adsum.platform.coalescer import REQUESTS_AT_MOST
from adsum.platform.database.engine import Database
from adsum.platform.errors import AdsumError, Conflict, Invalid, NotFound
from adsum.platform.telemetry import logger
from adsum.schools.service import require_school

# Of one look at the database: what is accepted together is more.
MARKS_AT_ONCE = 10_000

log = logger(__name__)


class ImportInterrupted(Conflict):
    """Something changed between the check and the recording; params `accepted` and `batches` count batches."""

    code = "import_interrupted"


@dataclass(frozen=True, slots=True)
class MarksOptions:
    """How marks are imported; `force` and `reason` as of a submission."""

    on_existing: OnExisting = OnExisting.SKIP
    dry_run: bool = False
    force: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MarksReport:
    """What an import came to, or, of a dry run, would come to: an answer for each class, session and day."""

    dry_run: bool
    rows: int
    batches: Sequence[BatchResult]


@dataclass(frozen=True, slots=True)
class _Part:
    group: Group
    submission: Submission


class MarksImport:
    """Imports marks by way of `attendances`: so they are recorded as any other, and exactly once."""

    def __init__(self, database: Database, attendances: AttendancesService) -> None:
        self._database = database
        self._attendances = attendances

    async def import_csv(self, school_id: int, content: bytes, caller: Caller, options: MarksOptions) -> MarksReport:
        """Records what a file says, if nothing at all is wrong with it.

        Each class, session and day is accepted by itself, so that whoever reads sees no half of a class. If the process
        dies in between, what was accepted stays, and sending the file again goes on from there.

        Raises:
            Forbidden: without `attendance:create`, or a teacher forces.
            NotFound: there is no such school, or it is not the caller's.
            Malformed: this is no CSV with these columns.
            Invalid: with one violation for every wrong thing, by line; nothing was recorded.
            ImportInterrupted: with violations of lines that were right a moment ago; other batches were accepted.
            Unavailable: not known which batches are accepted; sending the same again is safe.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        names = await self._names(school_id, caller)
        violations = Violations()
        # In a thread: others are not to wait while a long file is read.
        groups = await asyncio.to_thread(group_marks, read_marks(content), names, violations)
        parts = [
            _Part(each, each.submission(options.on_existing, force=options.force, reason=options.reason))
            for each in groups
        ]
        previews = await self._check(parts, caller, violations)
        violations.refuse()
        batches = previews if options.dry_run else await self._record(parts, caller)
        rows = sum(len(group.marks) for group in groups)
        log.info("marks are imported", actor=caller.actor, school_id=school_id, rows=rows, accepted=len(batches))
        return MarksReport(options.dry_run, rows, batches)

    async def _names(self, school_id: int, caller: Caller) -> Names:
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            return Names(
                await sessions_seen(connection, caller, school_id), await students_seen(connection, caller, school_id)
            )

    async def _check(self, parts: Sequence[_Part], caller: Caller, violations: Violations) -> list[BatchResult]:
        """What each part would come to; what is wrong goes into `violations`."""
        results: list[BatchResult] = []
        for some in _slices(parts):
            if violations.is_full:
                break  # nobody reads more, and it would cost as much as a right file
            previews = await self._attendances.preview_batches([each.submission for each in some], caller)
            for part, preview in zip(some, previews, strict=True):
                if isinstance(preview, AdsumError):
                    _note(preview, part.group, violations)
                else:
                    # The run that it would make has no id before it is made.
                    results.append(replace(preview, run_id=None) if preview.is_new_run else preview)
        return results

    async def _record(self, parts: Sequence[_Part], caller: Caller) -> list[BatchResult]:
        """Has each part accepted, so many at once as are looked at together."""
        results: list[BatchResult] = []
        violations = Violations()
        for some in _slices(parts):
            submitted = (self._attendances.create_batch(each.submission, caller) for each in some)
            answers = await asyncio.gather(*submitted, return_exceptions=True)
            for part, answer in zip(some, answers, strict=True):
                if isinstance(answer, AdsumError):
                    _note(answer, part.group, violations)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    results.append(answer)
        if violations.kept:
            detail = (
                f"things changed meanwhile: {len(results)} of {len(parts)} batches are accepted, send the file again"
            )
            raise ImportInterrupted(detail, violations.by_line(), accepted=len(results), batches=len(parts))
        return results


def _slices(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Parts that together are not too many marks, and not too many requests."""
    some: list[_Part] = []
    marks = 0
    for part in parts:
        if some and (marks + len(part.group.marks) > MARKS_AT_ONCE or len(some) == REQUESTS_AT_MOST):
            yield some
            some, marks = [], 0
        some.append(part)
        marks += len(part.group.marks)
    if some:
        yield some


def _note(error: AdsumError, group: Group, violations: Violations) -> None:
    """Raises what is wrong with no line."""
    match error:
        case NotFound():
            group.note([unknown_class(group.class_name)], violations)
        case Invalid():
            group.note(error.violations, violations)
        case _:
            raise error
