"""Steps of the system: submitters that enqueue, workers, the sweeper, and releases of ended runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from tests.system.protocol import database, ledger
from tests.system.protocol.database import replaced_at
from tests.system.protocol.rules import Rules
from tests.system.protocol.state import (
    ABSENT,
    ACTIVE,
    CHECK_JOBS,
    CLAIM,
    CLOSE,
    CLOSED,
    DONE,
    ENQUEUE,
    FINISH,
    GIVE_UP,
    IDLE,
    NO_RUN,
    OPEN,
    READ_HOLDER,
    RELEASE,
    RELEASE_ALL,
    RELEASE_HOLDER,
    SETTLE,
    SWEEPER_IDLE,
    TAKE_OVER,
    WAITING,
    WRITE,
    State,
    pending,
    planned,
)

Step = tuple[tuple[str | int, ...], State]
"""Description of the step in words and numbers, and the state after it."""
Worker = tuple[int, int, int, bool]
FREE: Worker = (IDLE, 0, 0, False)


def system_steps(state: State, rules: Rules, *, calm: bool = False) -> Iterator[Step]:
    """Yields each possible step of an actor. In calm configurations the sweeper waits for submitters."""
    for place, (step, holder) in enumerate(state.submitters):
        if step != DONE:
            yield _submit(state, place + 1, step, holder, rules)
    for place, worker in enumerate(state.workers):
        yield from _take(state, place) if worker[0] == IDLE else [_work(state, place, worker, rules)]
    for place, due in enumerate(state.releasing):
        if due:
            run = place + 1
            freed = ledger.release(state, run, planned(state, run), completed=state.runs[place] == CLOSED, rules=rules)
            yield ("releases run", run), freed.but(releasing=replaced_at(state.releasing, place, value=False))
    if not calm or state.sweeper[0] != DONE or all(step == DONE for step, _ in state.submitters):
        yield from _sweep(state, rules)


def _claim(state: State, run: int, students: Collection[int], rules: Rules) -> tuple[State, int]:
    """Returns the state after a claim, and the run that holds the batch instead."""
    after = ledger.claim(state, run, students, rules)
    return after, ledger.refused_by(after, run)


def _submit(state: State, run: int, step: int, holder: int, rules: Rules) -> Step:
    def then(state: State, step: int, holder: int = NO_RUN) -> State:
        return state.but(submitters=replaced_at(state.submitters, run - 1, (step, holder if step != DONE else NO_RUN)))

    if step == CLAIM:
        # The messages follow in the same pipeline, even if the claim was refused; the pipeline may be cut in between.
        claimed, holder = _claim(state, run, planned(state, run), rules)
        return ("submitter claims run", run), then(claimed, ENQUEUE, holder)
    if step == ENQUEUE:
        after = enqueued(state, run, planned(state, run))
        return ("submitter enqueues run", run), then(after, READ_HOLDER if holder else DONE, holder)
    what, after, following = _take_over(state, run, step, holder, planned(state, run), rules)
    return ("submitter", *what), then(after, following, holder)


def _take_over(
    state: State, run: int, step: int, holder: int, students: Collection[int], rules: Rules
) -> tuple[tuple[str | int, ...], State, int]:
    """Continues a refused claim. Returns a description of the step, the state after it, and the next step."""
    if step == READ_HOLDER:
        # The holder has ended, but the run itself has not: its process was only slow.
        is_left_over = state.runs[holder - 1] != OPEN == state.runs[run - 1]
        return ("reads the state of run", holder), state, RELEASE_HOLDER if is_left_over else DONE
    if step == RELEASE_HOLDER:
        completed = state.runs[holder - 1] == CLOSED
        return (
            ("releases run", holder),
            ledger.release(state, holder, students, completed=completed, rules=rules),
            TAKE_OVER,
        )
    return ("takes over for run", run), ledger.take_over(state, run), DONE


def enqueued(state: State, run: int, students: Iterable[int]) -> State:
    """Adds messages. BullMQ drops a message whose id it still has."""
    queue = list(state.queue)
    for student in students:
        queue[state.place(run, student)] = queue[state.place(run, student)] or WAITING
    return state.but(queue=tuple(queue))


def with_worker(state: State, place: int, worker: Worker) -> State:
    """Sets the step of a worker."""
    return state.but(workers=equivalent_workers(replaced_at(state.workers, place, worker)))


def equivalent_workers(workers: Iterable[Worker]) -> tuple[Worker, ...]:
    """The workers in one form of several that behave alike: their order does not matter, and a worker that only has to
    finish a message that it no longer owns is idle.
    """
    return tuple(sorted([FREE if worker[0] == FINISH and not worker[3] else worker for worker in workers]))


def with_message_taken(state: State, place: int, message: int, step: int) -> State:
    """The state after a worker has fetched a waiting message."""
    run, student = divmod(message, len(state.tickets))
    state = state.but(queue=replaced_at(state.queue, message, ACTIVE))
    return with_worker(state, place, (step, run + 1, student, True))


def _take(state: State, place: int) -> Iterator[Step]:
    if place and state.workers[place - 1][0] == IDLE:
        return  # equivalent to the previous worker
    for message, where in enumerate(state.queue):
        if where == WAITING:
            run, student = divmod(message, len(state.tickets))
            yield ("worker takes run", run + 1, "student", student), with_message_taken(state, place, message, WRITE)


def _work(state: State, place: int, worker: Worker, rules: Rules) -> Step:
    step, run, student, owns_message = worker

    def then(state: State, step: int) -> State:
        return with_worker(state, place, (step, run, student, owns_message))

    if step == WRITE:
        after = database.write(state, run, student, rules)
        is_whole = state.runs[run - 1] == OPEN != after.runs[run - 1]
        return ("worker writes run", run, "student", student), then(after, RELEASE_ALL if is_whole else SETTLE)
    if step == GIVE_UP:
        return ("worker gives up run", run, "student", student), then(database.give_up(state, run, student), SETTLE)
    if step == SETTLE:
        return _settle(state, place, worker, rules)
    if step == CLOSE:
        after = database.close(state, run, rules)
        ended = after.runs[run - 1] != OPEN
        return ("worker closes run", run), then(
            after, FINISH if not ended or not rules.close_before_releasing else RELEASE
        )
    if step in {RELEASE, RELEASE_ALL}:
        # At zero each ticket was removed; completely recorded runs are never counted.
        is_whole = step == RELEASE_ALL and rules.release_all_tickets_of_completely_recorded_runs
        completed = state.runs[run - 1] == CLOSED or not rules.close_before_releasing
        after = ledger.release(state, run, planned(state, run) if is_whole else (), completed=completed, rules=rules)
        is_over = rules.close_before_releasing or step == RELEASE_ALL
        return ("worker releases run", run), then(after, FINISH if is_over else CLOSE)
    queue = replaced_at(state.queue, state.place(run, student), ABSENT) if owns_message else state.queue
    done = with_worker(state.but(queue=queue), place, FREE)
    return ("worker finishes run", run, "student", student), done


def _settle(state: State, place: int, worker: Worker, rules: Rules) -> Step:
    _, run, student, owns_message = worker
    after, remaining = ledger.settle(state, run, student, rules)
    step = FINISH if remaining else CLOSE if rules.close_before_releasing else RELEASE
    what = ("worker settles run", run, "student", student, "remaining", "?" if remaining is None else remaining)
    return what, with_worker(after, place, (step, run, student, owns_message))


def _sweep(state: State, rules: Rules) -> Iterator[Step]:
    step, run, lost, waiting, holder = state.sweeper
    if step == DONE:
        yield from _check_messages(state, rules)
    elif step == CHECK_JOBS:
        yield _check_jobs(state, run, lost, rules)
    elif step == CLAIM:
        claimed, holder = _claim(state, run, from_bits(waiting), rules)
        yield (
            ("sweeper claims run", run),
            claimed.but(sweeper=(ENQUEUE, run, lost, waiting if holder else 0, holder)),
        )
    elif step == ENQUEUE:
        after = (READ_HOLDER, run, 0, waiting, holder) if holder else SWEEPER_IDLE
        yield ("sweeper enqueues run", run), enqueued(state, run, from_bits(lost)).but(sweeper=after)
    else:
        what, after, following = _take_over(state, run, step, holder, from_bits(waiting), rules)
        sweeper = SWEEPER_IDLE if following == DONE else (following, run, 0, waiting, holder)
        yield ("sweeper", *what), after.but(sweeper=sweeper)


def _check_messages(state: State, rules: Rules) -> Iterator[Step]:
    """Checks the messages of the open run, and whether the lock's holder has ended."""
    run = state.open_run
    if run and rules.sweeper_rescues_open_runs:
        missing = [student for student in planned(state, run) if state.queue[state.place(run, student)] == ABSENT]
        if missing:
            yield ("sweeper checks run", run), state.but(sweeper=(CHECK_JOBS, run, to_bits(missing), 0, 0))
    holder = state.lock
    if (
        holder
        and rules.sweeper_releases_ended_runs
        and state.runs[holder - 1] != OPEN
        and not state.releasing[holder - 1]
    ):
        releasing = replaced_at(state.releasing, holder - 1, value=True)
        yield ("sweeper finds ended run", holder), state.but(releasing=releasing)


def _check_jobs(state: State, run: int, missing: int, rules: Rules) -> Step:
    """Checks the pending jobs: closes the run if there are none; otherwise sends its lost messages again."""
    due = pending(state, run)
    if not due:
        ended = state.runs[run - 1] != OPEN
        after = state if ended else database.end(state, run, CLOSED)
        return ("sweeper closes run", run), after.but(sweeper=SWEEPER_IDLE)
    lost = to_bits(due) & missing
    if not lost:
        return ("sweeper skips run", run), state.but(sweeper=SWEEPER_IDLE)
    claims = to_bits(due) if rules.sweeper_claims_all_pending_jobs else lost
    claims = claims if rules.sweeper_claims_only_pending_jobs else to_bits(planned(state, run))
    return ("sweeper rescues run", run), state.but(sweeper=(CLAIM, run, lost, claims, 0))


def to_bits(students: Iterable[int]) -> int:
    """Encodes a set as bits."""
    return sum(1 << student for student in students)


def from_bits(bits: int) -> list[int]:
    return [student for student in range(bits.bit_length()) if bits >> student & 1]
