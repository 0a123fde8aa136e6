"""Tunes the garbage collector so that full collections do not pause requests."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Final

# New objects until a young collection. A request allocates a few thousand objects and releases nearly all of them. With
# Python's default of 700 there were a hundred collections a second, which found the objects of running requests alive.
YOUNG_THRESHOLD: Final = 10_000
INTERVAL_S: Final = 60.0
# A full collection visits so many objects in some 40 ms.
MAX_OBJECTS: Final = 200_000
_BLOCKS_OF_OBJECT: Final = 3  # of memory, such as those of a list with its item
MAX_DEFERRALS: Final = 60
_NEVER: Final = 1_000_000_000


def freeze_startup_objects() -> None:
    """Excludes all present objects from collections. Call it once a process has loaded everything that it keeps.

    Modules, routes and statements are half a million objects. A full collection of them took a tenth of a second, every
    few seconds under load, and determined the 99th percentile of the response time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_THRESHOLD, *gc.get_threshold()[1:])


async def collect_regularly() -> None:
    """Collects in full once a minute, instead of whenever Python does. Cancel it to end it.

    The import of a roster holds millions of objects for a while, and a full collection of them stops all other requests
    for up to a second. So a collection waits until there are few objects again, for an hour at most.
    """
    gc.set_threshold(*gc.get_threshold()[:2], _NEVER)
    deferrals, blocks = 0, sys.getallocatedblocks()
    while True:
        await asyncio.sleep(INTERVAL_S)
        # An estimate within a millisecond. To list three million objects takes 70 ms, in which nothing else runs.
        added = (sys.getallocatedblocks() - blocks) // _BLOCKS_OF_OBJECT
        if deferrals < MAX_DEFERRALS and added > MAX_OBJECTS:
            deferrals += 1
            continue
        gc.collect()
        deferrals = 0
