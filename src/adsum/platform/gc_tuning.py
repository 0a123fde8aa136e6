"""Tunes the garbage collector so that full collections do not pause requests."""

from __future__ import annotations

import gc
from typing import Final

# New objects until a young collection. A request allocates a few thousand objects and releases nearly all of them. With
# Python's default of 700 there were a hundred collections a second, which found the objects of running requests alive.
YOUNG_THRESHOLD: Final = 10_000


def freeze_startup_objects() -> None:
    """Excludes all present objects from collections. Call it once a process has loaded everything that it keeps.

    Modules, routes and statements are half a million objects. A full collection of them took a tenth of a second, every
    few seconds under load, and determined the 99th percentile of the response time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_THRESHOLD, *gc.get_threshold()[1:])
