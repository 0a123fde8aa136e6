"""Many requests for few batches, concurrently and in random order, have the effect of one request each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import islice

import httpx2

from adsum.platform.ids import Batch
from tests.system.faults.classes import Platform, create_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.installation import QUICK, Installation
from tests.system.faults.oracle import Promise, verify
from tests.system.faults.rescue import rescue_worker

BATCHES = 30
SUBMISSIONS = 300
REQUEST_DEADLINE_S = 90.0
SEED = 20241225


async def test_ten_submissions_of_each_batch_without_a_worker_make_one_run_each(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await open_school(installation, stack)
    answers = await storm(school)
    assert sorted(answer.status_code for answer in answers) == [200] * (SUBMISSIONS - BATCHES) + [202] * BATCHES
    assert sum(answer.json()["isSkipped"] for answer in answers) == SUBMISSIONS - BATCHES
    assert len({answer.json()["runId"] for answer in answers}) == BATCHES
    async with rescue_worker(installation):
        await verify(installation, promises_of(school, answers), within=REQUEST_DEADLINE_S)


async def test_ten_submissions_of_each_batch_record_each_student_once(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await open_school(installation, stack)
    await installation.worker(stack, QUICK)
    if installation.is_on_postgres:
        await installation.worker(stack, QUICK)
    answers = await storm(school)
    assert {answer.status_code for answer in answers} == {200, 202}
    await verify(installation, promises_of(school, answers), within=REQUEST_DEADLINE_S)
    records = (await school.client.get("/attendances", params={"limit": 1, "status": "present"})).json()
    assert records["items"], "nothing was recorded"


async def test_marks_corrections_retries_and_cancellations_in_any_order_end_consistently(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation(chunk_size=10))
    school = await open_school(installation, stack, classes=5)
    rng = random.Random(SEED)  # seeds the order of requests; their outcomes vary
    batches = list(islice(school.classes.batches(), 20))
    await installation.worker(stack, QUICK)
    async with rescue_worker(installation):
        answers = await together([lambda: anything(school, rng, rng.choice(batches)) for _ in range(400)])
    # Concurrent requests conflict with 409, and cause no other error.
    assert {answer.status_code for answer in answers} <= {200, 202, 404, 409}
    assert {answer.status_code for answer in answers} >= {200, 202, 409}
    async with rescue_worker(installation):
        await verify(installation, within=REQUEST_DEADLINE_S)


async def anything(school: Platform, rng: random.Random, batch: Batch) -> httpx2.Response:
    match rng.randrange(4):
        case 0:
            return await school.operate(batch, "retry")
        case 1:
            return await school.operate(batch, "cancel")
        case 2:
            late = [{"studentId": rng.choice(school.classes.students), "status": "late"}]
            return await school.mark(batch, marks=late, onExisting="update")
        case _:
            return await school.mark(batch)


async def open_school(installation: Installation, stack: AsyncExitStack, classes: int = 10) -> Platform:
    """Creates a school and starts an API."""
    found = await create_classes(installation, classes=classes)
    _, address = await installation.api(stack)
    return await stack.enter_async_context(platform(address, found))


async def storm(school: Platform) -> list[httpx2.Response]:
    """Sends the request of each batch ten times, in random order, on all connections of the client."""
    requests = list(islice(school.classes.batches(), BATCHES)) * (SUBMISSIONS // BATCHES)
    random.Random(SEED).shuffle(requests)
    return await together([partial(school.mark, batch) for batch in requests])


async def together(requests: Sequence[Callable[[], Awaitable[httpx2.Response]]]) -> list[httpx2.Response]:
    return list(await asyncio.gather(*(request() for request in requests)))


def promises_of(school: Platform, answers: list[httpx2.Response]) -> list[Promise]:
    return [school.promise(answer) for answer in answers if answer.status_code == 202]
