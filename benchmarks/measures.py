"""Titles and units of the measures, names of the systems, and texts of the report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """Title and unit. If `is_rate`, higher values are better; otherwise, lower values."""

    title: str
    unit: str
    is_rate: bool = False


MEASURES = {
    "worker": Measure("One worker, all work queued before it starts", "attendances/s", is_rate=True),
    "http-64": Measure("End to end over HTTP, 64 clients", "attendances/s", is_rate=True),
    "http-16": Measure("End to end over HTTP, 16 clients", "attendances/s", is_rate=True),
    "lone-p50": Measure("A lone class of 30, POST to completed, p50", "ms"),
    "lone-p95": Measure("A lone class of 30, POST to completed, p95", "ms"),
    "big": Measure("10,000 students in one batch, POST to completed", "s"),
    "cpu-api": Measure("CPU of the API, 64 clients", "µs/attendance"),
    "cpu-worker": Measure("CPU of the worker", "µs/attendance"),
    "cpu-postgres": Measure("CPU of Postgres", "µs/attendance"),
    "cpu-valkey": Measure("CPU of Valkey", "µs/attendance"),
    "waiting": Measure("Redis memory of a waiting class", "bytes"),
    "memory": Measure("Resident memory of API and worker after the run", "MB"),
    "idle": Measure("All processes, idle", "% of a core"),
    "client": Measure("CPU of the client that sends the load", "µs/request"),
}
NAMES = {
    "adsum": "Adsum on Postgres",
    "embedded": "Adsum on SQLite",
    "seed": "the seed's stack on Node, no authentication",
    "bullmq": "BullMQ for Python, one job a student",
    "taskiq": "taskiq",
    "celery": "Celery, 2 processes",
    "empty-chunks": "limit: BullMQ for Python, empty chunks of 30",
    "postgres-30": "limit: Postgres alone, 30 rows a statement",
    "postgres-1000": "limit: Postgres alone, 1,000 rows a statement",
}
DURABLE = (
    "Postgres: fsync, synchronous_commit and full_page_writes on. SQLite: WAL, synchronous=FULL. "
    "Valkey: appendonly yes, appendfsync everysec. All systems share these servers, on unix sockets; HTTP on loopback."
)
CHECKED = (
    "After each run of each system: every student of every batch recorded once, and no other; every batch complete; "
    "every answer 202; nothing left in Redis but completion markers, counters of rate limits, and the queue's "
    "permanent keys. Otherwise the figure is void and the command fails."
)
