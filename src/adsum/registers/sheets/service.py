"""Register sheets: reads a sheet, and saves its marks without overwriting a mark that the sheet did not show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

from adsum.absences.repository.planned import reasons_of_absences
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.correction_rules import Correction
from adsum.attendance.corrections import Corrections
from adsum.attendance.rules import Mark
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.batches.repository import tallies
from adsum.batches.repository.runs import find_runs
from adsum.batches.repository.submissions import ContextQuery, find_class_contexts
from adsum.batches.rules import BatchStatus
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.batches.validate import violations_of_day
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.days import today_in
from adsum.platform.errors import AdsumError, Unavailable
from adsum.platform.ids import Batch
from adsum.registers.day_roster import DayRoster, read_day_roster
from adsum.registers.order.repository import order_of_class
from adsum.registers.order.rules import RegisterOrder
from adsum.registers.sheets.repository import failures_of_run, records_of_batch
from adsum.registers.sheets.rules import (
    RegisterSheet,
    ReportedAbsence,
    SavedSheet,
    SheetMark,
    SheetRecord,
    SheetRow,
    SubmittedSheet,
)
from adsum.roster.rules import RosterStudent
from adsum.schools.calendar.rules import times_on


class RegisterSheets:
    """Reads and saves register sheets. `now` is the clock."""

    def __init__(
        self,
        database: Database,
        attendances: AttendancesService,
        corrections: Corrections,
        now: Clock,
    ) -> None:
        self._database = database
        self._attendances = attendances
        self._corrections = corrections
        self._now = now

    async def sheet(self, class_id: int, session_id: int, day: date, caller: Caller) -> RegisterSheet:
        """The sheet of a class, a session and a day, read at one moment.

        Raises:
            Forbidden: without `roster:read` and `attendance:read`.
            NotFound: there is no such class, or the caller does not see it on that day.
            Invalid: the class has no such session.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        batch, now = Batch(class_id, session_id, day), self._now()
        async with self._database.snapshot() as connection:
            roster = await read_day_roster(connection, caller, class_id, day, session_id, now)
            order = await order_of_class(connection, class_id)
            statuses = await statuses_of_school(connection, roster.of.school_id)
            records = await records_of_batch(connection, batch)
            newest = await tallies.batch_status(connection, caller, batch)
            failures = await _unrepaired_failures(connection, newest, records)
            query = ContextQuery(class_id, session_id, None, (day, day), loads_state=False)
            context = (await find_class_contexts(connection, [query]))[query]
            requested = await _requested_marks(connection, newest, records, failures)
            reported = await _reported_absences(connection, roster, caller)
        assert roster.session is not None, "the roster was read with a session"
        return RegisterSheet(
            batch=batch,
            school_id=roster.of.school_id,
            time_zone=roster.of.time_zone,
            class_title=roster.of.title,
            session_title=roster.session.title,
            today=today_in(roster.of.time_zone, now),
            times=sorted((each.begins, each.ends) for each in times_on(day, context.calendar.times)),
            roster_version=roster.version,
            rows=_rows(roster, reported, order, records, requested, failures),
            statuses=statuses,
            newest_run=newest,
            obstacles=violations_of_day(context, day, caller, now),
            overrules=caller.overrules,
            warnings=context.calendar.warnings(day),
        )

    async def save(self, sheet: SubmittedSheet, caller: Caller) -> SavedSheet:
        """Submits the first marks as one batch, then corrects changed marks whose records still have their versions.

        The batch comes first: if it is refused, nothing is written. A repetition with the same idempotency key writes
        nothing again.

        Raises:
            Forbidden, NotFound, Invalid, RosterChanged: the batch is refused; nothing was written.
            Unavailable: the outcome is unknown; sending the sheet again is safe.
        """
        first = sheet.first_marks
        submitted = await self._submit(sheet, first, caller) if first else None
        corrected: list[int] = []
        kept: list[int] = []
        refused: dict[int, AdsumError] = {}
        for mark in sheet.changed_marks:
            try:
                is_kept = await self._correct(mark, sheet.reason, caller)
            except Unavailable:
                raise
            except AdsumError as error:
                refused[mark.student_id] = error
            else:
                (kept if is_kept else corrected).append(mark.student_id)
        return SavedSheet(submitted, corrected, kept, refused)

    async def _submit(self, sheet: SubmittedSheet, first: Sequence[SheetMark], caller: Caller) -> BatchResult:
        marks = [StudentMark(each.student_id, each.mark) for each in first]
        submission = Submission(
            class_id=sheet.batch.class_id,
            session_id=sheet.batch.session_id,
            learning_date=sheet.batch.learning_date.isoformat(),
            # Named students only: a student who joined later gets no mark from a sheet that did not show them.
            selection=Selection(is_selected_all=False, marks=marks),
            roster_version=sheet.roster_version,
            idempotency_key=sheet.idempotency_key,
            force=sheet.force,
            reason=sheet.reason,
        )
        return await self._attendances.create_batch(submission, caller)

    async def _correct(self, mark: SheetMark, reason: str | None, caller: Caller) -> bool:
        """Corrects one mark. True: the office's mark is kept, and the requested mark is stored as disputed."""
        assert mark.record_id is not None
        assert mark.version is not None
        requested = mark.mark
        correction = Correction(
            status=requested.status,
            note=requested.note,
            reason=reason,
            arrived_at=requested.arrived_at,
            left_at=requested.left_at,
        )
        corrected = await self._corrections.correct(mark.record_id, [mark.version], correction, caller)
        return corrected.dispute is not None and corrected.record.status != requested.status


async def _reported_absences(connection: Connection, roster: DayRoster, caller: Caller) -> dict[int, ReportedAbsence]:
    """By student, the planned absence; with its reason for callers who may read planned absences."""
    planned = roster.planned_absences
    ids = [each.id for each in planned.values()] if caller.may(Permission.ATTENDANCE_OVERRULE) else []
    reasons = await reasons_of_absences(connection, caller, ids) if ids else {}
    return {
        student_id: ReportedAbsence(each.id, each.absence, reasons.get(each.id)) for student_id, each in planned.items()
    }


async def _unrepaired_failures(
    connection: Connection, newest: BatchStatus | None, records: Mapping[int, SheetRecord]
) -> dict[int, str]:
    """The codes of failed jobs of the newest run whose students have no record, by student."""
    failed = await failures_of_run(connection, newest.run_id) if newest is not None else {}
    return {student_id: code for student_id, code in failed.items() if student_id not in records}


async def _requested_marks(
    connection: Connection,
    newest: BatchStatus | None,
    records: Mapping[int, SheetRecord],
    failures: Mapping[int, str],
) -> dict[int, Mark]:
    """The marks of the newest run that it has not recorded yet, or could not record, by student."""
    if newest is None or (newest.has_ended and not failures):
        return {}
    run = (await find_runs(connection, [newest.run_id]))[newest.run_id]
    # A record keeps the version that its job has until the job is processed.
    waiting = (
        job for job in run.jobs if (record := records.get(job.student_id)) is None or record.version == job.version
    )
    return {job.student_id: job.mark for job in waiting if not newest.has_ended or job.student_id in failures}


def _rows(
    roster: DayRoster,
    reported: Mapping[int, ReportedAbsence],
    order: RegisterOrder,
    records: Mapping[int, SheetRecord],
    requested: Mapping[int, Mark],
    failures: Mapping[int, str],
) -> list[SheetRow]:
    names = Counter((each.family_name, each.given_name) for each in roster.students)
    return [
        SheetRow(
            student_id=each.student_id,
            name=order.name_of(each),
            distinction=_distinction(each) if names[each.family_name, each.given_name] > 1 else None,
            reported=reported.get(each.student_id),
            record=records.get(each.student_id),
            requested=requested.get(each.student_id),
            failure=failures.get(each.student_id),
        )
        for each in order.sorted(roster.students)
    ]


def _distinction(student: RosterStudent) -> str:
    return " · ".join(filter(None, (student.grade, student.source_id or str(student.student_id))))
