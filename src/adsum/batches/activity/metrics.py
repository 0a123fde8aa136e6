"""Prometheus metrics of the batches that this process accepts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class BatchMetrics:
    """The number of accepted runs and jobs, and the time that a submission takes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.accepted_runs = Counter("adsum_accepted_runs", "Runs that this process accepted.", registry=registry)
        self.accepted_jobs = Counter(
            "adsum_accepted_jobs", "Attendance jobs of the runs that this process accepted.", registry=registry
        )
        self.accept_seconds = Histogram(
            "adsum_accept_seconds", "From a submission to its answer.", buckets=BUCKETS_S, registry=registry
        )

    def count_accepted(self, jobs: int) -> None:
        """Counts a new run with this number of jobs."""
        self.accepted_runs.inc()
        self.accepted_jobs.inc(jobs)
