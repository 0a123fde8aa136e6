"""Accept: from submissions to open runs with their plans, in one commit: that is the promise to the clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.disputed_marks.repository import add_disputed_marks
from adsum.batches.decide import Accepted, Decisions, answer_key
from adsum.batches.repository import idempotency, new_runs, runs
from adsum.batches.snapshot import close_idle, look
from adsum.batches.submission import Submission
from adsum.batches.validate import Asked, CheckedSubmission, check_all
from adsum.platform.coalescer import REQUESTS_AT_MOST, WAITING_AT_MOST, Coalescer
from adsum.platform.database.engine import Connection, Database, RejectedRows, StorageOutage
from adsum.platform.errors import AdsumError, caught
from adsum.platform.ids import Batch
from adsum.roster.session_fence import advance_fences

# Marks that are accepted together at most: others wait for them.
MARKS_AT_MOST = 32_000

_Outcome: TypeAlias = Accepted | AdsumError | None
"""None: something has happened since it was decided upon, or is about to: it needs the turn of its session."""


class TooManyMarks(Exception):
    """More than are accepted together: they are to come in halves."""


class Acceptance:
    """Accepts submissions. `now` is the clock; `chunk_size` and `max_batch_size` count students."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], *, chunk_size: int, max_batch_size: int
    ) -> None:
        self._database = database
        self._now = now
        self._chunk_size = chunk_size
        self._max_batch_size = max_batch_size
        self._together: Coalescer[Asked, _Outcome] = Coalescer(
            self._accept_together,
            at_most=REQUESTS_AT_MOST,
            waiting_at_most=WAITING_AT_MOST,
        )

    async def accept(self, submission: Submission, caller: Caller) -> Accepted:
        """Makes the submission durable, or says why not.

        Raises:
            Forbidden, NotFound, Invalid, RosterChanged, RecordsExist, IdempotencyKeyReused: nothing was written.
            StorageOutage: not known to be accepted; the same request can be sent again.
            Overloaded: not accepted; too many wait already.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        asked = Asked(submission, caller)
        # Two requests with one idempotency key at once: the insert of the slower one is refused; it finds the other's.
        with suppress(RejectedRows):
            return await self._accept_once(asked)
        return await self._accept_once(asked)

    async def preview(self, submissions: Sequence[Submission], caller: Caller) -> list[Accepted | AdsumError]:
        """What each of these would come to now, or why it is refused: nothing is written, and nothing promised.

        They are of different batches, and together of at most `MARKS_AT_MOST` marks, or one.

        Raises:
            Forbidden: without `attendance:create`.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        asked, now = [Asked(each, caller) for each in submissions], self._now()
        async with self._database.snapshot() as connection:
            checks = await check_all(connection, asked, now=now, max_batch_size=self._max_batch_size)
            sight = await look(connection, _batches_of(checks))
        decisions = Decisions(sight, {}, now, self._chunk_size)
        return [caught(decisions.decide, each, checked) for each, checked in zip(asked, checks, strict=True)]

    async def close(self) -> None:
        """Ends what is being accepted. To be called when nobody asks any more."""
        await self._together.close()

    async def _accept_once(self, asked: Asked) -> Accepted:
        outcome = await self._together.submit(asked)
        if outcome is None:
            outcome = await self._accept_in_turn(asked)
        if isinstance(outcome, AdsumError):
            raise outcome
        return outcome

    async def _accept_together(self, asked: Sequence[Asked]) -> list[_Outcome]:
        """Looks, decides and writes with no transaction around it: so nobody waits for a lock together with others, and
        what is written takes one statement. A run is made only if nothing has happened since its batch was looked at:
        a look takes several statements, and begins with the roster and the turn.
        """
        async with self._database.autocommit_read() as connection:
            decided = await self._decide(connection, asked)
        decided.decisions.drop(decided.decisions.in_need_of_turns)
        await self._write_together(decided.decisions)
        return decided.outcomes

    async def _write_together(self, decisions: Decisions) -> None:
        if decisions.is_only_runs and not decisions.made:
            return
        writing = self._database.autocommit_write if decisions.is_only_runs else self._database.transaction
        try:
            async with writing() as connection:
                await _write(connection, decisions)
        except StorageOutage:
            if not await self._is_durable(decisions):
                raise

    async def _accept_in_turn(self, asked: Asked) -> Accepted | AdsumError:
        """What could not be done together: alone, and with the turn of its session, for which it may have to wait."""
        decided: _Decided | None = None
        try:
            async with self._database.transaction() as connection:
                await advance_fences(connection, [asked.submission.session_id])
                decided = await self._decide(connection, [asked], closes_idle=True)
                await _write(connection, decided.decisions)
        except StorageOutage:
            if decided is None or not await self._is_durable(decided.decisions):
                raise
        (outcome,) = decided.outcomes
        assert outcome is not None, "something has happened although the turn was taken"
        return outcome

    async def _decide(self, connection: Connection, asked: Sequence[Asked], *, closes_idle: bool = False) -> _Decided:
        now = self._now()
        keys = {key for each in asked if (key := answer_key(each)) is not None}
        kept = await idempotency.find_answers(connection, keys) if keys else {}
        checks = await check_all(connection, asked, now=now, max_batch_size=self._max_batch_size)
        sight = await look(connection, _batches_of(checks))
        if closes_idle:
            sight = await close_idle(connection, sight, now)
        decisions = Decisions(sight, kept, now, self._chunk_size)
        return _Decided(
            decisions,
            [(checked, caught(decisions.decide, each, checked)) for each, checked in zip(asked, checks, strict=True)],
        )

    async def _is_durable(self, decisions: Decisions) -> bool:
        """Whether an outage was one of the reply alone: the COMMIT came through. What was not written is dropped."""
        if not decisions.made:
            return False
        async with self._database.autocommit_read() as connection:
            found = await runs.run_endings(connection, [new.run.run_id for new in decisions.made.values()])
        decisions.keep_made(found.keys())
        return bool(found)


@dataclass(frozen=True, slots=True)
class _Decided:
    """Submissions as they were checked, and what each of them came to."""

    decisions: Decisions
    each: Sequence[tuple[CheckedSubmission | AdsumError, Accepted | AdsumError]]

    @property
    def outcomes(self) -> list[_Outcome]:
        dropped = {batch.id for batch in self.decisions.dropped}
        return [None if _batch_id(*each) in dropped else each[1] for each in self.each]


def _batch_id(checked: CheckedSubmission | AdsumError, outcome: Accepted | AdsumError) -> str | None:
    """Which batch the outcome of a submission is about. An answer that was given before is even where its key is sent
    again with what would be refused by now.
    """
    if isinstance(outcome, Accepted):
        return outcome.result.batch_id
    return checked.batch.id if isinstance(checked, CheckedSubmission) else None


async def _write(connection: Connection, decisions: Decisions) -> None:
    """Writes what was decided, but for batches of which something has happened meanwhile."""
    decisions.keep_made(await new_runs.insert_runs(connection, list(decisions.made.values())))
    await add_disputed_marks(connection, decisions.disputed)
    answers = {key: answer for key, (_, answer) in decisions.answers.items()}
    await idempotency.keep_answers(connection, answers, decisions.now)


def _batches_of(checks: Sequence[CheckedSubmission | AdsumError]) -> dict[Batch, int]:
    """The batches that are to be decided upon, each once, with its school. Raises TooManyMarks."""
    sizes = [len(checked.requested) for checked in checks if isinstance(checked, CheckedSubmission)]
    if len(sizes) > 1 and sum(sizes) > MARKS_AT_MOST:
        raise TooManyMarks
    return {checked.batch: checked.school_id for checked in checks if isinstance(checked, CheckedSubmission)}
