"""The oracle finds events that are lost, doubled, invented or in disorder, and deliveries that break a promise."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text

from tests.system.faults.classes import create_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.oracle import Promise, find_defects, verify
from tests.system.faults.receivers import Arrival, Receiver
from tests.system.faults.rescue import rescue_worker

EXPECTED = [(1, 10), (2, 20), (5, 50)]


async def test_the_oracle_finds_each_defect_of_the_log(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    classes = await create_classes(installation)
    _, address = await installation.api(stack)
    client = await stack.enter_async_context(platform(address, classes))
    promise = await client.mark_accepted(next(classes.batches()))
    async with rescue_worker(installation):
        await verify(installation, [promise])

    async def defects_after(*statements: str) -> str:
        async with installation.adsum.database.transaction() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        return "\n".join(await find_defects(installation, [promise]))

    again = "INSERT INTO events SELECT 4, type, school_id, occurred_at, run_id, data FROM events WHERE id = 2"
    assert "2 events of ('batch.completed', " in await defects_after(again, "UPDATE event_log SET last_id = 4")
    cancelled = await defects_after("UPDATE events SET type = 'batch.cancelled' WHERE id = 4")
    assert "1 events of ('batch.cancelled', " in cancelled
    assert "event 4 follows event 2" in await defects_after("DELETE FROM events WHERE id = 3")
    assert "0 events of ('register.taken', " in await defects_after("SELECT 1")
    assert "are in the order" in await defects_after("UPDATE events SET id = 5 WHERE id = 1")
    assert "was promised and has no event" in await defects_after("DELETE FROM events WHERE id = 5")


async def test_the_oracle_finds_a_promise_without_a_run(new_installation: NewInstallation) -> None:
    async with new_installation() as installation:
        (defect, _) = await find_defects(installation, [Promise("batch", "no run")])
    assert defect == "run no run was promised and is not there"


@pytest.mark.parametrize(
    ("arrivals", "defects"),
    [
        ([(1, 10, 0), (2, 20, 1), (5, 50, 2)], []),
        ([(1, 10, 0), (2, 20, 1), (1, 10, 2), (2, 20, 2), (5, 50, 2)], []),
        ([(1, 10, 0), (5, 50, 1)], ["event 2 was not delivered", "event 5 came when 1 was the newest, before event 2"]),
        (
            [(1, 10, 0), (2, 20, 1), (3, 30, 2), (5, 50, 3)],
            ["event 3 was delivered and must not be"],
        ),
        (
            [(1, 10, 0), (2, 21, 1), (5, 50, 2)],
            ["event 2 was delivered with other content than the feed has"],
        ),
    ],
)
def test_the_oracle_finds_deliveries_that_break_a_promise(
    arrivals: list[tuple[int, int, int]], defects: list[str]
) -> None:
    receiver = Receiver(random.Random(0), arrivals=[Arrival(*each, is_taken=True) for each in arrivals])
    assert receiver.find_defects(EXPECTED, in_order=True) == defects


def test_an_event_that_was_refused_was_not_delivered() -> None:
    receiver = Receiver(random.Random(0), arrivals=[Arrival(1, 10, 0, is_taken=False)])
    assert receiver.find_defects(EXPECTED[:1], in_order=True) == ["event 1 was not delivered"]
