"""Only the owner of the tables partitions records, and drops the partition of a year."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from adsum.attendance.tables import attendances
from adsum.platform.database.engine import Database, StorageOutage
from adsum.platform.errors import ConfigurationError
from adsum.privacy.years.service import SchoolYears
from tests.privacy.years.conftest import serving_on, serving_url
from tests.privacy.years.site import NOW, OFFICE, archived, site_on
from tests.support.commands import commands
from tests.support.servers.postgres import Postgres


async def test_another_user_drops_no_partition_and_changes_nothing(
    partitioned: Database, postgres: Postgres, tmp_path: Path
) -> None:
    site = await site_on(partitioned)
    manifest = await archived(site, tmp_path)

    async with serving_on(partitioned, postgres) as serving:
        other = replace(site, database=serving)
        with pytest.raises(ConfigurationError, match="does not own the tables"):
            await other.archives.drop(manifest, OFFICE)
        assert not await SchoolYears(serving, lambda: NOW).partition(8, OFFICE), "they are partitioned already"
        given = {"database_url": serving_url(postgres), "redis_url": "redis://127.0.0.1:1", "data_dir": str(tmp_path)}
        ended = commands(**given).run("year", "drop", str(tmp_path / "2024.tar"), "--yes")

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "does not own the tables of the records: run `adsum year drop` as their owner" in ended.stderr
    assert "attendances_2024" in await site.partitions()
    assert await site.records_from() is None
    assert await site.count(attendances) == 2


async def test_another_user_partitions_nothing_and_drops_a_year_without_a_partition(
    unpartitioned: Database, postgres: Postgres, tmp_path: Path
) -> None:
    site = await site_on(unpartitioned)
    manifest = await archived(site, tmp_path)

    async with serving_on(unpartitioned, postgres) as serving:
        with pytest.raises(ConfigurationError, match="`adsum year partition` as their owner"):
            await SchoolYears(serving, lambda: NOW).partition(8, OFFICE)
        assert await replace(site, database=serving).archives.drop(manifest, OFFICE) == 1

    assert await site.count(attendances) == 1


async def test_a_missing_privilege_is_named(partitioned: Database, postgres: Postgres) -> None:
    async with serving_on(partitioned, postgres) as serving:
        with pytest.raises(StorageOutage, match="lacks a privilege"):
            async with serving.transaction() as connection:
                await connection.execute(text("DROP TABLE attendances_2024"))
