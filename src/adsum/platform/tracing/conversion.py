"""Makes OTLP of the metrics of Prometheus, so that each metric has one definition, one name and one value."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

from adsum import __version__
from adsum.platform.errors import Unavailable
from adsum.platform.telemetry import logger
from adsum.platform.tracing.otlp import FLUSH_S, log_reachability

DEFAULT_INTERVAL_MS = 60_000

log = logger(__name__)

Collect = Callable[[], Awaitable[Iterable[Family]]]
"""Reads all metrics of the process, as a scrape does. Raises Unavailable."""


class MetricsExport:
    """Sends the metrics of this process to a collector, every OTEL_METRIC_EXPORT_INTERVAL milliseconds."""

    def __init__(self, resource: Resource) -> None:
        self._exporter: Any = OTLPMetricExporter()  # its **kwargs have no types
        self._resource = resource
        self._began_at = time.time_ns()
        self._interval_s = _interval_ms() / 1000
        self._reaches_collector = True

    async def run(self, collect: Collect) -> None:
        """Exports until it is cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.export(collect)

    async def finish(self, collect: Collect) -> None:
        """Exports the last values, within `FLUSH_S`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self.export(collect)

    async def export(self, collect: Collect) -> None:
        """Exports once. Metrics that cannot be read or sent are left out, as in a scrape that fails."""
        try:
            families = list(await collect())
            data = metrics_data(families, self._resource, self._began_at, time.time_ns())
        except Unavailable as error:
            log.warning("metrics are not exported", code=error.code)
            return
        except Exception:
            log.exception("metrics are not exported")
            return
        # A daemon, unlike the threads of asyncio, for which the process would wait at its end.
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        threading.Thread(target=self._send, args=(data, done, done.get_loop()), daemon=True).start()
        arrived = await done
        if arrived is not self._reaches_collector:
            self._reaches_collector = arrived
            log_reachability("metrics", is_reachable=arrived)

    def close(self) -> None:
        """Ends a transfer that waits for its next attempt."""
        self._exporter.shutdown()

    def _send(self, data: MetricsData, done: asyncio.Future[bool], loop: asyncio.AbstractEventLoop) -> None:
        arrived = False
        with suppress(Exception):
            arrived = self._exporter.export(data) is MetricExportResult.SUCCESS
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: done.done() or done.set_result(arrived))


def metrics_data(families: Iterable[Family], resource: Resource, began_at: int, now: int) -> MetricsData:
    """The metrics as OTLP has them; times in nanoseconds. Names are those of the samples: a counter ends in `_total`.

    The time of creation, which Prometheus has as a sample of its own, is the start of each point.
    """
    metrics = [_metric(family, began_at, now) for family in families if family.samples]
    scope = ScopeMetrics(InstrumentationScope("adsum", __version__), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(family: Family, began_at: int, now: int) -> Metric:
    data: Any
    if family.type == "histogram":
        data = Histogram(_histogram_points(family.samples, began_at, now), AggregationTemporality.CUMULATIVE)
        return Metric(family.name, family.documentation, family.unit, data)
    if family.type == "counter":
        samples = [sample for sample in family.samples if sample.name.endswith("_total")]
        points = _points(samples, began_at, now)
        data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        return Metric(f"{family.name}_total", family.documentation, family.unit, data)
    return Metric(family.name, family.documentation, family.unit, Gauge(_points(family.samples, began_at, now)))


def _points(samples: Iterable[Sample], began_at: int, now: int) -> list[NumberDataPoint]:
    return [NumberDataPoint(sample.labels, began_at, now, sample.value) for sample in samples]


def _histogram_points(samples: Sequence[Sample], began_at: int, now: int) -> list[HistogramDataPoint]:
    by_labels: defaultdict[frozenset[tuple[str, str]], list[Sample]] = defaultdict(list)
    for sample in samples:
        labels = frozenset((name, value) for name, value in sample.labels.items() if name != "le")
        by_labels[labels].append(sample)
    return [_histogram_point(dict(labels), each, began_at, now) for labels, each in by_labels.items()]


def _histogram_point(labels: dict[str, str], samples: Sequence[Sample], began_at: int, now: int) -> HistogramDataPoint:
    """Prometheus counts the values up to a bound, OTLP those between two bounds."""
    buckets = [sample for sample in samples if sample.name.endswith("_bucket")]
    up_to = [int(sample.value) for sample in buckets]
    return HistogramDataPoint(
        attributes=labels,
        start_time_unix_nano=began_at,
        time_unix_nano=now,
        count=up_to[-1],
        sum=next(sample.value for sample in samples if sample.name.endswith("_sum")),
        bucket_counts=[count - before for count, before in zip(up_to, [0, *up_to[:-1]], strict=True)],
        explicit_bounds=[float(sample.labels["le"]) for sample in buckets[:-1]],
        min=cast("float", None),  # unknown
        max=cast("float", None),
    )


def _interval_ms() -> int:
    text = os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "").strip()
    return int(text) if text.isdecimal() and int(text) > 0 else DEFAULT_INTERVAL_MS
