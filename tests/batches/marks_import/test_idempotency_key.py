"""A file of marks under an `Idempotency-Key`. Each batch is accepted in a transaction of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from adsum.accounts.access import system_caller
from adsum.batches.tables import batch_runs
from adsum.platform.database.answers import idempotency_keys
from tests.support.api import DAY, Api
from tests.support.installation import RunWorker, ended


async def send(api: Api, lines: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {api.tokens['office']}", "Idempotency-Key": "key", "Content-Type": "text/csv"}
    query = {"schoolId": str(api.school.school_id)}
    return await api.client.post("/attendances/import", params=query, headers=headers, content=lines)


async def test_an_import_that_was_interrupted_continues_under_its_key(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_id, student_id = api.school.class_id, api.school.student_ids[0]
    lines = "classId,session,studentId,date,status\r\n"
    lines += "".join(f"{class_id},,{student_id},{day},late\r\n" for day in (DAY, "2024-12-24"))
    transport: Any = api.client._transport  # pyright: ignore[reportPrivateUsage]
    attendances: Any = transport.app.state.adsum.attendances
    create, calls = attendances.create_batch, Counter[str]()

    async def interrupted(submission: Any, caller: Any) -> Any:
        calls["create"] += 1
        if calls["create"] == 2:
            raise asyncio.CancelledError
        return await create(submission, caller)

    monkeypatch.setattr(attendances, "create_batch", interrupted)
    with pytest.raises(asyncio.CancelledError):
        await send(api, lines)
    monkeypatch.undo()

    other = await send(api, f"{lines}\r\n")
    answer = await send(api, lines)
    again = await send(api, lines)

    assert other.json()["code"] == "idempotency_key_reused"
    assert (answer.status_code, [each["isSkipped"] for each in answer.json()["batches"]]) == (202, [False, False])
    assert again.json() == answer.json()
    async with api.adsum.database.snapshot() as connection:
        assert await connection.scalar(select(func.count()).select_from(batch_runs)) == 2


async def test_the_answer_names_no_student_who_was_erased_while_the_file_was_imported(
    api: Api, worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased, stays, *_ = api.school.student_ids
    created = (await api.create()).json()
    async with worker():
        await ended(api.adsum, created["batchId"])
    # Both have a record, so that the file conflicts with it, and nothing is queued.
    lines = "classId,session,studentId,date,status\r\n"
    lines += "".join(f"{api.school.class_id},,{student_id},{DAY},late\r\n" for student_id in (erased, stays))
    transport: Any = api.client._transport  # pyright: ignore[reportPrivateUsage]
    attendances: Any = transport.app.state.adsum.attendances
    create = attendances.create_batch

    async def erase_after_it(submission: Any, caller: Any) -> Any:
        result = await create(submission, caller)
        await api.adsum.student_data.erase(erased, system_caller())
        return result

    monkeypatch.setattr(attendances, "create_batch", erase_after_it)
    answer = await send(api, lines)

    (batch,) = answer.json()["batches"]
    assert [each["studentId"] for each in batch["conflicts"]] == [erased, stays]
    async with api.adsum.database.snapshot() as connection:
        stored = list(await connection.scalars(select(idempotency_keys.c.answer)))
    # Of the whole file, and of its batch.
    assert [each["conflicts"] != [] for each in stored if "conflicts" in each] == [True]
    assert str(stored).count(f"_id': {stays}") + str(stored).count(f"Id': {stays}") == 2
    assert f"_id': {erased}" not in str(stored)
    assert f"Id': {erased}" not in str(stored)
