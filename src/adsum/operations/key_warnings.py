"""Logs the API keys that need the attention of an admin."""

from __future__ import annotations

from datetime import timedelta

from adsum.accounts.api_keys.service import ApiKeys
from adsum.platform.clock import Clock
from adsum.platform.telemetry import logger

PAUSE = timedelta(days=1)

log = logger(__name__)


class KeyWarnings:
    """Warns once a day. The sweeper that leads calls it."""

    def __init__(self, api_keys: ApiKeys, now: Clock) -> None:
        self._api_keys = api_keys
        self._now = now
        self._due = now()

    async def log_if_due(self) -> int:
        """Returns the number of keys with a warning; 0 if less than a day has passed."""
        now = self._now()
        if now < self._due:
            return 0
        warned = await self._api_keys.warned_keys()
        for key, status in warned:
            log.warning("an API key needs attention", key_id=key.id, warnings=[str(each) for each in status.warnings])
        self._due = now + PAUSE
        return len(warned)
