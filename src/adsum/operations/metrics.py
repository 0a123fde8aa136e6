"""Prometheus metrics of one process. No label contains personal data, a batch or a class."""

from __future__ import annotations

import asyncio
from collections import Counter as Counts
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from adsum.accounts.api_keys.rules import KeyWarning
from adsum.batches.activity.metrics import BUCKETS_S, BatchMetrics
from adsum.batches.rules import Tally
from adsum.events.metrics import EventMetrics
from adsum.operations.repository import runs_ended_since
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError

CONTENT_TYPE = CONTENT_TYPE_LATEST
_RUN_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0)
# Clocks differ, and a run becomes visible after its `ended_at`. Runs of the last seconds are read twice.
OVERLAP = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The backlog of all processes. `queue_depth` None: Redis did not respond."""

    open_runs: int
    oldest_open_run_seconds: float
    queue_depth: int | None


class Metrics:
    """Counters of this process. Each scrape reads the backlog."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.batches = BatchMetrics(self.registry)
        self.events = EventMetrics(self.registry)
        self.recorded_jobs = self._counter("recorded_jobs", "Attendance jobs that made a record, of all processes.")
        self.skipped_jobs = self._counter(
            "skipped_jobs", "Attendance jobs whose student had a record, of all processes."
        )
        self.failed_jobs = self._counter("failed_jobs", "Attendance jobs that failed, of all processes.")
        self.chunk_seconds = self._histogram("chunk_seconds", "Processing of one chunk.", BUCKETS_S)
        self._dropped_spans = self._counter(
            "dropped_spans", "Spans that the collector did not take, or that were more than wait for it."
        )
        self.run_seconds = self._histogram("run_seconds", "From a run's acceptance to its end.", _RUN_BUCKETS)
        self._rate_limited = self._counter("rate_limited_requests", "Requests that got 429, by policy.", "policy")
        self._requests = self._histogram_of_requests()
        self._reads = self._counter(
            "list_reads",
            "Lists, reports and exports that were read from the standby or the primary, by server.",
            "server",
        )
        self._standby_lag = self._gauge(
            "standby_lag_seconds", "Age of the data of the standby for reading; NaN if it is unknown or there is none."
        )
        self._warned_keys = self._gauge("warned_api_keys", "API keys to look after, by warning.", "warning")
        self._open_runs = self._gauge("open_runs", "Runs that have not ended, of all processes.")
        self._oldest = self._gauge("oldest_open_run_seconds", "Age of the oldest open run; 0 without one.")
        self._queue_depth = self._gauge("queue_depth", "Chunks that wait or are processed; NaN without Redis.")

    def count_closed(self, tally: Tally, duration: timedelta) -> None:
        """Counts the jobs of a run that any process has ended. Every API process counts all runs: use the maximum over
        processes, not the sum.
        """
        self.recorded_jobs.inc(tally.recorded)
        self.skipped_jobs.inc(tally.skipped)
        self.failed_jobs.inc(tally.failed)
        self.run_seconds.observe(max(0.0, duration.total_seconds()))

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is a template such as `/classes/{class_id}/roster`. The status is counted by class, such as `2xx`."""
        self._requests.labels(method, route, f"{status // 100}xx").observe(seconds)

    def set_warned_keys(self, warnings: Iterable[Sequence[KeyWarning]]) -> None:
        """`warnings` are those of each key."""
        counts = Counts(chain.from_iterable(warnings))
        for warning in KeyWarning:
            self._warned_keys.labels(warning.value).set(counts[warning])

    def count_rate_limited(self, policy: str) -> None:
        """`policy` is `key`, `user`, `address` or `costly`."""
        self._rate_limited.labels(policy).inc()

    def count_read(self, server: str) -> None:
        """`server` is `standby` or `primary`."""
        self._reads.labels(server).inc()

    def set_standby_lag(self, seconds: float) -> None:
        """NaN: it is unknown."""
        self._standby_lag.set(seconds)

    def count_dropped_spans(self, count: int) -> None:
        """Counts spans that the collector of traces did not get."""
        self._dropped_spans.inc(count)

    def exposition(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)

    async def families(self) -> Iterable[Metric]:
        """The metrics of a worker, which does not read the values of all processes."""
        return self.registry.collect()

    def set_backlog(self, backlog: Backlog) -> None:
        """Sets the values of all processes."""
        self._open_runs.set(backlog.open_runs)
        self._oldest.set(backlog.oldest_open_run_seconds)
        self._queue_depth.set(float("nan") if backlog.queue_depth is None else backlog.queue_depth)

    @contextmanager
    def served(self, host: str, port: int) -> Generator[None]:
        """Serves the metrics at `http://{host}:{port}/metrics` from a thread. Port 0 disables the server.

        Raises:
            ConfigurationError: the address is not available.
        """
        if port == 0:
            yield
            return
        try:
            server, thread = start_http_server(port, host, self.registry)
        except OSError as error:
            raise ConfigurationError(
                f"ADSUM_WORKER_METRICS_PORT: cannot listen on {host} port {port}: {error}"
            ) from None
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(f"adsum_{name}", description, labels, registry=self.registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(f"adsum_{name}", description, labels, registry=self.registry)

    def _histogram_of_requests(self) -> Histogram:
        return Histogram(
            "adsum_request_seconds",
            "From a request to the start of its answer.",
            ("method", "route", "status"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )

    def _histogram(self, name: str, description: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"adsum_{name}", description, buckets=buckets, registry=self.registry)


class RunMetrics:
    """Counts each run once, from the creation of this object."""

    def __init__(self, database: Database, metrics: Metrics, now: Clock) -> None:
        self._database = database
        self._metrics = metrics
        self._now = now
        self._since = now()
        self._counted: frozenset[str] = frozenset()
        self._lock = asyncio.Lock()

    async def update(self) -> None:
        """Counts the runs that ended since the last call. Raises Unavailable if the database does not respond."""
        async with self._lock:
            read_at = self._now()
            async with self._database.snapshot() as connection:
                ended = await runs_ended_since(connection, self._since)
            for run in ended:
                if run.run_id not in self._counted:
                    self._metrics.count_closed(run.tally, run.duration)
            self._counted = frozenset(run.run_id for run in ended)
            self._since = max(self._since, read_at - OVERLAP)
