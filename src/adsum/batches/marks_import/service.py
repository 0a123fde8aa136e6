"""Imports marks from a file: validates all of it, then accepts each class, session and day as a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.marks_import.rules import (
    Group,
    MarksOptions,
    MarksReport,
    Violations,
    group_marks,
    read_marks,
    with_codes,
)
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Submission
from adsum.platform.coalescer import REQUESTS_AT_MOST
from adsum.platform.database.engine import Database
from adsum.platform.errors import AdsumError, Conflict, Invalid, NotFound
from adsum.platform.telemetry import logger
from adsum.roster.naming.repository import visible_sessions, visible_students
from adsum.roster.naming.rules import RosterNames
from adsum.schools.service import Schools, require_school

# Marks of the submissions that one query validates.
MARKS_AT_ONCE = 10_000

log = logger(__name__)


class ImportInterrupted(Conflict):
    """Data changed between validation and acceptance. The params `accepted` and `batches` are numbers of batches."""

    code = "import_interrupted"


@dataclass(frozen=True, slots=True)
class _Part:
    group: Group
    submission: Submission


class MarksImport:
    """Imports marks through `AttendancesService`, so each is recorded exactly once."""

    def __init__(self, database: Database, attendances: AttendancesService, schools: Schools) -> None:
        self._database = database
        self._attendances = attendances
        self._schools = schools

    async def import_csv(
        self, school_id: int | None, content: bytes, caller: Caller, options: MarksOptions
    ) -> MarksReport:
        """Records the marks of a file, if the whole file is valid. `school_id` None: the caller's only school.

        Each class, session and day is accepted on its own, so no reader sees half of a class. If the process dies in
        between, the accepted batches stay, and the same file can be sent again.

        Raises:
            Forbidden: without `attendance:create`, or a teacher forces.
            NotFound: there is no such school, or the caller does not see it.
            Malformed: the content is not CSV with these columns.
            Invalid: with every violation, by line; or the caller has several schools. Nothing was recorded.
            ImportInterrupted: with violations of lines that were valid a moment ago; other batches were accepted.
            Unavailable: not known which batches are accepted; sending the same again is safe.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        school_id = school_id or (await self._schools.only(caller)).id
        names, statuses = await self._names(school_id, caller)
        violations = Violations()
        # In a thread: a long file must not block other requests.
        groups = await asyncio.to_thread(group_marks, with_codes(read_marks(content), statuses), names, violations)
        parts = [_Part(group, group.submission(options)) for group in groups]
        previews = await self._validate(parts, names, caller, violations)
        violations.refuse()
        batches = previews if options.dry_run else await self._accept(parts, names, caller)
        rows = sum(len(group.marks) for group in groups)
        log.info("marks imported", actor=caller.actor, school_id=school_id, rows=rows, accepted=len(batches))
        return MarksReport(options.dry_run, rows, batches)

    async def _names(self, school_id: int, caller: Caller) -> tuple[RosterNames, SchoolStatuses]:
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            sessions = await visible_sessions(connection, caller, school_id)
            names = RosterNames(sessions, await visible_students(connection, caller, school_id))
            return names, await statuses_of_school(connection, school_id)

    async def _validate(
        self, parts: Sequence[_Part], names: RosterNames, caller: Caller, violations: Violations
    ) -> list[BatchResult]:
        """The expected result of each part. Adds the violations of invalid parts to `violations`."""
        results: list[BatchResult] = []
        for some in _slices(parts):
            if violations.is_full:
                break  # no further violation would be reported
            previews = await self._attendances.preview_batches([each.submission for each in some], caller)
            for part, preview in zip(some, previews, strict=True):
                if isinstance(preview, AdsumError):
                    _add_error(preview, part.group, names, violations)
                else:
                    # The run that would be created has no id yet.
                    results.append(replace(preview, run_id=None) if preview.is_new_run else preview)
        return results

    async def _accept(self, parts: Sequence[_Part], names: RosterNames, caller: Caller) -> list[BatchResult]:
        """Accepts each part, as many concurrently as are validated together."""
        results: list[BatchResult] = []
        violations = Violations()
        for some in _slices(parts):
            submitted = (self._attendances.create_batch(each.submission, caller) for each in some)
            answers = await asyncio.gather(*submitted, return_exceptions=True)
            for part, answer in zip(some, answers, strict=True):
                if isinstance(answer, AdsumError):
                    _add_error(answer, part.group, names, violations)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    results.append(answer)
        if violations.items:
            detail = f"data changed meanwhile: {len(results)} of {len(parts)} batches are accepted; send the file again"
            raise ImportInterrupted(detail, violations.by_line(), accepted=len(results), batches=len(parts))
        return results


def _slices(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Slices of limited numbers of marks and of requests."""
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


def _add_error(error: AdsumError, group: Group, names: RosterNames, violations: Violations) -> None:
    """Adds the error as violations of the group's lines. Raises it if it does not belong to any line."""
    match error:
        case NotFound():
            group.add_violations([names.unknown_class(group.class_name)], names, violations)
        case Invalid():
            group.add_violations(error.violations, names, violations)
        case _:
            raise error
