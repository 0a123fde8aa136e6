"""AttendancesService: marks a whole class in one call, and tells how far it has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter

from adsum.accounts.access import Caller, Permission, require_permission, system_caller
from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import PRESENT
from adsum.batches.accept import Acceptance
from adsum.batches.enqueue import Queueing
from adsum.batches.listing import no_batch
from adsum.batches.repository import tallies
from adsum.batches.rules import BatchStatus, OnExisting
from adsum.batches.selection import Selection, StudentMark
from adsum.batches.submission import BatchResult, Submission
from adsum.platform.database.engine import Database
from adsum.platform.errors import AdsumError, Invalid, Violation
from adsum.platform.ids import parse_batch_id


@dataclass(frozen=True, slots=True)
class Attendance:
    """One student's attendance, as a program hands it over. `learning_date` is the school's calendar day."""

    class_id: int
    session_id: int
    learning_date: date
    student_id: int
    status: str = PRESENT
    note: str | None = None


class AttendancesService:
    """The seed's service: accepts batches, queues them, and reads their status."""

    def __init__(self, database: Database, acceptance: Acceptance, queueing: Queueing) -> None:
        self._database = database
        self._acceptance = acceptance
        self._queueing = queueing

    async def process_batch_attendances(
        self, attendances: Sequence[Attendance], user: Caller, *, on_existing: OnExisting = OnExisting.SKIP
    ) -> BatchResult:
        """Records attendances of one class, session and day; students who are not named are not touched.

        Raises:
            Invalid: the list is empty, or some are of another class, session or day: one violation for each odd one.
            AdsumError: as `create_batch`.
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
        return await self.create_batch(submission, user)

    async def create_batch(self, submission: Submission, caller: Caller) -> BatchResult:
        """Accepts a submission and queues its run.

        When this returns, the run is durable: if Redis is away, it waits in the database.

        Raises:
            Forbidden, NotFound, Invalid, RosterChanged, RecordsExist, IdempotencyKeyReused: nothing was written.
            Unavailable: not known to be accepted; sending the same again is safe.
        """
        accepted = await self._acceptance.accept(submission, caller)
        await self._queueing.follow(run=accepted.run, ended=accepted.closed)
        return accepted.result

    async def preview_batches(
        self, submissions: Sequence[Submission], caller: Caller
    ) -> list[BatchResult | AdsumError]:
        """What `create_batch` would answer to each of these now, or its error: nothing is written.

        See `Acceptance.preview`, also for what it raises.
        """
        previews = await self._acceptance.preview(submissions, caller)
        return [each if isinstance(each, AdsumError) else each.result for each in previews]

    async def get_batch_status(self, batch_id: str, user: Caller | None = None) -> BatchStatus:
        """The newest run of a batch; every count is one of rows.

        Args:
            batch_id: such as `class-123-session-456-date-25122024`.
            user: who asks; None: a program that has the database's own credentials.

        Raises:
            Forbidden: the caller may not read batches.
            NotFound: there is no such batch, or the caller does not see its class.
        """
        caller, batch = user or system_caller(), parse_batch_id(batch_id)
        require_permission(caller, Permission.BATCH_READ)
        if batch is not None:
            # Not a snapshot: the round trips that begin and end one would be half of what is asked most often of all.
            async with self._database.autocommit_read() as connection:
                status = await tallies.batch_status(connection, caller, batch)
            if status is not None:
                return status
        raise no_batch(batch_id)


def _of_one_batch(attendances: Sequence[Attendance]) -> Attendance:
    """Raises `Invalid` that names each attendance that is not of the batch that most of them are of."""
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
