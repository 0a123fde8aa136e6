"""Steps of the system: submitters that enqueue, workers, the sweeper, and releases of ended runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from tests.system.protocol import database, ledger
from tests.system.protocol.database import put
from tests.system.protocol.rules import Rules
from tests.system.protocol.state import (
    ACTIVE,
    ASK,
    AT_REST,
    CLAIM,
    CLOSE,
    CLOSED,
    DONE,
    ENQUEUE,
    FINISH,
    FREE,
    GIVE_UP,
    GONE,
    IDLE,
    LOOK,
    NOBODY,
    OPEN,
    RELEASE,
    RELEASE_WHOLE,
    SETTLE,
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


def system_steps(state: State, rules: Rules, *, calm: bool = False) -> Iterator[Step]:
    """Yields each possible step of an actor. In calm configurations the sweeper waits for submitters."""
    for place, (step, holder) in enumerate(state.queuers):
        if step != DONE:
            yield _queue(state, place + 1, step, holder, rules)
    for place, worker in enumerate(state.workers):
        yield from _take(state, place) if worker[0] == IDLE else [_work(state, place, worker, rules)]
    for place, due in enumerate(state.releasing):
        if due:
            run = place + 1
            freed = ledger.release(state, run, planned(state, run), completed=state.runs[place] == CLOSED, rules=rules)
            yield ("releases run", run), freed._replace(releasing=put(state.releasing, place, value=False))
    if not calm or state.sweeper[0] != DONE or all(step == DONE for step, _ in state.queuers):
        yield from _sweep(state, rules)


def _claim(state: State, run: int, students: Collection[int], rules: Rules) -> tuple[State, int]:
    """Returns the state after a claim, and the run that holds the batch instead."""
    after = ledger.claim(state, run, students, rules)
    return after, ledger.refused_by(after, run)


def _queue(state: State, run: int, step: int, holder: int, rules: Rules) -> Step:
    def then(state: State, step: int, holder: int = NOBODY) -> State:
        return state._replace(queuers=put(state.queuers, run - 1, (step, holder)))

    if step == CLAIM:
        # The messages follow in the same pipeline, even if the claim was refused; the pipeline may be cut in between.
        claimed, holder = _claim(state, run, planned(state, run), rules)
        return ("submitter claims run", run), then(claimed, ENQUEUE, holder)
    if step == ENQUEUE:
        after = enqueued(state, run, planned(state, run))
        return ("submitter enqueues run", run), then(after, ASK if holder else DONE, holder)
    what, after, following = _replace(state, run, step, holder, planned(state, run), rules)
    return ("submitter", *what), then(after, following, holder)


def _replace(
    state: State, run: int, step: int, holder: int, students: Collection[int], rules: Rules
) -> tuple[tuple[str | int, ...], State, int]:
    """Yields a refused claim: a description of the step, the state after it, and the next step."""
    if step == ASK:
        # The holder has ended, but the run itself has not: its process was only slow.
        is_left_over = state.runs[holder - 1] != OPEN == state.runs[run - 1]
        return ("asks about run", holder), state, FREE if is_left_over else DONE
    if step == FREE:
        completed = state.runs[holder - 1] == CLOSED
        return ("frees", holder), ledger.release(state, holder, students, completed=completed, rules=rules), TAKE_OVER
    return ("takes over for run", run), ledger.take_over(state, run), DONE


def enqueued(state: State, run: int, students: Iterable[int]) -> State:
    """Adds messages. BullMQ drops a message whose id it still has."""
    queue = list(state.queue)
    for student in students:
        queue[state.place(run, student)] = queue[state.place(run, student)] or WAITING
    return state._replace(queue=tuple(queue))


def at_work(state: State, place: int, worker: Worker) -> State:
    """Sorts the workers, which are alike: that halves the number of states."""
    return state._replace(workers=tuple(sorted(put(state.workers, place, worker))))


def taken(state: State, place: int, message: int, step: int) -> State:
    """Lets a worker fetch a waiting message."""
    run, student = divmod(message, len(state.tickets))
    state = state._replace(queue=put(state.queue, message, ACTIVE))
    return at_work(state, place, (step, run + 1, student, True))


def _take(state: State, place: int) -> Iterator[Step]:
    if place and state.workers[place - 1][0] == IDLE:
        return  # equivalent to the previous worker
    for message, where in enumerate(state.queue):
        if where == WAITING:
            run, student = divmod(message, len(state.tickets))
            yield ("worker takes run", run + 1, "student", student), taken(state, place, message, WRITE)


def _work(state: State, place: int, worker: Worker, rules: Rules) -> Step:
    step, run, student, owned = worker

    def then(state: State, step: int) -> State:
        return at_work(state, place, (step, run, student, owned))

    if step == WRITE:
        after = database.write(state, run, student, rules)
        is_whole = state.runs[run - 1] == OPEN != after.runs[run - 1]
        return ("worker writes run", run, "student", student), then(after, RELEASE_WHOLE if is_whole else SETTLE)
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
    if step in {RELEASE, RELEASE_WHOLE}:
        # At zero each ticket was removed; completely recorded runs are never counted.
        is_whole = step == RELEASE_WHOLE and rules.release_all_tickets_of_completely_recorded_runs
        completed = state.runs[run - 1] == CLOSED or not rules.close_before_releasing
        after = ledger.release(state, run, planned(state, run) if is_whole else (), completed=completed, rules=rules)
        is_over = rules.close_before_releasing or step == RELEASE_WHOLE
        return ("worker releases run", run), then(after, FINISH if is_over else CLOSE)
    queue = put(state.queue, state.place(run, student), GONE) if owned else state.queue
    done = at_work(state._replace(queue=queue), place, (IDLE, 0, 0, False))
    return ("worker finishes run", run, "student", student), done


def _settle(state: State, place: int, worker: Worker, rules: Rules) -> Step:
    _, run, student, owned = worker
    after, remaining = ledger.settle(state, run, student, rules)
    step = FINISH if remaining else CLOSE if rules.close_before_releasing else RELEASE
    what = ("worker settles run", run, "student", student, "remaining", "?" if remaining is None else remaining)
    return what, at_work(after, place, (step, run, student, owned))


def _sweep(state: State, rules: Rules) -> Iterator[Step]:
    step, run, lost, waiting, holder = state.sweeper
    if step == DONE:
        yield from _look(state, rules)
    elif step == LOOK:
        yield _look_closer(state, run, lost, rules)
    elif step == CLAIM:
        claimed, holder = _claim(state, run, unpacked(waiting), rules)
        yield (
            ("sweeper claims run", run),
            claimed._replace(sweeper=(ENQUEUE, run, lost, waiting if holder else 0, holder)),
        )
    elif step == ENQUEUE:
        after = (ASK, run, 0, waiting, holder) if holder else AT_REST
        yield ("sweeper enqueues run", run), enqueued(state, run, unpacked(lost))._replace(sweeper=after)
    else:
        what, after, following = _replace(state, run, step, holder, unpacked(waiting), rules)
        sweeper = AT_REST if following == DONE else (following, run, 0, waiting, holder)
        yield ("sweeper", *what), after._replace(sweeper=sweeper)


def _look(state: State, rules: Rules) -> Iterator[Step]:
    """Checks the messages of the open run, and whether the lock's holder has ended."""
    run = state.open_run
    if run and rules.sweeper_rescues_open_runs:
        missing = [student for student in planned(state, run) if state.queue[state.place(run, student)] == GONE]
        if missing:
            yield ("sweeper looks at run", run), state._replace(sweeper=(LOOK, run, packed(missing), 0, 0))
    held = state.lock
    if held and rules.sweeper_releases_ended_runs and state.runs[held - 1] != OPEN and not state.releasing[held - 1]:
        releasing = put(state.releasing, held - 1, value=True)
        yield ("sweeper finds ended run", held), state._replace(releasing=releasing)


def _look_closer(state: State, run: int, missing: int, rules: Rules) -> Step:
    """Checks the pending jobs: closes the run if there are none; otherwise sends its lost messages again."""
    due = pending(state, run)
    if not due:
        ended = state.runs[run - 1] != OPEN
        after = state if ended else database.end(state, run, CLOSED)
        return ("sweeper closes run", run), after._replace(sweeper=AT_REST)
    lost = packed(due) & missing
    if not lost:
        return ("sweeper leaves run", run), state._replace(sweeper=AT_REST)
    claims = packed(due) if rules.sweeper_claims_all_pending_jobs else lost
    claims = claims if rules.sweeper_claims_only_pending_jobs else packed(planned(state, run))
    return ("sweeper drives run", run), state._replace(sweeper=(CLAIM, run, lost, claims, 0))


def packed(students: Iterable[int]) -> int:
    """Encodes a set as bits."""
    return sum(1 << student for student in students)


def unpacked(bits: int) -> list[int]:
    return [student for student in range(bits.bit_length()) if bits >> student & 1]
