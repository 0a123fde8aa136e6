"""State of the model: the database, Redis, BullMQ's messages, and the step of each actor.

States are tuples of small integers, since the search stores hundreds of thousands. One student is one chunk; runs are
numbered from 1 in the order of their acceptance, so run `r` is element `r - 1` of each tuple of runs.
"""

from __future__ import annotations

from typing import NamedTuple

# The state of a run in the database.
NOT_ACCEPTED, OPEN, CLOSED, CANCELLED = range(4)
# Outcomes of a job. NO_JOB: the run's plan does not contain this student.
NO_JOB, PENDING, RECORDED, SKIPPED, FAILED, JOB_CANCELLED = range(6)
# A message of BullMQ.
ABSENT, WAITING, ACTIVE = range(3)
# Steps of a submitter: enqueues its run; if refused, reads the holder's state and takes over its lock.
DONE, CLAIM, ENQUEUE, READ_HOLDER, RELEASE_HOLDER, TAKE_OVER = range(6)
# Steps of the sweeper, besides those that it shares with submitters.
CHECK_JOBS = 6
# Steps of a worker, in order.
IDLE, WRITE, GIVE_UP, SETTLE, CLOSE, RELEASE, RELEASE_ALL, FINISH = range(8)

NO_RUN = 0  # as the holder of the lock, or the owner of a ticket
NO_COUNTER = -1
PERSON = 0  # the author of a version of a record that no run wrote
NOT_PLANNED = -1  # besides the versions that a plan loaded; 0 is no record

SWEEPER_IDLE = (DONE, 0, 0, 0, 0)
# Sets of two students as bits, after the students are exchanged.
MIRRORED_BITS = (0b00, 0b10, 0b01, 0b11)


class Budget(NamedTuple):
    """The remaining number of each event from outside, and whether Redis has lost keys in a calm configuration."""

    faults: int = 0
    submissions: int = 0
    retries: int = 0
    cancels: int = 0
    corrections: int = 0
    given_up: int = 0
    losses: int = 0


class State(NamedTuple):
    """One state.

    Attributes:
        runs: the state of each run.
        plans: for each run and student, the version that accept loaded, or NOT_PLANNED.
        records: for each student, the author of each version of the record: a run, or a PERSON; () is no record.
        failures: for each run and student, 0, FAILED or JOB_CANCELLED.
        lock: the run that holds the batch.
        counter: the number of remaining jobs in the ledger, or NO_COUNTER.
        tickets: for each student, the run that owns the ticket.
        marker: the run named by the completion marker.
        exact: whether the counter is exact: no ticket was lost or left over since the claim.
        queue: the message of each run and student, run by run.
        submitters: for each run, the step of its submitter, and the holder that refused it.
        releasing: for each run, whether the process that ended it is about to release it.
        workers: for each worker, in order, the step, the run, the student, and whether it still owns the message.
        sweeper: the step, the run, the students to enqueue and to claim as bits, the holder that refused.
        budget: the remaining events from outside.
    """

    runs: tuple[int, ...]
    plans: tuple[tuple[int, ...], ...]
    records: tuple[tuple[int, ...], ...]
    failures: tuple[tuple[int, ...], ...]
    lock: int
    counter: int
    tickets: tuple[int, ...]
    marker: int
    exact: bool
    queue: tuple[int, ...]
    submitters: tuple[tuple[int, int], ...]
    releasing: tuple[bool, ...]
    workers: tuple[tuple[int, int, int, bool], ...]
    sweeper: tuple[int, int, int, int, int]
    budget: Budget

    def but(self, **changes: object) -> State:
        """Returns the state with some elements replaced: `_replace`, at half its cost."""
        values = list[object](self)
        for name, value in changes.items():
            values[PLACES[name]] = value
        return tuple.__new__(State, values)  # pyright: ignore[reportUnknownMemberType]

    @property
    def open_run(self) -> int:
        """Returns the open run, or 0."""
        return self.runs.index(OPEN) + 1 if OPEN in self.runs else 0

    @property
    def newest_run(self) -> int:
        return sum(state != NOT_ACCEPTED for state in self.runs)

    def place(self, run: int, student: int) -> int:
        """Returns the index of the message of a run and student in `queue`."""
        return (run - 1) * len(self.tickets) + student


PLACES = {name: place for place, name in enumerate(State._fields)}


def first_state(runs: int, students: int, workers: int, budget: Budget, *, recorded: bool = False) -> State:
    """Returns the initial state: empty, except for a record of each student if the configuration has records."""
    return State(
        runs=(NOT_ACCEPTED,) * runs,
        plans=((NOT_PLANNED,) * students,) * runs,
        records=((PERSON,) if recorded else (),) * students,
        failures=((0,) * students,) * runs,
        lock=NO_RUN,
        counter=NO_COUNTER,
        tickets=(NO_RUN,) * students,
        marker=NO_RUN,
        exact=True,
        queue=(ABSENT,) * (runs * students),
        submitters=((DONE, 0),) * runs,
        releasing=(False,) * runs,
        workers=((IDLE, 0, 0, False),) * workers,
        sweeper=SWEEPER_IDLE,
        budget=budget,
    )


def outcome(state: State, run: int, student: int) -> int:
    """Returns the outcome of one job, computed from the rows alone."""
    loaded, record = state.plans[run - 1][student], state.records[student]
    if loaded == NOT_PLANNED:
        return NO_JOB
    if run in record[1:] if loaded else record[:1] == (run,):
        return RECORDED
    if failure := state.failures[run - 1][student]:
        return failure
    if len(record) > loaded:
        return SKIPPED
    return JOB_CANCELLED if state.runs[run - 1] == CANCELLED else PENDING


def pending(state: State, run: int) -> list[int]:
    """Returns the students whose job has no outcome yet."""
    return [student for student in range(len(state.tickets)) if outcome(state, run, student) == PENDING]


def planned(state: State, run: int) -> list[int]:
    """Returns the students in the plan of a run."""
    return [student for student, loaded in enumerate(state.plans[run - 1]) if loaded != NOT_PLANNED]


def representative(state: State) -> State:
    """Returns one of the state and its mirror image: the same for both."""
    first = state.records[0], state.tickets[0], state.queue[::2]
    second = state.records[1], state.tickets[1], state.queue[1::2]
    if first < second:
        return state
    return mirrored(state) if first > second else min(state, mirrored(state))


def mirrored(state: State) -> State:
    """Returns the state with its two students exchanged."""
    step, run, lost, waiting, holder = state.sweeper
    queue = list(state.queue)
    queue[::2], queue[1::2] = queue[1::2], queue[::2]
    workers = [worker if worker[0] == IDLE else (*worker[:2], 1 - worker[2], worker[3]) for worker in state.workers]
    return state.but(
        plans=tuple([plan[::-1] for plan in state.plans]),
        records=state.records[::-1],
        failures=tuple([each[::-1] for each in state.failures]),
        tickets=state.tickets[::-1],
        queue=tuple(queue),
        workers=tuple(sorted(workers)),
        sweeper=(step, run, MIRRORED_BITS[lost], MIRRORED_BITS[waiting], holder),
    )
