from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, text

from adsum import __version__
from adsum.accounts.access import Permission, Role
from adsum.operations.migrations import tables
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import Settings
from tests.platform.http.test_problems import problem_of
from tests.support.frame import NOBODY_LISTENS, SECRET, Frame, running
from tests.support.schools import SchoolIds, make_school

GOOD = {"database": "ok", "migrations": "ok", "redis": "ok"}


async def readiness_of(settings: Settings) -> tuple[int, dict[str, Any]]:
    async with running(settings) as full_frame:
        assert (await full_frame.client.get("/livez")).status_code == 200
        answer = await full_frame.client.get("/readyz")
        assert (await full_frame.client.get("/healthz")).json() == answer.json()
        return answer.status_code, answer.json()


async def test_the_api_is_ready_with_all_servers(full_frame: Frame) -> None:
    answer = await full_frame.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": GOOD})


async def test_the_api_is_alive_and_not_ready_without_redis(database_url: str) -> None:
    settings = Settings(database_url=database_url, redis_url=NOBODY_LISTENS, secret_key=SecretStr(SECRET))
    status, body = await readiness_of(settings)
    assert (status, body) == (503, {"status": "unavailable", "checks": GOOD | {"redis": "unreachable"}})


async def test_the_api_is_alive_and_not_ready_without_postgres(redis_url: str) -> None:
    nowhere = "postgresql://adsum@127.0.0.1:1/adsum"
    status, body = await readiness_of(Settings(database_url=nowhere, redis_url=redis_url))
    assert status == 503
    assert body["checks"] == {"database": "unreachable", "migrations": "unreachable", "redis": "ok"}


async def test_the_api_is_not_ready_without_migrations(full_frame: Frame) -> None:
    async with full_frame.adsum.database.transaction() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))
    answer = await full_frame.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == GOOD | {"migrations": "behind"}


async def test_a_process_does_not_start_without_migrations(full_frame: Frame) -> None:
    await full_frame.adsum.readiness.require_current_schema()
    async with full_frame.adsum.database.transaction() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(ConfigurationError, match="adsum migrate"):
        await full_frame.adsum.readiness.require_current_schema()


async def test_the_api_is_not_ready_without_a_sqlite_file_and_creates_none(redis_url: str, tmp_path: Any) -> None:
    file = tmp_path / "nothing.db"
    status, body = await readiness_of(Settings(database_url=f"sqlite:///{file}", redis_url=redis_url))
    assert (status, body["checks"]["migrations"]) == (503, "behind")
    assert not file.exists()


async def test_the_api_is_ready_on_the_schema_of_the_next_version(full_frame: Frame) -> None:
    async with full_frame.adsum.database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert (await full_frame.client.get("/readyz")).status_code == 200


async def test_the_version_is_returned(frame: Frame) -> None:
    assert (await frame.client.get("/version")).json() == {"version": __version__}


async def test_metrics_need_the_permission(full_frame: Frame) -> None:
    assert (await full_frame.client.get("/metrics")).status_code == 401
    teacher = await full_frame.token(Role.TEACHER)
    denied = await full_frame.client.get("/metrics", headers={"Authorization": f"Bearer {teacher}"})
    assert (denied.status_code, problem_of(denied)["code"]) == (403, "forbidden")


async def test_metrics_count_requests_by_route_and_class_of_status(full_frame: Frame) -> None:
    await full_frame.client.get("/livez")
    await full_frame.client.post("/trial/echo/7", json={})
    shown = await scraped(full_frame)
    assert shown['adsum_request_seconds_count{method="GET",route="/livez",status="2xx"}'] == 1
    assert shown['adsum_request_seconds_count{method="POST",route="/trial/echo/{class_id}",status="4xx"}'] == 1


async def test_metrics_show_the_backlog_of_all_processes(full_frame: Frame) -> None:
    empty = await scraped(full_frame)
    assert (empty["adsum_open_runs"], empty["adsum_oldest_open_run_seconds"], empty["adsum_queue_depth"]) == (0, 0, 0)
    async with full_frame.adsum.database.transaction() as connection:
        school = await make_school(connection)
    await add_run(full_frame.adsum.database, school, 1, state="open", accepted_at=system_clock() - timedelta(minutes=5))
    shown = await scraped(full_frame)
    assert shown["adsum_open_runs"] == 1
    assert 300 <= shown["adsum_oldest_open_run_seconds"] < 330


async def test_metrics_count_each_ended_run_of_any_process_once(full_frame: Frame) -> None:
    async with full_frame.adsum.database.transaction() as connection:
        school = await make_school(connection)
    long_ago = datetime(2024, 12, 25, tzinfo=UTC)
    await add_run(
        full_frame.adsum.database, school, 1, state="closed", accepted_at=long_ago, ended_at=long_ago, recorded=7
    )
    assert (await scraped(full_frame))["adsum_recorded_jobs_total"] == 0
    now = system_clock()
    for number in (2, 3):
        await add_run(
            full_frame.adsum.database,
            school,
            number,
            state="closed",
            accepted_at=now,
            ended_at=now,
            recorded=30,
            failed=1,
        )
        shown = await scraped(full_frame)
        shown = await scraped(full_frame)
        assert shown["adsum_recorded_jobs_total"] == 30 * (number - 1)
        assert shown["adsum_failed_jobs_total"] == number - 1
        assert shown["adsum_run_seconds_count"] == number - 1


async def test_the_depth_of_the_queue_is_unknown_without_redis(database_url: str) -> None:
    settings = Settings(database_url=database_url, redis_url=NOBODY_LISTENS, secret_key=SecretStr(SECRET))
    async with running(settings) as full_frame:
        depth = (await scraped(full_frame))["adsum_queue_depth"]
        assert depth != depth  # noqa: PLR0124 - that is what NaN is


async def scraped(full_frame: Frame) -> dict[str, float]:
    """Returns the scraped metrics by series."""
    key = await full_frame.adsum.api_keys.create("prometheus", [Permission.METRICS_READ])
    answer = await full_frame.client.get("/metrics", headers={"X-API-Key": key.secret})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


async def add_run(
    database: Database,
    school: SchoolIds,
    number: int,
    *,
    state: str,
    accepted_at: datetime,
    ended_at: datetime | None = None,
    recorded: int = 0,
    failed: int = 0,
) -> None:
    """A run as a worker leaves it in the database."""
    counts = {"recorded_jobs": recorded, "skipped_jobs": 0, "failed_jobs": failed, "cancelled_jobs": 0}
    row: dict[str, Any] = {
        "run_id": f"01930000-0000-7000-8000-{number:012}",
        "school_id": school.school_id,
        "class_id": school.class_id,
        "session_id": school.session_id,
        "learning_date": date(2024, 12, 25),
        "number": number,
        "state": state,
        "on_existing": "skip",
        "chunk_size": 500,
        "plan": [],
        "kept": [],
        "total_jobs": recorded + failed,
        "accepted_at": accepted_at,
        "accepted_role": "office",
        "ended_at": ended_at,
    }
    async with database.transaction() as connection:
        await connection.execute(insert(tables.batch_runs).values(row | (counts if ended_at else {})))
