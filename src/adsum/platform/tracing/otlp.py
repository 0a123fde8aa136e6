"""OpenTelemetry's SDK: begins spans, reads and writes their context, and exports them in a thread of its own."""

from __future__ import annotations

import json
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from typing_extensions import override

from adsum import __version__
from adsum.platform.telemetry import LogIcon, logger
from adsum.platform.tracing.spans import UNTRACED, Attributes, Member, TracedStep

# At the end of a process, for the spans that wait. Longer, and a collector that is away would hold up a restart.
FLUSH_S = 5.0
# Of a context in a message or a row, whose column has this length. A `tracestate` that does not fit is left out.
MAX_CONTEXT = 1_000
# Those of the SDK.
MAX_WAITING, MAX_TOGETHER = 2048, 512

log = logger(__name__)


def resource_of(service: str) -> Resource:
    """The description of this process. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence."""
    own = {"service.name": service, "service.version": __version__, "service.instance.id": str(uuid.uuid4())}
    return Resource.create(own).merge(OTELResourceDetector().detect())


class Tracing:
    """Spans of this process. The SDK reads OTEL_TRACES_SAMPLER, OTEL_BSP_… and OTEL_EXPORTER_OTLP_… itself.

    The provider is not made the global one: FastAPI and redis-py would trace then, with paths and queries.
    """

    def __init__(self, resource: Resource) -> None:
        # The SDK logs every attempt, and quotes the collector. Adsum logs the beginning and the end of an outage.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._waiting = _Waiting(OTLPSpanExporter())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(self._waiting)
        self._tracer = self._provider.get_tracer("adsum", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def report_dropped_to(self, count: Callable[[int], None]) -> None:
        """Counts spans that are not exported."""
        self._waiting.count_dropped = count

    def close(self) -> None:
        """Exports the spans that wait, within `FLUSH_S`."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_S)

    def of_request(self, method: str, headers: Iterable[tuple[bytes, bytes]], attributes: Attributes) -> TracedStep:
        """The step of a request to Adsum. It continues the trace that the headers name."""
        carrier: dict[str, list[str]] = {}
        for name, value in headers:
            if name in {b"traceparent", b"tracestate"}:
                carrier.setdefault(name.decode(), []).append(value.decode("latin-1"))
        if len(carrier.get("traceparent", ())) != 1:  # several: none is valid
            carrier = {}
        if "tracestate" in carrier:
            carrier["tracestate"] = [",".join(carrier["tracestate"])]
        span = self._begin(method, self._propagator.extract(carrier, Context()), SpanKind.SERVER, attributes)
        return UNTRACED if span is None else TracedStep((Member(self, span, None),))

    def begin_child(self, name: str, parent: Span, kind: str, attributes: Attributes, lead: Span | None) -> Span:
        """A child of a span, which links to `lead`: a child of another span that is about the same work."""
        return self._tracer.start_span(
            name,
            set_span_in_context(parent, Context()),
            SpanKind[kind.upper()],
            attributes,
            None if lead is None else [Link(lead.get_span_context())],
        )

    def continue_trace(self, context: str, name: str, kind: str, attributes: Attributes) -> Span | None:
        """A child of the span that a context names; None: it is not sampled, or the context is damaged."""
        try:
            carrier = json.loads(context)
        except (TypeError, ValueError, RecursionError):
            return None
        if not isinstance(carrier, dict):
            return None
        known = cast("dict[str, Any]", carrier)
        texts = {name: text for name in self._propagator.fields if isinstance(text := known.get(name), str)}
        if not texts:
            return None
        return self._begin(name, self._propagator.extract(texts, Context()), SpanKind[kind.upper()], attributes)

    def context_of(self, span: Span) -> str:
        """The context of a span, as BullMQ's `tm` has it: a JSON object of headers."""
        headers = self.headers(span)
        context = json.dumps(headers, separators=(",", ":"))
        if len(context) <= MAX_CONTEXT:
            return context
        return json.dumps({"traceparent": headers["traceparent"]}, separators=(",", ":"))

    def headers(self, span: Span) -> Mapping[str, str]:
        """The headers that continue the trace of a span. Baggage is not passed on: it may be personal."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span, Context()))
        return carrier

    def fail(self, span: Span, error_type: str, *, is_failure: bool) -> None:
        """Notes an error; a refusal is not a failure."""
        span.set_attribute("error.type", error_type)
        if is_failure:
            span.set_status(StatusCode.ERROR)

    def trace_id(self, span: Span) -> str:
        return format(span.get_span_context().trace_id, "032x")

    def _begin(self, name: str, context: Context, kind: SpanKind, attributes: Attributes) -> Span | None:
        """None: the sampler leaves the trace out."""
        span = self._tracer.start_span(name, context, kind, attributes)
        return span if span.get_span_context().trace_flags.sampled else None


class _Waiting(SpanProcessor):
    """Spans that wait for their export: a bounded number. Those beyond it are dropped and counted."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.count_dropped: Callable[[int], None] = _count_nothing
        self._max = _positive("OTEL_BSP_MAX_QUEUE_SIZE", MAX_WAITING)
        together = min(self._max, _positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", MAX_TOGETHER))
        self._processor = BatchSpanProcessor(
            _Counting(exporter, self._on_exported), max_queue_size=self._max, max_export_batch_size=together
        )
        self._lock = threading.Lock()
        self._count = 0

    @override
    def on_end(self, span: ReadableSpan) -> None:
        with self._lock:
            is_full = self._count >= self._max
            self._count += not is_full
        if is_full:
            self.count_dropped(1)
        else:
            self._processor.on_end(span)

    def _on_exported(self, count: int, *, arrived: bool) -> None:
        with self._lock:
            self._count -= count
        if not arrived:
            self.count_dropped(count)

    @override
    def shutdown(self) -> None:
        self._processor.shutdown()


class _Counting(SpanExporter):
    """Exports spans, and reports of each group whether the collector has taken it. Logs when that changes."""

    def __init__(self, exporter: SpanExporter, report: Callable[..., None]) -> None:
        self._exporter = exporter
        self._report = report
        self._reaches_collector = True

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - the thread goes on; the next group may arrive
            log.warning("spans cannot be exported", error=type(error).__name__)
        arrived = result is SpanExportResult.SUCCESS
        self._report(len(spans), arrived=arrived)
        if arrived is not self._reaches_collector:
            self._reaches_collector = arrived
            log_reachability("traces", is_reachable=arrived)
        return result

    @override
    def shutdown(self) -> None:
        self._exporter.shutdown()


def log_reachability(signal: str, *, is_reachable: bool) -> None:
    """Logs that an outage of the collector began or ended."""
    if is_reachable:
        log.info("the OTLP collector takes data again", list=signal)
    else:
        log.warning("the OTLP collector takes no data: they are dropped", mark=LogIcon.ERROR, list=signal)


def _positive(name: str, default: int) -> int:
    """The number in a variable. A wrong one has no effect, as in the SDK."""
    text = os.environ.get(name, "").strip()
    return int(text) if text.isdecimal() and int(text) > 0 else default


def _count_nothing(_count: int) -> None:
    """Before metrics exist."""
