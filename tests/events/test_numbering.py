"""A cursor skips no event and repeats none, whatever the order in which transactions commit."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from adsum.accounts.access import system_caller
from adsum.events import service
from adsum.events.rules import EventFilters
from adsum.events.service import EventFeed, EventNumbering
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.new_events import EventType, NewEvent, new_events, write_events
from tests.events.conftest import Reader


class Cancelled(Exception):
    """Ends a transaction."""


NOW = datetime(2024, 12, 25, 8, tzinfo=UTC)


async def write(connection: Connection, *names: int) -> None:
    events = [NewEvent(EventType.ROSTER_IMPORTED, None, {"added": name}) for name in names]
    await write_events(connection, events, NOW)


def reader(database: Database, limit: int = 200) -> Reader:
    return Reader(EventFeed(database, EventNumbering(database, at_once=7)), limit=limit)


async def names(reading: Reader) -> list[int]:
    return [event.data["added"] for event in await reading.read()]


async def test_events_have_ids_without_gaps_and_leave_the_new_ones(database: Database) -> None:
    async with database.transaction() as connection:
        await write(connection, *range(20))

    found = await reader(database, limit=3).read()

    assert [event.id for event in found] == list(range(1, 21))
    assert [event.data["added"] for event in found] == list(range(20))
    async with database.snapshot() as connection:
        assert (await connection.execute(select(new_events))).all() == []


async def test_an_event_of_a_transaction_that_was_rolled_back_is_never_shown(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.transaction() as connection:
            await write(connection, 1)
            raise Cancelled

    with pytest.raises(Cancelled):
        await write_and_fail()
    async with database.transaction() as connection:
        await write(connection, 2)

    found = await reader(database).read()

    assert [(event.id, event.data["added"]) for event in found] == [(1, 2)]


async def test_an_event_that_commits_late_comes_after_what_was_shown_before(postgres_database: Database) -> None:
    reading = reader(postgres_database)
    async with postgres_database.transaction() as slow:
        await write(slow, 1)  # takes the smaller id of the sequence
        async with postgres_database.transaction() as quick:
            await write(quick, 2)
        before = await names(reading)

    assert (before, await names(reading)) == ([2], [1])


async def test_a_transaction_that_numbers_does_not_wait_for_one_that_writes(postgres_database: Database) -> None:
    async with postgres_database.transaction() as slow:
        await write(slow, 1)
        async with asyncio.timeout(5):
            assert await EventNumbering(postgres_database).number() == 0


async def test_many_writers_and_readers_at_once_see_each_event_once_and_in_one_order(database: Database) -> None:
    writers, each = 8, 15
    chance = random.Random(7)
    reading = [reader(database, limit=5), reader(database)]
    seen: list[list[int]] = [[], []]
    writing = True

    async def write_some(writer: int) -> None:
        for number in range(each):
            async with database.transaction() as connection:
                await write(connection, 1000 * writer + number)
                if database.is_postgres:  # SQLite has one writer
                    await asyncio.sleep(chance.random() / 200)

    async def read_on(place: int) -> None:
        while writing:
            seen[place] += await names(reading[place])
        seen[place] += await names(reading[place])

    readers = [asyncio.create_task(read_on(place)) for place in range(len(reading))]
    await asyncio.gather(*(write_some(writer) for writer in range(writers)))
    writing = False
    await asyncio.gather(*readers)

    assert sorted(seen[0]) == sorted(1000 * writer + number for writer in range(writers) for number in range(each))
    assert seen[0] == seen[1]
    for writer in range(writers):  # what happened after the commit of another event comes after it
        of_writer = [name for name in seen[0] if name // 1000 == writer]
        assert of_writer == sorted(of_writer)


async def test_numbering_ends_while_others_write_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_ROUNDS", 2)
    async with database.transaction() as connection:
        await write(connection, *range(5))
    numbering = EventNumbering(database, at_once=2)

    assert [await numbering.number(), await numbering.number(), await numbering.number()] == [4, 1, 0]


async def test_an_event_of_a_newer_version_waits_for_readers_that_know_it(database: Database) -> None:
    async with database.transaction() as connection:
        await write(connection, 1, 2, 3)
        await connection.execute(update(new_events).where(new_events.c.id == 2).values(type="of.tomorrow"))
    reading = reader(database)

    page = await reading.feed.page(system_caller(), EventFilters(), None, 10)

    assert ([event.id for event in page.items], page.next_after) == ([1], 1)
