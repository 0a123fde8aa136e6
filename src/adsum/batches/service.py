"""AttendancesService: records the attendance of a class in one call, and reads the status of its batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from operator import attrgetter

from adsum.accounts.access import Caller, Permission, require_permission, system_caller
from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import PRESENT
from adsum.batches.accept import Acceptance, Accepted
from adsum.batches.enqueue import Enqueuer
from adsum.batches.listing import no_batch
from adsum.batches.repository import tallies
from adsum.batches.rules import BatchStatus, OnExisting
from adsum.batches.submission import MARKS, BatchResult, Selection, StudentMark, Submission
from adsum.platform.database.engine import Database
from adsum.platform.errors import AdsumError, Invalid, Violation
from adsum.platform.ids import parse_batch_id
from adsum.platform.tracing.spans import step


@dataclass(frozen=True, slots=True)
class Attendance:
    """The attendance of one student, as programs pass it. `learning_date` is the school's calendar day."""

    class_id: int
    session_id: int
    learning_date: date
    student_id: int
    status: str = PRESENT
    note: str | None = None


class AttendancesService:
    """Accepts batches, enqueues them, and reads their status. Its methods are those of the earlier Node service."""

    def __init__(self, database: Database, acceptance: Acceptance, enqueuer: Enqueuer) -> None:
        self._database = database
        self._acceptance = acceptance
        self._enqueuer = enqueuer

    async def process_batch_attendances(
        self, attendances: Sequence[Attendance], user: Caller, *, on_existing: OnExisting = OnExisting.SKIP
    ) -> BatchResult:
        """Records attendances of one class, session and day. The other students of the class are not touched.

        Raises:
            Invalid: the list is empty, or has several classes, sessions or days: one violation for each that differs.
            AdsumError: as `create_batch`. The pointers of violations begin with the index of the attendance.
        """
        first = _of_one_batch(attendances)
        marks = [StudentMark(each.student_id, Mark(each.status, each.note)) for each in attendances]
        submission = Submission(
            class_id=first.class_id,
            session_id=first.session_id,
            learning_date=first.learning_date.isoformat(),
            selection=Selection(is_selected_all=False, marks=marks),
            on_existing=on_existing,
        )
        try:
            return await self.create_batch(submission, user)
        except AdsumError as error:
            if not error.violations:
                raise
            violations = [replace(each, pointer=each.pointer.removeprefix(MARKS)) for each in error.violations]
            raise type(error)(error.detail, violations, **error.params) from None

    async def create_batch(self, submission: Submission, caller: Caller) -> BatchResult:
        """Accepts a submission and enqueues its run.

        When this returns, the run is durable. If Redis is unavailable, the run waits in the database.

        Raises:
            Forbidden, NotFound, Invalid, RosterChanged, RecordsExist, IdempotencyKeyReused: nothing was written.
            Unavailable: not known to be accepted; sending the same request again is safe.
        """
        with step("accept") as accepting:
            accepted = await self._acceptance.accept(submission, caller)
            if accepting:
                accepting.note(_span_attributes(accepted))
        await self._enqueuer.enqueue_after_commit(accepted.run, ended=accepted.ended)
        return accepted.result

    async def preview_batches(
        self, submissions: Sequence[Submission], caller: Caller
    ) -> list[BatchResult | AdsumError]:
        """The answers or errors that `create_batch` would give now. Writes nothing. See `Acceptance.preview`."""
        previews = await self._acceptance.preview(submissions, caller)
        return [each if isinstance(each, AdsumError) else each.result for each in previews]

    async def get_batch_status(self, batch_id: str, user: Caller | None = None) -> BatchStatus:
        """The status of the newest run of a batch. Every count is computed from rows.

        Args:
            batch_id: such as `class-123-session-456-date-25122024`.
            user: the caller; None: a program with the credentials of the database.

        Raises:
            Forbidden: the caller may not read batches.
            NotFound: there is no such batch, or the caller does not see its class.
        """
        caller, batch = user or system_caller(), parse_batch_id(batch_id)
        require_permission(caller, Permission.BATCH_READ)
        if batch is not None:
            # Not a snapshot: the round trips to begin and end it would double the cost of the most frequent request.
            async with self._database.autocommit_read() as connection:
                status = await tallies.batch_status(connection, caller, batch)
            if status is not None:
                return status
        raise no_batch(batch_id)


def _span_attributes(accepted: Accepted) -> dict[str, str | int]:
    result, run = accepted.result, accepted.run
    counts = {"adsum.total_jobs": result.total_jobs, "adsum.added_jobs": result.added_jobs}
    ids = {"adsum.batch_id": result.batch_id, "adsum.run_id": result.run_id or ""}
    return counts | ids | ({} if run is None else {"adsum.school_id": run.school_id})


def _of_one_batch(attendances: Sequence[Attendance]) -> Attendance:
    """The first attendance. Raises `Invalid` with a violation for each that differs from the majority."""
    if not attendances:
        raise Invalid("there are no attendances", [Violation("empty_selection", "there are no attendances")])
    batch_of = attrgetter("class_id", "session_id", "learning_date")
    ((usual, _),) = Counter(batch_of(each) for each in attendances).most_common(1)
    odd = [
        Violation("other_batch", f"student {each.student_id} is of another class, session or day", f"/{i}")
        for i, each in enumerate(attendances)
        if batch_of(each) != usual
    ]
    if odd:
        raise Invalid(f"{len(odd)} of {len(attendances)} attendances are of another class, session or day", odd)
    return attendances[0]
