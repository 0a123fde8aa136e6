"""`examples/node/board.js`: whatever an operator does in Bull Board, every batch completes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adsum.platform.ids import Batch
from adsum.wiring import open_queue_control
from tests.support.node import first_line, install_packages, program
from tests.support.servers.cluster import PATIENT_MS, cluster
from tests.support.waiting import until
from tests.system.examples.conftest import EXAMPLES
from tests.system.faults.classes import Classes, Platform, create_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.installation import QUICK, Installation
from tests.system.faults.oracle import Promise, verify

STUDENTS = 30


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    install_packages(EXAMPLES)


@dataclass
class Board:
    """Bull Board, through the requests that its pages send."""

    client: httpx2.AsyncClient

    async def state(self) -> dict[str, Any]:
        answer = await self.client.get("/api/queues", params={"activeQueue": "attendance", "status": "waiting"})
        (queue,) = answer.json()["queues"]
        return queue

    async def waiting(self) -> list[dict[str, Any]]:
        return (await self.state())["jobs"]

    async def count(self, state: str = "waiting") -> int:
        return (await self.state())["counts"][state]

    async def do(self, path: str, method: str = "PUT", status: int = 200, **body: Any) -> None:
        answer = await self.client.request(method, f"/api/queues/attendance/{path}", json=body)
        assert answer.status_code == status, answer.text


Action = Callable[[Board], Awaitable[None]]


async def removes_one_job(board: Board) -> None:
    (job, *_) = await board.waiting()
    await board.do(f"{job['id']}/clean", status=204)
    assert await board.count() == 5


async def empties_the_queue(board: Board) -> None:
    await board.do("empty")
    assert await board.count() == 0


async def obliterates_the_queue(board: Board) -> None:
    await board.do("pause")
    await board.do("obliterate")
    assert await board.count() == 0
    await board.do("resume")


async def cleans_every_state(board: Board) -> None:
    for state in ("waiting", "delayed", "failed", "completed", "prioritized"):
        await board.do(f"clean/{state}")


async def retries_and_promotes_everything(board: Board) -> None:
    await board.do("retry/failed")
    await board.do("retry/completed")
    await board.do("promote")
    (job, *_) = await board.waiting()
    await board.do(f"{job['id']}/retry", status=400)  # it has not failed
    await board.do(f"{job['id']}/promote", status=500)  # it is not delayed


async def pauses_and_resumes(board: Board) -> None:
    await board.do("pause")
    assert (await board.state())["isPaused"]
    await board.do("resume")


async def adds_jobs(board: Board) -> None:
    (job, *_) = await board.waiting()
    data = job["data"]
    for number, changed in enumerate(({}, {"v": 0}, {"chunk": 99}, {"runId": "x"}, {"batchId": 7})):
        options = {"jobId": f"added-{number}"}
        await board.do("add", "POST", name="createAttendance", data=data | changed, options=options)
    await board.do("add", "POST", name="other", data={"text": "hello"}, options={"delay": 1})
    await board.do("add", "POST", name=job["name"], data=data, options={"jobId": job["id"], "delay": 3_600_000})


async def changes_the_data_of_jobs(board: Board) -> None:
    first, second, third, *_ = await board.waiting()
    await board.do(f"{first['id']}/update-data", "PATCH", jobData={"text": "hello"})
    await board.do(f"{second['id']}/update-data", "PATCH", jobData=third["data"])


async def changes_priorities(board: Board) -> None:
    for number, job in enumerate(await board.waiting()):
        await board.do(f"{job['id']}/priority", "PATCH", priority=number)


async def limits_the_concurrency(board: Board) -> None:
    await board.do("concurrency", concurrency=1)


async def limits_the_rate(board: Board) -> None:
    await board.do("rate-limit", max=2, duration=500)


ACTIONS: list[Action] = [
    removes_one_job,
    empties_the_queue,
    obliterates_the_queue,
    cleans_every_state,
    retries_and_promotes_everything,
    pauses_and_resumes,
    adds_jobs,
    changes_the_data_of_jobs,
    changes_priorities,
    limits_the_concurrency,
    limits_the_rate,
]


@pytest.mark.long
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
async def test_batches_complete_after_an_operator(
    action: Action, new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    async with new_installation(chunk_size=10) as installation, opened(installation, stack) as (board, client):
        promises = [await client.mark_accepted(batch) for batch in batches(client.classes, 2)]
        await wait_for_waiting(board, 6)
        await action(board)
        await installation.worker(stack, QUICK)
        await verify(installation, promises)
        assert await board.count("failed") == 0


@pytest.mark.long
async def test_batches_complete_while_an_operator_removes_what_waits(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    async with new_installation(chunk_size=1) as installation, opened(installation, stack) as (board, client):
        await installation.worker(stack, QUICK)
        promises: list[Promise] = []
        for number, batch in enumerate(batches(client.classes, 12)):
            promises.append(await client.mark_accepted(batch))
            if number % 4 == 3:
                await board.do("pause")
                await board.do("obliterate", force=True)
                await board.do("resume")
            else:
                await board.do("empty")
        await verify(installation, promises)


@pytest.mark.long
async def test_the_board_and_the_command_line_show_the_same_pause(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    async with new_installation() as installation, opened(installation, stack) as (board, _):
        await board.do("pause")
        async with open_queue_control(installation.settings) as control:
            assert await control.is_paused()
            await control.resume()
        assert not (await board.state())["isPaused"]


@pytest.mark.long
async def test_a_board_for_reading_changes_nothing(new_installation: NewInstallation, stack: AsyncExitStack) -> None:
    async with (
        new_installation() as installation,
        opened(installation, stack, BOARD_READ_ONLY="1") as (board, client),
    ):
        await client.mark_accepted(next(client.classes.batches()))
        await wait_for_waiting(board, 1)
        for path in ("pause", "empty", "obliterate"):
            answer = await board.client.put(f"/api/queues/attendance/{path}", json={})
            assert answer.status_code in {403, 405}
        assert await board.count() == 1


async def test_the_board_answers_to_its_own_names_and_loads_nothing_from_elsewhere(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    async with new_installation() as installation, opened(installation, stack) as (board, _):
        page = await board.client.get("/")
        assert page.status_code == 200
        assert page.headers["content-security-policy"].startswith("default-src 'self'; ")
        assert (await board.client.get("/", headers={"Host": "evil.example"})).status_code == 403


@pytest.mark.parametrize("is_cluster", [False, True], ids=["one server", "cluster"])
async def test_the_board_has_a_queue_for_each_shard(
    is_cluster: bool, redis_url: str, new_installation: NewInstallation, tmp_path: Path
) -> None:
    with cluster(node_timeout=PATIENT_MS) if is_cluster else nullcontext() as group:
        if group is not None:
            await group.start()
        url = redis_url if group is None else group.url
        async with new_installation(redis_url=url, queue_shards=3, has_proxies=False) as installation:
            control, shards = installation.adsum.queue_control, tmp_path / "shards.json"
            shards.write_text(json.dumps([{"keyPrefix": each.key_prefix} for each in await control.shards()]))
            given = {"ADSUM_REDIS_URL": url, "BOARD_SHARDS": str(shards), "BOARD_PORT": "0"}
            async with (
                program(EXAMPLES / "board.js", **given) as process,
                httpx2.AsyncClient(base_url=await first_line(process), timeout=30) as board,
            ):
                await control.pause()
                assert (await board.put("/api/queues/shard-1-attendance/resume")).status_code == 200
                queues = (await board.get("/api/queues")).json()["queues"]
            shown = {queue["name"]: queue["isPaused"] for queue in queues}
            names = [f"shard-{number}-attendance" for number in range(3)]
            assert shown == dict(zip(names, [True, False, True], strict=True))
            assert [each.state and each.state.is_paused for each in await control.shards()] == [True, False, True]


@asynccontextmanager
async def opened(
    installation: Installation, stack: AsyncExitStack, **variables: str
) -> AsyncGenerator[tuple[Board, Platform]]:
    """An API without a worker, and the board of its queue."""
    classes = await create_classes(installation, students=STUDENTS)
    _, address = await installation.api(stack)
    settings = installation.settings
    given = {"ADSUM_REDIS_URL": str(settings.redis_url), "ADSUM_KEY_PREFIX": settings.key_prefix, "BOARD_PORT": "0"}
    async with (
        platform(address, classes) as client,
        program(EXAMPLES / "board.js", **given, **variables) as process,
        httpx2.AsyncClient(base_url=await first_line(process), timeout=30) as board,
    ):
        yield Board(board), client


def batches(classes: Classes, number: int) -> Sequence[Batch]:
    return [batch for batch, _ in zip(classes.batches(), range(number), strict=False)]


async def wait_for_waiting(board: Board, number: int) -> None:
    """Redis has the messages of a batch soon after its 202."""

    async def has_all() -> bool:
        return await board.count() == number

    await until(has_all)
