"""Part `soak`: half of what the machine can, for a long time. Nothing may grow."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.support.servers.valkey import tell
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.stage import Stage, opened_stage
from tests.system.faults.load import steady
from tests.system.faults.oracle import judge

ASKED = "20 minutes at half load: Redis keys back to baseline, memory flat"
FULL_S = 15
SAMPLE_S = 5
SENDERS = 8
# Of the last fifth over the second: allocators breathe. A leak of 1 KB a batch would be far beyond it.
FLAT = 1.1


async def soak(seed: int, minutes: float) -> Result:
    """Finds the full rate, halves it, and samples."""
    began, sizes = time.monotonic(), list[int]()
    async with opened_stage(seed, workers=1, has_proxies=False) as stage:
        async with steady(stage.load, at_once=SENDERS, pause=0):
            await asyncio.sleep(FULL_S)  # a measurement
        full = len(stage.load.accepted) / (time.monotonic() - began)
        async with steady(stage.load, at_once=SENDERS, pause=SENDERS / (full / 2) / 2):
            while time.monotonic() - began < minutes * 60:
                await asyncio.sleep(SAMPLE_S)  # a sample
                sizes.append(_resident(stage))
        await judge(stage.installation, stage.load.promises, within=60)
        keys = int(tell(stage.valkey_server, "DBSIZE").removeprefix(":"))
        batches = len(stage.load.accepted)
    fifth = len(sizes) // 5
    early, late = sum(sizes[fifth : 2 * fifth]) / fifth, sum(sizes[-fifth:]) / fifth
    figures = {
        "batches": batches,
        "a second": round(batches / (time.monotonic() - began), 1),
        "API and worker MB, second fifth": round(early / 2**20),
        "last fifth": round(late / 2**20),
        "keys besides completion markers": keys - batches,
    }
    return Result("soak", ASKED, seed, time.monotonic() - began, late <= early * FLAT and minutes >= 20, figures)


def _resident(stage: Stage) -> int:
    """Bytes in memory of the API and the worker."""
    pages = (Path(f"/proc/{member.pid}/statm").read_text().split()[1] for member in (stage.api, *stage.workers))
    return sum(map(int, pages)) * 4096
