"""`adsum upgrade`: migrates beside processes of the version before, and refuses where they could not go on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from adsum import wiring
from adsum.platform.database import schema
from adsum.platform.database.engine import Database, open_database
from adsum.platform.database.revision import COMPATIBLE_FROM, current_revision, newest_revision
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import Settings
from adsum.processes.upgrade import plan_upgrade
from tests.support.commands import Commands, commands
from tests.support.migrations import migrations_after

EARLIER = f"{int(COMPATIBLE_FROM) - 1:04}"


async def migrated_to(url: str, revision: str) -> Database:
    """A database with the schema of an older version."""
    database = open_database(url)
    async with database.migration() as connection:
        await connection.run_sync(lambda each: command.upgrade(schema._config(each), revision))  # pyright: ignore[reportPrivateUsage]
    return database


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/school.db"


@pytest.fixture
def here(url: str) -> Commands:
    return commands(database_url=url)


async def test_a_check_names_the_missing_migrations_and_changes_nothing(url: str, here: Commands) -> None:
    database = await migrated_to(url, COMPATIBLE_FROM)

    plan = json.loads(here.output("upgrade", "--check", "--json"))

    assert (plan["schema"], plan["newestSchema"], plan["withoutPause"]) == (COMPATIBLE_FROM, newest_revision(), True)
    assert len(plan["missingMigrations"]) == migrations_after(COMPATIBLE_FROM)
    assert await current_revision(database) == COMPATIBLE_FROM
    await database.close()


async def test_people_read_how_many_migrations_are_missing(url: str, here: Commands) -> None:
    database = await migrated_to(url, EARLIER)
    await database.close()

    number = migrations_after(EARLIER)
    assert re.search(f"Missing migrations +{number}, from {COMPATIBLE_FROM} ", here.run("upgrade", "--check").stdout)
    here.output("migrate")
    assert re.search("Missing migrations +none\\n", here.output("upgrade", "--check"))


async def test_an_upgrade_from_the_version_before_migrates_and_a_repetition_does_nothing(
    url: str, here: Commands
) -> None:
    database = await migrated_to(url, COMPATIBLE_FROM)

    first = json.loads(here.output("upgrade", "--json"))
    second = json.loads(here.output("upgrade", "--json"))

    assert first["appliedMigrations"] == len(first["missingMigrations"])
    assert (second["appliedMigrations"], second["missingMigrations"]) == (0, [])
    assert await current_revision(database) == newest_revision()
    await database.close()


async def test_an_upgrade_from_an_earlier_version_is_refused_and_changes_nothing(url: str, here: Commands) -> None:
    database = await migrated_to(url, EARLIER)

    refused = here.run("upgrade", "--json")

    assert (refused.returncode, json.loads(refused.stdout)["withoutPause"]) == (1, False)
    assert f"processes of the version with schema {EARLIER} do not work on schema {newest_revision()}" in refused.stderr
    assert "stop every process, then run `adsum migrate`" in refused.stderr
    assert await current_revision(database) == EARLIER
    await database.close()


@pytest.mark.parametrize("arguments", [("upgrade",), ("upgrade", "--check")])
def test_a_missing_database_is_named_and_not_made(tmp_path: Path, here: Commands, arguments: tuple[str, ...]) -> None:
    refused = here.run(*arguments)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"there is no database {tmp_path}/school.db: `adsum migrate` makes a new one" in refused.stderr
    assert not (tmp_path / "school.db").exists()


async def test_a_current_database_needs_no_pause(database: Database) -> None:
    assert (await plan_upgrade(database)).without_pause


async def test_a_database_without_tables_needs_no_pause(tmp_path: Path, url: str) -> None:
    (tmp_path / "school.db").touch()
    database = open_database(url)

    plan = await plan_upgrade(database)

    assert (plan.schema, plan.without_pause) == (None, True)
    await database.close()


async def test_a_database_of_a_newer_version_is_not_upgraded(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigurationError, match="the schema of the database is 9999, that of this version"):
        await plan_upgrade(database)


async def test_a_process_does_not_start_on_a_schema_that_is_too_new(url: str, tmp_path: Path) -> None:
    database = open_database(url)
    await schema.migrate(database)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.execute(text("UPDATE schema_compatibility SET compatible_from = '9998'"))
    await database.close()

    async with wiring.open_adsum(Settings(database_url=url, redis_url=f"unix://{tmp_path}/nowhere")) as adsum:
        report = await adsum.readiness.report()
        with pytest.raises(ConfigurationError, match="a version too new for this one has migrated the database"):
            await adsum.readiness.require_current_schema()

    assert report.checks["migrations"] == "incompatible"
