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

    keys, is_signed = await rotate_and_sign(database, path, AT_ONCE, NOW)

    assert (stored(path), keys[1].ends_at, is_signed) == (keys, NOW, True)
    assert await sealed_by(database, path) == 1


async def test_a_log_that_another_key_has_signed_is_not_signed(database: Database, path: Path) -> None:
    other = path.with_name("other.key")
    other.write_text("f" * 40)
    assert await sealed_by(database, other) == 1

    keys, is_signed = await rotate_and_sign(database, path, AT_ONCE, NOW)

    assert (stored(path), is_signed) == (keys, False)
    assert await sealed_by(database, path) == 0


async def test_without_the_database_the_keys_are_rotated_once(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_database: Database) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(Database, "transaction", fail)
    keys, is_signed = await rotate_and_sign(database, path, AT_ONCE, NOW)
    assert (len(stored(path)), len(keys), is_signed) == (2, 2, False)


async def test_before_the_first_start_there_is_no_log_to_sign(path: Path, tmp_path: Path) -> None:
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/missing.db")
    try:
        keys, is_signed = await rotate_and_sign(database, path, AT_ONCE, NOW)
    finally:
        await database.close()
    assert (len(keys), is_signed) == (2, True)
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
    assert len(parse_keys(path.read_text())) == 3
