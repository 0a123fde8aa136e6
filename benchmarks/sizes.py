"""How much of everything is done in one round."""

from __future__ import annotations

from dataclasses import dataclass

STUDENTS = 30
CLIENTS = (64, 16)


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of batches of 30, unless another unit is named. What is slower gets less, to run for about as long.

    Attributes:
        classes: of the school; each has its own session.
        worker: that wait when a worker starts, by system.
        flood: that are sent by each number of clients, by system.
        warm: that are sent before anything is measured.
        paced_seconds: for which half of the highest rate is sent.
        lone: that are sent one after the other to an idle system.
        big: students of the big class.
        idle_seconds: for which nobody asks for anything.
        empty: empty jobs that wait for a worker of BullMQ.
        rows: that are written to Postgres alone.
    """

    classes: int
    worker: dict[str, int]
    flood: dict[str, int]
    warm: int
    paced_seconds: float
    lone: int
    big: int
    idle_seconds: float
    empty: int
    rows: int


FULL = Size(
    classes=1000,
    worker={"adsum": 2000, "seed": 1000, "bullmq": 200, "taskiq": 300, "celery": 200},
    flood={"adsum": 2000, "seed": 700, "embedded": 1000},
    warm=100,
    paced_seconds=8,
    lone=200,
    big=10_000,
    idle_seconds=10,
    empty=6000,
    rows=150_000,
)
QUICK = Size(
    classes=100,
    worker={"adsum": 100, "seed": 100, "bullmq": 30, "taskiq": 30, "celery": 30},
    flood={"adsum": 100, "seed": 100, "embedded": 50},
    warm=10,
    paced_seconds=2,
    lone=10,
    big=1000,
    idle_seconds=2,
    empty=300,
    rows=9000,
)
