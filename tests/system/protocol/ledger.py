"""The three scripts that change the ledger, one step each."""

from __future__ import annotations

from collections.abc import Collection

from tests.system.protocol.rules import Rules
from tests.system.protocol.state import NO_COUNTER, NO_RUN, OPEN, State


def claim(state: State, run: int, students: Collection[int], rules: Rules) -> State:
    """Takes lock, counter and tickets for a run, unless another run holds the batch."""
    if state.lock == run and rules.claiming_again_changes_nothing:
        return state
    if state.lock not in (NO_RUN, run) and rules.claim_only_unheld_batches:
        return state
    tickets = tuple([run if student in students else owner for student, owner in enumerate(state.tickets)])
    # If tickets outlived a lost lock, the counter is too low: then only the database has the count.
    return state.but(lock=run, counter=len(students), tickets=tickets, exact=tickets.count(run) == len(students))


def refused_by(state: State, run: int) -> int:
    """Returns the run that holds the batch instead of this one."""
    return state.lock if state.lock != run else NO_RUN


def take_over(state: State, run: int) -> State:
    """Takes only the lock, if it is free: only the database has the number of remaining jobs."""
    return state if state.lock else state.but(lock=run, counter=NO_COUNTER, exact=True)


def settle(state: State, run: int, student: int, rules: Rules) -> tuple[State, int | None]:
    """Removes a job's ticket and counts it. Returns None if only the database has the remaining number."""
    is_owned = state.tickets[student] == run
    if is_owned:
        tickets = list(state.tickets)
        tickets[student] = NO_RUN
        state = state.but(tickets=tuple(tickets))
    if state.lock != run or state.counter == NO_COUNTER:
        return state, None
    counted = is_owned or not rules.count_only_removed_tickets
    remaining = max(0, state.counter - counted)
    return state.but(counter=remaining), remaining


def release(state: State, run: int, students: Collection[int], *, completed: bool, rules: Rules) -> State:
    """Removes the keys of an ended run, and a counter without a lock. The marker names the run that completed last,
    even if another run holds the batch.
    """
    if run in state.tickets:
        tickets = tuple(
            [NO_RUN if owner == run and student in students else owner for student, owner in enumerate(state.tickets)]
        )
        state = state.but(tickets=tickets)
    if completed and run > state.marker and (state.lock == run or rules.mark_regardless_of_the_holder):
        state = state.but(marker=run)
    if state.lock != run and rules.release_only_keys_of_the_run:
        return state if state.lock else state.but(counter=NO_COUNTER, exact=True)
    return state.but(lock=NO_RUN, counter=NO_COUNTER, exact=True)


def holder_is_open(state: State) -> bool:
    return state.lock != NO_RUN and state.runs[state.lock - 1] == OPEN
