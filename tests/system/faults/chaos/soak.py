"""Part `soak`: half of the full load for a long time. Memory and Redis keys must not grow."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.support.servers.valkey import tell
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.load import constant_load

GOAL = "20 minutes at half load: Redis keys back to baseline, memory flat"
FULL_S = 15
SAMPLE_S = 5
SENDERS = 8
# Maximum ratio of the last fifth to the second. Allocators vary; a leak of 1 KB per batch would exceed it by far.
FLAT = 1.1


async def soak(seed: int, minutes: float) -> Result:
    """Measures the full rate, halves it, and samples memory."""
    began, sizes = time.monotonic(), list[int]()
    async with open_testbed(seed, workers=1, has_proxies=False) as testbed:
        async with constant_load(testbed.load, at_once=SENDERS, pause=0):
            await asyncio.sleep(FULL_S)  # a measurement
        full = len(testbed.load.accepted) / (time.monotonic() - began)
        async with constant_load(testbed.load, at_once=SENDERS, pause=SENDERS / (full / 2) / 2):
            while time.monotonic() - began < minutes * 60:
                await asyncio.sleep(SAMPLE_S)  # a sample
                sizes.append(_resident(testbed))
        await testbed.verify(60)
        keys = int(tell(testbed.valkey_server, "DBSIZE").removeprefix(":"))
        batches = len(testbed.load.accepted)
    fifth = len(sizes) // 5
    early, late = sum(sizes[fifth : 2 * fifth]) / fifth, sum(sizes[-fifth:]) / fifth
    figures = {
        "batches": batches,
        "a second": round(batches / (time.monotonic() - began), 1),
        "API and worker MB, second fifth": round(early / 2**20),
        "last fifth": round(late / 2**20),
        "keys besides completion markers": keys - batches,
    }
    return Result("soak", GOAL, seed, time.monotonic() - began, late <= early * FLAT and minutes >= 20, figures)


def _resident(testbed: Testbed) -> int:
    """Returns the resident memory of the API and the worker in bytes."""
    pages = (Path(f"/proc/{member.pid}/statm").read_text().split()[1] for member in (testbed.api, *testbed.workers))
    return sum(map(int, pages)) * 4096
