"""Events from outside: submissions, retries, cancellations, corrections, and all faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.system.protocol import database
from tests.system.protocol.actors import FREE, Step, equivalent_workers, with_message_taken, with_worker
from tests.system.protocol.database import replaced_at
from tests.system.protocol.rules import Rules
from tests.system.protocol.state import (
    ABSENT,
    DONE,
    GIVE_UP,
    IDLE,
    NO_COUNTER,
    NO_RUN,
    SWEEPER_IDLE,
    WAITING,
    State,
    planned,
)


@dataclass(frozen=True, slots=True)
class Submission:
    """The students that a submission marks, and whether it changes existing records."""

    students: tuple[int, ...]
    update: bool = False


def outside_steps(
    state: State, submissions: Sequence[Submission], rules: Rules, *, calm: bool = False
) -> Iterator[Step]:
    """Yields requests and faults within the budget. In calm ones Redis loses nothing during a sweep."""
    budget = state.budget
    yield from _requests(state, submissions, rules)
    if budget.given_up:
        yield from _give_up(state.but(budget=budget._replace(given_up=budget.given_up - 1)))
    if budget.faults:
        hit = state.but(budget=budget._replace(faults=budget.faults - 1))
        yield from _crashes(hit)
        yield from _crashes_of_workers(hit)
        if not calm or state.sweeper[0] == DONE:
            # Counted only where a configuration limits it; otherwise it would distinguish equivalent states.
            yield from _losses(hit.but(budget=hit.budget._replace(losses=budget.losses + calm)))


def _requests(state: State, submissions: Sequence[Submission], rules: Rules) -> Iterator[Step]:
    budget, run = state.budget, state.open_run
    if budget.submissions:
        yield from _accept(state, submissions[len(submissions) - budget.submissions], rules)
    if budget.retries:
        after = database.retry(state)
        if after is not state:
            yield ("PERSON retries",), after.but(budget=budget._replace(retries=budget.retries - 1))
    if budget.cancels and run:
        after = database.cancel(state, run)
        yield ("PERSON cancels run", run), after.but(budget=budget._replace(cancels=budget.cancels - 1))
    if budget.corrections and state.records[0]:
        after = database.correct(state, 0)
        yield ("PERSON corrects student", 0), after.but(budget=budget._replace(corrections=budget.corrections - 1))


def _accept(state: State, submission: Submission, rules: Rules) -> Iterator[Step]:
    used = state.but(budget=state.budget._replace(submissions=state.budget.submissions - 1))
    after = database.accept(used, submission.students, update=submission.update, rules=rules)
    if after is used:
        return  # refused or without effect: the state is unchanged
    if rules.commit_before_enqueueing or after.newest_run == state.newest_run:
        yield ("SUBMISSION makes run", after.newest_run), after
        return
    run = after.newest_run
    queued = state.but(lock=run, counter=len(planned(after, run)))
    yield ("SUBMISSION claims before its commit, run", run), queued.but(budget=after.budget)


def _give_up(state: State) -> Iterator[Step]:
    """Gives up a message that has stalled too often, when the next worker fetches it."""
    idle = [place for place, worker in enumerate(state.workers) if worker[0] == IDLE]
    for message, where in enumerate(state.queue):
        if where == WAITING and idle:
            run, student = divmod(message, len(state.tickets))
            what = ("STALLED TOO OFTEN: worker takes run", run + 1, "student", student)
            yield what, with_message_taken(state, idle[0], message, GIVE_UP)


def _crashes(state: State) -> Iterator[Step]:
    for place, (step, _) in enumerate(state.submitters):
        if step != DONE:
            yield (
                ("CRASH of the submitter of run", place + 1),
                state.but(submitters=replaced_at(state.submitters, place, (DONE, 0))),
            )
    for place, due in enumerate(state.releasing):
        if due:
            yield (
                ("CRASH before the release of run", place + 1),
                state.but(releasing=replaced_at(state.releasing, place, value=False)),
            )
    if state.sweeper[0] != DONE:
        yield ("CRASH of the sweeper",), state.but(sweeper=SWEEPER_IDLE)


def _crashes_of_workers(state: State) -> Iterator[Step]:
    """BullMQ delivers the message again; the worker itself may be dead or only slow."""
    for place, (step, run, student, owns_message) in enumerate(state.workers):
        if step == IDLE:
            continue
        back = replaced_at(state.queue, state.place(run, student), WAITING) if owns_message else state.queue
        again = state.but(queue=back)
        yield ("CRASH of the worker with run", run, "student", student), with_worker(again, place, FREE)
        if owns_message:
            what = ("REDELIVERY while the old worker is alive: run", run, "student", student)
            yield what, with_worker(again, place, (step, run, student, False))


def _losses(state: State) -> Iterator[Step]:
    orphans = equivalent_workers((step, run, student, False) for step, run, student, _ in state.workers)
    expired = state.but(lock=NO_RUN, counter=NO_COUNTER, tickets=(NO_RUN,) * len(state.tickets), exact=True)
    yield ("FLUSHALL",), expired.but(marker=NO_RUN, queue=(ABSENT,) * len(state.queue), workers=orphans)
    if state.lock:
        yield ("EXPIRY of the ledger",), expired
        yield ("LOSS of the lock",), state.but(lock=NO_RUN)
    if state.counter != NO_COUNTER:
        yield ("LOSS of the counter",), state.but(counter=NO_COUNTER, exact=True)
    for student, owner in enumerate(state.tickets):
        if owner:
            lost = state.but(tickets=replaced_at(state.tickets, student, NO_RUN))
            yield ("LOSS of the ticket of student", student), lost.but(exact=state.counter == NO_COUNTER)
    for message, where in enumerate(state.queue):
        if where != ABSENT:
            run, student = divmod(message, len(state.tickets))
            lost = state.but(queue=replaced_at(state.queue, message, ABSENT))
            what = ("LOSS of the message of run", run + 1, "student", student)
            yield what, lost if where == WAITING else _disowned(lost, run + 1, student)


def _disowned(state: State, run: int, student: int) -> State:
    """The worker continues but cannot finish its message, since a message that is sent again is a new one."""
    workers = equivalent_workers(
        (step, its_run, its_student, owns_message and (its_run, its_student) != (run, student))
        for step, its_run, its_student, owns_message in state.workers
    )
    return state.but(workers=workers)
