"""State of the model: the database, Redis, BullMQ's messages, and the step of each actor.

Everything is a tuple of small numbers, since hundreds of thousands of states are kept. One student is one chunk; runs
are numbered from 1 in the order of their acceptance, so that run `r` stands at place `r - 1` of every tuple of runs.
"""

from __future__ import annotations

from typing import NamedTuple

# The state of a run in the database.
UNBORN, OPEN, CLOSED, CANCELLED = range(4)
# What became of a job. NO_JOB: the run does not ask for this student.
NO_JOB, PENDING, RECORDED, SKIPPED, FAILED, WITHDRAWN = range(6)
# A message of BullMQ.
GONE, WAITING, ACTIVE = range(3)
# Who accepted a run and queues it; who was refused, asks the database about the holder, and takes its lock over.
DONE, CLAIM, ENQUEUE, ASK, FREE, TAKE_OVER = range(6)
# The sweeper, beside the steps that it shares with who accepted.
LOOK = 6
# A worker, in the order of its work.
IDLE, WRITE, GIVE_UP, SETTLE, CLOSE, RELEASE, RELEASE_WHOLE, FINISH = range(8)

NOBODY = 0  # holds the lock, owns a ticket
LOST = -1  # the counter is not there
PERSON = 0  # who made a version of a record, where it was no run
NOT_PLANNED = -1  # beside the versions that a plan saw: 0 is no record

AT_REST = (DONE, 0, 0, 0, 0)


class Budget(NamedTuple):
    """Number of times that each event from outside may still happen, and that Redis has lost something in the calm."""

    faults: int = 0
    submissions: int = 0
    retries: int = 0
    cancels: int = 0
    corrections: int = 0
    given_up: int = 0
    losses: int = 0


class State(NamedTuple):
    """One moment.

    Attributes:
        runs: the state of each run.
        plans: of each run, for each student: the version that accept saw, or NOT_PLANNED.
        records: of each student, who made each version of the record: a run, or a PERSON; () is no record.
        failures: of each run, for each student: 0, FAILED or WITHDRAWN.
        lock: the run that holds the batch.
        counter: how many jobs remain, as the ledger says; LOST.
        tickets: of each student, the run that owns the ticket.
        marker: the run whose completion the marker tells.
        exact: whether the counter still counts what its claim counted: no ticket was lost or left over since.
        queue: the message of each run and student, run by run.
        queuers: of each run, the step of who accepted it, and the holder that refused it.
        releasing: of each run, whether somebody who ended it is about to release it.
        workers: of each, in order: the step, the run, the student, and whether the message is still its own.
        sweeper: the step, the run, the students to enqueue and to claim as bits, the holder that refused.
        left: what may still happen from outside.
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
    queuers: tuple[tuple[int, int], ...]
    releasing: tuple[bool, ...]
    workers: tuple[tuple[int, int, int, bool], ...]
    sweeper: tuple[int, int, int, int, int]
    left: Budget

    @property
    def open_run(self) -> int:
        """The open run; 0: there is none."""
        return self.runs.index(OPEN) + 1 if OPEN in self.runs else 0

    @property
    def newest_run(self) -> int:
        return sum(state != UNBORN for state in self.runs)

    def place(self, run: int, student: int) -> int:
        """Where the message of a run and student stands in `queue`."""
        return (run - 1) * len(self.tickets) + student


def first_state(runs: int, students: int, workers: int, left: Budget, *, recorded: bool = False) -> State:
    """Nothing has happened yet, but for a record of each student that a person made."""
    return State(
        runs=(UNBORN,) * runs,
        plans=((NOT_PLANNED,) * students,) * runs,
        records=((PERSON,) if recorded else (),) * students,
        failures=((0,) * students,) * runs,
        lock=NOBODY,
        counter=LOST,
        tickets=(NOBODY,) * students,
        marker=NOBODY,
        exact=True,
        queue=(GONE,) * (runs * students),
        queuers=((DONE, 0),) * runs,
        releasing=(False,) * runs,
        workers=((IDLE, 0, 0, False),) * workers,
        sweeper=AT_REST,
        left=left,
    )


def outcome(state: State, run: int, student: int) -> int:
    """Outcome of one job, computed from the rows alone."""
    seen, record = state.plans[run - 1][student], state.records[student]
    if seen == NOT_PLANNED:
        return NO_JOB
    if run in record[1:] if seen else record[:1] == (run,):
        return RECORDED
    if failure := state.failures[run - 1][student]:
        return failure
    if len(record) > seen:
        return SKIPPED
    return WITHDRAWN if state.runs[run - 1] == CANCELLED else PENDING


def pending(state: State, run: int) -> list[int]:
    """The students whose job has no outcome yet."""
    return [student for student in range(len(state.tickets)) if outcome(state, run, student) == PENDING]


def planned(state: State, run: int) -> list[int]:
    """The students whom a run asks for."""
    return [student for student, seen in enumerate(state.plans[run - 1]) if seen != NOT_PLANNED]
