"""The seed's example, word for word, on the demo school."""

from __future__ import annotations

from collections import Counter
from typing import Any

from redis.asyncio import Redis

from adsum import wiring
from adsum.accounts.access import Role
from adsum.wiring import Adsum
from tests.support.api import opened_api
from tests.support.installation import RunWorker, ended, queue_keys
from tests.support.schools import SchoolIds

REQUEST: dict[str, Any] = {
    "classId": 123,
    "sessionId": 456,
    "learningDate": "2024-12-25T00:00:00.000Z",
    "isSelectedAll": True,
    "selectedStudentIds": [1, 2, 3],
    "unselectedStudentIds": [4, 5],
}
BATCH_ID = "class-123-session-456-date-25122024"


async def test_the_documented_request_gets_the_documented_response(
    adsum: Adsum, redis: Redis, worker: RunWorker
) -> None:
    credentials = await wiring.load_demo(adsum.settings)
    demo = SchoolIds(1, 123, 456, list(range(1, 31)), teacher_id=1)
    async with opened_api(adsum, demo, people=[]) as api:
        form = {"username": "office@school.example", "password": credentials["office@school.example"]}
        signed_in = (await api.client.post("/auth/token", data=form)).json()
        api.tokens[Role.OFFICE] = signed_in["access_token"]
        answer = (await api.post("/attendances/create-batch", REQUEST, "office")).json()
        status = (await api.get(f"/attendances/batch-status/{BATCH_ID}")).json()
        keys = await queue_keys(redis)
        async with worker():
            await ended(adsum, BATCH_ID)
        recorded = Counter((await api.statuses()).values())
        done = (await api.get(f"/attendances/batch-status/{BATCH_ID}")).json()
    lock = f"attendance-batch-lock:{BATCH_ID}"
    seed = {"batchId": BATCH_ID, "totalJobs": 30, "addedJobs": 30, "skippedJobs": 0, "lockKey": lock}
    assert answer.items() >= (seed | {"message": "Batch processing initiated for 30 attendances"}).items()
    waiting = {"isLocked": True, "lockStatus": "processing", "remainingJobs": 30, "isCompleted": False}
    assert status.items() >= waiting.items()
    assert {lock, f"attendance-batch-counter:{BATCH_ID}", "student-30-session-456-date-25122024"} <= keys.keys()
    assert recorded == Counter(present=28, absent=2)
    assert done.items() >= {"isLocked": False, "lockStatus": None, "remainingJobs": 0, "isCompleted": True}.items()
    assert list(await queue_keys(redis)) == [f"batch-completed:{BATCH_ID}"]
