"""The internals of BullMQ that Adsum overrides or calls.

Each test names what an upgrade of the library would break. If one fails after an upgrade, adapt the code that it names.
"""

from __future__ import annotations

from typing import Any

import pytest
from bullmq import Queue, Worker
from redis.asyncio import Redis
from typing_extensions import override

from adsum.batches.queue.chunks import chunks_of
from adsum.batches.queue.service import QueueService
from adsum.platform.redis.workers import FetchingWorker
from tests.batches.queue.conftest import FIRST, new_queue, run_of
from tests.batches.queue.stub_processor import running_worker, unblocked_processor, wait_until_empty

RUN = run_of(FIRST, [1, 2], [3])


async def test_bullmq_add_job_in_a_pipeline_stores_the_same_as_add_bulk(redis: Redis) -> None:
    """`QueueService._enqueue` calls `queue.backend.scripts.addJob(job, pipe)`. An upgrade breaks enqueueing if it
    renames this function, changes its parameters, or makes `addBulk` store more than it does.
    """
    await new_queue(redis, "ours:").enqueue([RUN])
    theirs: Any = Queue("attendance", {"connection": redis, "prefix": "theirs:bull"})  # pyright: ignore[reportArgumentType]
    await theirs.addBulk([chunk.to_message() for chunk in chunks_of(RUN)])
    for chunk in chunks_of(RUN):
        ours, expected = [await stored(redis, prefix, chunk.message_id) for prefix in ("ours:", "theirs:")]
        assert ours == expected


async def stored(redis: Any, prefix: str, message_id: str) -> dict[str, str]:
    """Returns the fields that BullMQ stores for a waiting message."""
    assert message_id in await redis.lrange(f"{prefix}bull:attendance:wait", 0, -1)
    fields: dict[str, str] = await redis.hgetall(f"{prefix}bull:attendance:{message_id}")
    assert fields.pop("timestamp")
    return fields


async def test_bullmq_fetches_every_message_by_get_next_job(
    queue: QueueService, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`FetchingWorker` overrides `getNextJob(token)`, and reads `paused`, `closing` and `opts`. An upgrade whose loop
    fetches with another method, or whose worker lacks these members, makes an idle worker fetch from each free slot
    again.
    """
    tokens: list[str] = []

    class Observed(FetchingWorker):
        @override
        async def getNextJob(self, token: str) -> Any:
            tokens.append(token)
            return await super().getNextJob(token)

    monkeypatch.setattr("adsum.platform.redis.workers.FetchingWorker", Observed)
    processor = unblocked_processor()
    async with running_worker(redis_url, processor):
        await queue.enqueue([RUN])
        await wait_until_empty(queue)
    assert sorted(chunk.number for chunk in processor.processed) == [0, 1]
    assert len(tokens) >= 2
    assert callable(Worker.getNextJob)
    worker: Any = Worker("attendance", None, {"connection": redis_url, "autorun": False})  # pyright: ignore[reportArgumentType]
    assert not worker.paused
    assert not worker.closing
    assert worker.opts.get("concurrency")
    await worker.close(force=True)


async def test_bullmq_completes_every_message_by_its_backend_and_processes_it_by_process_job(
    queue: QueueService, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`FetchingWorker` overrides `processJob(job, token)`, replaces `backend.moveToCompleted`, and passes what the
    latter fetches to `nextJobFromJobData`. An upgrade that renames one of them, or completes messages otherwise, lets a
    worker fetch each message with a script of its own. An upgrade that fetches by itself when it completes a
    message makes the override superfluous.
    """
    processed, fetches = list[str](), list[bool]()

    class Observed(FetchingWorker):
        @override
        async def processJob(self, job: Any, token: str) -> None:
            processed.append(job.id)
            await super().processJob(job, token)

        @override
        async def _complete_and_fetch(self, job: Any, value: Any, remove: Any, token: str, **options: bool) -> Any:
            fetches.append(options["fetch_next"])
            completed = await super()._complete_and_fetch(job, value, remove, token, **options)
            assert completed.keys() == {"result", "finishedOn"}
            return completed

    monkeypatch.setattr("adsum.platform.redis.workers.FetchingWorker", Observed)
    processor = unblocked_processor()
    async with running_worker(redis_url, processor, concurrency=1):
        await queue.enqueue([RUN])
        await wait_until_empty(queue)
    assert sorted(chunk.number for chunk in processor.processed) == [0, 1]
    assert fetches == [False, False]
    assert len(processed) == 1
