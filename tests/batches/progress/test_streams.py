"""`GET /attendances/batches/{batchId}/events` over a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator

import httpx2
import pytest

from adsum.accounts.access import Permission, Role
from adsum.batches import endpoints
from adsum.batches.progress import MAX_LISTENERS
from adsum.platform.http.retrying import RETRY_WITHIN_S
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.batches.progress.conftest import MovingRun, begin_run
from tests.batches.progress.listening import Served, served
from tests.batches.test_one_batch import submission
from tests.support.installation import RunWorker
from tests.support.people import disable
from tests.support.schools import SchoolIds, make_school, make_user
from tests.support.servers.counting import counting_postgres
from tests.support.servers.processes import short_folder
from tests.support.waiting import until


async def token_of(adsum: Adsum, role: Role = Role.ADMIN, school_id: int | None = None) -> str:
    email = f"{role.value}@school{school_id or 0}.example"
    async with adsum.database.transaction() as connection:
        await make_user(connection, role, school_id, email=email)
    return (await adsum.tokens.create(email)).text


@pytest.fixture
async def api(adsum: Adsum, settings: Settings) -> AsyncGenerator[Served]:
    async with served(settings) as opened:
        yield opened


@pytest.fixture
async def token(adsum: Adsum) -> str:
    return await token_of(adsum)


async def has_no_streams(api: Served) -> None:
    async def has_no_listeners() -> bool:
        return api.adsum.progress.listeners == 0

    await until(has_no_listeners)


async def test_a_stream_reports_progress_from_the_first_student_to_the_last(
    adsum: Adsum, school: SchoolIds, api: Served, token: str, worker: RunWorker
) -> None:
    result = await api.adsum.attendances.create_batch(submission(school), await adsum.tokens.caller_of(token))
    async with api.events(result.batch_id, token) as stream, worker():
        events = await stream.rest()
    headers = stream.response.headers
    assert headers["content-type"].partition(";")[0] == "text/event-stream"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
    assert headers.get_list("cache-control") == ["no-store"]
    assert {event.name for event in events} == {"status"}
    assert [event.settled for event in events] == sorted(event.settled for event in events)
    assert [event.id for event in events][-1] == f"{result.run_id}:30:completed"
    assert [event.data["isCompleted"] for event in events].count(True) == 1
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        status = await client.get(f"http://127.0.0.1:{api.port}/attendances/batch-status/{result.batch_id}")
    assert events[-1].data == status.json()


async def test_a_reconnecting_client_resumes_after_its_last_event(moving: MovingRun, api: Served, token: str) -> None:
    async with api.events(moving.batch.id, token) as stream:
        first = await stream.next()
    await moving.record(0)
    async with api.events(moving.batch.id, token, first.id) as stream:
        assert (await stream.next()).settled == 10
    await moving.cancel()
    async with api.events(moving.batch.id, token, f"{moving.run.run_id}:10:processing") as stream:
        (last,) = await stream.rest()
    assert last.id == f"{moving.run.run_id}:30:cancelled"
    async with api.events(moving.batch.id, token, last.id) as stream:
        assert await stream.rest() == [last]


async def test_a_disconnected_client_is_removed_at_once(moving: MovingRun, api: Served, token: str) -> None:
    async with api.events(moving.batch.id, token) as stream:
        await stream.next()
        assert api.adsum.progress.listeners == 1
    await has_no_streams(api)


async def test_a_client_that_does_not_read_delays_no_other_and_is_removed_on_disconnect(
    moving: MovingRun, api: Served, token: str
) -> None:
    request = f"GET {api.path(moving.batch.id)} HTTP/1.1\r\nHost: adsum\r\nAuthorization: Bearer {token}\r\n\r\n"
    with socket.socket() as slow_client:
        slow_client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        slow_client.connect(("127.0.0.1", api.port))
        slow_client.sendall(request.encode())
        async with api.events(moving.batch.id, token) as stream:
            assert (await stream.next()).settled == 0
            for chunk in range(3):
                await moving.record(chunk)
                assert (await stream.next()).settled == 10 * (chunk + 1)
    await has_no_streams(api)


async def test_comments_keep_an_idle_connection_open(
    moving: MovingRun, api: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "KEEP_ALIVE_S", 0.01)
    async with api.events(moving.batch.id, token) as stream:
        assert (await stream.next()).name == "status"
        assert [(await stream.next()).name for _ in range(3)] == [None] * 3
        await moving.cancel()
        rest = await stream.rest()
    assert [event.id for event in rest if event.name] == [f"{moving.run.run_id}:30:cancelled"]


async def test_a_stream_ends_when_the_sign_in_of_its_client_has_ended(
    adsum: Adsum, moving: MovingRun, api: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "KEEP_ALIVE_S", 0.01)
    async with api.events(moving.batch.id, token) as stream:
        assert (await stream.next()).name == "status"
        await adsum.tokens.revoke(token)
        assert {event.name for event in await stream.rest()} <= {None}


async def test_a_stream_ends_so_that_its_client_is_authenticated_again(
    adsum: Adsum, school: SchoolIds, moving: MovingRun, api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MAX_STREAM_S", 0.3)
    office = await token_of(adsum, Role.OFFICE, school.school_id)
    async with api.events(moving.batch.id, office) as stream:
        await disable(adsum.people, f"office@school{school.school_id}.example")
        events = [event for event in await stream.rest() if event.name]
    assert [event.data["state"] for event in events] == ["processing"]
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {office}"}) as client:
        assert (await client.get(api.path(moving.batch.id))).status_code == 401


async def test_errors_before_the_stream_are_problem_details(
    adsum: Adsum, school: SchoolIds, moving: MovingRun, api: Served, token: str
) -> None:
    async with adsum.database.transaction() as connection:
        elsewhere = (await make_school(connection)).school_id
    office = await token_of(adsum, Role.OFFICE, elsewhere)
    key = await adsum.api_keys.create("lms", [Permission.ATTENDANCE_CREATE], [school.school_id])
    unknown = "class-1-session-99-date-25122024"
    refusals: list[tuple[str, dict[str, str], int]] = [
        (moving.batch.id, {}, 401),
        (moving.batch.id, {"X-API-Key": key.secret}, 403),
        (moving.batch.id, {"Authorization": f"Bearer {office}"}, 404),
        (unknown, {"Authorization": f"Bearer {token}"}, 404),
        ("nonsense", {"Authorization": f"Bearer {token}"}, 404),
    ]
    async with httpx2.AsyncClient() as client:
        for batch_id, headers, status in refusals:
            refused = await client.get(api.path(batch_id), headers=headers)
            assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")


async def test_a_stream_beyond_the_limit_is_503_and_can_be_retried(moving: MovingRun, api: Served, token: str) -> None:
    api.adsum.progress.listeners = MAX_LISTENERS
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        refused = await client.get(api.path(moving.batch.id))
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_listeners")
    assert 1 <= int(refused.headers["retry-after"]) <= RETRY_WITHIN_S


async def test_a_stream_survives_an_outage_of_the_database(
    postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "KEEP_ALIVE_S", 0.1)
    settings = {"redis_url": redis_url, "secret_key": "x" * 64}
    with short_folder() as folder:
        async with (
            counting_postgres(postgres_url, folder) as (proxy, url),
            served(Settings(database_url=url, **settings)) as api,  # pyright: ignore[reportArgumentType]
        ):
            async with api.adsum.database.transaction() as connection:
                school = await make_school(connection, students=30)
            moving, token = await begin_run(api.adsum.database, school), await token_of(api.adsum)
            async with api.events(moving.batch.id, token) as stream:
                assert (await stream.next()).settled == 0
                await proxy.go_away()
                for _ in range(10):
                    assert (await stream.next()).name is None
                proxy.is_cut = False
                await moving.record(0)
                events = (event async for event in stream if event.name)
                async with asyncio.timeout(15):
                    assert (await anext(events)).settled == 10
