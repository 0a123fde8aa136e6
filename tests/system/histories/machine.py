"""Random histories of one batch: requests, workers, the sweeper and faults in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from adsum.attendance.statuses.rules import DEFAULTS
from adsum.batches.repository.runs import find_runs
from adsum.batches.rules import OnExisting
from tests.system.histories import school_changes
from tests.system.histories.history import STUDENTS, SYSTEM, History
from tests.system.histories.world import DEATHS, World

Event = Callable[[], None]

STATUSES = [status.code for status in DEFAULTS]
# Violations of changes take the most steps: an ended batch, corrected before a worker processes it.
MODES = [OnExisting.UPDATE] * 4 + [OnExisting.SKIP, OnExisting.FAIL]
# Half of the old chunks are of the last runs, since these can do more harm than the first.
RECENT = 6


class RandomHistory:
    """A history whose steps a generator of random numbers chooses. `steps` has the names of the steps so far.

    Hypothesis is not used: its histories repeat parts of earlier ones, and find violations much later.
    """

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.steps: list[str] = []
        self._random = random
        self.history = History(world)
        self.history.submit(dict.fromkeys(range(STUDENTS), random.choice(STATUSES)), OnExisting.SKIP, self._death())
        self.history.check()
        if random.random() < 1 / 2:
            self.history.deliver(self.history.messages(), None)
            self.history.check()

    def make_step(self) -> None:
        """Makes a random step, and checks all invariants."""
        events = self._random.choice([self._requests_and_changes, self._worker_steps, self._sweeps_and_losses])()
        event = self._random.choice(events)
        self.steps.append(event.__name__)
        event()
        self.history.check()

    def _death(self) -> str | None:
        return self._random.choice([*[None] * 2 * len(DEATHS), *DEATHS])

    def _requests_and_changes(self) -> list[Event]:
        facts = self.history.facts
        return (
            [self.submit_marks] * 3
            + [self.correct_a_record] * 2 * bool(facts.records)
            + [self.correct_a_record_with_a_pending_job] * 3 * bool(facts.pending_changes)
            + [self.cancel_the_batch] * bool(facts.open_runs)
            + [self.retry_the_batch] * bool(facts.counts_of_newest["failed"])
            + [self.change_an_enrolment]
        )

    def _worker_steps(self) -> list[Event]:
        waiting = bool(self.history.redis_content.messages)
        return (
            [self.process_messages] * 3 * waiting
            + [self.process_all_messages] * waiting
            + [self.give_up_a_message] * waiting
            + [self.process_an_old_chunk] * 2
        )

    def _sweeps_and_losses(self) -> list[Event]:
        redis_content = self.history.redis_content
        return (
            [self.sweep] * 2
            + [self.enqueue_a_run_late]
            + [self.lose_keys] * 2 * bool(redis_content.values)
            + [self.lose_a_message] * bool(redis_content.messages)
        )

    def submit_marks(self) -> None:
        students = self._random.sample(range(STUDENTS), self._random.randint(1, STUDENTS))
        marks = {student: self._random.choice(STATUSES) for student in students}
        self.history.submit(marks, self._random.choice(MODES), self._death())

    def retry_the_batch(self) -> None:
        self.history.send(self.world.retry_cancel.retry(self.history.batch.id, SYSTEM), self._death())

    def cancel_the_batch(self) -> None:
        self.history.send(self.world.retry_cancel.cancel(self.history.batch.id, SYSTEM), self._death())

    def correct_a_record(self) -> None:
        self._correct(sorted(self.history.facts.records))

    def correct_a_record_with_a_pending_job(self) -> None:
        self._correct(self.history.facts.pending_changes)

    def _correct(self, recorded: Sequence[int]) -> None:
        who, now = self._random.choice(recorded), self.world.clock()
        status = self._random.choice([None, *STATUSES])
        self.world.wait(school_changes.correct(self.world.database, self.history.batch, who, status, now))

    def change_an_enrolment(self) -> None:
        who = self._random.choice(self.history.school.student_ids)
        self.history.enrolled ^= {who}
        stays, class_id = who in self.history.enrolled, self.history.batch.class_id
        self.world.wait(school_changes.set_enrolled(self.world.database, class_id, who, stays=stays))

    def process_messages(self) -> None:
        messages = self.history.messages()
        start = self._random.randrange(len(messages))
        self.history.deliver(messages[start : start + self._random.randint(1, 3)], self._death())

    def process_all_messages(self) -> None:
        self.history.deliver(self.history.messages(), None)

    def process_an_old_chunk(self) -> None:
        chunks = self.history.chunks
        chunk = self._random.choice(self._random.choice([chunks, chunks[-RECENT:]]))
        self.history.run(self.world.processor.process([chunk]), self._death())

    def give_up_a_message(self) -> None:
        message = self._random.choice(self.history.messages())
        if self.history.run(self.world.processor.give_up(message), self._death()):
            self.world.wait(self.world.view.remove(message))

    def enqueue_a_run_late(self) -> None:
        self.history.faults += 1
        run_id = self._random.choice(list(self.history.facts.runs))
        self.history.run(self._enqueue_late(run_id), self._death())

    async def _enqueue_late(self, run_id: str) -> None:
        async with self.world.database.snapshot() as connection:
            run = (await find_runs(connection, [run_id])).get(run_id)
        await self.world.enqueuer.enqueue_after_commit(run=run)

    def sweep(self) -> None:
        self.history.sweep(self._death())

    def lose_keys(self) -> None:
        keys, students = self.history.keys, self.history.school.student_ids
        tickets = [key for who in students if (key := keys.ticket(who)) in self.history.redis_content.values]
        ledger = [keys.lock, keys.counter, *tickets]
        one_ticket = [[self._random.choice(tickets)]] if tickets else []
        self.history.lose(self._random.choice([[keys.lock], [keys.counter], ledger, ["*"], *one_ticket]))

    def lose_a_message(self) -> None:
        self.history.lose([], [self._random.choice(self.history.messages())])
