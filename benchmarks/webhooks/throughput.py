"""Attendances per second with one webhook for each completed batch, against without."""

from __future__ import annotations

import time
from statistics import median

from adsum.accounts.access import system_caller
from adsum.platform.database.new_events import EventType
from benchmarks.costs import all_cpu_seconds
from benchmarks.webhooks.listened import Bench, open_bench


async def measure(batches: int, rounds: int) -> list[str]:
    """Measures in turn, in the same run. Returns failed checks."""
    async with open_bench() as bench:
        await bench.flood(batches)
        ratios: list[float] = []
        for number in range(rounds):
            order = (False, True) if number % 2 == 0 else (True, False)
            rates = {hooked: await _rate(bench, batches, hooked=hooked) for hooked in order}
            ratios.append(rates[True] / rates[False])
            print(
                f"round {number + 1} of {rounds}: attendances/s without {rates[False]:,.0f}, with {rates[True]:,.0f}, "
                f"ratio {ratios[-1]:.3f}",
                flush=True,
            )
        print(f"attendances/s with a webhook for each batch, against without: median of ratios {median(ratios):.3f}")
        return await bench.system.violations()


async def _rate(bench: Bench, batches: int, *, hooked: bool) -> float:
    if not hooked:
        return await bench.flood(batches)
    webhook_id = await bench.create_webhook(EventType.BATCH_COMPLETED)
    before, pids = bench.receiver.counts().new, bench.system.processes
    cpu = all_cpu_seconds(pids)
    rate, ended = await bench.flood(batches), time.monotonic()
    late = before + batches - bench.receiver.counts().new
    await bench.receiver.wait_for(before + batches)
    used = {name: seconds - cpu[name] for name, seconds in all_cpu_seconds(pids).items()}
    print(
        f"  {late:,} of {batches:,} deliveries were due when the last batch was complete, and were made in "
        f"{time.monotonic() - ended:.1f} s; CPU s {', '.join(f'{name} {each:.1f}' for name, each in used.items())}"
    )
    await bench.adsum.webhooks.delete(webhook_id, system_caller())
    return rate
