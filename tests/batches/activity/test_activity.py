"""Activity of the callers' own schools: runs per minute, the queue, and the timelines of batches."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from adsum import wiring
from adsum.accounts.access import Role
from adsum.batches.activity import service
from adsum.batches.activity.rules import RunsOfMinutes, first_minute, minutes_of
from adsum.batches.activity.service import ActivityService, QueueView
from adsum.batches.queue.control import ConnectedWorker
from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.rules import BatchFilters, BatchState, FailureCount
from adsum.batches.run import Run
from adsum.platform.database.engine import Connection, StorageOutage, open_database
from adsum.platform.errors import Forbidden, NotFound
from adsum.platform.paging import PageRequest
from adsum.platform.settings import Settings
from adsum.roster.rules import SessionTitles, StudentName
from adsum.roster.tables import enrolments
from adsum.wiring import Adsum
from tests.accounts.audit.conftest import entries_of
from tests.support.runs import ACCEPTED_AT, LATER, batch_of, inserts, make_run, slices
from tests.support.schools import SchoolIds, caller, make_school, make_user
from tests.support.servers.valkey import tell, temporary_valkey, url_of

NOW = datetime(2024, 12, 25, 10, 7, 30, tzinfo=UTC)
KEY = "x" * 64


def settings_of(database_url: str, redis_url: str) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, secret_key=KEY)  # pyright: ignore[reportArgumentType]


@pytest.fixture
async def adsum(database_url: str, redis_url: str) -> AsyncGenerator[Adsum]:
    async with wiring.open_adsum(settings_of(database_url, redis_url)) as opened:
        yield opened


@pytest.fixture
async def school(adsum: Adsum) -> SchoolIds:
    async with adsum.database.transaction() as connection:
        return await make_school(connection, students=4, time_zone="Asia/Tokyo")


async def run_with_one_failure(connection: Connection, school: SchoolIds) -> Run:
    """A run that ended at 10:00: three students are recorded, the first one failed since it is not enrolled."""
    first = school.student_ids[0]
    await connection.execute(
        update(enrolments).where(enrolments.c.student_id == first).values(end_date=date(2024, 9, 3))
    )
    run = await make_run(connection, school, inserts(school.student_ids))
    await jobs.insert_records(connection, slices(run))
    await jobs.fail_pending_jobs(connection, slices(run), "not_enrolled", LATER)
    assert await runs.close_runs(connection, [run.run_id], LATER)
    return run


def test_a_run_is_open_in_each_minute_from_its_acceptance_up_to_its_end() -> None:
    begin = first_minute(NOW)
    assert begin == datetime(2024, 12, 25, 9, 53, tzinfo=UTC)
    ended, still_open = RunsOfMinutes(-1, 2, 3, 90, 1), RunsOfMinutes(1, None, 2, 0, 0)
    minutes = minutes_of(begin, [ended, still_open])
    assert [each.open for each in minutes] == [3, 5, *[2] * 13]
    assert (minutes[2].recorded, minutes[2].failed, minutes[2].begin) == (90, 1, begin + timedelta(minutes=2))
    assert sum(each.recorded for each in minutes) == 90


@pytest.fixture
async def activity_service(adsum: Adsum) -> AsyncGenerator[ActivityService]:
    """Opens the activity service at 10:07:30."""
    async with wiring.open_queue_control(adsum.settings) as control:
        yield ActivityService(adsum.database, control, lambda: NOW)


async def test_minutes_count_the_own_work_of_each_run_of_visible_schools(
    adsum: Adsum, school: SchoolIds, activity_service: ActivityService
) -> None:
    operator = caller(Role.OPERATOR, school.school_id)
    async with adsum.database.transaction() as connection:
        await run_with_one_failure(connection, school)
        other = await make_school(connection)
    # A retry carries over the three recorded students and does not count them again.
    retried = await adsum.retry_cancel.retry(batch_of(school).id, operator)
    async with adsum.database.transaction() as connection:
        await connection.execute(update(enrolments).values(end_date=None))
        retry = JobSlice(retried.run_id, 0)
        await jobs.insert_records(connection, [retry])
        assert await runs.close_runs(connection, [retried.run_id], LATER)
        eve = batch_of(school, date(2024, 12, 24))
        await make_run(connection, school, inserts(school.student_ids), batch=eve)
    activity = await activity_service.now(operator)
    assert (activity.at, activity.time_zone, activity.oldest) == (NOW, "Asia/Tokyo", ACCEPTED_AT)
    ten = activity.minutes[7]
    assert (ten.begin, ten.recorded, ten.failed, ten.open) == (LATER, 4, 1, 1)
    assert sum(each.recorded for each in activity.minutes) == 4
    assert (
        await activity_service.now(caller(Role.TEACHER, school.school_id, school.teacher_id))
    ).minutes == activity.minutes
    in_other_school = await activity_service.now(caller(Role.OPERATOR, other.school_id))
    assert (in_other_school.oldest, {each.open for each in in_other_school.minutes}) == (None, {0})
    assert (await activity_service.now(caller(Role.ADMIN))).time_zone == "UTC"
    with pytest.raises(Forbidden):
        await activity_service.now(caller(Role.KEY))


async def test_batches_are_listed_by_their_state(adsum: Adsum, school: SchoolIds) -> None:
    async with adsum.database.transaction() as connection:
        await run_with_one_failure(connection, school)
        eve = batch_of(school, date(2024, 12, 24))
        await make_run(connection, school, inserts(school.student_ids), batch=eve)
    operator = caller(Role.OPERATOR, school.school_id)
    found = {
        state: [
            row.batch.learning_date.day
            for row in (await adsum.batches.page(operator, BatchFilters(state=state), PageRequest())).items
        ]
        for state in BatchState
    }
    assert found == {
        BatchState.PROCESSING: [24],
        BatchState.COMPLETED: [],
        BatchState.COMPLETED_WITH_ERRORS: [25],
        BatchState.CANCELLED: [],
        BatchState.UNDONE: [],
        BatchState.PARTLY_UNDONE: [],
    }


async def test_a_timeline_shows_reasons_the_queue_and_undone_marks(adsum: Adsum, school: SchoolIds) -> None:
    office, operator = caller(Role.OFFICE, school.school_id), caller(Role.OPERATOR, school.school_id)
    async with adsum.database.transaction() as connection:
        run = await run_with_one_failure(connection, school)
        eve = await make_run(
            connection, school, inserts(school.student_ids), batch=batch_of(school, date(2024, 12, 24))
        )
    reasons = {run.run_id: [FailureCount("not_enrolled", 1, LATER)]}
    story = await adsum.timeline.of_batch(run.batch.id, operator, 100)
    assert (story.time_zone, story.failures, story.undone, story.is_claimed) == ("Asia/Tokyo", reasons, [], None)
    statuses = [row.status for row in (await adsum.batches.page(operator, BatchFilters(), PageRequest())).items]
    assert await adsum.timeline.failures(operator, statuses) == reasons

    await adsum.undo.undo(run.batch.id, office)
    (undone,) = (await adsum.timeline.of_batch(run.batch.id, operator, 100)).undone
    assert (undone.run_id, undone.role, undone.records) == (run.run_id, "office", 3)

    assert (await adsum.timeline.of_batch(eve.batch.id, operator, 100)).is_claimed is False
    await adsum.queue.enqueue([eve])
    assert (await adsum.timeline.of_batch(eve.batch.id, operator, 100)).is_claimed is True
    for unknown in ("nothing", batch_of(school, date(2024, 12, 1)).id):
        with pytest.raises(NotFound):
            await adsum.timeline.of_batch(unknown, operator, 100)


async def test_names_are_shown_to_callers_who_may_read_rosters_and_see_the_class(
    adsum: Adsum, school: SchoolIds
) -> None:
    async with adsum.database.transaction() as connection:
        stranger = await make_user(connection, Role.TEACHER, school.school_id)
    one = school.student_ids[0]
    named = {one: StudentName("Given 1", "Family 0001")}
    titled = {school.session_id: SessionTitles("7b", "Attendance")}
    for teacher_id, names, titles in ((school.teacher_id, named, titled), (stranger, {}, {})):
        teacher = caller(Role.TEACHER, school.school_id, teacher_id)
        assert await adsum.directory.student_names(teacher, [one]) == names
        assert await adsum.directory.session_titles(teacher, [school.session_id]) == titles
    assert await adsum.directory.student_names(caller(Role.VIEWER, school.school_id), [one]) == named
    with pytest.raises(Forbidden):
        await adsum.directory.student_names(caller(Role.OPERATOR, school.school_id), [one])


async def test_the_queue_reports_whether_it_is_paused_and_its_number_of_workers(
    adsum: Adsum, school: SchoolIds
) -> None:
    operator = caller(Role.OPERATOR, school.school_id)
    async with wiring.open_queue_control(adsum.settings) as control:
        await control.pause()
    view = await adsum.activity.queue(operator)
    assert view is not None
    assert (view.state.is_paused, view.workers, view.alive) == (True, [], 0)
    assert QueueView(view.state, [ConnectedWorker("a:1", 2), ConnectedWorker("a:2", 40)]).alive == 1


async def test_the_queue_depth_is_known_although_the_server_denies_the_list_of_clients(sqlite_url: str) -> None:
    with temporary_valkey() as valkey:
        tell(valkey, "ACL SETUSER default -client|list")
        async with wiring.open_adsum(settings_of(sqlite_url, url_of(valkey))) as adsum:
            view = await adsum.activity.queue(caller(Role.OPERATOR))
    assert view is not None
    assert (view.state.waiting, view.workers, view.alive) == (0, None, None)


async def test_without_redis_timeline_and_activity_are_read_from_the_database(sqlite_url: str, tmp_path: Path) -> None:
    async with wiring.open_adsum(settings_of(sqlite_url, f"unix://{tmp_path}/nowhere")) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection)
            run = await make_run(connection, school, inserts(school.student_ids))
        operator = caller(Role.OPERATOR, school.school_id)
        assert await adsum.activity.queue(operator) is None
        assert (await adsum.timeline.of_batch(run.batch.id, operator, 100)).is_claimed is None
        assert (await adsum.activity.now(operator)).minutes[-1].open == 1


async def test_an_operator_of_the_installation_pauses_and_resumes_the_queue(adsum: Adsum, school: SchoolIds) -> None:
    operator = caller(Role.OPERATOR)
    for refused in (caller(Role.OFFICE, school.school_id), caller(Role.TEACHER, school.school_id)):
        with pytest.raises(Forbidden):
            await adsum.activity.pause(refused)
        with pytest.raises(Forbidden):
            await adsum.activity.resume(refused)
    try:
        assert await adsum.activity.pause(operator)
        assert await adsum.queue_control.is_paused()
        assert await adsum.activity.pause(operator)
    finally:
        assert await adsum.activity.resume(operator)
    assert not await adsum.queue_control.is_paused()
    assert await adsum.activity.resume(operator)
    recorded = [entry["action"] for entry in await entries_of(adsum.database)]
    assert recorded == ["queue_paused", "queue_resumed"]


async def test_the_queue_is_paused_although_the_audit_log_cannot_be_written(
    adsum: Adsum, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def away(*_: object) -> None:
        raise StorageOutage("the database does not answer")

    monkeypatch.setattr(service, "record", away)
    try:
        assert not await adsum.activity.pause(caller(Role.OPERATOR))
        assert await adsum.queue_control.is_paused()
        missing = open_database(f"sqlite:///{tmp_path}/none.db")
        assert not await ActivityService(missing, adsum.queue_control, lambda: NOW).resume(caller(Role.OPERATOR))
        assert not (tmp_path / "none.db").exists()
    finally:
        await adsum.queue_control.resume()
