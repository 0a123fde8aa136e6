"""Traces and metrics over OTLP, for OpenTelemetry collectors. An extra: `opentelemetry` in pyproject.toml.

- `spans` is imported everywhere, and imports nothing of OpenTelemetry. The current work has a list of spans, which is
  empty unless a request is traced. `step` adds a child to each of them.
- `exporting` reads the variables `OTEL_…`, and imports `otlp` and `conversion` if they name a collector.
- `otlp` has the SDK: it begins spans, reads and writes their context, and exports them in a thread.
- `conversion` makes OTLP of the metrics of Prometheus, so that each metric has one definition.

[Decision 51](../../../../docs/decisions/0051-traces.md) has the tree of one batch.
"""
