"""Reads all metrics of a process, for Prometheus and for OTLP."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prometheus_client import Metric

from adsum.accounts.api_keys.service import ApiKeys
from adsum.events.health import HealthOfEvents
from adsum.operations.metrics import Metrics, RunMetrics
from adsum.operations.readiness import Readiness
from adsum.platform.database.standby import Standby


class Scrape:
    """The metrics of an API process, with the values of all processes as they are now."""

    def __init__(
        self,
        metrics: Metrics,
        run_metrics: RunMetrics,
        readiness: Readiness,
        api_keys: ApiKeys,
        events: HealthOfEvents,
        standby: Standby | None,
    ) -> None:
        self._metrics = metrics
        self._run_metrics = run_metrics
        self._readiness = readiness
        self._api_keys = api_keys
        self._events = events
        self._standby = standby

    async def exposition(self) -> bytes:
        """In the text format of Prometheus. Raises Unavailable if the database does not respond."""
        await self._read()
        return self._metrics.exposition()

    async def families(self) -> Iterable[Metric]:
        """As objects. Raises Unavailable."""
        await self._read()
        return self._metrics.registry.collect()

    async def _read(self) -> None:
        await self._run_metrics.update()
        self._metrics.set_warned_keys(status.warnings for _, status in await self._api_keys.warned_keys())
        self._metrics.events.set_health(await self._events.read())
        self._metrics.set_standby_lag(math.nan if self._standby is None else self._standby.lag)
        self._metrics.set_backlog(await self._readiness.backlog())
