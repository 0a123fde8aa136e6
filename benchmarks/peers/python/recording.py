"""The work of each Python peer per student: one INSERT and one MULTI/EXEC. The counter's last decrement completes the
batch.

VALKEY_SOCKET gives the address of Valkey. The drivers read PGHOST, PGUSER and PGDATABASE.
"""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime

import asyncpg
import redis
import redis.asyncio

REDIS_URL = f"unix://{os.environ['VALKEY_SOCKET']}"
STUDENTS, LOCK_S, MARKER_S = 30, 3600, 86400
DAY = date(2024, 12, 25)
INSERT = """INSERT INTO attendances (student_id, session_id, learning_date, class_id, status)
            VALUES ($1, $2, $3, $4, 'present') ON CONFLICT DO NOTHING"""


def keys_of(class_id: int) -> tuple[str, str, str]:
    """Returns the lock, counter and completion marker of a class's batch."""
    batch = f"class-{class_id}-session-{class_id}-date-{DAY:%d%m%Y}"
    return f"attendance-batch-lock:{batch}", f"attendance-batch-counter:{batch}", f"batch-completed:{batch}"


def classes(count: int) -> Iterator[tuple[int, list[int]]]:
    """Yields the first classes of the school with their students."""
    for class_id in range(1, count + 1):
        yield class_id, list(range(class_id * STUDENTS, (class_id + 1) * STUDENTS))


def lock_all(count: int) -> None:
    """Writes the lock and the counter of each batch before it is enqueued."""
    client = redis.Redis.from_url(REDIS_URL)
    with client.pipeline(transaction=False) as pipe:
        for class_id, students in classes(count):
            lock, counter, _ = keys_of(class_id)
            pipe.set(lock, "processing", ex=LOCK_S).set(counter, len(students), ex=LOCK_S)
        pipe.execute()
    client.close()


class Recorder:
    """Records students. Opens its connections on first use."""

    def __init__(self) -> None:
        self._opening = asyncio.Lock()
        self._redis: redis.asyncio.Redis | None = None

    async def record(self, student_id: int, class_id: int) -> None:
        async with self._opening:
            if self._redis is None:
                self._postgres = await asyncpg.create_pool(min_size=10, max_size=10)
                pool = redis.asyncio.BlockingConnectionPool.from_url(REDIS_URL, max_connections=50, timeout=30)
                self._redis = redis.asyncio.Redis.from_pool(pool)
        await self._postgres.execute(INSERT, student_id, class_id, DAY, class_id)
        lock, counter, marker = keys_of(class_id)
        async with self._redis.pipeline(transaction=True) as pipe:
            remaining, _ = await pipe.decr(counter).expire(counter, LOCK_S).execute()
        if remaining > 0:
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            await pipe.delete(lock, counter).set(marker, datetime.now(UTC).isoformat(), ex=MARKER_S).execute()
