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
    """A history whose steps a generator of random numbers chooses. `steps` are the names of those so far.

    Not by Hypothesis: it repeats parts of earlier histories in most of its own, and finds violations much later.
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
        """Lets something happen, and checks everything."""
        events = self._random.choice([self._of_people, self._of_workers, self._of_others])()
        event = self._random.choice(events)
        self.steps.append(event.__name__)
        event()
        self.history.check()

    def _death(self) -> str | None:
        return self._random.choice([*[None] * 2 * len(DEATHS), *DEATHS])

    def _of_people(self) -> list[Event]:
        facts = self.history.facts
        return (
            [self.somebody_submits] * 3
            + [self.somebody_corrects_a_record] * 2 * bool(facts.records)
            + [self.somebody_corrects_what_a_run_is_about_to_change] * 3 * bool(facts.pending_changes)
            + [self.somebody_cancels] * bool(facts.open_runs)
            + [self.somebody_retries] * bool(facts.counts_of_newest["failed"])
            + [self.a_student_leaves_or_comes_back]
        )

    def _of_workers(self) -> list[Event]:
        waiting = bool(self.history.kept.messages)
        return (
            [self.a_worker_processes_messages] * 3 * waiting
            + [self.the_workers_catch_up] * waiting
            + [self.a_message_that_was_stalled_too_often_is_given_up] * waiting
            + [self.a_worker_that_was_slow_goes_on_with_an_old_chunk] * 2
        )

    def _of_others(self) -> list[Event]:
        kept = self.history.kept
        return (
            [self.the_sweeper_makes_a_pass] * 2
            + [self.who_submitted_was_slow_and_queues_a_run_only_now]
            + [self.redis_loses_keys] * 2 * bool(kept.values)
            + [self.redis_loses_a_message] * bool(kept.messages)
        )

    def somebody_submits(self) -> None:
        students = self._random.sample(range(STUDENTS), self._random.randint(1, STUDENTS))
        marks = {student: self._random.choice(STATUSES) for student in students}
        self.history.submit(marks, self._random.choice(MODES), self._death())

    def somebody_retries(self) -> None:
        self.history.ask(self.world.retry_cancel.retry(self.history.batch.id, SYSTEM), self._death())

    def somebody_cancels(self) -> None:
        self.history.ask(self.world.retry_cancel.cancel(self.history.batch.id, SYSTEM), self._death())

    def somebody_corrects_a_record(self) -> None:
        self._correct(sorted(self.history.facts.records))

    def somebody_corrects_what_a_run_is_about_to_change(self) -> None:
        self._correct(self.history.facts.pending_changes)

    def _correct(self, recorded: Sequence[int]) -> None:
        who, now = self._random.choice(recorded), self.world.clock()
        status = self._random.choice([None, *STATUSES])
        self.world.wait(school_changes.correct(self.world.database, self.history.batch, who, status, now))

    def a_student_leaves_or_comes_back(self) -> None:
        who = self._random.choice(self.history.school.student_ids)
        self.history.enrolled ^= {who}
        stays, class_id = who in self.history.enrolled, self.history.batch.class_id
        self.world.wait(school_changes.set_enrolled(self.world.database, class_id, who, stays=stays))

    def a_worker_processes_messages(self) -> None:
        messages = self.history.messages()
        start = self._random.randrange(len(messages))
        self.history.deliver(messages[start : start + self._random.randint(1, 3)], self._death())

    def the_workers_catch_up(self) -> None:
        self.history.deliver(self.history.messages(), None)

    def a_worker_that_was_slow_goes_on_with_an_old_chunk(self) -> None:
        chunks = self.history.chunks
        chunk = self._random.choice(self._random.choice([chunks, chunks[-RECENT:]]))
        self.history.let(self.world.processor.process([chunk]), self._death())

    def a_message_that_was_stalled_too_often_is_given_up(self) -> None:
        message = self._random.choice(self.history.messages())
        if self.history.let(self.world.processor.give_up(message), self._death()):
            self.world.wait(self.world.view.remove(message))

    def who_submitted_was_slow_and_queues_a_run_only_now(self) -> None:
        self.history.faults += 1
        run_id = self._random.choice(list(self.history.facts.runs))
        self.history.let(self._queue_late(run_id), self._death())

    async def _queue_late(self, run_id: str) -> None:
        async with self.world.database.snapshot() as connection:
            run = (await find_runs(connection, [run_id])).get(run_id)
        await self.world.enqueuer.enqueue_after_commit(run=run)

    def the_sweeper_makes_a_pass(self) -> None:
        self.history.sweep(self._death())

    def redis_loses_keys(self) -> None:
        keys, students = self.history.keys, self.history.school.student_ids
        tickets = [key for who in students if (key := keys.ticket(who)) in self.history.kept.values]
        ledger = [keys.lock, keys.counter, *tickets]
        one_ticket = [[self._random.choice(tickets)]] if tickets else []
        self.history.lose(self._random.choice([[keys.lock], [keys.counter], ledger, ["*"], *one_ticket]))

    def redis_loses_a_message(self) -> None:
        self.history.lose([], [self._random.choice(self.history.messages())])
