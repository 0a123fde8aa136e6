"""Amounts of work per case."""

from __future__ import annotations

from dataclasses import dataclass

STUDENTS = 30
CLIENTS = (64, 16)


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of batches of 30, unless another unit is named. Slower systems get less work, so that all run equally
    long.

    Attributes:
        classes: classes of the school, each with its own session.
        worker: batches queued before the worker starts, by system.
        flood: batches sent for each number of clients, by system.
        warm: batches sent before measuring.
        paced_seconds: duration of the load at one rate.
        paced_least: batches sent at one rate, at least.
        lone: batches sent one at a time to an idle system.
        big: students of the big class.
        idle_seconds: duration of the measurement of the idle system.
        empty: empty jobs for a worker of BullMQ.
        rows: rows written to Postgres without a queue.
    """

    classes: int
    worker: dict[str, int]
    flood: dict[str, int]
    warm: int
    paced_seconds: float
    paced_least: int
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
    paced_seconds=4,
    paced_least=300,
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
    paced_seconds=0.5,
    paced_least=30,
    lone=10,
    big=1000,
    idle_seconds=2,
    empty=300,
    rows=9000,
)
