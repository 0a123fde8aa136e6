"""Prometheus metrics of the feed and of webhooks."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from adsum.events.health import MAX_BACKLOG, EventHealth, WebhookState
from adsum.events.webhooks.rules import DELIVERED, NOT_ACCEPTED, Attempt, NoAnswerReason

# An attempt takes 15 seconds at most.
_BUCKETS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0)


class EventMetrics:
    """Deliveries of this process, and the backlog of all processes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._deliveries = Counter(
            "adsum_webhook_deliveries",
            "Attempts of this process to deliver an event, by outcome: `delivered`, `not_accepted` (a status outside "
            "of 200 to 299), or the reason why there was no answer.",
            ("outcome",),
            registry=registry,
        )
        self._delivery_seconds = Histogram(
            "adsum_webhook_delivery_seconds",
            "One attempt to deliver an event, until its answer or its error.",
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._webhooks = _WebhookGauges(registry)
        self._feed = _FeedGauges(registry)
        for outcome in (DELIVERED, NOT_ACCEPTED, *NoAnswerReason):
            self._deliveries.labels(outcome)

    def count_attempt(self, attempt: Attempt) -> None:
        """Counts an attempt to deliver an event."""
        self._deliveries.labels(attempt.outcome).inc()
        self._delivery_seconds.observe(attempt.duration_ms / 1000)

    def set_health(self, health: EventHealth) -> None:
        """Sets the values of all processes."""
        self._webhooks.set(health)
        self._feed.set(health)


class _WebhookGauges:
    """Webhooks, and the events that they have not passed, of all processes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._webhooks = Gauge(
            "adsum_webhooks",
            "Webhooks of all processes, by state: `delivering`; `failing`: enabled, and the last attempt failed; "
            "`disabled_by_person`, `disabled_failing`, `disabled_gone` and `disabled_key_ended`.",
            ("state",),
            registry=registry,
        )
        self._backlog = _gauge(
            registry,
            "webhook_backlog_events",
            f"Events that the enabled webhook which is furthest behind has not passed, at most {MAX_BACKLOG:,}.",
        )
        self._undelivered = _gauge(
            registry,
            "oldest_undelivered_event_seconds",
            "Age of the oldest event that an enabled webhook has not passed; 0 without one.",
        )
        self._retries = _gauge(
            registry,
            "webhook_retries",
            f"Single events that are to be delivered again, on demand and after failures, at most {MAX_BACKLOG:,}.",
        )
        self._replays = _gauge(registry, "webhook_replays", "Replays of periods that are under way.")

    def set(self, health: EventHealth) -> None:
        for state in WebhookState:
            self._webhooks.labels(state).set(health.webhooks[state])
        self._backlog.set(health.backlog)
        self._undelivered.set(health.undelivered_for.total_seconds())
        self._retries.set(health.retries)
        self._replays.set(health.replays)


class _FeedGauges:
    """Committed events that the feed does not show yet."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._unnumbered = _gauge(
            registry,
            "unnumbered_events",
            f"Committed events that the feed does not show yet, at most {MAX_BACKLOG:,}.",
        )
        self._numbering_lag = _gauge(
            registry,
            "event_numbering_lag_seconds",
            "Age of the oldest committed event that the feed does not show yet; 0 without one.",
        )

    def set(self, health: EventHealth) -> None:
        self._unnumbered.set(health.unnumbered)
        self._numbering_lag.set(health.unnumbered_for.total_seconds())


def _gauge(registry: CollectorRegistry, name: str, description: str) -> Gauge:
    return Gauge(f"adsum_{name}", description, registry=registry)
