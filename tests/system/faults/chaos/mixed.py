"""Part `mixed`: any fault at any time, while classes are marked."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.stage import Stage, opened_stage
from tests.system.faults.load import steady
from tests.system.faults.oracle import judge

ASKED = "any fault at any time: nothing lost, doubled, stuck or left over"
WITHIN_S = 120.0
FROZEN_S = (0.2, 8.0)


async def mixed(seed: int, minutes: float) -> Result:
    """One fault after the other, by chance, until the time is over."""
    began, done = time.monotonic(), Counter[str]()
    async with opened_stage(seed) as stage:
        async with steady(stage.load, pause=0.2):
            while time.monotonic() - began < minutes * 60:
                fault = stage.chance.choice(FAULTS)
                await fault(stage)
                done[fault.__name__.removeprefix("_").replace("_", " ")] += 1
                await asyncio.sleep(stage.chance.uniform(0, 2))  # faults that follow each other closely, or not
        await judge(stage.installation, stage.load.promises, within=WITHIN_S)
        batches = len(stage.load.accepted)
    figures = {"faults": done.total(), "batches": batches, **dict(done.most_common())}
    return Result("mixed", ASKED, seed, time.monotonic() - began, reached=True, figures=figures)


async def _worker_killed(stage: Stage) -> None:
    victim = stage.chance.choice(stage.workers)
    victim.kill()
    await victim.gone()
    await stage.replace(victim)


async def _worker_restarted(stage: Stage) -> None:
    leaver = stage.chance.choice(stage.workers)
    leaver.end()
    await leaver.gone(60)
    await stage.replace(leaver)


async def _worker_frozen(stage: Stage) -> None:
    sleeper = stage.chance.choice(stage.workers)
    sleeper.freeze()
    await asyncio.sleep(stage.chance.uniform(*FROZEN_S))  # the fault itself
    sleeper.thaw()


async def _api_killed(stage: Stage) -> None:
    stage.api.kill()
    await stage.api.gone()
    await stage.replace_api()


async def _valkey_restarted(stage: Stage) -> None:
    await stage.valkey.restart(stage.chance.choice([signal.SIGKILL, signal.SIGTERM]))


async def _valkey_frozen(stage: Stage) -> None:
    stage.valkey.send(signal.SIGSTOP)
    await asyncio.sleep(stage.chance.uniform(*FROZEN_S))  # the fault itself
    stage.valkey.send(signal.SIGCONT)


async def _valkey_emptied(stage: Stage) -> None:
    stage.empty_valkey()


async def _postgres_restarted(stage: Stage) -> None:
    await stage.postgres.restart(stage.chance.choice([signal.SIGQUIT, signal.SIGINT]))


async def _connections_cut(stage: Stage) -> None:
    for member in (stage.api, *stage.workers):
        await member.valkey.cut()
        await member.postgres.cut()


FAULTS: list[Callable[[Stage], Awaitable[None]]] = [
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
