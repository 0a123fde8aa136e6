"""Opening a database, and transactions on it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database import driver
from adsum.platform.database import engine as database_module
from adsum.platform.database.engine import Database, RejectedRows, StorageOutage, open_database
from adsum.platform.errors import ConfigurationError
from adsum.roster.tables import sessions
from adsum.schools.tables import schools
from tests.support.waiting import until


async def count(database: Database) -> int:
    async with database.snapshot() as connection:
        return (await connection.execute(select(func.count()).select_from(schools))).scalar_one()


async def add_school(database: Database, name: str = "Lindenhof") -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(schools).values(name=name, time_zone="UTC"))


async def test_a_transaction_is_visible_to_others_after_its_block(database: Database) -> None:
    await add_school(database)
    assert await count(database) == 1


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_a_failed_transaction_leaves_nothing(database: Database, error: type[BaseException]) -> None:
    async def fail() -> None:
        async with database.transaction() as connection:
            await connection.execute(insert(schools).values(name="x", time_zone="UTC"))
            raise error

    with pytest.raises(error):
        await fail()
    assert await count(database) == 0
    await add_school(database)
    assert await count(database) == 1


async def test_a_cancellation_during_begin_leaves_no_transaction_open(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise later statements on the connection would be part of it, and rolled back with it."""

    async def begin_then_cancel(connection: AsyncConnection, command: str) -> str:
        answer = await driver.execute_raw(connection, command)
        if command == "BEGIN":
            raise asyncio.CancelledError
        return answer

    with monkeypatch.context() as cancelling:
        cancelling.setattr(database_module, "execute_raw", begin_then_cancel)
        with pytest.raises(asyncio.CancelledError):
            await add_school(postgres_database)

    async with postgres_database.autocommit_write() as connection:
        await connection.execute(insert(schools).values(name="Lindenhof", time_zone="UTC"))
    assert await count(postgres_database) == 1


async def test_a_second_cancellation_waits_for_the_rollback(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, rolling, gate = asyncio.Event(), asyncio.Event(), asyncio.Event()
    execute_at_once = driver.execute_raw

    async def execute_slowly(connection: AsyncConnection, command: str, timeout: float | None = None) -> str:  # noqa: ASYNC109
        if command == "ROLLBACK":
            rolling.set()
            await gate.wait()
        return await execute_at_once(connection, command, timeout)

    async def wait_within() -> None:
        async with database.transaction() as connection:
            await connection.execute(insert(schools).values(name="x", time_zone="UTC"))
            begun.set()
            await asyncio.Event().wait()

    with monkeypatch.context() as slow:
        slow.setattr(driver, "execute_raw", execute_slowly)
        waiting = asyncio.create_task(wait_within())
        await begun.wait()
        waiting.cancel()
        await rolling.wait()
        waiting.cancel()
        await asyncio.sleep(0)  # the turn of the loop in which the second one reaches it
        assert not waiting.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    await add_school(database)
    assert await count(database) == 1


async def test_a_transaction_with_a_suppressed_error_does_not_commit(postgres_database: Database) -> None:
    async def fail_quietly() -> None:
        async with postgres_database.transaction() as connection:
            await connection.execute(insert(schools).values(name="x", time_zone="UTC"))
            with suppress(DBAPIError):
                await connection.execute(text("SELECT 1 / 0"))

    with pytest.raises(StorageOutage):
        await fail_quietly()
    assert await count(postgres_database) == 0


async def test_a_snapshot_reads_one_state_during_concurrent_writes(database: Database) -> None:
    await add_school(database)
    counting = select(func.count()).select_from(schools)
    async with database.snapshot() as connection:
        before = (await connection.execute(counting)).scalar_one()
        await add_school(database)
        assert (await connection.execute(counting)).scalar_one() == before
    assert await count(database) == before + 1


async def test_a_row_without_its_parent_is_rejected(database: Database) -> None:
    with pytest.raises(RejectedRows) as error:
        async with database.transaction() as connection:
            await connection.execute(insert(sessions).values(class_id=999, title="x"))
    assert isinstance(error.value.__cause__, IntegrityError)
    assert "999" not in str(error.value)


async def test_a_row_without_a_required_value_is_rejected(database: Database) -> None:
    with pytest.raises(RejectedRows):
        async with database.transaction() as connection:
            await connection.execute(insert(schools).values(name=None, time_zone="UTC"))


async def test_a_snapshot_of_postgres_cannot_write(postgres_database: Database) -> None:
    with pytest.raises(StorageOutage, match="does not answer") as outage:
        async with postgres_database.snapshot() as connection:
            await connection.execute(insert(schools).values(name="x", time_zone="UTC"))
    assert "read-only transaction" in str(outage.value.__cause__)
    assert await count(postgres_database) == 0


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)]
)
@pytest.mark.usefixtures("real_parameters")
async def test_sqlite_is_durable_and_strict(sqlite_url: str, pragma: str, value: object) -> None:
    database = open_database(sqlite_url)
    async with database.snapshot() as connection:
        assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one() == value
    await database.close()


async def test_fifty_writers_in_two_processes_wait_for_each_other(sqlite_url: str) -> None:
    programs = [open_database(sqlite_url), open_database(sqlite_url)]

    async def write(number: int) -> None:
        async with programs[number % 2].transaction() as connection:
            before = (await connection.execute(select(func.count()).select_from(schools))).scalar_one()
            await connection.execute(insert(schools).values(name=str(before), time_zone="UTC"))

    await asyncio.gather(*map(write, range(50)))
    async with programs[0].snapshot() as connection:
        names = [row.name for row in await connection.execute(select(schools.c.name).order_by(schools.c.id))]
    assert names == [str(number) for number in range(50)]
    for database in programs:
        await database.close()


async def test_readers_do_not_wait_for_a_writer(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    async with database.transaction() as connection:
        await connection.execute(insert(schools).values(name="x", time_zone="UTC"))
        async with asyncio.timeout(2):
            assert await asyncio.gather(*(count(database) for _ in range(9))) == [0] * 9
    await database.close()


async def test_a_locked_file_is_usable(tmp_path: Path) -> None:
    """For example during a restore, or while another program holds a backup's lock."""
    path = tmp_path / "adsum.db"
    database = open_database(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE x (y)")
        other.execute("BEGIN EXCLUSIVE")
        await database.require_connection()
    await database.require_connection()
    await database.close()


async def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "adsum.db"
    path.write_text("This is no database. " * 99)
    database = open_database(f"sqlite:///{path}")
    with pytest.raises(ConfigurationError, match="file is not a database"):
        await database.require_connection()
    await database.close()


async def test_an_unreadable_file_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, since root, which may run the tests, is never refused."""

    def refuse(self: Path) -> bool:
        raise PermissionError

    database = open_database(f"sqlite:///{tmp_path}/of-another-user.db")
    assert database.is_missing
    monkeypatch.setattr(Path, "exists", refuse)
    assert not database.is_missing
    monkeypatch.undo()
    await database.close()


async def test_a_migration_checks_foreign_keys_at_its_end_and_later_transactions_at_once(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    orphan = text("INSERT INTO classes (school_id, title) VALUES (7, '7b')")
    school = text("INSERT INTO schools (id, name, time_zone) VALUES (7, 'Lindenhof', 'UTC')")

    async with database.migration() as connection:
        await connection.execute(orphan)
        await connection.execute(school)
    with pytest.raises(RejectedRows):
        async with database.migration() as connection:
            await connection.execute(text("DELETE FROM schools"))
    with pytest.raises(RejectedRows):
        async with database.transaction() as connection:
            await connection.execute(text("DELETE FROM schools"))

    assert await count(database) == 1
    await database.close()


async def test_a_write_that_waits_for_a_lock_is_not_executed_after_its_client_has_left(
    postgres_database: Database,
) -> None:
    """The client closes the connection, because it does not cancel what may be a commit."""
    await add_school(postgres_database)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async def are_waiting() -> int:
        async with postgres_database.autocommit_read() as connection:
            return (await connection.exec_driver_sql(waiting)).scalar_one()

    async def rename() -> None:
        async with postgres_database.autocommit_write() as connection:
            await connection.execute(update(schools).values(name="after"))

    async def waits() -> bool:
        return await are_waiting() == 1

    async def has_ended() -> bool:
        return await are_waiting() == 0

    async with postgres_database.transaction() as connection:
        await connection.execute(update(schools).values(name="before"))
        renaming = asyncio.create_task(rename())
        await until(waits)
        renaming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await renaming
        await until(has_ended)
    async with postgres_database.snapshot() as connection:
        assert await connection.scalar(select(schools.c.name)) == "before"
