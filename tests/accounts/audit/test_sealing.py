"""Sealing: late commits, several sealers, forged chains, missing keys and crashes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from adsum.accounts.access import system_caller
from adsum.accounts.audit import sealing as sealing_module
from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.sealing import Sealing
from adsum.accounts.audit.verification import LogFaultKind, Verifier
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.keys import KeyRing
from tests.accounts.audit.chains import KEYS, add, sealed, tamper, verified
from tests.accounts.audit.conftest import entries_of


def codes_in(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [vars(each)["code"] for each in caplog.records if "code" in vars(each)]


async def test_an_entry_that_commits_late_follows_those_that_were_sealed(postgres_database: Database) -> None:
    """Postgres only: SQLite has one writer."""
    async with postgres_database.transaction() as slow:
        await record(slow, system_caller(), Action.ROSTER_IMPORTED)
        await sealed(postgres_database, 2)
    assert await Sealing(postgres_database, KEYS).seal() == 1

    assert [each["position"] for each in await entries_of(postgres_database)] == [3, 1, 2]
    assert (await verified(postgres_database)).problem is None


async def test_two_sealers_at_once_make_one_chain(database: Database) -> None:
    await add(database, 20)

    counts = await asyncio.gather(*(Sealing(database, KEYS, 3).seal() for _ in range(4)))

    assert sum(counts) == 20
    found = await verified(database)
    assert (found.entries, found.problem) == (20, None)


async def test_one_pass_seals_a_bounded_number_of_pages(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing_module, "MAX_PAGES", 2)
    await add(database, 5)
    sealer = Sealing(database, KEYS, 2)
    assert [await sealer.seal(), await sealer.seal(), await sealer.seal()] == [4, 1, 0]


async def test_nothing_is_sealed_on_a_forged_chain(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await sealed(database, 3)
    await tamper(
        database,
        "DELETE FROM audit_entries WHERE position = 3",
        "UPDATE audit_chain SET position = 2, hash = (SELECT hash FROM audit_entries WHERE position = 2)",
    )
    await add(database)
    sealing = Sealing(database, KEYS)

    with caplog.at_level(logging.INFO):
        assert [await sealing.seal(), await sealing.seal()] == [0, 0]

    assert codes_in(caplog) == ["wrong_signature"]
    assert [each["position"] for each in await entries_of(database)] == [1, 2, None]


async def test_an_entry_that_took_the_next_position_is_reported_and_raises_nothing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The triggers cannot tell it from sealing."""
    await sealed(database, 3)
    await add(database, 2)
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE audit_entries SET position = 4, hash = 'x' WHERE position IS NULL AND school_id = 1")
        )
    sealing = Sealing(database, KEYS)

    with caplog.at_level(logging.INFO):
        assert [await sealing.seal(), await sealing.seal()] == [0, 0]

    assert codes_in(caplog) == ["wrong_position"]
    problem = (await verified(database)).problem
    assert problem is not None
    assert problem.kind is LogFaultKind.ADDED


async def test_without_a_signing_key_nothing_is_sealed_and_it_is_logged_once(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await add(database)
    sealing = Sealing(database, ChainKeys(KeyRing.of(None)))

    with caplog.at_level(logging.INFO):
        assert [await sealing.seal(), await sealing.seal()] == [0, 0]

    assert codes_in(caplog) == ["no_signing_key"]


async def test_each_sealed_entry_is_logged_once_with_its_link_and_after_a_crash_again(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(database, 3)

    async def crash(*_: object) -> None:
        raise LookupError

    sealing = Sealing(database, KEYS, 2)
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "_log_sealed", crash)
        with pytest.raises(LookupError):
            await sealing.seal()
    with caplog.at_level(logging.INFO):
        assert [await sealing.seal(), await sealing.seal()] == [0, 0]

    logged: list[Any] = [each for each in caplog.records if each.msg == "audit entry"]
    entries = await entries_of(database)
    assert [(each.position, each.hash) for each in logged] == [(each["position"], each["hash"]) for each in entries]
    assert [(each.action, each.school_id, each.after) for each in logged] == [
        ("school_changed", number, {"ä": [number]}) for number in range(3)
    ]
    assert not any(hasattr(each, "dropped") for each in logged)


@pytest.mark.parametrize("step", ["seal_entries", "set_chain"])
async def test_a_crash_while_sealing_leaves_nothing_half_done(
    database: Database, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from adsum.accounts.audit import repository  # noqa: PLC0415

    await add(database, 3)
    original: Callable[..., Awaitable[None]] = getattr(repository, step)

    async def crash(*arguments: Any) -> None:
        await original(*arguments)
        raise LookupError

    with monkeypatch.context() as patched:
        patched.setattr(repository, step, crash)
        with pytest.raises(LookupError):
            await Sealing(database, KEYS).seal()
    assert [each["position"] for each in await entries_of(database)] == [None, None, None]

    assert await Sealing(database, KEYS).seal() == 3
    assert (await verified(database)).problem is None


async def test_entries_that_stay_unsealed_are_reported(database: Database) -> None:
    await add(database)
    verifier = Verifier(database, KEYS, system_clock)
    later = Verifier(database, KEYS, lambda: system_clock() + timedelta(minutes=16))

    assert [(each.unsealed, each.is_sealing_late) for each in (await verifier.verify(), await later.verify())] == [
        (1, False),
        (1, True),
    ]
