"""Outages: promises are kept, and requests wait no longer than their deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator

import pytest
from redis.asyncio import Redis

from adsum.accounts.access import system_caller
from adsum.batches.queue.chunks import chunks_of
from adsum.batches.queue.ledger import LedgerKeys
from adsum.batches.repository.jobs import insert_records
from adsum.batches.repository.runs import open_run
from adsum.batches.rules import BatchState, Tally
from adsum.batches.submission import BatchResult, Selection
from adsum.platform.database.engine import StorageOutage
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.errors import Invalid, Unavailable
from adsum.platform.redis.connection import REQUEST_DEADLINE_S, open_redis
from adsum.platform.retries import retry_forever
from adsum.platform.settings import Settings
from adsum.roster.session_fence import advance_fences
from adsum.servers import REDIS_TIMEOUT_S
from adsum.wiring import Adsum, open_adsum
from tests.support.runs import batch_of, slices
from tests.support.schools import SchoolIds, make_school
from tests.support.servers.counting import CountingProxy, Fault, Moment, counting_postgres
from tests.support.servers.processes import frozen, short_folder
from tests.support.servers.valkey import pid_of, tell, temporary_valkey, url_of
from tests.support.submissions import status_of, submission
from tests.support.waiting import has_transaction_waiting_for_a_lock, until

SYSTEM = system_caller()


@pytest.fixture
async def proxied(postgres_url: str, redis_url: str) -> AsyncGenerator[tuple[Adsum, CountingProxy]]:
    """Services with a proxy in front of Postgres."""
    with short_folder() as folder:
        async with (
            counting_postgres(postgres_url, folder) as (proxy, url),
            open_adsum(Settings(database_url=url, redis_url=redis_url)) as adsum,
        ):
            yield adsum, proxy


@pytest.fixture
async def proxied_school(proxied: tuple[Adsum, CountingProxy]) -> SchoolIds:
    async with proxied[0].database.transaction() as connection:
        return await make_school(connection, students=3)


@pytest.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    client = open_redis(redis_url, connections=2, socket_timeout=5)
    yield client
    await client.aclose()


@pytest.fixture
def own_valkey() -> Generator[Valkey]:
    with temporary_valkey() as server:
        yield server


def all_injected(faults: list[Fault]) -> bool:
    return all(fault.injected.is_set() for fault in faults)


# A run without a key is one statement; storing the response under a key takes a transaction of several.
@pytest.mark.parametrize(("key", "promise"), [(None, "INSERT INTO batch_runs"), ("monday", "COMMIT")])
async def test_a_commit_whose_reply_is_lost_is_verified_and_accepted(
    proxied: tuple[Adsum, CountingProxy], proxied_school: SchoolIds, key: str | None, promise: str
) -> None:
    adsum, proxy = proxied
    lost = Fault(1, Moment.AFTER, named=promise)
    proxy.arm(lost)
    result = await adsum.attendances.create_batch(submission(proxied_school, idempotency_key=key), SYSTEM)
    assert (lost.injected.is_set(), result.added_jobs) == (True, 3)
    assert (await status_of(adsum, result)).run_id == result.run_id


@pytest.mark.parametrize(("key", "promise"), [(None, "INSERT INTO batch_runs"), ("monday", "COMMIT")])
async def test_a_commit_that_did_not_arrive_is_an_outage_and_the_request_can_be_retried(
    proxied: tuple[Adsum, CountingProxy], proxied_school: SchoolIds, key: str | None, promise: str
) -> None:
    adsum, proxy = proxied
    lost = Fault(1, Moment.BEFORE, named=promise)
    proxy.arm(lost)
    request = submission(proxied_school, idempotency_key=key)
    with pytest.raises(StorageOutage):
        await adsum.attendances.create_batch(request, SYSTEM)
    assert lost.injected.is_set()
    again = await adsum.attendances.create_batch(request, SYSTEM)
    assert (again.is_skipped, again.added_jobs) == (False, 3)


@pytest.mark.parametrize(("moment", "result_type"), [(Moment.AFTER, BatchResult), (Moment.BEFORE, StorageOutage)])
async def test_a_request_that_waited_for_a_fence_gets_the_same_response_after_a_broken_commit(
    proxied: tuple[Adsum, CountingProxy], proxied_school: SchoolIds, moment: Moment, result_type: type
) -> None:
    adsum, proxy = proxied
    async with adsum.database.transaction() as holding:
        await advance_fences(holding, [proxied_school.session_id])
        waiting = asyncio.create_task(adsum.attendances.create_batch(submission(proxied_school), SYSTEM))
        await until(lambda: has_transaction_waiting_for_a_lock(adsum.database))
        lost = Fault(2, moment, named="COMMIT")  # the first COMMIT is the holder's
        proxy.arm(lost)
    (result,) = await asyncio.gather(waiting, return_exceptions=True)
    assert lost.injected.is_set()
    assert isinstance(result, result_type)


async def test_a_lost_reply_to_a_request_without_a_run_is_an_outage_and_a_retry_has_the_same_effect(
    proxied: tuple[Adsum, CountingProxy], proxied_school: SchoolIds
) -> None:
    adsum, proxy = proxied
    first = await adsum.attendances.create_batch(submission(proxied_school), SYSTEM)
    request = submission(proxied_school, idempotency_key="monday")
    proxy.arm(Fault(1, Moment.AFTER, named="COMMIT"))
    with pytest.raises(StorageOutage):
        await adsum.attendances.create_batch(request, SYSTEM)
    again = await adsum.attendances.create_batch(request, SYSTEM)
    assert (again.is_skipped, again.run_id) == (True, first.run_id)


async def test_an_outage_right_after_the_commit_does_not_revoke_the_acceptance(
    proxied: tuple[Adsum, CountingProxy], proxied_school: SchoolIds, redis: Redis
) -> None:
    """An ended run still holds the lock, and the database cannot be read."""
    adsum, proxy = proxied
    await redis.set(LedgerKeys("", batch_of(proxied_school)).lock, "01930000-0000-7000-8000-00000000ffff", ex=60)
    proxy.arm(Fault(1, Moment.BEFORE, lambda: setattr(proxy, "is_cut", True), named="SELECT batch_runs"))
    result = await adsum.attendances.create_batch(submission(proxied_school), SYSTEM)
    assert proxy.is_cut
    proxy.is_cut = False
    assert (result.added_jobs, (await status_of(adsum, result)).tally) == (3, Tally(remaining=3))


async def test_a_worker_with_lost_requests_and_replies_records_each_student_once(
    proxied: tuple[Adsum, CountingProxy], proxied_school: SchoolIds
) -> None:
    adsum, proxy = proxied
    result = await adsum.attendances.create_batch(submission(proxied_school), SYSTEM)
    async with adsum.database.snapshot() as connection:
        run = await open_run(connection, batch_of(proxied_school))
    assert run is not None
    lost = [
        # Written, but the reply is lost: the worker then reads the rows in a transaction.
        Fault(1, Moment.AFTER, named="INSERT INTO attendances"),
        Fault(1, Moment.BEFORE, named="COMMIT"),
        Fault(2, Moment.AFTER, named="COMMIT"),
    ]
    proxy.arm(*lost)
    await adsum.processor.process(chunks_of(run))
    assert all_injected(lost)
    status = await status_of(adsum, result)
    assert (status.state, status.tally) == (BatchState.COMPLETED, Tally(recorded=3))


async def test_with_valkey_down_a_request_is_accepted_soon_and_its_run_stays_open(
    database_url: str, tmp_path: object
) -> None:
    settings = Settings(database_url=database_url, redis_url=f"unix://{tmp_path}/nobody.sock")
    async with open_adsum(settings) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection, students=30)
        start = time.monotonic()
        result = await adsum.attendances.create_batch(submission(school), SYSTEM)
        assert time.monotonic() - start < REDIS_TIMEOUT_S
        assert (result.added_jobs, (await status_of(adsum, result)).state) == (30, BatchState.PROCESSING)
        assert (await adsum.attendances.create_batch(submission(school), SYSTEM)).is_skipped


@pytest.fixture
async def freezable(database_url: str, own_valkey: Valkey) -> AsyncGenerator[Adsum]:
    async with open_adsum(Settings(database_url=database_url, redis_url=url_of(own_valkey))) as adsum:
        yield adsum


@pytest.fixture
async def freezable_school(freezable: Adsum) -> SchoolIds:
    async with freezable.database.transaction() as connection:
        return await make_school(connection, students=3)


async def test_with_valkey_frozen_a_request_is_accepted_after_the_deadline_of_redis(
    freezable: Adsum, freezable_school: SchoolIds, own_valkey: Valkey
) -> None:
    with frozen(pid_of(own_valkey)):
        start = time.monotonic()
        result = await freezable.attendances.create_batch(submission(freezable_school), SYSTEM)
        assert REQUEST_DEADLINE_S * 0.9 < time.monotonic() - start < REDIS_TIMEOUT_S
    assert (await status_of(freezable, result)).state is BatchState.PROCESSING


async def test_with_valkey_frozen_an_open_run_is_closed_after_the_deadline_of_redis(
    freezable: Adsum, freezable_school: SchoolIds, own_valkey: Valkey
) -> None:
    """A request spends 250 ms on Redis in total, including the release of the closed run."""
    one, two, _ = freezable_school.student_ids
    first = submission(freezable_school, selection=Selection(False, selected=[one]))
    await freezable.attendances.create_batch(first, SYSTEM)
    async with freezable.database.transaction() as connection:
        run = await open_run(connection, batch_of(freezable_school))
        assert run is not None
        await insert_records(connection, slices(run))
    with frozen(pid_of(own_valkey)):
        start = time.monotonic()
        second = submission(freezable_school, selection=Selection(False, selected=[two]))
        result = await freezable.attendances.create_batch(second, SYSTEM)
        assert time.monotonic() - start < REDIS_TIMEOUT_S
    assert (result.is_skipped, result.added_jobs) == (False, 1)


async def test_a_worker_waits_for_valkey_and_then_completes_the_batch(
    freezable: Adsum, freezable_school: SchoolIds, own_valkey: Valkey
) -> None:
    result = await freezable.attendances.create_batch(submission(freezable_school), SYSTEM)
    async with freezable.database.snapshot() as connection:
        run = await open_run(connection, batch_of(freezable_school))
    assert run is not None
    tell(own_valkey, "CONFIG SET min-replicas-to-write 1")
    working = asyncio.create_task(freezable.processor.process(chunks_of(run)))

    async def all_written() -> bool:
        return (await status_of(freezable, result)).remaining_jobs == 0

    await until(all_written)
    assert not working.done()
    tell(own_valkey, "CONFIG SET min-replicas-to-write 0")
    await asyncio.wait_for(working, 20)
    assert (await status_of(freezable, result)).state is BatchState.COMPLETED
    assert tell(own_valkey, f"EXISTS {LedgerKeys('', run.batch).lock}") == ":0"


async def test_an_outage_is_retried_and_another_error_is_raised() -> None:
    tried = list[str]()

    async def succeed_at_the_third_attempt(answer: str) -> str:
        tried.append(answer)
        if len(tried) < 3:
            raise Unavailable("away")
        return answer

    async def fail() -> None:
        tried.append("failed")
        raise Invalid("wrong")

    assert await retry_forever(succeed_at_the_third_attempt, "here") == "here"
    with pytest.raises(Invalid):
        await retry_forever(fail)
    assert tried == ["here", "here", "here", "failed"]
