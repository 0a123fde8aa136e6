"""A year goes back into a partition of its own; a command that is killed in between goes on."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from adsum.attendance.tables import attendances
from adsum.platform.database.engine import Database
from adsum.platform.database.table_changes import allow_idle
from adsum.platform.errors import ConfigurationError
from adsum.platform.ids import Batch
from adsum.privacy.years.archive import read_archive
from adsum.schools.tables import schools
from tests.privacy.years.conftest import serving_on
from tests.privacy.years.site import OF_YEAR, OFFICE, dropped, site_on
from tests.support.fixtures import ONE_TABLE
from tests.support.forked import running_forked
from tests.support.live import environment
from tests.support.schools import make_record, make_school
from tests.support.servers.postgres import Postgres
from tests.support.waiting import has_transaction_waiting_for_a_lock, until

WITHIN_S = 60


async def test_the_partition_of_a_dropped_year_is_made_again(partitioned: Database, tmp_path: Path) -> None:
    site = await site_on(partitioned)
    before = await site.partitions()
    path = await dropped(site, tmp_path)
    assert "attendances_2024" not in await site.partitions()

    await site.restores.restore(path, OFFICE)

    assert await site.partitions() == before
    async with partitioned.snapshot() as connection:
        for table in ("attendances_2024", "attendance_changes_2024"):
            assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 1
    assert await site.archives.drop(read_archive(path), OFFICE) == 1
    assert "attendances_2024" not in await site.partitions()


async def test_another_user_than_the_owner_restores_no_partition_and_changes_nothing(
    partitioned: Database, postgres: Postgres, tmp_path: Path
) -> None:
    site = await site_on(partitioned)
    path = await dropped(site, tmp_path)

    async with serving_on(partitioned, postgres) as serving:
        with pytest.raises(ConfigurationError, match="`adsum year restore` as their owner"):
            await replace(site, database=serving).restores.restore(path, OFFICE)

    assert await site.count(attendances) == 1
    assert await site.records_from() == date(2025, 8, 1)


async def test_a_year_within_another_partition_goes_back_there(unpartitioned: Database, tmp_path: Path) -> None:
    site = await site_on(unpartitioned)
    path = await dropped(site, tmp_path)

    assert (await site.restores.restore(path, OFFICE)).records == 1
    assert await site.partitions() == []


async def test_a_restore_that_is_killed_goes_on(partitioned: Database, postgres: Postgres, tmp_path: Path) -> None:
    site = await site_on(partitioned)
    async with partitioned.transaction() as connection:
        second = await make_school(connection)
        batch = Batch(second.class_id, second.session_id, OF_YEAR)
        for student_id in second.student_ids:
            await make_record(connection, second.school_id, batch, student_id)
    before = await site.rows(attendances)
    path = await dropped(site, tmp_path)
    given = environment(database_url=postgres.url(ONE_TABLE), redis_url="redis://127.0.0.1:1", data_dir=str(tmp_path))
    of_second = select(schools.c.id).where(schools.c.id == second.school_id)

    async with partitioned.transaction() as blocking:
        await allow_idle(blocking)
        await blocking.execute(of_second.with_for_update())
        with running_forked(("year", "restore", str(path)), given, tmp_path / "killed") as process:

            async def waits() -> bool:
                return not process.is_running or await has_transaction_waiting_for_a_lock(partitioned)

            await until(waits, WITHIN_S)
            assert process.is_running, process.output()
            process.send_signal(signal.SIGKILL)
            assert process.wait(WITHIN_S) == -signal.SIGKILL
    assert await site.count(attendances) == 2
    async with partitioned.snapshot() as connection:
        assert await connection.scalar(select(func.min(schools.c.records_from))) == date(2025, 8, 1)

    with running_forked(("year", "restore", str(path)), given, tmp_path / "log") as process:
        assert process.wait(WITHIN_S) == 0, process.output()

    assert await site.rows(attendances) == before
    assert "Restored records  3" in process.output()
