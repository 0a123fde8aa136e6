"""One history: a batch in the world, its rows and keys after each step, and the steps so far."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from adsum.accounts.access import system_caller
from adsum.attendance.rules import Mark
from adsum.batches.queue.chunks import Chunk, chunks_of
from adsum.batches.queue.ledger import LedgerKeys
from adsum.batches.repository import tallies
from adsum.batches.rules import BatchStatus, OnExisting
from adsum.batches.submission import Selection, StudentMark, Submission
from adsum.platform.errors import AdsumError
from adsum.platform.ids import Batch
from tests.support.runs import DAY
from tests.support.schools import make_school
from tests.system.histories import invariants, school_changes
from tests.system.histories.facts import Facts, read_facts
from tests.system.histories.redis_view import RedisContent
from tests.system.histories.world import World

SYSTEM = system_caller()
STUDENTS = 5
MAX_ROUNDS = 20


class History:
    """Starts with a separate school and an empty Redis.

    Attributes:
        facts: the rows as of the last check.
        redis_content: the keys in Redis as of the last check.
        chunks: every message that was ever to be sent.
        faults: processes that died, or continued very late.
        runs_at_loss: the runs that existed when Redis lost keys.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.facts, self.redis_content = Facts(), RedisContent()
        self.chunks: list[Chunk] = []
        self.faults = 0
        self.runs_at_loss: set[str] = set()
        self._has_just_lost = self._is_swept = False
        world.clock.jump()
        world.wait(self._begin())

    async def _begin(self) -> None:
        await self.world.view.lose_everything()
        await school_changes.end_all_runs(self.world.database)
        async with self.world.database.transaction() as connection:
            self.school = await make_school(connection, students=STUDENTS)
        self.batch = Batch(self.school.class_id, self.school.session_id, DAY)
        self.keys = LedgerKeys("", self.batch)
        self.enrolled = set(self.school.student_ids)

    def submit(self, marks: Mapping[int, str], mode: OnExisting, death: str | None) -> None:
        """Marks students by their index in the class. Students who have left cannot be marked."""
        named = {self.school.student_ids[place]: status for place, status in marks.items()}
        marks_of_enrolled = [StudentMark(who, Mark(status)) for who, status in named.items() if who in self.enrolled]
        if marks_of_enrolled:
            day = self.batch.learning_date.isoformat()
            selection = Selection(is_selected_all=False, marks=marks_of_enrolled)
            submission = Submission(self.batch.class_id, self.batch.session_id, day, selection, mode)
            self.send(self._submit(submission), death)

    async def _submit(self, submission: Submission) -> None:
        result = await self.world.acceptance.accept(submission, SYSTEM)
        if result.run is not None:
            self.chunks += chunks_of(result.run)
        await self.world.enqueuer.enqueue_after_commit(result.run, ended=result.ended)

    def send(self, work: Coroutine[Any, Any, object], death: str | None) -> None:
        """Sends a request that may be refused without an effect."""
        try:
            self.run(work, death)
        except AdsumError:
            return

    def run(self, work: Coroutine[Any, Any, object], death: str | None) -> bool:
        """Runs work in a process that may die. Returns whether it survived."""
        survived = self.world.may_die(work, death)
        self.faults += not survived
        return survived

    def messages(self) -> list[Chunk]:
        """Returns messages in the order of their runs. Run ids differ each time, so they cannot give a reproducible
        order.
        """
        order = {run_id: number for number, run_id in enumerate(self.facts.runs)}
        return sorted(
            self.redis_content.messages, key=lambda chunk: (order[chunk.run_id], chunk.number, chunk.student_id or 0)
        )

    def deliver(self, messages: Sequence[Chunk], death: str | None) -> None:
        """Delivers messages to a worker. If the worker dies, BullMQ keeps them for another one."""
        if messages and self.run(self.world.processor.process(messages), death):
            self.world.wait(self.world.view.remove(*messages))

    def sweep(self, death: str | None) -> None:
        self._is_swept = self.run(self.world.sweeper.sweep(), death)

    def lose(self, keys: Sequence[str], messages: Sequence[Chunk] = ()) -> None:
        """Removes keys and messages from Redis; "*" removes all."""
        self.runs_at_loss |= self.facts.runs.keys()
        self._has_just_lost = bool(keys)
        self.world.wait(self.world.view.lose_everything() if "*" in keys else self.world.view.lose(*keys))
        self.world.wait(self.world.view.remove(*messages))

    def check(self) -> None:
        """Checks all invariants after a step."""
        before, redis_content = self.facts, self.redis_content
        status = self.read()
        invariants.check_writes(before, self.facts)
        invariants.check_counts(self.facts)
        invariants.check_redis(self.batch, self.facts, self.redis_content, swept=self._is_swept)
        if not self._has_just_lost:
            invariants.check_lock(self.batch, self.facts, redis_content, self.redis_content)
        uncounted = self.runs_at_loss | self.world.ledger.taken_over
        invariants.check_ledger(self.batch, self.facts, self.redis_content, uncounted)
        self._has_just_lost = self._is_swept = False
        if status is not None:
            invariants.check_status(self.facts, status)

    def read(self) -> BatchStatus | None:
        """Reads the current state and, if rows have changed, the statuses that users see."""
        return self.world.wait(self._read())

    async def _read(self) -> BatchStatus | None:
        self.redis_content = await self.world.view.read()
        async with self.world.database.snapshot() as connection:
            before, self.facts = self.facts, await read_facts(connection, self.batch)
            if self.facts == before:
                return None
            return await tallies.batch_status(connection, SYSTEM, self.batch)

    def end(self) -> None:
        """Ends the faults and lets workers and the sweeper finish all work."""
        for _ in range(MAX_ROUNDS):
            if not self.redis_content.messages and not self.facts.open_runs:
                break
            self.deliver(self.messages(), None)
            self.sweep(None)
            self.check()
        self.sweep(None)
        self.check()
        # With one student per message, BullMQ drops the second run's messages while those of the first wait. Then one
        # death before the second run's release leaves tickets that no message names.
        tolerated_faults = 1 if self.world.chunk_size > 1 else 0
        invariants.check_end(
            self.batch,
            self.facts,
            self.redis_content,
            strictly=not self.runs_at_loss and self.faults <= tolerated_faults,
        )
