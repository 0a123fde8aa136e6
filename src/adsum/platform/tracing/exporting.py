"""Exports traces and metrics over OTLP if the standard variables of OpenTelemetry name a collector."""

# ruff: noqa: PLC0415 - OpenTelemetry takes a quarter of a second, and is an extra

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adsum.platform.cancellation import end
from adsum.platform.telemetry import logger

if TYPE_CHECKING:
    from adsum.platform.tracing.conversion import Collect, MetricsExport
    from adsum.platform.tracing.otlp import Tracing

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "http/protobuf"

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Exports:
    """The exports of this process: traces and metrics. None: it does not export them."""

    tracing: Tracing | None = None
    metrics: MetricsExport | None = None


@asynccontextmanager
async def exporting(service: str) -> AsyncGenerator[Exports]:
    """Exports within the block, and for a few seconds after it. `service` names the program, unless OTEL_SERVICE_NAME
    does.
    """
    traces, metrics = is_wanted("TRACES"), is_wanted("METRICS")
    if not (traces or metrics) or not _is_possible():
        yield Exports()
        return
    from adsum.platform.tracing.conversion import MetricsExport
    from adsum.platform.tracing.otlp import Tracing, resource_of

    resource = resource_of(service)
    tracing = Tracing(resource) if traces else None
    exports = Exports(tracing, MetricsExport(resource) if metrics else None)
    log.info("exporting over OTLP", list=[name for name in ("tracing", "metrics") if getattr(exports, name)])
    try:
        yield exports
    finally:
        for each in (exports.tracing, exports.metrics):
            if each is not None:
                await asyncio.to_thread(each.close)


@asynccontextmanager
async def exporting_metrics(export: MetricsExport | None, collect: Collect) -> AsyncGenerator[None]:
    """Exports metrics again and again within the block, and once at its end."""
    if export is None:
        yield
        return
    running = asyncio.create_task(export.run(collect))
    try:
        yield
    finally:
        await end([running])
        await export.finish(collect)


def is_wanted(signal: str) -> bool:
    """Whether the environment names a collector for a signal: TRACES or METRICS."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip().lower() not in {"", "otlp"}:
        return False
    return bool(os.environ.get(ENDPOINT) or os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))


def _is_possible() -> bool:
    """Whether the extra is installed, and the protocol is the one that it speaks. Logs one line if not."""
    if not _has_exporter():
        log.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but the extra `opentelemetry` is not installed: no export")
        return False
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or PROTOCOL
    if protocol != PROTOCOL:
        log.warning("OTEL_EXPORTER_OTLP_PROTOCOL has to be http/protobuf: no export")
        return False
    return True


def _has_exporter() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
