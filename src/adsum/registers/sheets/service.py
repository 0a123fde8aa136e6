"""Register sheets: reading one, and saving what somebody made of it, so that nobody's mark is overwritten unseen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.corrections import Corrections
from adsum.attendance.rules import Correction, Mark
from adsum.attendance.statuses.repository import find_statuses
from adsum.batches.repository import tallies
from adsum.batches.selection import Selection, StudentMark
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Submission
from adsum.platform.database.engine import Database
from adsum.platform.days import today_in
from adsum.platform.errors import AdsumError, Unavailable
from adsum.platform.ids import Batch
from adsum.registers.day_roster import DayRoster, read_day_roster
from adsum.registers.sheets.repository import failures_of_run, standing_of_batch
from adsum.registers.sheets.rules import RegisterSheet, SavedSheet, SheetMark, SheetRow, Standing, TakenSheet
from adsum.roster.rules import RosterStudent


class RegisterSheets:
    """Joins what a page of a register shows, and hands in what is made of it. `now` is the clock."""

    def __init__(
        self,
        database: Database,
        attendances: AttendancesService,
        corrections: Corrections,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._attendances = attendances
        self._corrections = corrections
        self._now = now

    async def sheet(self, class_id: int, session_id: int, day: date, caller: Caller) -> RegisterSheet:
        """The sheet of a class, a session and a day, all of one moment.

        Raises:
            Forbidden: without `roster:read` and `attendance:read`.
            NotFound: there is no such class, or the caller does not see it on that day.
            Invalid: the class has no such session.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        batch, now = Batch(class_id, session_id, day), self._now()
        async with self._database.snapshot() as connection:
            roster = await read_day_roster(connection, caller, class_id, day, session_id, now)
            statuses = (await find_statuses(connection, [roster.of.school_id]))[roster.of.school_id]
            standing = await standing_of_batch(connection, batch)
            newest = await tallies.batch_status(connection, caller, batch)
            failed = await failures_of_run(connection, newest.run_id) if newest is not None else {}
        assert roster.session is not None, "one was asked for"
        return RegisterSheet(
            batch=batch,
            school_id=roster.of.school_id,
            class_title=roster.of.title,
            session_title=roster.session.title,
            today=today_in(roster.of.time_zone, now),
            roster_version=roster.version,
            rows=_rows(roster, standing, failed),
            statuses=statuses,
            newest_run=newest,
        )

    async def save(self, taken: TakenSheet, caller: Caller) -> SavedSheet:
        """Submits the first marks as one batch, then corrects those that stood, each if it is as it was seen.

        The batch comes first, since it is refused as a whole: then nothing at all was done. Sent again under the same
        idempotency key nothing is done twice.

        Raises:
            Forbidden, NotFound, Invalid, RosterChanged: of the batch; nothing was written.
            Unavailable: not known to be done; sending the same again is safe.
        """
        first = taken.first_marks
        submitted = await self._submit(taken, first, caller) if first else None
        corrected: list[int] = []
        kept: list[int] = []
        refused: dict[int, AdsumError] = {}
        for mark in taken.changed_marks:
            try:
                is_kept = await self._correct(mark, taken.reason, caller)
            except Unavailable:
                raise
            except AdsumError as error:
                refused[mark.student_id] = error
            else:
                (kept if is_kept else corrected).append(mark.student_id)
        return SavedSheet(submitted, corrected, kept, refused)

    async def _submit(self, taken: TakenSheet, first: Sequence[SheetMark], caller: Caller) -> BatchResult:
        marks = [StudentMark(mark.student_id, Mark(mark.status, mark.note)) for mark in first]
        submission = Submission(
            class_id=taken.batch.class_id,
            session_id=taken.batch.session_id,
            learning_date=taken.batch.learning_date.isoformat(),
            # Only who was looked at: whoever joined meanwhile gets no mark from a sheet that did not show them.
            selection=Selection(is_selected_all=False, marks=marks),
            roster_version=taken.roster_version,
            idempotency_key=taken.idempotency_key,
            force=taken.force,
            reason=taken.reason,
        )
        return await self._attendances.create_batch(submission, caller)

    async def _correct(self, mark: SheetMark, reason: str | None, caller: Caller) -> bool:
        """Whether the office's mark was kept, and what was asked stands beside it."""
        assert mark.record_id is not None
        assert mark.version is not None
        correction = Correction(status=mark.status, note=mark.note, reason=reason)
        seen = await self._corrections.correct(mark.record_id, [mark.version], correction, caller)
        return seen.beside is not None and seen.record.status != mark.status


def _rows(roster: DayRoster, standing: Mapping[int, Standing], failed: Mapping[int, str]) -> list[SheetRow]:
    names = Counter((each.family_name, each.given_name) for each in roster.students)
    return [
        SheetRow(
            student_id=each.student_id,
            given_name=each.given_name,
            family_name=each.family_name,
            told_apart_by=_second_line(each) if names[each.family_name, each.given_name] > 1 else None,
            known=roster.known.get(each.student_id),
            standing=standing.get(each.student_id),
            failure=failed.get(each.student_id) if each.student_id not in standing else None,
        )
        for each in roster.students
    ]


def _second_line(student: RosterStudent) -> str:
    return " · ".join(filter(None, (student.grade, student.source_id or str(student.student_id))))
