"""`python -m benchmarks.shards`: how many empty chunks a second four shards settle, against one, on a loopback cluster.

Each shard has a server and a worker process, as in production. All chunks are queued before the workers begin.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from statistics import median
from typing import Any

import uvloop
from uuid6 import uuid7

from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.ledger import Ledger
from adsum.batches.queue.service import QueueService, RunToEnqueue
from adsum.batches.queue.worker import ChunkWorker
from adsum.platform.ids import Batch
from adsum.platform.redis.shards import Shards
from adsum.platform.redis.workers import WorkerOptions
from adsum.platform.settings import Settings
from benchmarks.machine import machine
from tests.support.servers.cluster import PATIENT_MS, cluster

SHARDS = 4
QUEUE, KEY_PREFIX = "attendance-queue", "bench:"
DAY = date(2024, 12, 25)
SENT_TOGETHER = 500
DONE_S = 120.0


def main() -> int:
    """Measures one shard and four in turn. Exits with a message if a chunk was lost or settled twice."""
    parser = argparse.ArgumentParser("python -m benchmarks.shards", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=24_000)
    options = parser.parse_args()
    ratios: list[float] = []
    with cluster(SHARDS, node_timeout=PATIENT_MS, has_replicas=False) as servers:
        asyncio.run(servers.start())
        for number in range(1, options.rounds + 1):
            one, _ = _settle(servers.url, 1, options.chunks)
            many, ended = _settle(servers.url, SHARDS, options.chunks)
            ratios.append(many / one)
            shares = ", ".join(f"{each:.2f} s" for each in ended)
            print(f"round {number}: 1 shard {one:,.0f}/s, {SHARDS} shards {many:,.0f}/s; each was done after {shares}")
    print(f"{SHARDS} shards against 1: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})\n{machine()}")
    return 0


def _settle(url: str, number: int, chunks: int) -> tuple[float, Sequence[float]]:
    """Settles chunks, with a worker for each shard. Returns chunks per second, and the seconds of each worker."""
    prefixes = uvloop.run(_queue(url, number, chunks))
    spawn = multiprocessing.get_context("spawn")
    pipes = [multiprocessing.Pipe() for _ in prefixes]
    workers = [
        spawn.Process(target=_work, args=(url, prefix, chunks // number, theirs), daemon=True)
        for prefix, (_, theirs) in zip(prefixes, pipes, strict=True)
    ]
    for each, (_, theirs) in zip(workers, pipes, strict=True):
        each.start()
        theirs.close()
    ours = [own for own, _ in pipes]
    _receive(ours)
    began = time.monotonic()
    for pipe in ours:
        pipe.send("begin")
    ended = [each - began for each in _receive(ours)]
    for each in workers:
        each.join()
    uvloop.run(_require_empty(url, number))
    return chunks / max(ended), ended


def _receive(pipes: Sequence[Any]) -> list[float]:
    """One answer of each worker."""
    answers: list[float] = []
    for pipe in pipes:
        if not pipe.poll(DONE_S):
            raise SystemExit(f"a worker was not done within {DONE_S:.0f} s")
        try:
            answers.append(pipe.recv())
        except EOFError:
            raise SystemExit("a worker has failed") from None
    return answers


def _work(url: str, prefix: str, chunks: int, pipe: Any) -> None:
    """Settles the chunks of one shard, after a signal. Sends the time when it was done."""

    async def settle() -> float:
        stop, settled = asyncio.Event(), list[str]()

        async def process(chunk: Chunk, _stalls: int) -> None:
            settled.append(chunk.run_id)
            if len(settled) == chunks:
                stop.set()

        concurrency = Settings.model_fields["worker_concurrency"].default
        worker = ChunkWorker(WorkerOptions(url, QUEUE, prefix, concurrency), process)
        await worker.run(stop)
        if len(set(settled)) != chunks:
            raise SystemExit(f"{len(set(settled))} of {chunks} chunks were settled, {len(settled)} times")
        return time.monotonic()

    pipe.send(0.0)
    pipe.recv()
    pipe.send(uvloop.run(settle()))


async def _queue(url: str, number: int, chunks: int) -> list[str]:
    """Queues chunks of runs without tickets. Returns the prefix of each shard."""
    shards, queue = _opened(url, number)
    try:
        for shard in shards:
            await shard.redis.flushall()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types
        for first in range(1, chunks + 1, SENT_TOGETHER):
            await queue.claim_and_enqueue(list(_runs(range(first, min(first + SENT_TOGETHER, chunks + 1)))))
        return [shard.key_prefix for shard in shards]
    finally:
        await shards.aclose()


def _runs(sessions: Sequence[int]) -> Iterator[RunToEnqueue]:
    for session_id in sessions:
        batch, run_id = Batch(1, session_id, DAY), str(uuid7())
        yield RunToEnqueue(batch, run_id, [], [Chunk(batch, run_id, 0)])


async def _require_empty(url: str, number: int) -> None:
    shards, queue = _opened(url, number)
    try:
        if left := await queue.depth():
            raise SystemExit(f"{left} chunks are left")
    finally:
        await shards.aclose()


def _opened(url: str, number: int) -> tuple[Shards, QueueService]:
    shards = Shards.opened(url, KEY_PREFIX, number, connections=8, socket_timeout=DONE_S)
    return shards, QueueService(Ledger(shards, lock_ttl=3600, completed_ttl=60), queue_name=QUEUE)


if __name__ == "__main__":
    sys.exit(main())
