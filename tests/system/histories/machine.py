"""Random histories of one batch: requests, workers, the sweeper and faults in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from adsum.attendance.statuses.rules import DEFAULTS
from adsum.batches.repository.runs import find_runs
from adsum.batches.rules import OnExisting
from tests.system.histories import school_changes
from tests.system.histories.history import STUDENTS, SYSTEM, History
from tests.system.histories.world import DEATHS, World

Event = Callable[[st.DataObject], None]

students = st.integers(0, STUDENTS - 1)
statuses = st.sampled_from([status.code for status in DEFAULTS])
marks_of_some = st.dictionaries(students, statuses, min_size=1)
# Violations of changes take the most steps: an ended batch, corrected before a worker processes it.
modes = st.sampled_from([OnExisting.UPDATE] * 4 + [OnExisting.SKIP, OnExisting.FAIL])
# Drawn before the coroutine is created: a draw may end the history, and an unawaited coroutine is a warning.
deaths = st.sampled_from([None] * len(DEATHS) + list(DEATHS))


class Histories(RuleBasedStateMachine):
    """`steps` counts the steps of all histories.

    One rule chooses among all possible steps. With a rule per step Hypothesis would omit half of the rules from each
    history, and violations take four or five of them.
    """

    world: ClassVar[World]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.is_wrong = True  # before the start, and after a failed check

    @initialize(status=statuses, is_recorded=st.booleans(), death=deaths)
    def begin(self, status: str, is_recorded: bool, death: str | None) -> None:
        self.history = History(self.world)
        self.history.submit(dict.fromkeys(range(STUDENTS), status), OnExisting.SKIP, death)
        if is_recorded:
            self.history.look()
            self.history.deliver(self.history.messages(), None)

    @rule(data=st.data())
    def people_do_something(self, data: st.DataObject) -> None:
        facts = self.history.facts
        one_of(
            data,
            [self.somebody_submits] * 3
            + [self.somebody_corrects_a_record] * 2 * bool(facts.records)
            + [self.somebody_cancels] * bool(facts.open_runs)
            + [self.somebody_retries] * bool(facts.counts_of_newest["failed"])
            + [self.a_student_leaves_or_comes_back],
        )

    @rule(data=st.data())
    def a_worker_does_something(self, data: st.DataObject) -> None:
        waiting = bool(self.history.kept.messages)
        one_of(
            data,
            [self.a_worker_processes_messages] * 3 * waiting
            + [self.the_workers_catch_up] * 2 * waiting
            + [self.a_message_that_was_stalled_too_often_is_given_up] * waiting
            + [self.a_worker_that_was_slow_goes_on_with_an_old_chunk] * 2,
        )

    @rule(data=st.data())
    def something_else_happens(self, data: st.DataObject) -> None:
        kept = self.history.kept
        one_of(
            data,
            [self.the_sweeper_makes_a_pass] * 2
            + [self.who_submitted_was_slow_and_queues_a_run_only_now]
            + [self.redis_loses_keys] * bool(kept.values)
            + [self.redis_loses_a_message] * bool(kept.messages),
        )

    @invariant()
    def all_is_as_it_has_to_be(self) -> None:
        type(self).steps += 1
        self.is_wrong = True
        self.history.check()
        self.is_wrong = False

    @override
    def teardown(self) -> None:
        if not self.is_wrong:
            self.history.end()

    def somebody_submits(self, data: st.DataObject) -> None:
        self.history.submit(data.draw(marks_of_some), data.draw(modes), data.draw(deaths))

    def somebody_retries(self, data: st.DataObject) -> None:
        death = data.draw(deaths)
        self.history.ask(self.world.retry_cancel.retry(self.history.batch.id, SYSTEM), death)

    def somebody_cancels(self, data: st.DataObject) -> None:
        death = data.draw(deaths)
        self.history.ask(self.world.retry_cancel.cancel(self.history.batch.id, SYSTEM), death)

    def somebody_corrects_a_record(self, data: st.DataObject) -> None:
        recorded = sorted(self.history.facts.records)
        who, now = recorded[data.draw(st.integers(0, len(recorded) - 1))], self.world.clock()
        status = data.draw(st.none() | statuses)
        self.world.wait(school_changes.correct(self.world.database, self.history.batch, who, status, now))

    def a_student_leaves_or_comes_back(self, data: st.DataObject) -> None:
        who = self.history.school.student_ids[data.draw(students)]
        self.history.enrolled ^= {who}
        stays, class_id = who in self.history.enrolled, self.history.batch.class_id
        self.world.wait(school_changes.set_enrolled(self.world.database, class_id, who, stays=stays))

    def a_worker_processes_messages(self, data: st.DataObject) -> None:
        messages = self.history.messages()
        start = data.draw(st.integers(0, len(messages) - 1))
        self.history.deliver(messages[start : start + data.draw(st.integers(1, 3))], data.draw(deaths))

    def the_workers_catch_up(self, _data: st.DataObject) -> None:
        self.history.deliver(self.history.messages(), None)

    def a_worker_that_was_slow_goes_on_with_an_old_chunk(self, data: st.DataObject) -> None:
        chunk = self.history.chunks[data.draw(st.integers(0, len(self.history.chunks) - 1))]
        death = data.draw(deaths)
        self.history.let(self.world.processor.process([chunk]), death)

    def a_message_that_was_stalled_too_often_is_given_up(self, data: st.DataObject) -> None:
        messages = self.history.messages()
        message = messages[data.draw(st.integers(0, len(messages) - 1))]
        death = data.draw(deaths)
        if self.history.let(self.world.processor.give_up(message), death):
            self.world.wait(self.world.view.remove(message))

    def who_submitted_was_slow_and_queues_a_run_only_now(self, data: st.DataObject) -> None:
        runs = list(self.history.facts.runs)
        self.history.faults += 1
        run_id, death = runs[data.draw(st.integers(0, len(runs) - 1))], data.draw(deaths)
        self.history.let(self._queue_late(run_id), death)

    async def _queue_late(self, run_id: str) -> None:
        async with self.world.database.snapshot() as connection:
            run = (await find_runs(connection, [run_id])).get(run_id)
        await self.world.enqueuer.enqueue_after_commit(run=run)

    def the_sweeper_makes_a_pass(self, data: st.DataObject) -> None:
        self.history.sweep(data.draw(deaths))

    def redis_loses_keys(self, data: st.DataObject) -> None:
        keys, students = self.history.keys, self.history.school.student_ids
        tickets = [key for who in students if (key := keys.ticket(who)) in self.history.kept.values]
        ledger = [keys.lock, keys.counter, *tickets]
        losses = [[keys.lock], [keys.counter], ledger, ["*"], *([ticket] for ticket in tickets)]
        self.history.lose(losses[data.draw(st.integers(0, len(losses) - 1))])

    def redis_loses_a_message(self, data: st.DataObject) -> None:
        messages = self.history.messages()
        self.history.lose([], [messages[data.draw(st.integers(0, len(messages) - 1))]])


def one_of(data: st.DataObject, events: Sequence[Event]) -> None:
    names = [event.__name__ for event in events]
    events[names.index(data.draw(st.sampled_from(names), label="event"))](data)
