"""Reads from a standby: its age is measured and bounded, and without it everything is read from the primary."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text

from adsum.platform.database.engine import Database, StorageOutage, open_database, open_standby
from adsum.platform.database.reading import READS, Reads, StandbyReader
from adsum.platform.database.standby import Standby, StandbyState
from adsum.platform.errors import ConfigurationError
from adsum.schools.tables import schools
from tests.support.fixtures import TEMPLATE
from tests.support.servers.postgres import Postgres
from tests.support.servers.standby import StandbyPair, standby_pair
from tests.support.waiting import until

MAX_LAG_S = 10.0


@dataclass(frozen=True)
class Caller:
    actor: str = "user-7"
    teaches_only: bool = False


@dataclass
class Clock:
    """The time, and some seconds that a test adds."""

    later: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.later


@dataclass
class Readers:
    """A pair of servers, and a reader."""

    pair: StandbyPair
    clock: Clock
    primary: Database
    standby: Standby
    reads: Reads
    seen: float = -math.inf
    counted: list[str] = field(default_factory=list)

    @property
    def reader(self) -> StandbyReader:
        async def seen_at(_actor: str) -> float:
            return self.seen

        return StandbyReader(self.primary, self.standby, seen_at, self.counted.append)

    async def add_school(self) -> None:
        async with self.primary.transaction() as connection:
            await connection.execute(insert(schools).values(name="Lindenhof", time_zone="UTC"))

    async def count(self, caller: Caller | None = None) -> int:
        async with self.reader.snapshot(caller or Caller()) as connection:
            return (await connection.execute(select(func.count()).select_from(schools))).scalar_one()

    async def is_up_to_date(self) -> bool:
        await self.standby.poll()
        return self.standby.state is StandbyState.OK

    def on_standby(self, statement: str) -> str:
        return self.pair.standby.postgres.ask(self.pair.database, statement)


@pytest.fixture
async def readers(replicated_pair: StandbyPair) -> AsyncGenerator[Readers]:
    async with opened_readers(replicated_pair) as found:
        yield found


@pytest.fixture
async def own_readers(postgres_data: Path) -> AsyncGenerator[Readers]:
    """With servers that the test may stop."""
    with standby_pair(postgres_data, TEMPLATE) as pair:
        await pair.start()
        async with opened_readers(pair) as found:
            yield found


@asynccontextmanager
async def opened_readers(pair: StandbyPair) -> AsyncGenerator[Readers]:
    primary = open_database(pair.url)
    clock = Clock()
    standby = Standby(open_standby(pair.standby_url), primary, MAX_LAG_S, clock)
    reads = Reads(may_lag=True)
    token = READS.set(reads)
    found = Readers(pair, clock, primary, standby, reads)
    await until(found.is_up_to_date)
    yield found
    READS.reset(token)
    await standby.close()
    await primary.close()


async def test_a_list_is_read_from_the_standby(readers: Readers) -> None:
    assert await readers.count() == 0
    assert readers.counted == ["standby"]
    assert readers.reads.has_reader
    assert readers.reads.as_of is not None
    readers.on_standby("SELECT pg_wal_replay_pause()")
    await readers.add_school()
    assert await readers.count() == 0


async def test_a_standby_that_is_too_far_behind_is_not_read(readers: Readers) -> None:
    readers.on_standby("SELECT pg_wal_replay_pause()")
    await readers.add_school()
    readers.clock.later = MAX_LAG_S
    await readers.standby.poll()
    assert readers.standby.state is StandbyState.BEHIND
    assert readers.standby.lag > MAX_LAG_S
    assert await readers.count() == 1
    readers.on_standby("SELECT pg_wal_replay_resume()")
    await until(readers.is_up_to_date)
    assert await readers.count() == 1
    assert readers.counted == ["primary", "standby"]


async def test_the_standby_of_an_idle_primary_is_up_to_date(readers: Readers) -> None:
    """The time of its last transaction would count as lag."""
    readers.clock.later = 3600
    await until(readers.is_up_to_date)
    assert readers.standby.lag < MAX_LAG_S


async def test_a_caller_reads_what_they_have_written(readers: Readers) -> None:
    as_of = readers.standby.as_of
    assert as_of is not None
    readers.seen = as_of - 1
    await readers.count()
    readers.seen = as_of - 3
    await readers.count()
    assert readers.counted == ["primary", "standby"]


@pytest.mark.parametrize("reads", [None, Reads(may_lag=False)], ids=["commands", "requests that write"])
async def test_other_work_reads_from_the_primary(readers: Readers, reads: Reads | None) -> None:
    outer = READS.set(reads) if reads is not None else None
    if outer is None:
        readers.reads.may_lag = False
    await readers.count()
    assert readers.counted == ["primary"]


async def test_a_teacher_reads_from_the_primary(readers: Readers) -> None:
    """The statement decides what they see. Whoever no longer teaches a class sees it no more, at once."""
    await readers.count(Caller(teaches_only=True))
    assert readers.counted == ["primary"]


async def test_data_that_the_standby_lacks_are_read_from_the_primary(readers: Readers) -> None:
    async def is_complete(connection: object) -> bool:
        return connection is None

    async with readers.reader.snapshot(Caller(), is_complete) as connection:
        assert not (await connection.execute(text("SELECT pg_is_in_recovery()"))).scalar_one()
    assert readers.counted == ["primary"]


async def test_without_the_standby_everything_is_read_from_the_primary(own_readers: Readers) -> None:
    await own_readers.count()
    await own_readers.pair.standby.server.down()
    assert await own_readers.count() == 0
    assert own_readers.standby.state is StandbyState.UNREACHABLE
    assert math.isnan(own_readers.standby.lag)
    assert own_readers.counted == ["standby", "primary"]


@pytest.mark.long
async def test_a_frozen_standby_holds_up_nobody_for_long(own_readers: Readers) -> None:
    await own_readers.count()
    with own_readers.pair.standby.server.frozen():
        assert await own_readers.count() == 0
    assert own_readers.counted == ["standby", "primary"]


async def test_a_statement_that_fails_on_the_standby_is_read_from_the_primary_the_next_time(readers: Readers) -> None:
    """Such as one that conflicts with the replay."""
    with pytest.raises(StorageOutage):
        async with readers.reader.snapshot(Caller()) as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await readers.count()
    assert readers.counted == ["standby", "primary"]


async def test_a_server_that_is_no_standby_of_the_primary_is_not_read(readers: Readers, postgres: Postgres) -> None:
    pair = readers.pair
    primary_alone = f"postgresql://postgres@127.0.0.1:{pair.primary.postgres.port}/{pair.database}"
    foreign = [
        Standby(open_standby(primary_alone), readers.primary, MAX_LAG_S),
        Standby(open_standby(postgres.url(TEMPLATE)), readers.primary, MAX_LAG_S),
    ]
    for each in foreign:
        await each.poll()
        assert (each.state, each.as_of) == (StandbyState.FOREIGN, None)
        await each.close()


async def test_a_promoted_standby_is_not_read(own_readers: Readers) -> None:
    """It has other transactions from then on."""
    await own_readers.pair.primary.server.down()
    await own_readers.pair.promote()

    async def is_foreign() -> bool:
        await own_readers.standby.poll()
        return own_readers.standby.state is StandbyState.FOREIGN

    await until(is_foreign)
    assert await own_readers.count() == 0
    assert own_readers.counted == ["primary"]


@pytest.mark.parametrize(
    "url",
    ["sqlite:///a.db", "postgresql://a:1,b:2/db", "postgresql://a/db?target_session_attrs=primary", "mysql://a/db"],
)
def test_a_read_url_names_one_standby(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^ADSUM_DATABASE_READ_URL: "):
        open_standby(url)
