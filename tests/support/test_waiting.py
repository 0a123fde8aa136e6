"""Tests the waits that all other tests use."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tests.support.waiting import until


async def test_a_wait_ends_at_its_deadline_although_its_condition_swallows_the_cancellation() -> None:
    async def never() -> bool:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return False

    with pytest.raises(TimeoutError):
        await until(never, 0.01)
