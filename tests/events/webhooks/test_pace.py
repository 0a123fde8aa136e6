"""The pace of deliveries: full speed between chunks, one by one beside them, never none."""

from __future__ import annotations

import asyncio

import pytest

from adsum.events.webhooks.pace import Pace
from adsum.platform.cancellation import end

NEVER_S = 3600.0


async def test_deliveries_begin_at_once_while_nothing_is_processed() -> None:
    pace = Pace(NEVER_S)

    for _ in range(3):
        await pace.turn()


async def test_a_delivery_waits_until_the_last_chunk_is_processed() -> None:
    pace = Pace(NEVER_S)
    await pace.turn()

    with pace.processing():
        with pace.processing():
            waiting = asyncio.create_task(pace.turn())
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert pace.is_busy
        assert not waiting.done()

    await waiting
    assert not pace.is_busy


async def test_a_delivery_waits_while_one_chunk_follows_another() -> None:
    pace = Pace(NEVER_S, rest=NEVER_S)
    await pace.turn()

    for _ in range(2):
        with pace.processing():
            waiting = asyncio.create_task(pace.turn())
        await asyncio.sleep(0)
        assert pace.is_busy
        assert not waiting.done()
        await end([waiting])


async def test_deliveries_to_several_receivers_go_on_one_by_one_beside_chunks_that_never_end() -> None:
    pace = Pace(0.001)
    order: list[int] = []

    async def deliver(receiver: int) -> None:
        for _ in range(3):
            await pace.turn()
            order.append(receiver)

    with pace.processing():
        await asyncio.gather(deliver(1), deliver(2))

    assert order == [1, 2] * 3


async def test_a_chunk_that_fails_ends_its_processing() -> None:
    pace = Pace(NEVER_S)
    await pace.turn()

    with pytest.raises(ZeroDivisionError), pace.processing():
        _ = 1 / 0

    await pace.turn()
    assert not pace.is_busy
