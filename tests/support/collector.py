"""A collector of OTLP on loopback, which decodes what it receives."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.servers.http_server import Reply, Request, answering


@dataclass(frozen=True)
class SpanSeen:
    """A span, as the collector got it. `service` is the program that made it; `links` are ids of spans."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    service: str
    attributes: dict[str, Any]
    links: list[str]
    is_error: bool
    state: str
    began: int
    ended: int


@dataclass
class Collector:
    """The exports that it received. `status` is its answer; `release` lets answers wait."""

    url: str = ""
    status: int = 200
    answer: bytes = b""
    spans: list[SpanSeen] = field(default_factory=list[SpanSeen])
    metrics: list[Any] = field(default_factory=list[Any])
    bodies: list[bytes] = field(default_factory=list[bytes])
    release: threading.Event = field(default_factory=threading.Event)

    def named(self, name: str) -> list[SpanSeen]:
        return [span for span in self.spans if span.name == name]

    def tree(self, trace_id: str) -> list[str]:
        """The spans of a trace in the order of their beginning, each below its parent."""
        spans = sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.began)
        known = {span.span_id for span in spans}
        roots = [span for span in spans if span.parent_id not in known]
        return [line for root in roots for line in _lines(root, spans, 0)]

    def take(self, path: str, body: bytes) -> None:
        self.bodies.append(body)
        self.release.wait(30)
        if self.status != 200:
            return
        if path == "/v1/traces":
            self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        else:
            self.metrics.append(ExportMetricsServiceRequest.FromString(body))


def _lines(span: SpanSeen, spans: list[SpanSeen], depth: int) -> Iterator[str]:
    yield "  " * depth + span.name
    for child in spans:
        if child.parent_id == span.span_id:
            yield from _lines(child, spans, depth + 1)


def _spans(request: Any) -> Iterator[SpanSeen]:
    for resource in request.resource_spans:
        service = _attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SpanSeen(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    service,
                    _attributes(span.attributes),
                    [link.span_id.hex() for link in span.links],
                    span.status.code == 2,
                    span.trace_state,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collecting() -> Generator[Collector]:
    """Runs a collector until the block ends."""
    collector = Collector()
    collector.release.set()

    def take(request: Request) -> Reply:
        collector.take(request.target, request.body)
        return Reply(collector.status, collector.answer)

    with answering(take) as collector.url:
        try:
            yield collector
        finally:
            collector.release.set()
