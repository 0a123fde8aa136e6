"""Python's garbage collection, kept from holding up whoever is being served."""

from __future__ import annotations

import gc
from typing import Final

# New objects until the young ones are looked at. A request makes a few thousand, nearly all of which are gone with it:
# with Python's 700 a hundred times a second those in flight were looked at, and found alive.
YOUNG_AT_MOST: Final = 10_000


def keep_what_is_there() -> None:
    """To be called when a process has everything that it keeps until it ends: no collection looks at it again.

    Of modules, routes and statements there are half a million objects. To look at all of them took a tenth of a second,
    every few seconds under load: that was the slowest hundredth of all answers.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_AT_MOST, *gc.get_threshold()[1:])
