"""A rotation hands the audit log over to the new key, so that sealing goes on whatever the overlap is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adsum.accounts.access import system_caller
from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.sealing import Sealing
from adsum.operations.audit.repository import list_entries
from adsum.operations.audit.rules import AuditFilters
from adsum.operations.signing_keys.handover import rotate_and_sign
from adsum.operations.signing_keys.rotation import RotationRefused
from adsum.platform.database.engine import Database, open_database
from adsum.platform.errors import Unavailable
from adsum.platform.keys import KeyFile, KeyRing
from adsum.platform.signing_keys import SigningKey, parse_keys
from tests.support.commands import commands

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
AT_ONCE = timedelta(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "secret.key"
    made.write_text("o" * 40)
    return made


def stored(path: Path) -> tuple[SigningKey, ...]:
    return parse_keys(path.read_text())


async def sealed_by(database: Database, path: Path) -> int:
    async with database.transaction() as connection:
        await record(connection, system_caller(), Action.SCHOOL_CHANGED)
    return await Sealing(database, ChainKeys(KeyRing(KeyFile(path), lambda: NOW))).seal()


async def test_sealing_goes_on_after_a_rotation_without_overlap(database: Database, path: Path) -> None:
    assert await sealed_by(database, path) == 1

    done = await rotate_and_sign(database, path, AT_ONCE, NOW)

    assert (stored(path), done.keys[1].ends_at, done.is_log_signed) == (done.keys, NOW, True)
    assert await sealed_by(database, path) == 2  # with the entry of the rotation


async def test_a_rotation_is_recorded_by_the_ids_of_the_keys(database: Database, path: Path) -> None:
    done = await rotate_and_sign(database, path, timedelta(days=1), NOW)

    async with database.snapshot() as connection:
        (entry,) = await list_entries(connection, system_caller(), AuditFilters(), None, 9)
    new, before = done.keys
    assert (entry.action, entry.before, done.is_recorded) == ("signing_key_rotated", {"signingKey": before.id}, True)
    assert entry.after == {"signingKey": new.id, "earlierKeysEndAt": "2026-11-30T10:00:00+00:00"}
    assert "o" * 40 not in f"{entry}"


async def test_a_log_that_another_key_has_signed_is_not_signed(database: Database, path: Path) -> None:
    other = path.with_name("other.key")
    other.write_text("f" * 40)
    assert await sealed_by(database, other) == 1

    done = await rotate_and_sign(database, path, AT_ONCE, NOW)

    assert (stored(path), done.is_log_signed, done.is_recorded) == (done.keys, False, True)
    assert await sealed_by(database, path) == 0


async def test_without_the_database_the_keys_are_rotated_once(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_database: Database) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(Database, "transaction", fail)
    done = await rotate_and_sign(database, path, AT_ONCE, NOW)
    assert (len(stored(path)), len(done.keys)) == (2, 2)
    assert (done.is_log_signed, done.is_recorded) == (False, False)


async def test_before_the_first_start_there_is_no_log_to_sign(path: Path, tmp_path: Path) -> None:
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/missing.db")
    try:
        done = await rotate_and_sign(database, path, AT_ONCE, NOW)
    finally:
        await database.close()
    assert (len(done.keys), done.is_log_signed) == (2, True)
    assert not (tmp_path / "missing.db").exists()


async def test_a_rotation_without_a_key_is_refused(database: Database, path: Path) -> None:
    with pytest.raises(RotationRefused):
        await rotate_and_sign(database, path.with_name("missing.key"), AT_ONCE, NOW)


def test_the_command_says_what_to_do_if_the_log_was_not_signed(path: Path, tmp_path: Path) -> None:
    adsum = commands(data_dir=str(tmp_path), secret_key="")
    before = adsum.run("signing-key", "rotate", "--keep", "0s")
    assert (before.returncode, "audit sign" in before.stderr) == (0, False)
    assert {each.name for each in tmp_path.iterdir()} == {path.name}

    (tmp_path / "adsum.db").touch()  # lacks the tables
    ended = adsum.run("signing-key", "rotate", "--keep", "0s")

    assert (ended.returncode, "adsum audit sign" in ended.stderr) == (0, True)
    assert "the audit log does not record this" in ended.stderr
    assert len(parse_keys(path.read_text())) == 3
