"""Pruning deletes plans, failures and idempotency keys of old runs, and keeps their counts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, select, update

from adsum import wiring
from adsum.accounts.access import Role, system_caller
from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.sealing import Sealing
from adsum.accounts.audit.tables import audit_entries
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.attendance.tables import attendances
from adsum.batches.repository.runs import find_runs, runs_ended_after
from adsum.batches.tables import batch_runs, job_failures
from adsum.operations.pruning import AuditPruning, EndedSignIns, LogTruncation, Pruning, years_before
from adsum.operations.repository import prune_answers, prune_runs
from adsum.platform.clock import system_clock
from adsum.platform.database.answers import idempotency_keys
from adsum.platform.database.engine import Database, open_database
from adsum.platform.keys import KeyRing
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.batches.test_retry_cancel import failed_batch
from tests.support.api import Api
from tests.support.installation import RunWorker, ended
from tests.support.schools import make_user
from tests.support.statements import statements_sent
from tests.support.waiting import until

KEEP = timedelta(days=30)


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.time = system_clock()

    def __call__(self) -> datetime:
        return self.time


async def count(adsum: Adsum, table: Table) -> int:
    async with adsum.database.snapshot() as connection:
        return await connection.scalar(select(func.count()).select_from(table)) or 0


async def pruned(adsum: Adsum) -> int:
    """Prunes everything that has ended, as if `KEEP` had passed."""
    clock = Clock()
    clock.time += KEEP + timedelta(days=1)
    return await Pruning(adsum.database, clock, keep=KEEP).prune_if_due()


async def test_a_pruned_batch_is_shown_as_before_and_its_records_stay(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    status, listed = f"/attendances/batch-status/{batch_id}", "/attendances/batches"
    before = [(await api.get(path)).json() for path in (status, listed)]
    assert await pruned(adsum) == 1
    assert [(await api.get(path)).json() for path in (status, listed)] == before
    assert [await count(adsum, table) for table in (attendances, job_failures)] == [29, 0]
    async with adsum.database.snapshot() as connection:
        (run,) = (await find_runs(connection, [before[0]["runId"]])).values()
        plan, kept = (await connection.execute(select(batch_runs.c.plan, batch_runs.c.kept))).one()
    assert (run.is_pruned, plan, kept) == (True, [], [])


async def test_a_pruned_batch_is_shown_with_its_counts_and_without_its_students(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    before = (await api.get(f"/attendances/batches/{batch_id}")).json()
    await pruned(adsum)
    after = await api.get(f"/attendances/batches/{batch_id}")
    failed = await api.get(f"/attendances/batches/{batch_id}", outcome="failed", runId=before["runId"])
    assert (after.status_code, failed.status_code) == (200, 200)
    shown = after.json()
    (run,), (run_before,) = shown.pop("runs"), before.pop("runs")
    assert datetime.fromisoformat(run["prunedAt"]) > datetime.fromisoformat(run["endedAt"])
    assert run | {"prunedAt": None} == run_before
    assert (shown.pop("jobs"), failed.json()["jobs"]) == ({"items": [], "nextCursor": None},) * 2
    assert len(before.pop("jobs")["items"]) == 30
    assert shown == before


async def test_a_pruned_batch_cannot_be_retried_but_marked_again(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    await pruned(adsum)
    refused = await api.post(f"/attendances/batches/{batch_id}/retry", None, "office")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_pruned")
    again = (await api.create()).json()
    assert (again["addedJobs"], again["skippedJobs"]) == (1, 29)
    async with worker():
        status = await ended(adsum, batch_id)
    assert (status.tally.recorded, status.tally.skipped, status.tally.total) == (1, 29, 30)
    assert len(await api.statuses()) == 30


async def test_a_pruned_batch_without_failures_has_nothing_to_retry(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    created = (await api.create()).json()
    async with worker():
        await ended(adsum, created["batchId"])
    await pruned(adsum)
    refused = await api.post(f"/attendances/batches/{created['batchId']}/retry", None, "office")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_failed")


async def test_open_and_recently_ended_runs_are_not_pruned(adsum: Adsum, api: Api) -> None:
    await api.create(key="a-key")
    clock = Clock()
    assert await Pruning(adsum.database, clock, keep=KEEP).prune_if_due() == 0
    assert await count(adsum, idempotency_keys) == 1
    assert await pruned(adsum) == 1  # the key; the run is open, however old it is
    async with adsum.database.snapshot() as connection:
        assert await connection.scalar(select(batch_runs.c.pruned_at)) is None


async def test_a_pruned_idempotency_key_can_be_used_again(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    first = (await api.create(key="a-key")).json()
    async with worker():
        await ended(adsum, first["batchId"])
    assert await pruned(adsum) == 2
    again = await api.create(key="a-key")
    assert (again.status_code, again.json()["addedJobs"], again.json()["skippedJobs"]) == (200, 0, 30)


async def test_pruning_runs_hourly_and_at_once_after_a_full_page(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    clock = Clock()
    pruning = Pruning(adsum.database, clock, keep=KEEP, page=2)
    assert await pruning.prune_if_due() == 0
    days = ("2024-12-16", "2024-12-17", "2024-12-18")
    batch_ids = [(await api.create(learningDate=day)).json()["batchId"] for day in days]
    async with worker():
        for batch_id in batch_ids:
            await ended(adsum, batch_id)
    await age(adsum, timedelta(days=31))
    assert await pruning.prune_if_due() == 0
    clock.time += timedelta(hours=1)
    assert [await pruning.prune_if_due() for _ in range(3)] == [2, 1, 0]


async def age(adsum: Adsum, by: timedelta) -> None:
    """Moves the end of every run into the past."""
    async with adsum.database.transaction() as connection:
        for run_id, ended_at in (await connection.execute(select(batch_runs.c.run_id, batch_runs.c.ended_at))).all():
            if ended_at is not None:
                earlier = update(batch_runs).where(batch_runs.c.run_id == run_id)
                await connection.execute(earlier.values(ended_at=ended_at - by))


async def test_the_leading_sweeper_prunes(adsum: Adsum, api: Api, worker: RunWorker, settings: Settings) -> None:
    created = (await api.create()).json()
    async with worker():
        await ended(adsum, created["batchId"])
    await age(adsum, timedelta(days=401))
    stop = asyncio.Event()
    sweeping = asyncio.create_task(adsum.sweeper.run(stop, adsum.chores))

    async def is_pruned() -> bool:
        async with adsum.database.snapshot() as connection:
            return await connection.scalar(select(batch_runs.c.pruned_at)) is not None

    await until(is_pruned)
    stop.set()
    await sweeping


async def test_zero_days_disable_pruning(settings: Settings) -> None:
    async with wiring.open_adsum(settings.model_copy(update={"keep_runs_days": 0})) as keeping:
        assert not [chore for chore in keeping.chores if isinstance(getattr(chore, "__self__", None), Pruning)]


async def test_two_processes_may_prune_at_the_same_time(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    assert 1 <= sum(await asyncio.gather(*(pruned(adsum) for _ in range(4)))) <= 4
    status = (await api.get(f"/attendances/batch-status/{batch_id}")).json()
    assert (status["recordedJobs"], status["failedJobs"]) == (29, 1)


@pytest.fixture
def sqlite_settings(sqlite_url: str, redis_url: str) -> Settings:
    return Settings(database_url=sqlite_url, redis_url=redis_url)


async def test_pruning_reads_only_indexes(sqlite_settings: Settings) -> None:
    async with wiring.open_adsum(sqlite_settings) as adsum:
        statements = await sent_by_looking(adsum.database)
        plans = {name: await plan_of(adsum.database, statement) for name, statement in statements.items()}
    for name, index in {
        "prune_runs": "ix_batch_runs_ended_at",
        "runs_ended_after": "ix_batch_runs_ended_at",
        "prune_answers": "ix_idempotency_keys_created_at",
    }.items():
        assert index in plans[name][0], plans[name]


async def sent_by_looking(database: Database) -> dict[str, tuple[str, Any]]:
    now = system_clock()
    async with database.transaction() as connection:
        with statements_sent(database) as sent:
            await prune_runs(connection, now, now, 10)
            await prune_answers(connection, now, 10)
            await runs_ended_after(connection, (now, ""), 10)
    return dict(zip(("prune_runs", "prune_answers", "runs_ended_after"), sent, strict=True))


async def plan_of(database: Database, sent: tuple[str, Any]) -> list[str]:
    async with database.snapshot() as connection:
        steps = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sent[0]}", sent[1])
        return [step["detail"] for step in steps.mappings()]


async def test_sign_ins_are_deleted_when_their_time_is_over(database: Database) -> None:
    clock = Clock()
    tokens = Tokens(database, KeyRing.of("k" * 40), clock, timedelta(hours=1))
    async with database.transaction() as connection:
        await make_user(connection, Role.ADMIN, email="a@school.example", password_hash="-")
    deletion = EndedSignIns(database, clock, page=2)
    for lifetime in (1, 1, 1, 3):
        await tokens.create("a@school.example", timedelta(hours=lifetime))
    assert await deletion.prune_if_due() == 0
    clock.time += timedelta(hours=2)
    assert [await deletion.prune_if_due() for _ in range(3)] == [2, 1, 0]
    assert len(await tokens.sign_ins_of_email("a@school.example")) == 1


async def test_the_log_of_a_file_is_truncated_once_an_hour(sqlite_url: str) -> None:
    database, clock = open_database(sqlite_url), Clock()
    truncation = LogTruncation(database, clock)
    try:
        first, again = await truncation.truncate_if_due(), await truncation.truncate_if_due()
        clock.time += timedelta(hours=1)
        assert (first, again, await truncation.truncate_if_due()) == (1, 0, 1)
    finally:
        await database.close()


async def test_entries_of_the_audit_log_go_after_their_years_and_a_changed_log_stays(adsum: Adsum) -> None:
    keys, clock = ChainKeys(KeyRing.of("k" * 40)), Clock()
    async with adsum.database.transaction() as connection:
        for number in range(3):
            await record(connection, system_caller(), Action.SCHOOL_CHANGED, school_id=number)
    await Sealing(adsum.database, keys).seal()
    clock.time += timedelta(days=364)
    pruning = AuditPruning(adsum.database, keys, clock, 1, page=2)

    assert await pruning.prune_if_due() == 0
    clock.time += timedelta(days=3)
    others = AuditPruning(adsum.database, ChainKeys(KeyRing.of("o" * 40)), clock, 1)
    assert await others.prune_if_due() == 0
    assert [await pruning.prune_if_due() for _ in range(3)] == [2, 1, 0]

    async with adsum.database.snapshot() as connection:
        actions = list(await connection.scalars(select(audit_entries.c.action).order_by(audit_entries.c.id)))
    assert actions == ["log_pruned", "log_pruned"]


def test_years_are_counted_by_the_calendar() -> None:
    assert years_before(datetime(2024, 2, 29, 12, tzinfo=UTC), 1) == datetime(2023, 2, 28, 12, tzinfo=UTC)
    assert years_before(datetime(2026, 11, 29, tzinfo=UTC), 7) == datetime(2019, 11, 29, tzinfo=UTC)
