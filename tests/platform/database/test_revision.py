"""The revision of a database compared with that of this version, and migrations beside other processes."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from adsum.platform.database import schema, table_changes
from adsum.platform.database.engine import Database, LockTimeout
from adsum.platform.database.revision import (
    COMPATIBLE_FROM,
    MigrationState,
    current_revision,
    migration_state,
    newest_revision,
)
from tests.support.migrations import migrations_after
from tests.support.statements import statements_sent
from tests.support.waiting import until

BEFORE = "0062"  # 0063 changes `batch_runs`


async def migrated_by(database: Database, revision: str, compatible_from: str) -> None:
    """As if a version with this revision had migrated the database."""
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})
        await connection.execute(
            text("UPDATE schema_compatibility SET compatible_from = :new"), {"new": compatible_from}
        )


async def migrate_to(database: Database, revision: str) -> None:
    while await current_revision(database) != revision:
        await schema._migrate_once(database)  # pyright: ignore[reportPrivateUsage]


async def test_a_version_works_on_the_schema_of_the_next_one_and_of_no_later_one(database: Database) -> None:
    assert await migration_state(database) is MigrationState.CURRENT

    await migrated_by(database, "9998", newest_revision())
    assert await migration_state(database) is MigrationState.AHEAD

    await migrated_by(database, "9999", "9998")
    assert await migration_state(database) is MigrationState.INCOMPATIBLE

    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM schema_compatibility"))
    assert await migration_state(database) is MigrationState.INCOMPATIBLE


async def test_a_migrated_database_tells_from_which_revision_processes_work_on_it(unmigrated: Database) -> None:
    assert await migration_state(unmigrated) is MigrationState.BEHIND

    await schema.migrate(unmigrated)

    async with unmigrated.snapshot() as connection:
        found = await connection.scalar(text("SELECT compatible_from FROM schema_compatibility"))
    assert found == COMPATIBLE_FROM


async def test_the_missing_migrations_are_named_in_their_order(unmigrated: Database) -> None:
    await schema._migrate_once(unmigrated)  # pyright: ignore[reportPrivateUsage]

    missing = await schema.missing_migrations(unmigrated)

    assert missing[0].startswith("0002 ")
    assert f"{missing[-1]} ".startswith(f"{newest_revision()} ")
    assert await schema.migrate(unmigrated) == len(missing)
    assert await schema.missing_migrations(unmigrated) == []


@pytest.mark.parametrize("unmigrated_url", ["postgres"], indirect=True)
async def test_a_migration_waits_for_the_users_of_a_table_and_holds_up_no_other_one(
    unmigrated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_changes, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(table_changes, "LOCK_PAUSE_S", 0.0)
    await migrate_to(unmigrated, BEFORE)

    async def has_tried_again() -> bool:
        return sum("ALTER TABLE batch_runs" in each for each, _ in sent) > 2

    with statements_sent(unmigrated) as sent:
        async with unmigrated.transaction() as reader:
            await reader.execute(text("SELECT 1 FROM batch_runs"))
            migrating = asyncio.create_task(schema.migrate(unmigrated))
            await until(has_tried_again)
            # Behind an ALTER TABLE that waits without a limit, this would wait as well.
            async with unmigrated.snapshot() as other:
                await other.execute(text("SELECT 1 FROM batch_runs"))
            assert not migrating.done()

    assert await migrating == migrations_after(BEFORE)


@pytest.mark.long
@pytest.mark.parametrize("unmigrated_url", ["postgres"], indirect=True)
async def test_a_table_that_stays_in_use_ends_a_migration_and_keeps_the_schema(
    unmigrated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_changes, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(table_changes, "LOCK_PATIENCE_S", -1.0)
    await migrate_to(unmigrated, BEFORE)

    async with unmigrated.transaction() as reader:
        await reader.execute(text("SELECT 1 FROM batch_runs"))
        with pytest.raises(LockTimeout):
            await schema.migrate(unmigrated)

    assert await current_revision(unmigrated) == BEFORE
