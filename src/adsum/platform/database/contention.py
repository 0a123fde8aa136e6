"""Repeats a transaction that another one was in the way of."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from adsum.platform.database.engine import Deadlocked, RowExists
from adsum.platform.telemetry import logger

log = logger(__name__)

ATTEMPTS = 3
LONGEST_PAUSE_S = 0.2

P = ParamSpec("P")
T = TypeVar("T")


def repeats_if_contended(transaction: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """For a method that is one transaction, without effects outside of it before the commit.

    A transaction that Postgres ends to resolve a deadlock, and one that adds a row which another one has added since it
    looked, have changed nothing. The next attempt sees what the other one has committed. After three attempts the error
    is raised.
    """

    @wraps(transaction)
    async def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, ATTEMPTS):
            try:
                return await transaction(*args, **kwargs)
            except (Deadlocked, RowExists) as error:
                log.warning("transaction repeated", error=type(error).__name__, attempt=attempt)
            await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_S))  # noqa: S311 - no secret
        return await transaction(*args, **kwargs)

    return repeated
