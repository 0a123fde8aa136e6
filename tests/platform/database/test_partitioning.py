"""Records of Postgres are partitioned while they are written."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest
from sqlalchemy import func, insert, select, text

from adsum.attendance.tables import attendance_changes, attendances
from adsum.operations.doctor.environment import check_database
from adsum.operations.doctor.inspected_server import InspectedServer
from adsum.operations.repository import has_left_checks
from adsum.platform.database import partitioning as conversion
from adsum.platform.database import schema, table_changes
from adsum.platform.database.engine import Database, LockTimeout, RejectedRows, StorageOutage
from adsum.platform.database.partitions import partitions_of
from adsum.platform.database.revision import (
    COMPATIBLE_FROM,
    PARTITIONED_FROM,
    MigrationState,
    migration_state,
)
from adsum.platform.ids import Batch
from adsum.platform.settings import Settings
from adsum.privacy.retention.repository.partitions import drop_record_partitions
from adsum.wiring import migrate
from tests.platform.database.partitioned import (
    NOW,
    TODAY,
    add_records,
    as_owner,
    compatible_from,
    correct,
    names,
    partition,
    tables_of_days,
)
from tests.support.schools import SchoolIds, make_record
from tests.support.waiting import has_transaction_waiting_for_a_lock, until


async def test_rows_of_a_partitioned_database_stay_and_new_ones_go_to_the_partition_of_their_year(
    unpartitioned: Database, school: SchoolIds
) -> None:
    old = date(2025, 1, 8), date(2026, 9, 1)
    ids = await add_records(unpartitioned, school, *old)
    await correct(unpartitioned, ids[0])

    assert await partition(unpartitioned)
    assert not await partition(unpartitioned)

    assert await names(unpartitioned) == ["attendances_before_2027", "attendances_2027"]
    new, late = await add_records(unpartitioned, school, date(2027, 9, 1), date(2040, 1, 1))
    for record_id in (ids[1], new, late):
        await correct(unpartitioned, record_id)
    assert ids[1] < new < late
    expected = {old[0]: "before_2027", old[1]: "before_2027", date(2027, 9, 1): "2027", date(2040, 1, 1): "other"}
    async with unpartitioned.snapshot() as connection:
        for table in ("attendances", "attendance_changes"):
            tables = {day: f"{table}_{name}" for day, name in expected.items()}
            assert await tables_of_days(connection, table) == tables


async def test_a_change_of_an_older_release_gets_the_day_of_its_record(
    unpartitioned: Database, school: SchoolIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "SLICE", 2)
    days = [date(2026, 9, day) for day in range(1, 6)]
    ids = await add_records(unpartitioned, school, *days)
    change = {"version": 2, "changed_at": NOW, "changed_role": "office"}
    async with unpartitioned.transaction() as connection:
        await connection.execute(insert(attendance_changes), [change | {"attendance_id": each} for each in ids])

    await partition(unpartitioned)

    async with unpartitioned.snapshot() as connection:
        c = attendance_changes.c
        assert list(await connection.scalars(select(c.learning_date).order_by(c.attendance_id))) == days


async def test_a_partition_keeps_the_unique_keys_of_the_table(unpartitioned: Database, school: SchoolIds) -> None:
    (record_id,) = await add_records(unpartitioned, school, date(2027, 9, 1))
    await partition(unpartitioned)

    await correct(unpartitioned, record_id)
    for again in (add_records(unpartitioned, school, date(2027, 9, 1)), correct(unpartitioned, record_id)):
        with pytest.raises(RejectedRows):
            await again


async def test_a_partition_has_the_indexes_and_foreign_keys_of_the_table(unpartitioned: Database) -> None:
    await partition(unpartitioned)

    keys = "SELECT conrelid::regclass::text, count(*) FROM pg_constraint WHERE contype = 'f' GROUP BY 1"
    indexes = "SELECT indrelid::regclass::text, count(*) FROM pg_index WHERE indisvalid GROUP BY 1"
    async with unpartitioned.snapshot() as connection:
        found = [{row[0]: row[1] for row in await connection.execute(text(each))} for each in (keys, indexes)]
    for part in ("before_2026", "2026", "2027", "other"):
        assert found[0][f"attendance_changes_{part}"] == found[0]["attendance_changes"] == 2
        # The primary key is that of each partition.
        assert found[1][f"attendances_{part}"] == found[1]["attendances"] + 1 == 5


async def test_a_partitioned_table_has_the_owner_and_the_privileges_of_the_one_before(unpartitioned: Database) -> None:
    """The user that runs the command, and the default privileges of that user, make no difference."""
    roles = "partitions_owner", "partitions_serving", '"Partitions reading"'
    owner, serving, reading = roles
    await as_owner(unpartitioned, *(f"CREATE ROLE {role}" for role in roles))
    for table in ("attendances", "attendance_changes"):
        await as_owner(
            unpartitioned, f"GRANT SELECT, INSERT ON {table} TO {serving}", f"ALTER TABLE {table} OWNER TO {owner}"
        )
        await as_owner(unpartitioned, f"GRANT SELECT ON {table} TO {reading} WITH GRANT OPTION")
    await as_owner(unpartitioned, f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {reading}")

    await partition(unpartitioned)

    rights = (
        "SELECT DISTINCT pg_get_userbyid(relowner), grantee::regrole::text, string_agg(privilege_type, ' ' "
        "ORDER BY privilege_type) FROM pg_class, aclexplode(relacl) "
        "WHERE relname ~ '^attendance(s|_changes)' AND relkind IN ('r', 'p') AND grantee <> relowner GROUP BY oid, 1, 2"
    )
    async with unpartitioned.snapshot() as connection:
        found = {tuple(row) for row in await connection.execute(text(rights))}
    await as_owner(
        unpartitioned, *(f"DROP OWNED BY {role} CASCADE" for role in roles), *(f"DROP ROLE {role}" for role in roles)
    )
    assert found == {(owner, serving, "INSERT SELECT"), (owner, reading, "SELECT")}


async def test_a_partitioned_database_refuses_processes_that_are_too_old(unpartitioned: Database) -> None:
    assert await compatible_from(unpartitioned) == COMPATIBLE_FROM

    await partition(unpartitioned)

    assert await compatible_from(unpartitioned) == PARTITIONED_FROM
    assert await schema.migrate(unpartitioned) == 0
    assert await migration_state(unpartitioned) is MigrationState.CURRENT


async def test_a_process_that_is_too_old_meets_an_outage_which_it_repeats_and_no_wrong_row(
    unpartitioned: Database, school: SchoolIds
) -> None:
    (record_id,) = await add_records(unpartitioned, school, date(2026, 9, 1))
    await partition(unpartitioned)
    change = f"VALUES ({record_id}, 2, now(), 'office') ON CONFLICT (attendance_id, version) DO NOTHING"
    columns = "attendance_id, version, changed_at, changed_role"

    with pytest.raises(StorageOutage):
        async with unpartitioned.transaction() as connection:
            await connection.execute(text(f"INSERT INTO attendance_changes ({columns}) {change}"))


async def test_changes_of_an_older_process_beside_a_conversion_are_kept_with_the_day_of_their_record(
    unpartitioned: Database, school: SchoolIds
) -> None:
    (record_id,) = await add_records(unpartitioned, school, date(2026, 9, 1))
    written = 0

    async def write_without_days() -> None:
        nonlocal written
        while True:
            change = f"VALUES ({record_id}, {written + 2}, now(), 'office') ON CONFLICT (attendance_id, version)"
            columns = "attendance_id, version, changed_at, changed_role"
            await as_owner(unpartitioned, f"INSERT INTO attendance_changes ({columns}) {change} DO NOTHING")
            written += 1

    async def has_written() -> bool:
        return written > 10

    writing = asyncio.create_task(write_without_days())
    await until(has_written)
    await partition(unpartitioned)

    with pytest.raises(StorageOutage):
        await writing
    async with unpartitioned.snapshot() as connection:
        c = attendance_changes.c
        days = await connection.execute(select(c.learning_date, func.count()).group_by(c.learning_date))
        assert [tuple(row) for row in days] == [(date(2026, 9, 1), written)]


async def test_a_change_without_a_day_goes_with_the_partition_of_its_record(
    unpartitioned: Database, school: SchoolIds
) -> None:
    """An older process that is still running has written it after the conversion."""
    await partition(unpartitioned)
    (record_id,) = await add_records(unpartitioned, school, date(2026, 9, 1))
    change = "(attendance_id, version, changed_at, changed_role) VALUES"
    await as_owner(unpartitioned, f"INSERT INTO attendance_changes {change} ({record_id}, 2, now(), 'office')")
    async with unpartitioned.transaction() as connection:
        (of_year,) = [each for each in await partitions_of(connection, attendances) if each.first == date(2026, 8, 1)]
        await drop_record_partitions(connection, of_year)

    async with unpartitioned.snapshot() as connection:
        assert await connection.scalar(select(func.count()).select_from(attendance_changes)) == 0


async def test_records_are_written_and_corrected_while_their_table_is_partitioned(
    unpartitioned: Database, school: SchoolIds
) -> None:
    written, stop = dict[date, int](), asyncio.Event()

    async def write(first: date) -> None:
        while not stop.is_set():
            day = first + timedelta(days=len(written))
            (written[day],) = await add_records(unpartitioned, school, day)
            await correct(unpartitioned, written[day])

    async def has_written(count: int) -> bool:
        return len(written) >= count

    writing = asyncio.create_task(write(date(2020, 9, 1)))
    await until(lambda: has_written(20))
    await partition(unpartitioned)
    before = len(written)
    await until(lambda: has_written(before + 20))
    stop.set()
    await writing

    async with unpartitioned.snapshot() as connection:
        c, a = attendance_changes.c, attendances.c
        found = select(a.learning_date, a.id).join(attendance_changes, c.attendance_id == a.id)
        assert {
            row[0]: row[1] for row in await connection.execute(found.where(c.learning_date == a.learning_date))
        } == (written)


async def test_a_conversion_gives_way_to_a_long_transaction_and_can_be_repeated(
    unpartitioned: Database, school: SchoolIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_records(unpartitioned, school, date(2026, 9, 1))
    monkeypatch.setattr(table_changes, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(table_changes, "LOCK_PATIENCE_S", -1.0)

    async with unpartitioned.transaction() as reader:
        await reader.execute(text("SELECT 1 FROM attendance_changes"))
        with pytest.raises(LockTimeout):
            await partition(unpartitioned)
    assert await names(unpartitioned) == []
    await add_records(unpartitioned, school, date(2040, 1, 1))

    assert await partition(unpartitioned)
    await add_records(unpartitioned, school, date(2040, 1, 2))


async def test_a_conversion_that_fails_leaves_no_check_that_refuses_later_days(
    unpartitioned: Database, school: SchoolIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_records(unpartitioned, school, date(2026, 9, 1))
    monkeypatch.setattr(conversion, "_INDEXES", text("SELECT 1 FROM no_such_table WHERE '' = :table"))

    with pytest.raises(StorageOutage):
        await partition(unpartitioned)

    await add_records(unpartitioned, school, date(2030, 1, 1))


async def test_a_migration_removes_the_checks_of_a_conversion_that_was_killed(
    unpartitioned: Database, school: SchoolIds, unpartitioned_url: str
) -> None:
    late = date(2030, 1, 1)
    async with unpartitioned.transaction() as connection:
        for table in ("attendances", "attendance_changes"):
            check = f"ck_{table}_days CHECK (learning_date < '2027-08-01') NOT VALID"
            await connection.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT {check}"))
    with pytest.raises(RejectedRows):
        await add_records(unpartitioned, school, late)
    found = await check_database(unpartitioned, InspectedServer("a database", "start it"), lambda: NOW)
    assert [each.remedy for each in found if each.check == "migrations"] == ["adsum migrate"]

    assert await migrate(Settings(database_url=unpartitioned_url)) == 0

    assert not await has_left_checks(unpartitioned)
    await add_records(unpartitioned, school, late)


async def test_a_mark_beside_the_conversion_of_an_empty_table_is_kept(
    unpartitioned: Database, school: SchoolIds
) -> None:
    """It is of a day after those of an empty table's partition of old days."""
    async with unpartitioned.transaction() as connection:
        await make_record(
            connection, school.school_id, Batch(school.class_id, school.session_id, TODAY), school.student_ids[0]
        )
        converting = asyncio.create_task(partition(unpartitioned))
        await until(lambda: has_transaction_waiting_for_a_lock(unpartitioned))

    assert await converting
    assert await names(unpartitioned) == ["attendances_before_2027", "attendances_2027"]


async def test_a_conversion_beside_a_migration_is_an_outage(
    unpartitioned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_changes, "STATEMENT_TIMEOUT_S", 0.1)
    async with table_changes.schema_locked(unpartitioned):
        with pytest.raises(StorageOutage, match="another process"):
            await partition(unpartitioned)
