"""Repeated corrections of one student: a worker receives each run's message, in any state of the previous one."""

from __future__ import annotations

from typing import Any

from adsum.wiring import Adsum
from tests.support.api import Api
from tests.support.installation import RunWorker, ended


async def test_a_worker_records_each_of_twenty_consecutive_corrections_without_a_sweep(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    one = api.school.student_ids[:1]
    async with worker():
        for number in range(20):
            marked = "selectedStudentIds" if number % 2 else "unselectedStudentIds"
            fields: dict[str, Any] = {"isSelectedAll": False, marked: one, "onExisting": "update"}
            created = (await api.create(**fields)).json()
            assert (created["addedJobs"], created["isSkipped"]) == (1, False)
            status = await ended(adsum, created["batchId"])
            assert (status.run_id, status.tally.recorded) == (created["runId"], 1)
    assert await api.statuses() == {one[0]: "present"}
