"""Part `kills`: workers are killed with chunks in hand, and now and then the API, while classes are marked."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from tests.system.faults.chaos.blows import strike
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.stage import Stage, opened_stage
from tests.system.faults.load import steady
from tests.system.faults.oracle import judge

ASKED = (
    "500 SIGKILLs over 2,000 batches, a third with each of three seeds: nothing lost or left; recovery p99 at most 10 s"
)
KILLS = 170
BATCHES = 700
WORKERS = 4
PAUSE_S = 0.5
SLOWEST_S = 10.0
WITHIN_S = 120.0
OPEN = "SELECT count(*) FROM batch_runs WHERE run_id = :run AND (ended_at IS NULL OR ended_at > :at)"


async def kills(seed: int, minutes: float) -> Result:
    """Until 170 kills have met a chunk, or the time is over."""
    began = time.monotonic()
    recoveries: dict[str, datetime] = {}
    hits = tries = apis = 0
    async with opened_stage(seed, workers=WORKERS) as stage:
        async with steady(stage.load, pause=0.25):
            while hits < KILLS and time.monotonic() - began < minutes * 60:
                tries += 1
                hits += await _kill(stage, recoveries)
                await asyncio.sleep(PAUSE_S)  # else no worker lives long enough to look for what the others left
                if tries % 20 == 0:
                    await _kill_api(stage)
                    apis += 1
            while len(stage.load.accepted) < BATCHES and time.monotonic() - began < minutes * 60:
                await stage.load.mark(next(stage.load.batches))
        await judge(stage.installation, stage.load.promises, within=WITHIN_S)
        seconds = sorted([await _recovery(stage, run, killed) for run, killed in recoveries.items()])
        batches = len(stage.load.accepted)
    p99 = seconds[max(0, round(len(seconds) * 0.99) - 1)]
    figures = {
        "kills that met a chunk": hits,
        "of": tries,
        "API kills": apis,
        "batches": batches,
        "recovery p50 s": round(seconds[len(seconds) // 2], 1),
        "p99 s": round(p99, 1),
        "worst s": round(seconds[-1], 1),
    }
    reached = hits >= KILLS and batches >= BATCHES and p99 <= SLOWEST_S
    return Result("kills", ASKED, seed, time.monotonic() - began, reached, figures)


async def _kill(stage: Stage, recoveries: dict[str, datetime]) -> bool:
    """Kills a worker; whether it had a chunk whose run was open."""
    victim = stage.chance.choice(stage.workers)
    fell = await strike(stage, victim, victim.kill)
    if fell is None:
        return False
    killed = datetime.now(UTC)
    await victim.gone()
    await stage.replace(victim)
    hit = [run_id for run_id in fell[1].run_ids if await stage.number(OPEN, run=run_id, at=killed)]
    recoveries.update(dict.fromkeys(hit, killed))  # of a run that is hit again, from then on
    return bool(hit)


async def _kill_api(stage: Stage) -> None:
    stage.api.kill()
    await stage.api.gone()
    await stage.replace_api()


async def _recovery(stage: Stage, run_id: str, killed: datetime) -> float:
    """Seconds from the kill until the run that it hit was closed."""
    ((ended,),) = await stage.rows("SELECT ended_at FROM batch_runs WHERE run_id = :run", run=run_id)
    return float((ended - killed).total_seconds())
