"""Storms: very many requests for few batches, at once and in any order. One effect each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import islice

import httpx2

from adsum.platform.ids import Batch
from tests.system.faults.classes import Platform, found_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.installation import QUICK, Installation
from tests.system.faults.oracle import Promise, judge
from tests.system.faults.rescue import rescued

BATCHES = 100
SUBMISSIONS = 1_000
REQUEST_DEADLINE_S = 90.0
SEED = 20241225


async def test_a_thousand_submissions_of_a_hundred_batches_without_a_worker_make_a_hundred_runs(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await opened(installation, stack)
    answers = await storm(school)
    assert sorted(answer.status_code for answer in answers) == [200] * (SUBMISSIONS - BATCHES) + [202] * BATCHES
    assert sum(answer.json()["isSkipped"] for answer in answers) == SUBMISSIONS - BATCHES
    assert len({answer.json()["runId"] for answer in answers}) == BATCHES
    async with rescued(installation):
        await judge(installation, promises_of(school, answers), within=REQUEST_DEADLINE_S)


async def test_a_thousand_submissions_of_a_hundred_batches_record_each_student_once(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await opened(installation, stack)
    await installation.worker(stack, QUICK)
    if installation.is_on_postgres:
        await installation.worker(stack, QUICK)
    answers = await storm(school)
    assert {answer.status_code for answer in answers} == {200, 202}
    await judge(installation, promises_of(school, answers), within=REQUEST_DEADLINE_S)
    records = (await school.client.get("/attendances", params={"limit": 1, "status": "present"})).json()
    assert records["items"], "nothing was recorded"


async def test_marking_correcting_retrying_and_cancelling_in_any_order_leave_one_truth(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation(chunk_size=10))
    school = await opened(installation, stack, classes=5)
    chance = random.Random(SEED)  # the order of requests; what comes of them differs from run to run
    batches = list(islice(school.classes.batches(), 20))
    await installation.worker(stack, QUICK)
    async with rescued(installation):
        answers = await together([lambda: anything(school, chance, chance.choice(batches)) for _ in range(400)])
    # What nobody may be told of two requests that meet: a conflict of states is said as such, and nothing else.
    assert {answer.status_code for answer in answers} <= {200, 202, 404, 409}
    assert {answer.status_code for answer in answers} >= {200, 202, 409}
    async with rescued(installation):
        await judge(installation, within=REQUEST_DEADLINE_S)


async def anything(school: Platform, chance: random.Random, batch: Batch) -> httpx2.Response:
    match chance.randrange(4):
        case 0:
            return await school.operate(batch, "retry")
        case 1:
            return await school.operate(batch, "cancel")
        case 2:
            late = [{"studentId": chance.choice(school.classes.students), "status": "late"}]
            return await school.mark(batch, marks=late, onExisting="update")
        case _:
            return await school.mark(batch)


async def opened(installation: Installation, stack: AsyncExitStack, classes: int = 10) -> Platform:
    """A school with an API; on Postgres with two, of which this client meets the first."""
    found = await found_classes(installation, classes=classes)
    _, address = await installation.api(stack)
    return await stack.enter_async_context(platform(address, found))


async def storm(school: Platform) -> list[httpx2.Response]:
    """Every batch ten times over, in any order, as many at once as the client has connections."""
    requests = list(islice(school.classes.batches(), BATCHES)) * (SUBMISSIONS // BATCHES)
    random.Random(SEED).shuffle(requests)
    return await together([partial(school.mark, batch) for batch in requests])


async def together(requests: Sequence[Callable[[], Awaitable[httpx2.Response]]]) -> list[httpx2.Response]:
    return list(await asyncio.gather(*(request() for request in requests)))


def promises_of(school: Platform, answers: list[httpx2.Response]) -> list[Promise]:
    return [school.promise(answer) for answer in answers if answer.status_code == 202]
