"""The doctor on a working system and on faulty ones, and the repairs of `--fix`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import delete, update

from adsum.accounts.access import system_caller
from adsum.attendance.tables import attendances
from adsum.batches.queue.chunks import chunks_of
from adsum.batches.queue.ledger import LedgerKeys
from adsum.batches.rules import RunState
from adsum.batches.run import Run
from adsum.batches.submission import Selection, Submission
from adsum.batches.tables import batch_runs, job_failures
from adsum.operations.doctor import queue as queue_checks
from adsum.operations.doctor.findings import FIX, has_no_error
from adsum.operations.doctor.queue import check_stale_keys, find_stale_keys
from adsum.operations.doctor.service import SERVER_CHECKS, Doctor
from adsum.operations.doctor.wiring import open_doctor
from adsum.platform.clock import system_clock as now
from adsum.platform.settings import Settings
from adsum.wiring import Adsum, open_queue_control
from tests.batches.sweep.test_sweeper import accepted
from tests.operations.doctor.conftest import repaired, severities, wrong
from tests.support.installation import RunWorker, ended, queue_keys
from tests.support.runs import end_run
from tests.support.schools import SchoolIds
from tests.support.waiting import until


async def age(adsum: Adsum, run: Run, by: timedelta) -> None:
    """Moves the acceptance and the end of a run into the past."""
    of_run = update(batch_runs).where(batch_runs.c.run_id == run.run_id)
    async with adsum.database.transaction() as connection:
        await connection.execute(of_run.values(accepted_at=now() - by))
        await connection.execute(of_run.where(batch_runs.c.ended_at.is_not(None)).values(ended_at=now() - by))


async def test_a_working_system_has_no_fault(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, worker: RunWorker, settings: Settings
) -> None:
    result, _ = await accepted(adsum, school)
    async with worker(), open_queue_control(settings) as control:
        await ended(adsum, result.batch_id)

        async def has_worker() -> bool:
            return bool(await control.workers())

        await until(has_worker)
        report = await doctor.check()
    assert wrong(report) == {}
    assert set(SERVER_CHECKS) <= {each.check for each in report.findings}
    assert report.skipped == []
    assert len(report.findings) >= 12
    assert has_no_error(report.findings)


async def test_checks_that_an_unavailable_server_prevents_are_listed(settings: Settings, tmp_path: Path) -> None:
    async with open_doctor(settings.model_copy(update={"redis_url": f"unix://{tmp_path}/nowhere"})) as doctor:
        report = await doctor.check()
    assert [check for check in SERVER_CHECKS if check not in report.skipped] == ["migrations"]


async def test_without_a_worker_waiting_batches_are_reported(adsum: Adsum, school: SchoolIds, doctor: Doctor) -> None:
    _, run = await accepted(adsum, school)
    await age(adsum, run, timedelta(minutes=3))
    found = wrong(await doctor.check())
    assert set(found) == {"workers"}
    assert found["workers"].message == (
        "none is connected: batches are accepted, and wait; 1 open batch, the oldest for 3 min"
    )
    assert (found["workers"].remedy or "").startswith("adsum worker  # with the ADSUM_REDIS_URL")


async def test_a_check_changes_nothing(adsum: Adsum, school: SchoolIds, doctor: Doctor, redis: Redis) -> None:
    await accepted(adsum, school)
    before = await queue_keys(redis)
    await doctor.check()

    async def is_as_before() -> bool:
        return await queue_keys(redis) == before

    await until(is_as_before)


async def lose_the_ledger_and_all_messages(redis: Redis, run: Run) -> None:
    await redis.flushall()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types


async def lose_one_message(redis: Redis, run: Run) -> None:
    message_id = chunks_of(run)[1].message_id
    await redis.delete(f"bull:attendance:{message_id}")
    await redis.lrem("bull:attendance:wait", 0, message_id)  # pyright: ignore[reportGeneralTypeIssues]


async def lose_the_list_but_not_the_messages(redis: Redis, run: Run) -> None:
    await redis.delete("bull:attendance:wait")


async def fail_every_message(redis: Redis, run: Run) -> None:
    await redis.delete("bull:attendance:wait")
    ids = [chunk.message_id for chunk in chunks_of(run)]
    await redis.zadd("bull:attendance:failed", dict.fromkeys(ids, 1_700_000_000_000))


@pytest.mark.parametrize(
    "lose",
    [lose_the_ledger_and_all_messages, lose_one_message, lose_the_list_but_not_the_messages, fail_every_message],
)
async def test_a_batch_that_no_worker_will_receive_is_found_and_rescued(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, redis: Redis, worker: RunWorker, lose: Any
) -> None:
    result, run = await accepted(adsum, school)
    await lose(redis, run)
    assert "batches" not in wrong(await doctor.check())  # the sweeper may still be about to see it
    await age(adsum, run, timedelta(minutes=2))
    found = wrong(await doctor.check())
    assert (found["batches"].remedy, result.batch_id in found["batches"].message) == (FIX, True)
    _, after = await repaired(doctor)
    assert set(wrong(after)) == {"workers"}
    async with worker():
        status = await ended(adsum, result.batch_id)
    assert status.tally.recorded == 30


async def test_a_finished_batch_that_is_still_open_is_found_and_closed(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, redis: Redis
) -> None:
    result, run = await accepted(adsum, school)
    await adsum.processor.process(chunks_of(run)[:2])
    await redis.set(LedgerKeys("", run.batch).counter, 100)
    await adsum.processor.process(chunks_of(run)[2:])
    await redis.delete(*(f"bull:attendance:{chunk.message_id}" for chunk in chunks_of(run)))
    await redis.delete("bull:attendance:wait")
    await age(adsum, run, timedelta(minutes=2))
    assert wrong(await doctor.check())["batches"].remedy == FIX
    done, after = await repaired(doctor)
    assert "rescued 1 batch" in done
    assert "batches" not in wrong(after)
    assert (await adsum.attendances.get_batch_status(result.batch_id)).is_completed


async def test_keys_of_ended_runs_are_found_and_cleared(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, redis: Redis
) -> None:
    _, run = await accepted(adsum, school)
    async with adsum.database.transaction() as connection:
        await end_run(connection, run, RunState.CANCELLED)
    await age(adsum, run, timedelta(seconds=10))
    assert {"locks", "tickets"}.isdisjoint(wrong(await doctor.check()))  # it may be about to be released
    await age(adsum, run, timedelta(minutes=1))
    found = await doctor.check()
    assert severities(found) == {"workers": "error", "locks": "warning", "tickets": "warning"}
    assert "student-" not in wrong(found)["tickets"].message
    done, after = await repaired(doctor)
    assert done == ["cleared 1 lock", "cleared 30 tickets"]
    assert set(wrong(after)) == {"workers"}
    assert not [key for key in await queue_keys(redis) if not key.startswith("bull:")]


async def test_keys_of_runs_that_a_restored_database_does_not_know_are_cleared(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, redis: Redis, worker: RunWorker
) -> None:
    result, run = await accepted(adsum, school)
    async with worker():
        await ended(adsum, result.batch_id)
    await redis.set(LedgerKeys("", run.batch).lock, run.run_id, ex=60)
    await redis.set(LedgerKeys("", run.batch).ticket(1), run.run_id, ex=60)
    async with adsum.database.transaction() as connection:
        for table in (attendances, job_failures, batch_runs):
            await connection.execute(delete(table))
    found = severities(await doctor.check())
    assert found == {"workers": "error", "locks": "warning", "tickets": "warning", "markers": "warning"}
    _, after = await repaired(doctor)
    assert set(wrong(after)) == {"workers"}
    assert await queue_keys(redis) == {}


async def test_counters_without_a_lock_and_keys_without_a_lifetime_are_repaired(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, redis: Redis
) -> None:
    _, run = await accepted(adsum, school)
    keys = LedgerKeys("", run.batch)
    await redis.delete(keys.lock)
    await redis.persist(keys.ticket(school.student_ids[0]))
    await redis.set(keys.marker, "2024-12-25T09:00:00+00:00")
    assert severities(await doctor.check()) == {"workers": "error", "counters": "warning", "lifetimes": "warning"}
    _, after = await repaired(doctor)
    assert set(wrong(after)) == {"workers"}
    assert await redis.exists(keys.counter) == 0
    assert await redis.ttl(keys.marker) > 3600 >= await redis.ttl(keys.ticket(school.student_ids[0])) > 0


async def test_a_counter_whose_lock_came_back_meanwhile_is_left_alone(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, redis: Redis
) -> None:
    _, run = await accepted(adsum, school)
    keys = LedgerKeys("", run.batch)
    await redis.delete(keys.lock)
    found = await doctor.check()
    await redis.set(keys.lock, run.run_id, ex=60)
    await doctor.repair(found)
    assert await redis.get(keys.counter) == "30"


async def test_a_scan_that_was_cut_off_is_reported(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await redis.mset({f"theirs-{number}": "x" for number in range(5000)})
    stale_keys = await find_stale_keys(adsum.database, doctor._deployment.key_scanner, now, limit=1)  # pyright: ignore[reportPrivateUsage]
    assert [each.check for each in check_stale_keys(stale_keys)] == ["keys"]
    assert "too many keys" in check_stale_keys(stale_keys)[0].message


async def test_many_runs_are_looked_up_page_by_page(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_checks, "PAGE", 1)
    for day in ("2024-12-23", "2024-12-24"):
        await accepted_on(adsum, school, day)
    assert set(wrong(await doctor.check())) == {"workers"}


async def accepted_on(adsum: Adsum, school: SchoolIds, day: str) -> None:
    request = Submission(school.class_id, school.session_id, day, Selection(is_selected_all=True))
    await adsum.attendances.create_batch(request, system_caller())
