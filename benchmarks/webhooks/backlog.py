"""The backlog of a receiver that was down: delivered without growing memory, while batches are as quick as before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from sqlalchemy import text

from adsum.events.repository import lock_ends
from benchmarks.webhooks.listened import Bench, open_bench

# Real batches, whose completions are repeated as the backlog.
BATCHES = 1_000
FLOOD = 1_000
LONE = 40
SAMPLE_S = 2.0
# Events that one statement adds.
ADDED_AT_ONCE = 100_000
# Maximum ratio of the memory in the last fifth of the samples to that in the second, as in `chaos soak`.
FLAT = 1.1

ADD = text(
    """
    INSERT INTO events (id, type, school_id, occurred_at, run_id, data)
    SELECT :last_id + s.number, e.type, e.school_id, e.occurred_at, e.run_id, e.data
    FROM generate_series(1, :count) AS s(number)
    JOIN (
        SELECT *, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS size
        FROM (SELECT * FROM events WHERE type = 'batch.completed' ORDER BY id LIMIT :batches) AS oldest
    ) AS e ON e.place = s.number % e.size
    """
)
MOVE = text("UPDATE event_log SET last_id = last_id + :count")


@dataclass
class Samples:
    """Samples of memory, and the speed of batches with and without the backlog."""

    memory: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    rates: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    lone: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})


async def measure(events: int, rounds: int) -> list[str]:
    """Measures batches with and without deliveries in turn, then delivers the rest. Returns failed checks."""
    samples = Samples()
    async with open_bench() as bench:
        await bench.flood(BATCHES)
        webhook_id = await bench.create_webhook()
        await bench.enable(webhook_id, enabled=False)
        first = await bench.position_of(webhook_id)
        await _add(bench, events)
        for number in range(rounds):
            await _compare(bench, webhook_id, samples, with_backlog=number % 2 == 0)
            await _compare(bench, webhook_id, samples, with_backlog=number % 2 == 1)
        await bench.enable(webhook_id, enabled=True)
        await _deliver_rest(bench, webhook_id, samples)
        violations = await _violations(bench, first)
    _show(samples)
    return violations + _growth(samples.memory)


async def _add(bench: Bench, events: int) -> None:
    """Adds events about batches that were marked, as if a receiver had been down meanwhile."""
    begin, left = time.monotonic(), events
    await bench.adsum.event_numbering.number()
    while left:
        count = min(left, ADDED_AT_ONCE)
        async with bench.adsum.database.transaction() as connection:
            last_id = (await lock_ends(connection)).last_id
            await connection.execute(ADD, {"last_id": last_id, "count": count, "batches": BATCHES})
            await connection.execute(MOVE, {"count": count})
        left -= count
    print(f"{events:,} events were added in {time.monotonic() - begin:.0f} s", flush=True)


async def _compare(bench: Bench, webhook_id: int, samples: Samples, *, with_backlog: bool) -> None:
    """Measures batches while the backlog is delivered, or while the webhook is disabled."""
    await bench.enable(webhook_id, enabled=with_backlog)
    begin, before = time.monotonic(), bench.receiver.counts().new
    if with_backlog:
        await bench.receiver.wait_for(before + 1)
    else:
        await _until_still(bench)
    rate, lone = await bench.flood(FLOOD), await bench.lone_classes(LONE)
    samples.rates[with_backlog].append(rate)
    samples.lone[with_backlog] += lone
    delivered = (bench.receiver.counts().new - before) / (time.monotonic() - begin)
    memory = await bench.memory()
    samples.memory += [memory] if with_backlog else []
    name = "with" if with_backlog else "without"
    print(
        f"{name} backlog: {rate:,.0f} attendances/s, lone class p50 {median(lone):.1f} ms; "
        f"{delivered:,.0f} deliveries/s; {_text(memory)}",
        flush=True,
    )


async def _until_still(bench: Bench) -> None:
    before = -1
    while (now := bench.receiver.counts().new) != before:
        before = now
        await asyncio.sleep(0.2)  # longer than a delivery


async def _deliver_rest(bench: Bench, webhook_id: int, samples: Samples) -> None:
    begin = shown = time.monotonic()
    before = bench.receiver.counts().new
    # Registers are announced as taken some seconds after their batches, so the last event is another one each time.
    while await bench.position_of(webhook_id) < await _last_id(bench):
        await asyncio.sleep(SAMPLE_S)  # a sample
        samples.memory.append(await bench.memory())
        if time.monotonic() - shown > 30:
            shown = time.monotonic()
            print(f"{bench.receiver.counts().new:,} delivered; {_text(samples.memory[-1])}", flush=True)
    seconds = time.monotonic() - begin
    delivered = bench.receiver.counts().new - before
    print(f"the other {delivered:,} were delivered in {seconds:.0f} s: {delivered / seconds:,.0f} a second")


async def _last_id(bench: Bench) -> int:
    await bench.adsum.event_numbering.number()
    async with bench.adsum.database.snapshot() as connection:
        return int((await connection.execute(text("SELECT last_id FROM event_log"))).scalar_one())


async def _violations(bench: Bench, first: int) -> list[str]:
    expected, found = await _last_id(bench) - first, bench.receiver.counts()
    violations = [f"{found.new:,} of {expected:,} events arrived in their order"] if found.new != expected else []
    print(f"{found.again:,} events arrived again")
    return violations + await bench.system.violations()


def _show(samples: Samples) -> None:
    with_backlog, without = (median(samples.rates[each]) for each in (True, False))
    print(f"attendances/s with a backlog {with_backlog:,.0f}, without {without:,.0f}: {with_backlog / without:.3f}")
    cuts = {each: quantiles(samples.lone[each], n=20) for each in (True, False)}
    for name, place in (("p50", 9), ("p95", 18)):
        print(f"lone class, {name}: with a backlog {cuts[True][place]:.1f} ms, without {cuts[False][place]:.1f} ms")


def _growth(memory: Sequence[dict[str, float]]) -> list[str]:
    """Compares the last fifth of the samples with the second."""
    fifth, violations = max(1, len(memory) // 5), list[str]()
    for name in memory[0]:
        early, late = (median(each[name] for each in part) for part in (memory[fifth : 2 * fifth], memory[-fifth:]))
        print(
            f"{name}: {early:.1f} MB in the second fifth, {late:.1f} MB in the last, at most {_most(memory, name):.1f}"
        )
        violations += [f"the memory of {name} has grown"] if late > FLAT * early else []
    return violations


def _most(memory: Sequence[dict[str, float]], name: str) -> float:
    return max(each[name] for each in memory)


def _text(memory: dict[str, float]) -> str:
    return ", ".join(f"{name} {mb:.1f} MB" for name, mb in memory.items())
