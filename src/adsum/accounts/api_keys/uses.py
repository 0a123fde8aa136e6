"""Notes when the secrets of API keys were last used, and from where."""

from __future__ import annotations

import asyncio
from contextvars import Context
from datetime import datetime, timedelta

from adsum.accounts.api_keys import repository as statements
from adsum.accounts.api_keys.repository import FoundKey
from adsum.platform.addresses import plain_address
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.telemetry import logger

# The shortest time between two notes of the use of a secret, each of which is a write.
NOTED_EVERY = timedelta(minutes=5)

log = logger(__name__)


class KeyUses:
    """Notes uses in the background: no request waits for it, and an outage fails none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: dict[str, asyncio.Task[None]] = {}

    def begin_noting(self, found: FoundKey, address: str | None, now: datetime) -> None:
        """Notes the use of a secret, unless it is being noted."""
        if found.secret_hash not in self._pending:
            noting = asyncio.create_task(self._note(found, address, now), context=Context())
            self._pending[found.secret_hash] = noting

    async def close(self) -> None:
        """Waits until uses are noted."""
        await asyncio.gather(*self._pending.values())

    async def _note(self, found: FoundKey, address: str | None, now: datetime) -> None:
        # A proxy may report anything.
        plain = None if address is None else plain_address(address)
        text = None if plain is None else str(plain)
        try:
            async with self._database.transaction() as connection:
                await statements.note_use(connection, found, text, now, now - NOTED_EVERY)
        except Unavailable:
            log.warning("the use of an API key was not noted", key_id=found.id)
        finally:
            del self._pending[found.secret_hash]
