"""Part `mixed`: random faults at random times, while classes are marked."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.load import constant_load
from tests.system.faults.oracle import verify

GOAL = "any fault at any time: nothing lost, doubled, stuck or left over"
WITHIN_S = 120.0
FROZEN_S = (0.2, 8.0)


async def mixed(seed: int, minutes: float) -> Result:
    """Injects one random fault after another until the time is over."""
    began, done = time.monotonic(), Counter[str]()
    async with open_testbed(seed) as testbed:
        async with constant_load(testbed.load, pause=0.2):
            while time.monotonic() - began < minutes * 60:
                fault = testbed.rng.choice(FAULTS)
                await fault(testbed)
                done[fault.__name__.removeprefix("_").replace("_", " ")] += 1
                await asyncio.sleep(testbed.rng.uniform(0, 2))  # a random interval between faults
        await verify(testbed.installation, testbed.load.promises, within=WITHIN_S)
        batches = len(testbed.load.accepted)
    figures = {"faults": done.total(), "batches": batches, **dict(done.most_common())}
    return Result("mixed", GOAL, seed, time.monotonic() - began, reached=True, figures=figures)


async def _worker_killed(testbed: Testbed) -> None:
    victim = testbed.rng.choice(testbed.workers)
    victim.kill()
    await victim.wait_until_ended()
    await testbed.replace_worker(victim)


async def _worker_restarted(testbed: Testbed) -> None:
    leaver = testbed.rng.choice(testbed.workers)
    leaver.terminate()
    await leaver.wait_until_ended(60)
    await testbed.replace_worker(leaver)


async def _worker_frozen(testbed: Testbed) -> None:
    sleeper = testbed.rng.choice(testbed.workers)
    sleeper.freeze()
    await asyncio.sleep(testbed.rng.uniform(*FROZEN_S))  # the fault itself
    sleeper.resume()


async def _api_killed(testbed: Testbed) -> None:
    testbed.api.kill()
    await testbed.api.wait_until_ended()
    await testbed.replace_api()


async def _valkey_restarted(testbed: Testbed) -> None:
    await testbed.valkey.restart(testbed.rng.choice([signal.SIGKILL, signal.SIGTERM]))


async def _valkey_frozen(testbed: Testbed) -> None:
    testbed.valkey.send(signal.SIGSTOP)
    await asyncio.sleep(testbed.rng.uniform(*FROZEN_S))  # the fault itself
    testbed.valkey.send(signal.SIGCONT)


async def _valkey_emptied(testbed: Testbed) -> None:
    testbed.empty_valkey()


async def _postgres_restarted(testbed: Testbed) -> None:
    await testbed.postgres.restart(testbed.rng.choice([signal.SIGQUIT, signal.SIGINT]))


async def _connections_cut(testbed: Testbed) -> None:
    for member in (testbed.api, *testbed.workers):
        await member.valkey.cut()
        await member.postgres.cut()


FAULTS: list[Callable[[Testbed], Awaitable[None]]] = [
    _worker_killed,
    _worker_restarted,
    _worker_frozen,
    _api_killed,
    _valkey_restarted,
    _valkey_frozen,
    _valkey_emptied,
    _postgres_restarted,
    _connections_cut,
]
