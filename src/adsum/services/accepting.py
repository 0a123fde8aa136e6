"""Accept: one transaction from submissions to open runs with their plans. Its COMMIT is the promise to the clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeAlias

from adsum.domain.access import Caller, Permission
from adsum.domain.ids import Batch
from adsum.domain.statuses import SchoolStatuses
from adsum.domain.submission import Submission
from adsum.errors import AdsumError, caught
from adsum.services.checking import Asked, CheckedSubmission, check_all
from adsum.services.coalescer import REQUESTS_AT_MOST, WAITING_AT_MOST, Coalescer
from adsum.services.deciding import Accepted, Decisions, Sight, answer_key
from adsum.services.permissions import demand
from adsum.storage import closing, contradictions, idempotency, new_runs, runs, tallies
from adsum.storage.database import Connection, Database, RejectedRows, StorageOutage
from adsum.storage.standing import Standing, find_standing
from adsum.storage.statuses import find_statuses

# Marks that one transaction accepts at most: others wait for it.
MARKS_AT_MOST = 32_000

_Outcome: TypeAlias = Accepted | AdsumError | None
"""None: another transaction has the turn of this session, and would have to be waited for."""


class TooManyMarks(Exception):
    """More than one transaction takes, together: they are to come in halves."""


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
        demand(caller, Permission.ATTENDANCE_CREATE)
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
        demand(caller, Permission.ATTENDANCE_CREATE)
        asked, now = [Asked(each, caller) for each in submissions], self._now()
        async with self._database.snapshot() as connection:
            checks = await check_all(connection, asked, now=now, max_batch_size=self._max_batch_size)
            sight = await _look(connection, _batches_of(checks), now, closes=False)
        decisions = Decisions(sight, {}, now, self._chunk_size)
        return [caught(decisions.decide, each, checked) for each, checked in zip(asked, checks, strict=True)]

    async def close(self) -> None:
        """Ends what is being accepted. To be called when nobody asks any more."""
        await self._together.close()

    async def _accept_once(self, asked: Asked) -> Accepted:
        outcome = await self._together.submit(asked)
        if outcome is None:
            (outcome,) = await self._accept_all([asked], waits=True)
            assert outcome is not None
        if isinstance(outcome, AdsumError):
            raise outcome
        return outcome

    async def _accept_together(self, asked: Sequence[Asked]) -> list[_Outcome]:
        return await self._accept_all(asked, waits=False)

    async def _accept_all(self, asked: Sequence[Asked], *, waits: bool) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        try:
            async with self._database.transaction() as connection:
                outcomes = await self._accept_in(connection, asked, waits=waits)
        except StorageOutage:
            # The COMMIT may have come through and only its reply been lost: the id of a run tells, of any of them.
            made = next((each.run.run_id for each in outcomes if isinstance(each, Accepted) and each.run), None)
            if made is None or not await self._is_durable(made):
                raise
        return outcomes

    async def _is_durable(self, run_id: str) -> bool:
        async with self._database.snapshot() as connection:
            return bool(await runs.run_endings(connection, [run_id]))

    async def _accept_in(self, connection: Connection, asked: Sequence[Asked], *, waits: bool) -> list[_Outcome]:
        now = self._now()
        keys = {key for each in asked if (key := answer_key(each)) is not None}
        kept = await idempotency.find_answers(connection, keys) if keys else {}
        checks = await check_all(connection, asked, now=now, max_batch_size=self._max_batch_size)
        batches = _batches_of(checks)
        turns = await new_runs.take_turns(connection, {batch.session_id for batch in batches}, waits=waits)
        schools = {batch: school_id for batch, school_id in batches.items() if batch.session_id in turns}
        sight = await _look(connection, schools, now, closes=True)
        decisions = Decisions(sight, kept, now, self._chunk_size)
        outcomes = [
            None
            if isinstance(checked, CheckedSubmission) and checked.batch.session_id not in turns
            else caught(decisions.decide, each, checked)
            for each, checked in zip(asked, checks, strict=True)
        ]
        await new_runs.insert_runs(connection, list(decisions.made.values()))
        await contradictions.keep_said(connection, decisions.said)
        await idempotency.keep_answers(connection, decisions.answers, now)
        return outcomes


def _batches_of(checks: Sequence[CheckedSubmission | AdsumError]) -> dict[Batch, int]:
    """The batches that are to be decided upon, each once, with its school. Raises TooManyMarks."""
    sizes = [len(checked.requested) for checked in checks if isinstance(checked, CheckedSubmission)]
    if len(sizes) > 1 and sum(sizes) > MARKS_AT_MOST:
        raise TooManyMarks
    return {checked.batch: checked.school_id for checked in checks if isinstance(checked, CheckedSubmission)}


async def _look(connection: Connection, schools: Mapping[Batch, int], now: datetime, *, closes: bool) -> Sight:
    """What stands of these batches, which are of these schools. `closes`: open runs with nothing left to do."""
    standing = await find_standing(connection, schools) if schools else {}
    # What a status counts as is asked only where something of the office's stands before what is sent.
    preceded = {schools[batch] for batch, each in standing.items() if each.is_preceding}
    statuses = await find_statuses(connection, preceded) if preceded else {}
    return await _open_or_closed(connection, standing, statuses, now, closes=closes)


async def _open_or_closed(
    connection: Connection,
    standing: dict[Batch, Standing],
    statuses: Mapping[int, SchoolStatuses],
    now: datetime,
    *,
    closes: bool,
) -> Sight:
    """An open run that has nothing left to do is closed, and stands in nobody's way.

    The lock of one that is closed for nobody in the end, since its submission is refused, is left to the sweeper.
    """
    going_on = {batch: each.newest_run for batch, each in standing.items() if each.is_open and each.newest_run}
    if not going_on:
        return Sight(standing, {}, {}, statuses)
    found = await runs.find_runs(connection, list(going_on.values()))
    open_runs = {batch: found[run_id] for batch, run_id in going_on.items()}
    # Counted before anything is locked: so nobody waits here for a worker that is writing.
    tally = await tallies.tallies_of(connection, list(going_on.values()))
    idle = {batch: run for batch, run in open_runs.items() if not tally[run.run_id].remaining}
    going_on_still = {batch: run for batch, run in open_runs.items() if batch not in idle}
    if not idle or not closes:
        return Sight(standing, going_on_still, {}, statuses)
    closed = await closing.close_runs(connection, [run.run_id for run in idle.values()], now)
    # What its last jobs have written may be newer than what was seen at first.
    standing |= await find_standing(connection, list(idle))
    return Sight(
        standing,
        going_on_still,
        {batch: (run, closed[run.run_id]) for batch, run in idle.items() if run.run_id in closed},
        statuses,
    )
