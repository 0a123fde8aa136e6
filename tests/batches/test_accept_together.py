"""Concurrent submissions: one statement for all, and a separate response or error for each."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from adsum.accounts.access import Role, system_caller
from adsum.batches import accept as accepting
from adsum.batches import validate
from adsum.batches.queue.ledger import LedgerKeys
from adsum.batches.repository import jobs, runs, submissions
from adsum.batches.repository.submissions import BatchSnapshot, ContextQuery
from adsum.batches.rules import OnExisting
from adsum.batches.submission import BatchResult, Selection, Submission
from adsum.platform.database.answers import AnswerKey, StoredAnswer, store_answers
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Invalid, NotFound, Overloaded, RecordsExist
from adsum.platform.ids import Batch
from adsum.platform.settings import Settings
from adsum.roster.session_fence import advance_fences
from adsum.wiring import Adsum, open_adsum
from tests.support.installation import queue_keys
from tests.support.runs import ACCEPTED_AT, DAY, batch_of
from tests.support.schools import SchoolIds, caller, make_record, make_school
from tests.support.statements import count_of, statements_sent
from tests.support.submissions import submission
from tests.support.waiting import has_transaction_waiting_for_a_lock, until, waiting_for_locks

SYSTEM = system_caller()


@pytest.fixture
async def schools(adsum: Adsum) -> list[SchoolIds]:
    """Eight schools of one class with three students each."""
    async with adsum.database.transaction() as connection:
        return [await make_school(connection) for _ in range(8)]


async def submit_all(adsum: Adsum, requests: Sequence[Submission]) -> list[BatchResult | BaseException]:
    return await asyncio.gather(
        *(adsum.attendances.create_batch(each, SYSTEM) for each in requests), return_exceptions=True
    )


async def test_concurrent_submissions_are_accepted_by_one_statement_and_all_enqueued(
    adsum: Adsum, schools: list[SchoolIds], redis: Redis
) -> None:
    with statements_sent(adsum.database) as sent:
        results = await submit_all(adsum, [submission(each) for each in schools])
    assert [each.added_jobs for each in results if isinstance(each, BatchResult)] == [3] * 8
    assert count_of(sent, "INSERT INTO batch_runs") == 1
    keys = await queue_keys(redis)
    assert all(LedgerKeys("", batch_of(each)).lock in keys for each in schools)
    assert len([key for key in keys if key.endswith("-chunk-0")]) == 8


async def test_an_invalid_submission_fails_alone(adsum: Adsum, schools: list[SchoolIds]) -> None:
    nowhere, empty, recorded, *fine = schools
    async with adsum.database.transaction() as connection:
        await make_record(connection, recorded.school_id, batch_of(recorded), recorded.student_ids[0])
    requests = [
        replace(submission(nowhere), class_id=999_999),
        submission(empty, selection=Selection(is_selected_all=False)),
        submission(recorded, on_existing=OnExisting.FAIL),
        *map(submission, fine),
    ]
    results = await submit_all(adsum, requests)
    assert [type(each) for each in results] == [NotFound, Invalid, RecordsExist, *[BatchResult] * 5]


async def test_grouped_submissions_are_checked_with_the_visibility_of_their_callers(
    adsum: Adsum, schools: list[SchoolIds]
) -> None:
    one, two, *_ = schools
    teacher = caller(Role.TEACHER, one.school_id, one.teacher_id)
    office = caller(Role.OFFICE, two.school_id, two.teacher_id)
    requests = [(submission(one), teacher), (submission(two), teacher), (submission(one), office)]
    results = await asyncio.gather(
        *(adsum.attendances.create_batch(*each) for each in requests), return_exceptions=True
    )
    assert [type(each) for each in results] == [BatchResult, NotFound, NotFound]


async def test_only_an_open_run_without_pending_jobs_is_closed(
    adsum: Adsum, schools: list[SchoolIds], redis: Redis
) -> None:
    done, busy, *_ = schools
    first, open_result = await submit_all(adsum, [submission(done), submission(busy)])
    assert isinstance(first, BatchResult)
    assert isinstance(open_result, BatchResult)
    assert first.run_id is not None
    async with adsum.database.transaction() as connection:
        await jobs.insert_records(connection, [jobs.JobSlice(first.run_id, 0)])
    again, skipped = await submit_all(adsum, [submission(done), submission(busy)])
    assert isinstance(again, BatchResult)
    assert isinstance(skipped, BatchResult)
    assert (again.is_skipped, again.skipped_jobs, again.conflicts) == (False, 3, ())
    assert (skipped.is_skipped, skipped.run_id) == (True, open_result.run_id)
    assert await redis.exists(LedgerKeys("", batch_of(done)).marker)
    assert await redis.get(LedgerKeys("", batch_of(busy)).lock) == open_result.run_id


async def test_a_submission_that_waits_for_a_fence_does_not_block_others(postgres_url: str, redis_url: str) -> None:
    async with open_adsum(Settings(database_url=postgres_url, redis_url=redis_url)) as adsum:
        async with adsum.database.transaction() as connection:
            held, free = [await make_school(connection) for _ in range(2)]
        async with adsum.database.transaction() as holding:
            await advance_fences(holding, [held.session_id])
            waiting = asyncio.create_task(adsum.attendances.create_batch(submission(held), SYSTEM))
            async with asyncio.timeout(10):
                assert (await adsum.attendances.create_batch(submission(free), SYSTEM)).added_jobs == 3
            assert not waiting.done()
        assert (await waiting).added_jobs == 3


async def test_of_two_states_of_a_batch_the_later_one_is_decided_upon(
    adsum: Adsum, schools: list[SchoolIds], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day of one submission is known only with the time zone of the school, so that its state is read again."""
    school, reads = schools[0], iter([False, True])

    async def find(
        connection: Connection, queries: Collection[ContextQuery]
    ) -> dict[ContextQuery, submissions.ClassContext]:
        if next(reads):
            async with adsum.database.transaction() as other:
                await make_record(other, school.school_id, batch_of(school), school.student_ids[0], status="absent")
                await advance_fences(other, [school.session_id])
        return await submissions.find_class_contexts(connection, queries)

    monkeypatch.setattr(validate, "find_class_contexts", find)
    at_noon = submission(school, learning_date=f"{DAY}T12:00:00Z")
    accepted, skipped = await submit_all(adsum, [at_noon, submission(school)])

    assert isinstance(accepted, BatchResult)
    assert isinstance(skipped, BatchResult)
    assert (accepted.added_jobs, [each.student_id for each in accepted.conflicts]) == (2, school.student_ids[:1])
    assert (skipped.is_skipped, skipped.run_id) == (True, accepted.run_id)


async def test_a_day_that_was_read_before_a_change_is_decided_again_beside_one_that_was_read_after_it(
    adsum: Adsum, schools: list[SchoolIds], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are of one session. A run with the newer fence would be inserted, although its roster is older."""
    school, reads = schools[0], iter([False, True])
    erased, *others = school.student_ids

    async def find(
        connection: Connection, queries: Collection[ContextQuery]
    ) -> dict[ContextQuery, submissions.ClassContext]:
        if next(reads, False):
            await adsum.student_data.erase(erased, SYSTEM)
        return await submissions.find_class_contexts(connection, queries)

    monkeypatch.setattr(validate, "find_class_contexts", find)
    before = replace(batch_of(school), learning_date=DAY - timedelta(days=1))
    requests = [submission(school), submission(school, learning_date=f"{before.learning_date}T12:00:00Z")]
    results = await submit_all(adsum, requests)

    assert [each.added_jobs for each in results if isinstance(each, BatchResult)] == [2, 2]
    async with adsum.database.autocommit_read() as connection:
        found = [await runs.open_run(connection, batch) for batch in (batch_of(school), before)]
    assert [sorted(run.student_ids) for run in found if run is not None] == [sorted(others)] * 2


async def test_a_student_erased_after_the_roster_was_read_is_not_marked(
    adsum: Adsum, schools: list[SchoolIds], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The erasure happens after the class was read, which invalidates what was read."""
    school, loads = schools[0], iter([True])
    erased, *others = school.student_ids

    async def load(connection: Connection, snapshots: Mapping[Batch, BatchSnapshot]) -> dict[Batch, BatchSnapshot]:
        if next(loads, False):
            await adsum.student_data.erase(erased, SYSTEM)
        return await submissions.load_open_runs(connection, snapshots)

    monkeypatch.setattr(accepting, "load_open_runs", load)
    result = await adsum.attendances.create_batch(submission(school), SYSTEM)
    async with adsum.database.autocommit_read() as connection:
        run = await runs.open_run(connection, batch_of(school))
    assert run is not None
    assert (result.run_id, sorted(job.student_id for job in run.jobs)) == (run.run_id, sorted(others))


async def test_a_stored_response_does_not_name_a_student_erased_meanwhile(
    adsum: Adsum, schools: list[SchoolIds], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run is created, so no other statement detects the erasure."""
    school, loads = schools[0], iter([True])
    async with adsum.database.transaction() as connection:
        for student_id in school.student_ids:
            await make_record(connection, school.school_id, batch_of(school), student_id, status="absent")

    async def load(connection: Connection, snapshots: Mapping[Batch, BatchSnapshot]) -> dict[Batch, BatchSnapshot]:
        loaded = await submissions.load_open_runs(connection, snapshots)
        if next(loads, False):
            await adsum.student_data.erase(school.student_ids[0], SYSTEM)
        return loaded

    monkeypatch.setattr(accepting, "load_open_runs", load)
    requests = submission(school, idempotency_key="monday")
    assert (await adsum.attendances.create_batch(requests, SYSTEM)).added_jobs == 0
    repeated = await adsum.attendances.create_batch(requests, SYSTEM)
    assert repeated.is_repeated
    assert [each.student_id for each in repeated.conflicts] == school.student_ids[1:]


async def test_two_waiting_requests_with_one_key_make_one_run_and_get_one_response(
    postgres_url: str, redis_url: str
) -> None:
    """Both requests looked for the key before either was answered. The slower one loads it again under the fence."""
    async with open_adsum(Settings(database_url=postgres_url, redis_url=redis_url)) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection)
        requests = submission(school, idempotency_key="monday")
        async with adsum.database.transaction() as holding:
            await advance_fences(holding, [school.session_id])
            both = [asyncio.create_task(adsum.attendances.create_batch(requests, SYSTEM)) for _ in range(2)]
            await until(lambda: both_wait(adsum.database))
        one, other = await asyncio.gather(*both)
        assert sorted([one.is_repeated, other.is_repeated]) == [False, True]
        assert one.run_id == other.run_id


async def test_the_slower_of_two_requests_with_one_key_gets_the_response_of_the_faster(
    postgres_url: str, redis_url: str
) -> None:
    """The requests concern different classes, so no common fence separates them. The database refuses the second
    response.
    """
    async with open_adsum(Settings(database_url=postgres_url, redis_url=redis_url)) as adsum:
        async with adsum.database.transaction() as connection:
            school, other = [await make_school(connection) for _ in range(2)]
        faster = await adsum.attendances.create_batch(submission(other), SYSTEM)
        requests = submission(school, idempotency_key="monday")
        answer = {AnswerKey(SYSTEM.actor, "monday"): StoredAnswer(requests.digest(), faster.to_json())}
        async with adsum.database.transaction() as holding:
            await store_answers(holding, answer, ACCEPTED_AT)
            slower = asyncio.create_task(adsum.attendances.create_batch(requests, SYSTEM))
            await until(lambda: has_transaction_waiting_for_a_lock(adsum.database))
        assert replace(await slower, is_repeated=False) == faster
        async with adsum.database.autocommit_read() as connection:
            assert await runs.open_run(connection, batch_of(school)) is None


async def both_wait(database: Database) -> bool:
    return await waiting_for_locks(database) == 2


async def test_marks_beyond_the_limit_of_a_transaction_are_accepted_in_several(
    adsum: Adsum, schools: list[SchoolIds], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "MARKS_AT_MOST", 6)
    with statements_sent(adsum.database) as sent:
        results = await submit_all(adsum, [submission(each) for each in schools])
    assert [each.added_jobs for each in results if isinstance(each, BatchResult)] == [3] * 8
    assert count_of(sent, "INSERT INTO batch_runs") == 4


async def test_requests_beyond_the_queue_limit_are_refused_and_can_be_retried(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "WAITING_AT_MOST", 3)
    async with open_adsum(settings) as adsum:
        async with adsum.database.transaction() as connection:
            schools = [await make_school(connection) for _ in range(5)]
        results = await submit_all(adsum, [submission(each) for each in schools])
        refused = [each for each, result in zip(schools, results, strict=True) if isinstance(result, Overloaded)]
        assert len(refused) == 2
        again = await submit_all(adsum, [submission(each) for each in refused])
        assert [each.added_jobs for each in again if isinstance(each, BatchResult)] == [3, 3]


async def test_a_submission_of_a_disconnected_client_is_accepted(adsum: Adsum, schools: list[SchoolIds]) -> None:
    tasks = [asyncio.create_task(adsum.attendances.create_batch(submission(each), SYSTEM)) for each in schools]
    await asyncio.sleep(0)  # all requests are sent, and none is answered
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in results].count(BatchResult) == 7
    again = await adsum.attendances.create_batch(submission(schools[3]), SYSTEM)
    assert again.is_skipped
