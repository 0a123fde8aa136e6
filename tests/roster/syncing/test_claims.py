"""One process at a time syncs with a source, also if one was killed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adsum.platform.database.engine import StorageOutage
from adsum.roster.importing.service import RosterImport
from adsum.roster.syncing import repository as statements
from adsum.roster.syncing import service as sync_service
from adsum.roster.syncing.rules import SyncUnderWay
from tests.roster.conftest import Importing, counts
from tests.roster.syncing.conftest import Syncing, held_at_users
from tests.support.waiting import until


async def claim(syncing: Syncing, age: timedelta = timedelta()) -> None:
    """Another process claims the source."""
    now = syncing.now() - age
    async with syncing.importing.database.transaction() as connection:
        assert await statements.claim(connection, syncing.service.url, "another", now, now + sync_service.CLAIM)


@pytest.mark.both_databases
async def test_a_sync_waits_for_none_that_is_under_way(syncing: Syncing, importing: Importing) -> None:
    await claim(syncing)
    with pytest.raises(SyncUnderWay):
        await syncing.run()
    assert syncing.service.asked == {}
    assert counts((await syncing.run(dry_run=True)).imported)["students"] == (12, 0, 0, 0)


async def test_the_claim_of_a_killed_process_ends(syncing: Syncing) -> None:
    await claim(syncing, age=timedelta(minutes=3))
    assert counts((await syncing.run()).imported)["students"] == (12, 0, 0, 0)
    assert (await syncing.state()).claimed_until is None


async def test_a_sync_whose_claim_was_taken_imports_nothing(syncing: Syncing, importing: Importing) -> None:
    """Its process was frozen for longer than its claim was valid."""

    def freeze(collection: str, number: int) -> None:
        if (collection, number) == ("orgs", 1):
            asyncio.run_coroutine_threadsafe(thaw(), loop).result(10)

    async def thaw() -> None:
        async with importing.database.transaction() as connection:
            later = syncing.now() + timedelta(minutes=3)
            assert await statements.claim(connection, syncing.service.url, "another", later, later)

    loop = asyncio.get_running_loop()
    syncing.service.before = freeze

    with pytest.raises(SyncUnderWay, match="another process has begun"):
        await syncing.run()
    assert not any((await importing.everything()).values())
    assert (await syncing.state()).synced_at is None


async def test_a_long_sync_renews_its_claim(syncing: Syncing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_service, "RENEWAL_S", 0.01)
    seen: list[object] = []
    loop = asyncio.get_running_loop()

    async def renewed() -> None:
        before = (await syncing.state()).claimed_until
        syncing.importing.today += timedelta(days=1)

        async def is_renewed() -> bool:
            seen[:] = [before, (await syncing.state()).claimed_until]
            return seen[0] != seen[1]

        await until(is_renewed)

    def wait(collection: str, number: int) -> None:
        if (collection, number) == ("orgs", 1):
            asyncio.run_coroutine_threadsafe(renewed(), loop).result(10)

    syncing.service.before = wait
    await syncing.run()
    assert seen[1] == syncing.now() + sync_service.CLAIM


async def test_a_sync_that_is_cancelled_lets_others_begin(syncing: Syncing, importing: Importing) -> None:
    running = asyncio.create_task(syncing.run())
    with held_at_users(syncing) as reached:
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert not any((await importing.everything()).values())
    assert counts((await syncing.run()).imported)["students"] == (12, 0, 0, 0)


async def test_an_outage_of_the_database_is_reported_and_the_next_sync_works(
    syncing: Syncing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def outage(*_arguments: object, **_options: object) -> None:
        raise StorageOutage("the database does not answer")

    with monkeypatch.context() as during:
        during.setattr(RosterImport, "run_package", outage)
        with pytest.raises(StorageOutage):
            await syncing.run()
    assert counts((await syncing.run()).imported)["students"] == (12, 0, 0, 0)
