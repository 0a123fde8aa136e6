"""Reads keys in Redis in one call, and removes them, as BullMQ does or as a loss."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis

from adsum.batches.queue.chunks import Chunk, chunk_of
from adsum.batches.queue.ledger import RELEASED_UNTIL

QUEUE = "bull:attendance:"
FIXED = frozenset(f"{QUEUE}{name}" for name in ("meta", "id", "events", "marker", "wait")) | {RELEASED_UNTIL}
_READ = """
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind, value = redis.call('TYPE', key).ok, ''
  if kind == 'string' then value = redis.call('GET', key) end
  if kind == 'hash' then value = redis.call('HGET', key, 'data') or '' end
  found[#found + 1] = {key, redis.call('TTL', key), value}
end
return found
"""


@dataclass(frozen=True, slots=True)
class RedisContent:
    """Each key with its value and its seconds to live, and BullMQ's messages."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    lifetimes: dict[str, int] = field(default_factory=dict[str, int])
    messages: list[Chunk] = field(default_factory=list[Chunk])


class RedisView:
    """Reads and removes keys of a Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._read = redis.register_script(_READ)

    async def read(self) -> RedisContent:
        rows = cast("list[tuple[str, int, str]]", await self._read())
        content = RedisContent()
        for key, seconds, value in rows:
            if key.startswith(QUEUE) and key not in FIXED:
                content.messages.append(chunk_of(json.loads(value)))
            elif key not in FIXED:
                content.values[key], content.lifetimes[key] = value, seconds
        return content

    async def remove(self, *chunks: Chunk) -> None:
        """Removes messages, as BullMQ does when it has finished them."""
        if not chunks:
            return
        pipe: Any = self._redis.pipeline(transaction=True)
        for chunk in chunks:
            pipe.lrem(f"{QUEUE}wait", 0, chunk.message_id)
            pipe.delete(f"{QUEUE}{chunk.message_id}")
        await pipe.execute()

    async def lose(self, *keys: str) -> None:
        if keys:
            await self._redis.delete(*keys)

    async def lose_everything(self) -> None:
        await self._redis.flushall()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types
