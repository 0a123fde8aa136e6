"""An entry exists exactly if its action does, names who acted and from where, and cannot be changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adsum.accounts.access import PERMISSIONS, Caller, Role, system_caller
from adsum.accounts.audit.by_command import record_by_command
from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.sealing import Sealing
from adsum.platform.database.engine import Database, RejectedRows, open_database
from adsum.platform.errors import Unavailable
from adsum.platform.keys import KeyRing
from adsum.platform.origin import MAX_AGENT, ORIGIN, Origin
from tests.accounts.audit.conftest import entries_of
from tests.support.fixtures import NewDatabase

OFFICE = Caller(Role.OFFICE, PERMISSIONS[Role.OFFICE], user_id=7, key_id=8, schools=frozenset({1}))


async def recorded(database: Database, caller: Caller | None, **parts: Any) -> dict[str, Any]:
    async with database.transaction() as connection:
        await record(connection, caller, Action.SCHOOL_CHANGED, **parts)
    return (await entries_of(database))[-1]


async def test_an_entry_says_who_what_whom_when_and_from_where(database: Database) -> None:
    origin = Origin.of_request("192.0.2.7", "abc", "Browser\x00 " + "x" * 300)
    about = {"school_id": 1, "student_id": 2, "user_id": 3, "key_id": 4}
    token = ORIGIN.set(origin)
    try:
        entry = await recorded(database, OFFICE, **about, before={"days": 7, "a": [1]}, after={"days": 14, "ä": None})
    finally:
        ORIGIN.reset(token)

    assert abs(entry.pop("created_at") - datetime.now(UTC)) < timedelta(minutes=1)
    assert len(entry["agent"]) < MAX_AGENT
    assert entry | {"agent": entry["agent"][:10]} == {
        "id": 1,
        "position": None,
        "hash": None,
        "action": "school_changed",
        "caller_role": "office",
        "caller_user_id": 7,
        "caller_key_id": 8,
        "os_user": None,
        "address": "192.0.2.7",
        "request_id": "abc",
        "agent": "Browser xx",
        "school_id": 1,
        "student_id": 2,
        "user_id": 3,
        "key_id": 4,
        "before": '{"a":[1],"days":7}',
        "after": '{"days":14,"ä":null}',
    }


async def test_a_long_list_is_stored_as_its_length_and_digest(database: Database) -> None:
    schools = tuple(range(5_000))

    entry = await recorded(database, OFFICE, after={"schools": schools, "networks": ["10.0.0.0/8"] * 100})

    after = json.loads(entry["after"])
    digest = hashlib.sha256(json.dumps(schools, separators=(",", ":")).encode()).hexdigest()
    assert after == {"schools": f"5000, sha256 {digest}", "networks": ["10.0.0.0/8"] * 100}


async def test_the_command_line_is_the_system_and_nobody_is_nobody(database: Database) -> None:
    token = ORIGIN.set(Origin.of_command())
    try:
        by_command = await recorded(database, system_caller())
    finally:
        ORIGIN.reset(token)
    by_nobody = await recorded(database, None)

    assert (by_command["caller_role"], by_command["caller_user_id"]) == ("system", None)
    assert by_command["os_user"]
    assert (by_nobody["caller_role"], by_nobody["os_user"], by_nobody["after"]) == (None, None, None)


async def test_an_action_that_fails_leaves_no_entry(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as connection:
            await record(connection, system_caller(), Action.SCHOOL_CHANGED)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    assert await entries_of(database) == []


FORBIDDEN = (
    "UPDATE audit_entries SET action = 'other' WHERE id = 1",
    "UPDATE audit_entries SET position = 1, hash = 'x', school_id = 9 WHERE id = 1",
    "UPDATE audit_entries SET position = 1 WHERE id = 1",
    "DELETE FROM audit_entries WHERE id = 1",
    "INSERT INTO audit_entries (created_at, action, position, hash) VALUES ('2024-12-25', 'x', 9, 'x')",
)


@pytest.mark.every_case
@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_database_refuses_to_change_an_entry(database: Database, statement: str) -> None:
    await recorded(database, system_caller(), school_id=1)

    with pytest.raises(RejectedRows):
        async with database.transaction() as connection:
            await connection.execute(text(statement))

    assert [(each["action"], each["school_id"]) for each in await entries_of(database)] == [("school_changed", 1)]


REPLACING = (
    "INSERT OR REPLACE INTO audit_entries (id, created_at, action) VALUES (1, '2024-12-25', 'x')",
    "INSERT OR IGNORE INTO audit_entries (created_at, action, position, hash) VALUES ('2024-12-25', 'x', 1, 'x')",
    "INSERT INTO audit_entries (id, created_at, action) VALUES (1, '', '') ON CONFLICT (id) DO UPDATE SET action = 'x'",
    "UPDATE OR REPLACE audit_entries SET position = 1, hash = 'y' WHERE id = 2",
    "UPDATE OR REPLACE audit_entries SET id = 1 WHERE id = 2",
    "DELETE FROM audit_entries WHERE id = 1",
    "INSERT OR REPLACE INTO audit_chain SELECT * FROM audit_chain",
)


@pytest.fixture
async def sqlite_database(new_sqlite_database: NewDatabase) -> AsyncGenerator[Database]:
    opened = open_database(new_sqlite_database())
    yield opened
    await opened.close()


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("statement", REPLACING)
async def test_sqlite_refuses_to_replace_entries(sqlite_database: Database, statement: str, recursive: str) -> None:
    """Replacing deletes rows without their triggers, unless triggers are recursive."""
    await recorded(sqlite_database, system_caller())
    await Sealing(sqlite_database, ChainKeys(KeyRing.of("k" * 40))).seal()
    await recorded(sqlite_database, system_caller())
    before = await entries_of(sqlite_database)
    assert [each["position"] for each in before] == [1, None]

    async def replace() -> None:
        async with sqlite_database.transaction() as connection:
            await connection.execute(text(f"PRAGMA recursive_triggers = {recursive}"))
            await connection.execute(text(statement))

    with pytest.raises(RejectedRows):
        await replace()

    assert await entries_of(sqlite_database) == before


async def test_postgres_refuses_to_truncate_entries(postgres_database: Database) -> None:
    await recorded(postgres_database, system_caller())

    with pytest.raises(RejectedRows):
        async with postgres_database.transaction() as connection:
            await connection.execute(text("TRUNCATE audit_entries"))

    assert len(await entries_of(postgres_database)) == 1


async def test_writing_an_entry_waits_for_no_other_transaction(postgres_database: Database) -> None:
    """Postgres only: SQLite has one writer."""
    async with postgres_database.transaction() as first, postgres_database.transaction() as second:
        await record(first, OFFICE, Action.SCHOOL_CHANGED, school_id=1, user_id=1)
        await record(second, OFFICE, Action.SCHOOL_CHANGED, school_id=1, user_id=1)
        await record(first, OFFICE, Action.SCHOOL_CHANGED, school_id=1, user_id=1)

    assert len(await entries_of(postgres_database)) == 3


async def test_a_command_without_services_records_what_it_has_done(sqlite_url: str, tmp_path: Path) -> None:
    await record_by_command(sqlite_url, Action.BACKUP_MADE, {"bytes": 7})

    database = open_database(sqlite_url)
    (entry,) = await entries_of(database)
    await database.close()
    assert (entry["action"], entry["caller_role"], entry["after"]) == ("backup_made", "system", '{"bytes":7}')
    assert entry["os_user"]
    with pytest.raises(Unavailable):
        await record_by_command(f"sqlite:///{tmp_path}/older.db", Action.BACKUP_MADE, {})
