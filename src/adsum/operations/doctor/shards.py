"""Checks of the shards of the queue."""

from __future__ import annotations

from adsum.batches.queue.control import QueueControl
from adsum.batches.queue.service import QueueService
from adsum.batches.sharding.service import EarlierShards
from adsum.operations.doctor.findings import Finding, counted, error, ok, warning

SAME = "set ADSUM_QUEUE_SHARDS to the same everywhere, and restart all processes"


async def check_shards(queue: QueueService, control: QueueControl, earlier: EarlierShards) -> list[Finding]:
    """Checks that each shard answers and has a worker, and what waits in shards of an earlier number."""
    number = len(queue.shards)
    findings = [*await _check_other_numbers(number, earlier)]
    if number == 1:
        return findings
    silent = await control.silent_shards()
    if silent:
        answer = "does not answer: its" if len(silent) == 1 else "do not answer: their"
        message = f"{_named(silent, number)} {answer} batches wait, those of the others do not"
        findings.append(error("shards", message, "valkey-cli CLUSTER NODES  # on one of its servers"))
    unserved = [each for each in await control.unserved_shards() if each not in silent]
    if unserved and len(unserved) + len(silent) < number:  # without any worker another check says so
        have = "has no worker: its" if len(unserved) == 1 else "have no worker: their"
        message = f"{_named(unserved, number)} {have} batches wait"
        findings.append(error("shards", message, f"adsum worker --shards {','.join(map(str, unserved))}"))
    return findings or [ok("shards", f"{number} shards; each answers")]


async def _check_other_numbers(number: int, earlier: EarlierShards) -> list[Finding]:
    used = await earlier.used()
    if used.later:
        return [warning("shards", f"this process has {number}, and a worker has begun with {used.later[0]}", SAME)]
    waiting = {each: await earlier.waiting(each) for each in used.earlier}
    return [
        warning(
            "shards",
            f"{counted(messages, 'message')} of an earlier number of shards, {each}: a worker moves them",
            "adsum worker",
        )
        for each, messages in waiting.items()
        if messages
    ]


def _named(shards: list[int], number: int) -> str:
    return f"shard{'' if len(shards) == 1 else 's'} {', '.join(map(str, shards))} (of {number})"
