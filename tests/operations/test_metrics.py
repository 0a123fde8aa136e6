from __future__ import annotations

import socket
from datetime import timedelta

import httpx2
import pytest

from adsum.batches.rules import Tally
from adsum.operations.metrics import Backlog, Metrics
from adsum.platform.errors import ConfigurationError


def test_metrics_of_two_processes_are_independent() -> None:
    one, other = Metrics(), Metrics()
    one.count_closed(Tally(recorded=30, skipped=2, failed=1), timedelta(seconds=1))
    assert b"adsum_recorded_jobs_total 30.0" in one.exposition()
    assert b"adsum_recorded_jobs_total 0.0" in other.exposition()


def test_accepted_runs_are_counted_with_their_jobs() -> None:
    metrics = Metrics()
    metrics.batches.count_accepted(30)
    metrics.batches.count_accepted(1)
    text = metrics.exposition().decode()
    assert "adsum_accepted_runs_total 2.0" in text
    assert "adsum_accepted_jobs_total 31.0" in text


def test_refused_requests_are_counted_by_policy() -> None:
    metrics = Metrics()
    metrics.count_rate_limited("key")
    text = metrics.exposition().decode()
    assert '_total{policy="key"} 1.0' in text


def test_the_backlog_is_exposed() -> None:
    metrics = Metrics()
    metrics.set_backlog(Backlog(open_runs=3, oldest_open_run_seconds=1.5, queue_depth=None))
    text = metrics.exposition().decode()
    assert "adsum_open_runs 3.0" in text
    assert "adsum_oldest_open_run_seconds 1.5" in text
    assert "adsum_queue_depth NaN" in text


def test_a_worker_serves_its_own_metrics_while_it_runs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    metrics = Metrics()
    with metrics.served("127.0.0.1", port):
        assert "adsum_chunk_seconds" in httpx2.get(f"http://127.0.0.1:{port}/metrics").text
        with pytest.raises(ConfigurationError, match="ADSUM_WORKER_METRICS_PORT"), metrics.served("127.0.0.1", port):
            pass
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{port}/metrics")


def test_without_a_port_nothing_is_served() -> None:
    with Metrics().served("127.0.0.1", 0):
        pass
