"""Migrations that change stored rows."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, func, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid6 import uuid7

from adsum.accounts.access import Role, system_caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.tables import users
from adsum.attendance.tables import attendances
from adsum.batches.repository.jobs import insert_records
from adsum.batches.repository.runs import close_runs
from adsum.batches.repository.undoing import UndoRequest, undo_run
from adsum.batches.tables import batch_runs
from adsum.events.webhooks.tables import webhook_deliveries, webhooks
from adsum.operations.migrations import online
from adsum.platform.database import schema, table_changes
from adsum.platform.database.engine import Database, StorageOutage, open_database
from adsum.platform.database.revision import current_revision
from adsum.platform.ids import Batch
from adsum.roster.repository.session_validity import is_valid
from adsum.roster.repository.students import is_in_grade
from adsum.roster.tables import session_times, sessions, student_schools, students
from adsum.schools.tables import schools
from tests.support.runs import LATER, inserts, make_run, slices
from tests.support.schools import (
    add_school,
    caller,
    make_bare_school,
    make_class,
    make_school,
    make_session,
    make_student,
)


async def test_stored_source_ids_lose_their_blanks_unless_another_row_has_the_id(database: Database) -> None:
    async with database.transaction() as connection:
        school, other = [await make_bare_school(connection, name=name) for name in ("Ahorn", "Buche")]
        stored = [(school, " a"), (school, "b\u3000"), (school, "b "), (school, " c"), (school, "c"), (other, "\ta ")]
        named = {"given_name": "Ada", "family_name": "Byron", "active": True}
        rows = [{"school_id": school_id, "source_id": source_id, **named} for school_id, source_id in stored]
        await connection.execute(insert(students), [*rows, {"school_id": school, "source_id": None, **named}])

        await connection.run_sync(run_in, migration("0014_source_ids_without_blanks").upgrade)

        found = await connection.scalars(select(students.c.source_id).order_by(students.c.id))
        assert list(found) == ["a", "b", "b ", " c", "c", "a", None]


@pytest.mark.parametrize("name", ["0016_unmarked_students", "0020_minutes_missed"])
@pytest.mark.parametrize("size", [1, 2, 5, 6])
async def test_all_days_are_summarised_again_after_the_summaries_have_changed(
    database: Database, monkeypatch: pytest.MonkeyPatch, size: int, name: str
) -> None:
    step = migration(name)
    monkeypatch.setattr(step, "SLICE", size)
    async with database.transaction() as connection:
        school = await make_school(connection)
        for days in range(5):
            batch = Batch(school.class_id, school.session_id, date(2024, 12, 25) + timedelta(days))
            await make_run(connection, school, inserts(school.student_ids), batch=batch)
        await connection.execute(update(batch_runs).values(summarised=True))

        await connection.run_sync(run_in, step._mark_all_days_stale)

        summarised = select(func.count()).select_from(batch_runs).where(batch_runs.c.summarised)
        assert await connection.scalar(summarised) == 0


def test_summaries_are_locked_after_all_days_were_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    minutes, steps = migration("0020_minutes_missed"), list[str]()
    monkeypatch.setattr(minutes, "_mark_all_days_stale", lambda: steps.append("marked"))

    def add_column(table: str, _column: object) -> None:
        steps.append(table)

    monkeypatch.setattr(minutes.op, "add_column", add_column)

    minutes.upgrade()

    assert steps[0] == "marked"
    assert set(steps[1:]) == set(minutes.SUMMARIES)


async def test_grades_and_logins_of_an_older_version_are_kept_and_found(unmigrated: Database) -> None:
    async with unmigrated.transaction() as connection:
        await connection.run_sync(lambda each: command.upgrade(schema._config(each), "0014"))  # pyright: ignore[reportPrivateUsage]
        for statement in (
            "INSERT INTO schools (id, name, time_zone) VALUES (1, 'A', 'UTC')",
            "INSERT INTO users (id, role, school_id, email) VALUES (1, 'teacher', 1, 'teacher@a.example')",
        ):
            await connection.execute(text(statement))
        student = (
            "INSERT INTO students (id, school_id, given_name, family_name, grade) VALUES (:id, 1, 'A', 'B', :grade)"
        )
        stored = ["09, 10", " 9 ", "9", None, ",", "9,10,9", "10 , 09"]
        rows = [{"id": number, "grade": grade} for number, grade in enumerate(stored, start=1)]
        await connection.execute(text(student), rows)
    await schema.migrate(unmigrated)
    async with unmigrated.snapshot() as connection:
        grades = await connection.scalars(select(students.c.grade).order_by(students.c.id))
        assert list(grades) == ["09,10", "9", "9", None, None, "9,10", "10,09"]
        in_ten = select(students.c.id).where(is_in_grade("10")).order_by(students.c.id)
        assert (await connection.scalars(in_ten)).all() == [1, 6, 7]
        assert await connection.scalar(select(users.c.enabled_in_roster)), "a login stays enabled"
    async with unmigrated.transaction() as connection:  # no list is too long
        await connection.execute(update(students).values(grade="9," * 400 + "10"))


async def test_sessions_that_had_left_the_roster_are_valid_on_no_day_and_the_others_on_every_day(
    database: Database,
) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        kept, gone = [await make_class(connection, school_id, active=active) for active in (True, False)]
        places = [(kept, "1", True), (kept, "2", False), (gone, "3", True)]
        for class_id, period, active in places:
            await make_session(connection, class_id, period=period, active=active)

        await connection.run_sync(run_in, migration("0024_the_validity_of_sessions")._end_inactive_sessions)

        for day in (date(2000, 1, 1), date.today(), date(9000, 1, 1)):  # noqa: DTZ011 - any day
            assert list(await connection.scalars(select(sessions.c.period).where(is_valid(day)))) == ["1"]


async def test_schools_begin_with_monday_to_friday_and_the_weekdays_of_their_records(database: Database) -> None:
    weekdays = migration("0025_weekdays_of_schools")
    async with database.transaction() as connection:
        school = await make_school(connection)
        await make_school(connection)
        for day in (date(2024, 12, 21), date(2024, 12, 25)):
            batch = Batch(school.class_id, school.session_id, day)
            await make_run(connection, school, inserts(school.student_ids), batch=batch)

        await connection.run_sync(run_in, weekdays._begin_with_days_of_records)

        found = await connection.scalars(select(schools.c.weekdays).order_by(schools.c.id))
        assert list(found) == ["123456", "12345"]


async def test_a_membership_gets_the_source_id_of_the_student_unless_a_merge_made_it(database: Database) -> None:
    names = migration("0026_source_ids_at_schools")
    async with database.transaction() as connection:
        home, of_import, of_merge = [await make_bare_school(connection, name=name) for name in ("A", "B", "C")]
        kept = await make_student(connection, home, source_id="55")
        await make_student(connection, of_merge, source_id="117", merged_into=kept)
        for school_id in (of_import, of_merge):
            await add_school(connection, kept, school_id)

        await connection.run_sync(run_in, names._name_students_of_imports)

        found = await connection.scalars(select(student_schools.c.source_id).order_by(student_schools.c.school_id))
        assert list(found) == ["55", None]


async def test_equal_times_of_a_session_are_deleted_and_refused_afterwards(database: Database) -> None:
    equal = {"weekday": 1, "begins": "08:00", "ends": "08:45", "end_date": None}
    at = migration("0026_source_ids_at_schools")
    async with database.transaction() as connection:
        school = await make_school(connection)
        rows = [equal | {"session_id": school.session_id, "begin_date": begin} for begin in (None, date(2024, 9, 2))]
        await connection.execute(insert(session_times), rows)
        with pytest.raises(IntegrityError):
            async with connection.begin_nested():
                await connection.execute(insert(session_times), rows[:1])
        await connection.execute(text("DROP INDEX ix_session_times_without_begin_date"))
        await connection.execute(insert(session_times), rows[:1])

        await connection.run_sync(run_in, at._delete_equal_times)

        left = await connection.scalars(select(session_times.c.begin_date).order_by(session_times.c.id))
        assert list(left) == [None, date(2024, 9, 2)]


OLD_MARK = (
    "INSERT INTO attendances (id, school_id, class_id, session_id, learning_date, student_id, marked_at,"
    " marked_role, run_id) VALUES (77, :school, :class, :session, '2024-12-25', :student, '2024-12-25',"
    " 'teacher', :run)"
)
OLD_CHANGE = (
    "INSERT INTO attendance_changes (attendance_id, version, changed_at, changed_role)"
    " VALUES (77, 2, '2024-12-25', 'office')"
)


async def test_rows_keep_their_ids_and_references_when_their_tables_are_made_again(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/old.db")
    async with database.transaction() as connection:
        await connection.run_sync(lambda each: command.upgrade(schema._config(each), "0026"))  # pyright: ignore[reportPrivateUsage]
        school = await make_school(connection)
        of_mark = {"school": school.school_id, "class": school.class_id, "session": school.session_id}
        run_id = await insert_open_run(connection, of_mark)
        await connection.execute(text(OLD_MARK), {**of_mark, "student": school.student_ids[2], "run": run_id})
        await connection.execute(text(OLD_CHANGE))
        before = await connection.run_sync(stored_rows)

    assert await schema.migrate(database) > 0

    async with database.transaction() as connection:
        after = await connection.run_sync(stored_rows)
        # Later migrations add columns.
        for table, rows in before.items():
            assert [row[: len(old)] for old, row in zip(rows, after[table], strict=True)] == rows
        with pytest.raises(IntegrityError):
            await connection.execute(text("DELETE FROM attendances"))
        await connection.execute(text("DELETE FROM attendance_changes"))
        await connection.execute(text("DELETE FROM attendances"))
        await connection.execute(
            text(OLD_MARK.replace("(id, ", "(").replace("77, ", "")), {**of_mark, "student": 1, "run": "x"}
        )
        assert await connection.scalar(text("SELECT id FROM attendances")) == 78
    await database.close()


async def insert_open_run(connection: AsyncConnection, of_mark: Mapping[str, int]) -> str:
    """Returns its id. `make_run` reads columns of later migrations."""
    run_id = str(uuid7())
    await connection.execute(
        insert(batch_runs).values(
            **{f"{name}_id": row_id for name, row_id in of_mark.items()},
            run_id=run_id,
            learning_date=date(2024, 12, 25),
            number=1,
            state="open",
            on_existing="skip",
            plan=[],
            kept=[],
            chunk_size=25,
            total_jobs=3,
            accepted_at=datetime(2024, 12, 25, tzinfo=UTC),
            accepted_role="teacher",
        )
    )
    return run_id


def stored_rows(connection: Connection) -> dict[str, Sequence[Any]]:
    names = set(inspect(connection).get_table_names()) - {"alembic_version"}
    rows = {name: connection.execute(text(f"SELECT * FROM {name} ORDER BY 1, 2")).all() for name in names}
    return {name: found for name, found in rows.items() if found}


def migration(name: str) -> Any:
    return importlib.import_module(f"adsum.operations.migrations.versions.{name}")


def run_in(connection: Connection, step: Callable[[], None]) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        step()


@pytest.mark.parametrize("size", [1, 500])
async def test_runs_that_were_undone_before_are_marked_in_slices(
    database: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    undone = migration("0048_runs_undone_before")
    monkeypatch.setattr(online, "SLICE", size)
    async with database.transaction() as connection:
        school = await make_school(connection)
        batches = [Batch(school.class_id, school.session_id, date(2024, 12, day)) for day in (19, 20, 25)]
        jobs = inserts(school.student_ids)
        runs = [await make_run(connection, school, jobs, batch=batch) for batch in batches]
        await insert_records(connection, slices(*runs))
        await close_runs(connection, [run.run_id for run in runs], LATER)
        kept = (
            attendances.c.student_id == school.student_ids[0],
            attendances.c.learning_date == batches[0].learning_date,
        )
        await connection.execute(update(attendances).where(*kept).values(version=2))
        for run in runs[:2]:
            undo = UndoRequest(run.batch, run.run_id, caller(Role.OFFICE, school.school_id), LATER, None)
            await undo_run(connection, undo)
        c = batch_runs.c
        statement = select(c.run_id, c.undone_at, c.undone_jobs, c.not_undone_jobs).order_by(c.learning_date)
        expected = (await connection.execute(statement)).all()
        assert [row.not_undone_jobs for row in expected] == [1, 0, 0]
        for values in ({"undone_at": None}, {}):  # of a data folder that has not, or has, revision 0045 of old
            nothing = {"undone_jobs": 0, "not_undone_jobs": 0}
            await connection.execute(update(batch_runs).values(nothing | values))
            await connection.run_sync(run_in, undone.upgrade)
            assert (await connection.execute(statement)).all() == expected


@pytest.mark.long
async def test_the_indexes_of_runs_are_made_again_where_one_was_interrupted(unmigrated: Database) -> None:
    for _ in range(49):
        await schema._migrate_once(unmigrated)  # pyright: ignore[reportPrivateUsage]
    names = ["ix_attendance_changes_texts", "ix_attendances_texts", "ix_batch_runs_submitted", "ix_batch_runs_undone"]
    async with unmigrated.transaction() as connection:
        await connection.execute(text("CREATE INDEX ix_batch_runs_user_id ON batch_runs (user_id)"))
        await connection.execute(text("DROP INDEX ix_attendances_texts"))
        if unmigrated.is_postgres:
            interrupted = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_batch_runs_undone'::regclass"
            await connection.execute(text(interrupted))
        await connection.execute(text("UPDATE alembic_version SET version_num = '0048'"))

    await schema.migrate(unmigrated)

    query = "SELECT name FROM sqlite_master WHERE type = 'index'"
    if unmigrated.is_postgres:
        query = "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid"
    async with unmigrated.snapshot() as connection:
        found = set(await connection.scalars(text(query)))
    assert found >= set(names)
    assert "ix_batch_runs_user_id" not in found


@pytest.mark.parametrize("size", [1, 500])
async def test_deliveries_lose_the_answers_to_events_and_keep_those_to_tests(
    database: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(online, "SLICE", size)
    async with database.transaction() as connection:
        of_all = insert(webhooks).values(url="https://a.example", event_types=[], in_order=True, secret="", position=0)
        await connection.execute(of_all.values(created_at=LATER))
        attempt = {"webhook_id": 1, "event_type": "x", "attempted_at": LATER, "duration_ms": 1, "answer": "Ada"}
        await connection.execute(insert(webhook_deliveries), [attempt | {"event_id": each} for each in (1, None, 2)])

        await connection.run_sync(run_in, migration("0065_failed_deliveries")._remove_answers)

        answers = list(await connection.scalars(select(webhook_deliveries.c.answer).order_by(webhook_deliveries.c.id)))
    assert answers == ["", "Ada", ""]


async def test_webhooks_get_the_creators_of_the_audit_log_and_none_stops(unmigrated: Database) -> None:
    while await current_revision(unmigrated) != "0071":
        await schema._migrate_once(unmigrated)  # pyright: ignore[reportPrivateUsage]
    async with unmigrated.transaction() as connection:
        key = "(name, secret_hash, permissions, created_at, revoked_at, expires_at)"
        for number, (revoked, expires) in enumerate([("NULL", "NULL"), (f"'{LATER}'", "NULL"), ("NULL", f"'{LATER}'")]):
            values = f"('k', 'h{number}', '[]', '{LATER}', {revoked}, {expires})"
            await connection.execute(text(f"INSERT INTO api_keys {key} VALUES {values}"))
        row = f"('https://a.example', '[]', true, '', '{LATER}', 0)"
        columns = "(url, event_types, in_order, secret, created_at, position)"
        await connection.execute(text(f"INSERT INTO webhooks {columns} VALUES {', '.join([row] * 5)}"))
        authors = [*(replace(system_caller(), role=Role.KEY, key_id=number) for number in (1, 2, 3)), system_caller()]
        for webhook_id, author in enumerate(authors, start=1):
            await record(connection, author, Action.WEBHOOK_CREATED, after={"webhook_id": webhook_id})

    await schema.migrate(unmigrated)

    c = webhooks.c
    async with unmigrated.snapshot() as connection:
        rows = await connection.execute(select(c.created_role, c.created_key_id, c.ends_with_key_id).order_by(c.id))
        found = [tuple(each) for each in rows]
    assert found == [("key", 1, 1), ("key", 2, None), ("key", 3, None), ("admin", None, None), (None, None, None)]


@pytest.mark.long
@pytest.mark.parametrize("unmigrated_url", ["postgres"], indirect=True)
async def test_an_index_is_created_while_others_wait_to_migrate(unmigrated: Database) -> None:
    async with unmigrated.transaction() as connection:
        await connection.run_sync(lambda each: command.upgrade(schema._config(each), "0048"))  # pyright: ignore[reportPrivateUsage]
    others = [open_database(unmigrated.engine.url.render_as_string(hide_password=False)) for _ in range(2)]
    applied = await asyncio.gather(*(schema.migrate(each) for each in (unmigrated, *others)))
    for each in others:
        await each.close()
    missing = schema._scripts().iterate_revisions("head", "0048")  # pyright: ignore[reportPrivateUsage]
    assert sum(applied) == len(list(missing))


@pytest.mark.long
@pytest.mark.parametrize("unmigrated_url", ["postgres"], indirect=True)
async def test_a_migration_that_another_process_holds_up_is_an_outage(
    unmigrated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_changes, "STATEMENT_TIMEOUT_S", 0.1)
    async with unmigrated.autocommit_read() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": table_changes.SCHEMA_LOCK})
        with pytest.raises(StorageOutage, match="another process is migrating"):
            await schema.migrate(unmigrated)
        await connection.execute(text("SELECT pg_advisory_unlock_all()"))
    assert await schema.migrate(unmigrated) > 0
