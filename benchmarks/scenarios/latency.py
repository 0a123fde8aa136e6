"""Latency against offered load: classes arrive by a schedule, whatever the system does, at one rate after another."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate
from random import Random
from statistics import median, quantiles

from benchmarks.client import Connection, Sent, open_connections, send_all, send_on_schedule
from benchmarks.completions import Completions, watched_completions
from benchmarks.scenarios.requests import ACCEPTED, posts, require_accepted, warm_up
from benchmarks.sizes import Size
from benchmarks.systems import Result, System

# Classes a second that every system is offered.
RATES = (60, 90, 120, 200, 340)
# Offered until one is too high.
KNEE_RATES = (400, 460, 520, 580, 640)
NAMES = ("accepted-p50", "accepted-p99", "completed-p50", "completed-p99", "growth", "refused")
# More than a system that keeps up ever needs, so that requests do not wait for a connection.
CONNECTIONS = 256
# The time to completed of a queue that grows rises by (arrival rate - service rate) / service rate seconds a second.
GROWTH_AT_MOST = 0.03
# A smaller rise is noise.
RISE_AT_LEAST_S = 0.05


def key(rate: int, name: str) -> str:
    """The measure of a value at a rate."""
    return f"{name}@{rate}"


def keeps_up(growth: float, refused: float) -> bool:
    """Whether a system serves what arrives: its queue does not grow, and it refuses nothing."""
    return growth <= GROWTH_AT_MOST and not refused


async def run(system: System, size: Size) -> Result:
    """Measures at all rates, and at higher ones up to the first at which the system does not keep up."""
    with ExitStack() as stack:
        stack.enter_context(system.with_worker())
        port = stack.enter_context(system.with_api())
        connections = stack.enter_context(open_connections(port, CONNECTIONS))
        await warm_up(system, connections, port, size)
        values: dict[str, float] = {}
        async with watched_completions(system.data.redis) as completions:
            for rate in (*RATES, *KNEE_RATES):
                at_rate = await offer(system, connections, completions, port, size, rate)
                values |= {key(rate, name): value for name, value in at_rate.items()}
                if rate >= RATES[-1] and not keeps_up(at_rate["growth"], at_rate["refused"]):
                    break
        await system.wait_until_done()
        return values, await system.violations()


async def offer(
    system: System, connections: Sequence[Connection], completions: Completions, port: int, size: Size, rate: int
) -> dict[str, float]:
    """Offers one rate, waits until all classes are completed, and returns a value for each of `NAMES`."""
    count = classes_at(rate, size)
    batches = system.timetable.take(count)
    requests = posts(system, port, batches)
    sent = await send_on_schedule(connections, requests, arrivals(rate, count))
    refused = [request for request, each in zip(requests, sent, strict=True) if each.response.status != ACCEPTED]
    require_accepted(await send_all(connections[:1], refused))
    completed = await completions.times_of(batches)
    return values_of(sent, completed) | {"refused": len(refused)}


def classes_at(rate: float, size: Size) -> int:
    """The classes that arrive while a rate is offered."""
    return max(size.paced_least, round(rate * size.paced_seconds))


def arrivals(rate: float, count: int) -> list[float]:
    """Times in seconds of independent arrivals (a Poisson process), the same in each round and for each system."""
    random = Random(rate)
    return list(accumulate(random.expovariate(rate) for _ in range(count)))


def values_of(sent: Sequence[Sent], completed: Sequence[float]) -> dict[str, float]:
    """Percentiles in ms, from the scheduled time of each request, and the growth of the time to completed (s/s)."""
    accepting = [each.answered - each.due for each in sent]
    completing = [at - each.due for at, each in zip(completed, sent, strict=True)]
    third = len(sent) // 3
    rise = median(completing[-third:]) - median(completing[:third])
    between = median(each.due for each in sent[-third:]) - median(each.due for each in sent[:third])
    values = {"growth": rise / between if rise >= RISE_AT_LEAST_S else 0.0}
    for name, latencies in (("accepted", accepting), ("completed", completing)):
        cuts = quantiles(latencies, n=100)
        values |= {f"{name}-p50": cuts[49] * 1e3, f"{name}-p99": cuts[98] * 1e3}
    return values
