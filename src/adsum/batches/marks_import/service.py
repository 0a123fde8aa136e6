"""Imports marks from a file: validates all of it, then accepts each class, session and day as a batch."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_school
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.batches.marks_import.grouping import Group, SchoolOfFile, SchoolsOfFile, group_marks
from adsum.batches.marks_import.rules import MARKS, MarksOptions, MarksReport, own_classes, read_marks
from adsum.batches.repository.submissions import load_snapshots, visible_batches
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, first_result
from adsum.platform.coalescer import REQUESTS_AT_MOST
from adsum.platform.database.answers import (
    AnswerKey,
    KeyedRequest,
    claim_key,
    find_answers,
    require_unanswered,
    store_result,
)
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.tombstones import Erased, find_tombstones
from adsum.platform.errors import AdsumError, Conflict, Invalid, refuse
from adsum.platform.files.listed_violations import ListedViolations
from adsum.platform.ids import Batch
from adsum.platform.telemetry import logger
from adsum.roster.naming.repository import (
    schools_of_classes,
    schools_with_classes,
    visible_sessions,
    visible_students,
)
from adsum.roster.naming.rules import RosterNames, classes_unknown, with_schools
from adsum.roster.repository.students import keep_students
from adsum.schools.service import Schools

# Marks of the submissions that one query validates.
MARKS_AT_ONCE = 10_000

log = logger(__name__)


class ImportInterrupted(Conflict):
    """Data changed between validation and acceptance. The params `accepted` and `batches` are numbers of batches."""

    code = "import_interrupted"


class MarksImport:
    """Imports marks through `AttendancesService`, so each is recorded exactly once."""

    def __init__(self, database: Database, attendances: AttendancesService, schools: Schools) -> None:
        self._database = database
        self._attendances = attendances
        self._schools = schools

    async def import_file(
        self,
        school_id: int | None,
        content: bytes,
        caller: Caller,
        options: MarksOptions,
        keyed: KeyedRequest[MarksReport] | None = None,
    ) -> MarksReport:
        """Records the marks of a CSV file or a workbook, if the whole file is valid.

        `school_id` None: the caller's only school, or the schools of the classes that the file names by Adsum's ids.

        Each class, session and day is accepted on its own, so no reader sees half of a class. If the process dies in
        between, the accepted batches stay, and the same file can be sent again. With an idempotency key, each batch has
        a key of its own, so that a repetition gets the first answer of each batch that was accepted.

        Raises:
            Forbidden: without `attendance:create`, or a teacher forces.
            NotFound: there is no such school, or the caller does not see it.
            Malformed: the content is neither CSV nor a workbook with these columns.
            Invalid: with every violation, by line; or the caller has several schools. Nothing was recorded.
            ImportInterrupted: with violations of lines that were valid a moment ago; other batches were accepted.
            Unavailable: not known which batches are accepted; sending the same again is safe.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        refuse(list(options.violations()))
        async with self._database.snapshot() as connection:
            await require_unanswered(connection, keyed)
        schools = await self._schools_of(school_id, content, caller)
        violations, warnings = ListedViolations(MARKS), ListedViolations(MARKS)
        # In a thread: a long file must not block other requests.
        groups = await asyncio.to_thread(lambda: group_marks(read_marks(content), schools, violations, warnings))
        results = await self._validate(groups, options, caller, violations)
        await self._name_schools(violations, schools, caller)
        violations.refuse()
        if not options.dry_run:
            await self._record(school_id, content, groups, caller)
            results |= await self._accept_once(groups, options, caller, keyed)
        rows = sum(group.total for group in groups)
        log.info("marks imported", actor=caller.actor, rows=rows, accepted=len(results))
        batches = [_with_unchanged(results[each.batch], each) for each in groups]
        report = MarksReport(options.dry_run, rows, batches, warnings.by_line(), warnings.count)
        if keyed is not None:
            async with self._database.transaction() as connection:
                await store_result(connection, keyed, await _without_erased(connection, report))
        return report

    async def _record(self, school_id: int | None, content: bytes, groups: Sequence[Group], caller: Caller) -> None:
        """Records the import before the first batch is accepted, since an interrupted import has accepted some."""
        digest = await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
        after = {"rows": sum(group.total for group in groups), "batches": len(groups), "sha256": digest}
        async with self._database.transaction() as connection:
            await record(connection, caller, Action.MARKS_IMPORTED, school_id=school_id, after=after)

    async def _accept_once(
        self, groups: Sequence[Group], options: MarksOptions, caller: Caller, keyed: KeyedRequest[MarksReport] | None
    ) -> dict[Batch, BatchResult]:
        """Accepts the groups with lines. Of those that an interrupted request accepted, returns the first results."""
        to_submit = [group for group in groups if group.marks]
        if keyed is None:
            return await self._accept(to_submit, options, caller)
        keys = {group.batch: _key_of(group.batch, keyed) for group in groups}
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            found = await find_answers(connection, keys.values())
        first = {batch: first_result(found[key]) for batch, key in keys.items() if key in found}
        rest = [group for group in to_submit if group.batch not in first]
        return first | await self._accept(rest, options, caller, {batch: key.key for batch, key in keys.items()})

    async def _schools_of(self, school_id: int | None, content: bytes, caller: Caller) -> SchoolsOfFile:
        if school_id is not None:
            return SchoolsOfFile(await self._school(school_id, caller))
        try:
            return SchoolsOfFile(await self._school((await self._schools.only(caller)).id, caller))
        except Invalid as error:
            class_ids, violations = await asyncio.to_thread(own_classes, content)
            async with self._database.snapshot() as connection:
                by_class = await schools_of_classes(connection, caller, class_ids)
            if not by_class:
                raise violations.before(error) from None
        schools = {each: await self._school(each, caller) for each in sorted(set(by_class.values()))}
        return SchoolsOfFile(None, {str(class_id): schools[each] for class_id, each in by_class.items()})

    async def _name_schools(self, violations: ListedViolations, schools: SchoolsOfFile, caller: Caller) -> None:
        """Adds the schools of classes that the file names and its school does not have."""
        unknown = classes_unknown(violations.items)
        if schools.only is None or not unknown:
            return
        async with self._database.snapshot() as connection:
            found = await schools_with_classes(connection, caller, unknown, other_than=schools.only.id)
        violations.items = list(with_schools(violations.items, found))

    async def _school(self, school_id: int, caller: Caller) -> SchoolOfFile:
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            sessions = await visible_sessions(connection, caller, school_id)
            names = RosterNames(sessions, await visible_students(connection, caller, school_id))
            tombstones = await find_tombstones(connection, Erased.STUDENT, [school_id])
            return SchoolOfFile(school_id, names, await statuses_of_school(connection, school_id), tombstones)

    async def _validate(
        self, groups: Sequence[Group], options: MarksOptions, caller: Caller, violations: ListedViolations
    ) -> dict[Batch, BatchResult]:
        """The expected result of each group, after unchanged lines have been left out. Adds the violations of invalid
        groups to `violations`.
        """
        results: dict[Batch, BatchResult] = {}
        for some in _slices(groups):
            results |= await self._leave_out_unchanged(some, caller)
            to_submit = [group for group in some if group.marks]
            previews = await self._attendances.preview_batches([each.submission(options) for each in to_submit], caller)
            for group, preview in zip(to_submit, previews, strict=True):
                if isinstance(preview, AdsumError):
                    group.add_error(preview, violations)
                else:
                    # The run that would be created has no id yet.
                    results[group.batch] = replace(preview, run_id=None) if preview.is_new_run else preview
        return results

    async def _leave_out_unchanged(self, groups: Sequence[Group], caller: Caller) -> dict[Batch, BatchResult]:
        """Leaves out the lines whose mark the caller sees recorded. Returns the results of groups without others."""
        async with self._database.snapshot() as connection:
            visible = await visible_batches(connection, [group.batch for group in groups], caller)
            snapshots = await load_snapshots(connection, visible)
        results: dict[Batch, BatchResult] = {}
        for group in groups:
            snapshot = snapshots.get(group.batch)
            # The jobs of an open run that are not recorded yet are compared when the lines are submitted.
            if snapshot is not None and snapshot.is_settled:
                group.leave_out_unchanged(snapshot.records)
                if not group.marks:
                    results[group.batch] = BatchResult.unneeded(group.batch, snapshot.newest_run, 0)
        return results

    async def _accept(
        self, groups: Sequence[Group], options: MarksOptions, caller: Caller, keys: Mapping[Batch, str] | None = None
    ) -> dict[Batch, BatchResult]:
        """Accepts each group, as many concurrently as are validated together. `keys`: their idempotency keys."""
        results: dict[Batch, BatchResult] = {}
        violations = ListedViolations(MARKS)
        for some in _slices(groups):
            submissions = (
                replace(each.submission(options), idempotency_key=keys and keys[each.batch]) for each in some
            )
            submitted = (self._attendances.create_batch(each, caller) for each in submissions)
            answers = await asyncio.gather(*submitted, return_exceptions=True)
            for group, answer in zip(some, answers, strict=True):
                if isinstance(answer, AdsumError):
                    group.add_error(answer, violations)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    results[group.batch] = answer
        if violations.items:
            detail = (
                f"data changed meanwhile: {len(results)} of {len(groups)} batches are accepted; send the file again"
            )
            raise ImportInterrupted(
                detail, violations.by_line(), accepted=len(results), batches=len(groups), total=violations.count
            )
        return results


async def _without_erased(connection: Connection, report: MarksReport) -> MarksReport:
    """The report without students who were erased since their batch was accepted."""
    named = {conflict.student_id for batch in report.batches for conflict in batch.conflicts}
    kept = await keep_students(connection, named)
    batches = [
        replace(batch, conflicts=tuple(each for each in batch.conflicts if each.student_id in kept))
        for batch in report.batches
    ]
    return replace(report, batches=batches)


def _key_of(batch: Batch, keyed: KeyedRequest[MarksReport]) -> AnswerKey:
    """The idempotency key of one batch of a file. No client can send it: it contains a blank."""
    digest = hashlib.sha256(keyed.key.key.encode()).hexdigest()
    return AnswerKey(keyed.key.actor, f"{digest} {batch.id}")


def _with_unchanged(result: BatchResult, group: Group) -> BatchResult:
    """The result with the lines that were left out, as skipped ones."""
    left_out = group.total - result.total_jobs
    if not left_out:
        return result
    total = group.total
    is_done = not result.added_jobs and not result.is_skipped
    return replace(
        result,
        total_jobs=total,
        skipped_jobs=result.skipped_jobs + left_out,
        message=BatchResult.unneeded(group.batch, None, total).message if is_done else result.message,
    )


def _slices(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Slices of limited numbers of marks and of requests."""
    some: list[Group] = []
    marks = 0
    for group in groups:
        if some and (marks + len(group.marks) > MARKS_AT_ONCE or len(some) == REQUESTS_AT_MOST):
            yield some
            some, marks = [], 0
        some.append(group)
        marks += len(group.marks)
    if some:
        yield some
