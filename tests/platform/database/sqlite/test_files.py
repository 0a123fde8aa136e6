"""Files of SQLite: who may read them, and what is wrong with those that cannot be opened."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import text

from adsum.platform.database.engine import Database, StorageOutage, open_database
from adsum.platform.errors import ConfigurationError, reason


@pytest.fixture(autouse=True)
def files_for_everybody() -> Generator[None]:
    """Files of this process are readable for others, as those of most shells."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def opened(path: Path) -> Database:
    return open_database(f"sqlite:///{path}")


def modes(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


async def test_a_new_database_and_its_log_are_for_their_owner_alone(tmp_path: Path) -> None:
    database = opened(tmp_path / "adsum.db")
    async with database.transaction() as connection:
        await connection.execute(text("CREATE TABLE x (y)"))
    assert modes(tmp_path) == dict.fromkeys(("adsum.db", "adsum.db-wal", "adsum.db-shm"), 0o600)
    await database.close()


async def test_a_database_that_the_first_check_creates_is_private_too(tmp_path: Path) -> None:
    database = opened(tmp_path / "adsum.db")
    await database.require_connection()
    assert modes(tmp_path) == {"adsum.db": 0o600}
    await database.close()


async def test_the_permissions_of_a_database_that_exists_stay(tmp_path: Path) -> None:
    (tmp_path / "adsum.db").touch(0o640)
    database = opened(tmp_path / "adsum.db")
    await database.require_connection()
    assert modes(tmp_path) == {"adsum.db": 0o640}
    await database.close()


LONG = "/".join(["a" * 200] * 3)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no/such/adsum.db", "there is no folder {folder}/no/such"),
        ("file/adsum.db", "Not a directory"),
        ("folder", "Is a directory"),
        pytest.param(f"{LONG}/adsum.db", "unable to open database file", id="a path that is too long for SQLite"),
    ],
)
async def test_a_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / LONG).mkdir(parents=True)
    database = opened(tmp_path / name)
    expected = f"{tmp_path}/{name} cannot be opened: {why.format(folder=tmp_path)}"

    with pytest.raises(StorageOutage) as outage:
        async with database.transaction():
            pass
    with pytest.raises(ConfigurationError) as refused:
        await database.require_connection()

    assert reason(outage.value) == expected
    assert refused.value.detail == f"ADSUM_DATABASE_URL: the database cannot be used: {expected}"
    await database.close()


async def test_the_thread_of_a_connection_that_failed_has_ended(tmp_path: Path) -> None:
    """It would print an error if the event loop ended first."""
    database = opened(tmp_path / "no" / "adsum.db")
    with pytest.raises(StorageOutage):
        async with database.transaction():
            pass
    assert not [each for each in threading.enumerate() if "_connection_worker_thread" in each.name]
    await database.close()
