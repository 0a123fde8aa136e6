"""Metrics over OTLP are those of Prometheus: the same names, labels and values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adsum.platform.errors import Unavailable
from adsum.platform.tracing.conversion import MetricsExport
from adsum.platform.tracing.exporting import exporting, exporting_metrics
from adsum.platform.tracing.otlp import resource_of
from tests.platform.tracing.conftest import Traced, until
from tests.support.collector import Collector

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def of_prometheus(exposition: str) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def of_otlp(request: Any) -> Series:
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    return {(name, labels): value for metric in scope.metrics for name, labels, value in _series(metric)}


def _series(metric: Any) -> Iterator[tuple[str, frozenset[tuple[str, str]], float]]:
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points:
        labels = frozenset((pair.key, pair.value.string_value) for pair in point.attributes)
        if kind == "histogram":
            yield f"{metric.name}_count", labels, point.count
            yield f"{metric.name}_sum", labels, point.sum
            bounds = [*map(str, point.explicit_bounds), "+Inf"]
            for number, bound in enumerate(bounds):
                yield f"{metric.name}_bucket", labels | {("le", bound)}, sum(point.bucket_counts[: number + 1])
        else:
            yield metric.name, labels, point.as_double if point.WhichOneof("value") == "as_double" else point.as_int


def of_adsum(series: Series) -> Series:
    """Without the measurements of the process and ages, which change all the time. NaN equals nothing."""
    return {
        key: -1.0 if math.isnan(value) else value
        for key, value in series.items()
        if key[0].startswith("adsum_") and "oldest" not in key[0] and "lag" not in key[0]
    }


async def test_each_metric_has_the_same_name_labels_and_value(traced: Traced) -> None:
    await traced.api.create()
    traced.adsum.metrics.count_request("POST", "/attendances/create-batch", 202, 0.02)
    export = MetricsExport(resource_of("adsum-api"))
    await export.export(traced.adsum.scrape.families)
    expected = of_prometheus((await traced.adsum.scrape.exposition()).decode())
    (request,) = traced.collector.metrics
    found = of_otlp(request)
    assert of_adsum(found) == of_adsum(expected)
    assert found.keys() == expected.keys()
    assert found["adsum_open_runs", frozenset()] == 1
    export.close()


@pytest.mark.parametrize(("interval", "expected"), [("10", 3), ("3600000", 1), ("soon", 1)])
async def test_metrics_are_exported_again_and_again_and_at_the_end(
    traced: Traced, monkeypatch: pytest.MonkeyPatch, interval: str, expected: int
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", interval)
    metrics = traced.collector.metrics
    async with exporting("adsum-api") as exports, exporting_metrics(exports.metrics, traced.adsum.metrics.families):
        await until(lambda: len(metrics) >= expected - 1)
    assert len(metrics) >= expected


async def test_what_cannot_be_read_is_left_out(collector: Collector) -> None:
    async def fail() -> Any:
        raise Unavailable("no database")

    async def be_defective() -> Any:
        raise RuntimeError

    export = MetricsExport(resource_of("adsum-api"))
    await export.export(fail)
    await export.export(be_defective)
    collector.status = 500

    async def nothing() -> Any:
        return []

    await export.export(nothing)
    export.close()
    assert collector.metrics == []
