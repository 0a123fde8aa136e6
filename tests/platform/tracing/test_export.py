"""The export neither delays nor fails requests, whatever the collector does."""

from __future__ import annotations

import socket
import sys
import threading
from http import HTTPStatus
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from adsum.app import create_app
from adsum.platform.settings import Settings
from adsum.platform.tracing import otlp
from adsum.platform.tracing.exporting import Exports, exporting
from tests.platform.tracing.conftest import Traced, until
from tests.support.collector import Collector


def dropped(traced: Traced) -> int:
    lines = traced.adsum.metrics.exposition().decode().splitlines()
    (line,) = [line for line in lines if line.startswith("adsum_dropped_spans_total ")]
    return round(float(line.split()[1]))


@pytest.mark.parametrize(("status", "answer"), [(500, b"{"), (400, b"\xff")])
async def test_spans_that_the_collector_refuses_are_dropped_and_counted(
    traced: Traced, status: int, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    traced.collector.status, traced.collector.answer = status, answer
    assert (await traced.api.create()).status_code == HTTPStatus.ACCEPTED
    await until(lambda: dropped(traced) == 5)
    assert [record.message for record in caplog.records if "OTLP" in record.message] == [
        "the OTLP collector takes no data: they are dropped",
    ]


async def test_an_answer_that_is_no_otlp_is_taken_for_an_answer(traced: Traced) -> None:
    traced.collector.answer = b"\x00garbage"
    await traced.api.create()
    await until(lambda: len(traced.collector.spans) == 5)
    assert dropped(traced) == 0


async def test_a_collector_that_is_away_is_an_outage_of_the_export_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    counted: list[int] = []
    async with exporting("adsum-api") as exports:
        assert exports.tracing is not None
        exports.tracing.report_dropped_to(counted.append)
        with exports.tracing.of_request("GET", [], {}):
            pass
        await until(lambda: counted == [1])


async def test_more_spans_than_wait_are_dropped_and_counted(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    counted: list[int] = []
    collector.release.clear()
    async with exporting("adsum-api") as exports:
        assert exports.tracing is not None
        exports.tracing.report_dropped_to(counted.append)
        for _ in range(25):
            with exports.tracing.of_request("GET", [], {}):
                pass
        assert sum(counted) == 15
        collector.release.set()
    assert len(collector.spans) == 10


async def test_a_process_ends_although_the_collector_does_not_answer(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "FLUSH_S", 0.05)
    collector.release.clear()
    async with exporting("adsum-api") as exports:
        assert exports.tracing is not None
        with exports.tracing.of_request("GET", [], {}):
            pass
    assert collector.spans == []
    assert all(thread.daemon for thread in threading.enumerate() if "Otel" in thread.name)


async def test_what_waits_is_exported_at_the_end(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    async with exporting("adsum-api") as exports:
        assert exports.tracing is not None
        with exports.tracing.of_request("GET", [], {}):
            pass
    assert [span.service for span in collector.spans] == ["adsum-api"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ],
)
async def test_variables_switch_the_export_off(
    collector: Collector, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    async with exporting("adsum-api") as exports:
        assert exports == Exports()


async def test_each_signal_is_switched_off_by_itself(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    async with exporting("adsum-api") as exports:
        assert (exports.tracing is None, exports.metrics is None) == (False, True)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    async with exporting("adsum-api") as exports:
        assert exports == Exports()


async def test_a_missing_extra_is_told_in_one_line(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    async with exporting("adsum-api") as exports:
        assert exports == Exports()
    assert [record.message for record in caplog.records] == [
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the extra `opentelemetry` is not installed: no export"
    ]


async def test_the_environment_names_the_service(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "attendance")
    async with exporting("adsum-api") as exports:
        assert exports.tracing is not None
        with exports.tracing.of_request("GET", [], {}):
            pass
    assert [span.service for span in collector.spans] == ["attendance"]


def test_fastapi_makes_no_spans_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have paths and queries, which are personal."""
    monkeypatch.setattr(trace, "get_tracer_provider", TracerProvider)
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    app: Any = create_app(Settings.model_construct())
    assert not app._native_telemetry.enabled()
    assert app._telemetry["auto_configure"] is False
