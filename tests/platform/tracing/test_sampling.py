"""A trace that is not sampled costs nothing: it is neither exported, nor in messages, rows and headers."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from adsum.accounts.access import system_caller
from adsum.batches.tables import batch_runs
from adsum.events.webhooks.service import NewWebhook
from tests.events.webhooks.conftest import Receiver, receiver
from tests.platform.tracing.conftest import Traced, until

__all__ = ["receiver"]

NOT_SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


async def contexts_of_runs(traced: Traced) -> list[str | None]:
    async with traced.adsum.database.autocommit_read() as connection:
        return list(await connection.scalars(select(batch_runs.c.trace)))


async def test_a_caller_decides_that_a_request_is_not_traced(traced: Traced, receiver: Receiver) -> None:
    await traced.adsum.webhooks.create(NewWebhook(receiver.url), system_caller())
    school = traced.api.school
    body = {"classId": school.class_id, "sessionId": school.session_id, "learningDate": "2024-12-25"}
    headers = {"traceparent": NOT_SAMPLED}
    await traced.api.post("/attendances/create-batch", body | {"isSelectedAll": True}, "office", headers)
    async with traced.working():
        await until(lambda: len(receiver.received) == 2)
    assert all("traceparent" not in received.headers for received in receiver.received)
    assert await contexts_of_runs(traced) == [None]
    assert traced.collector.spans == []


@pytest.fixture
def nothing_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")


async def test_a_sampler_leaves_traces_out(nothing_sampled: None, traced: Traced) -> None:
    await traced.api.create()
    assert "tm" not in await traced.options_of_message()
    assert await contexts_of_runs(traced) == [None]
    assert traced.collector.bodies == []


async def test_probes_are_not_traced(traced: Traced) -> None:
    await traced.api.get("/livez")
    await traced.api.get("/version")
    await until(lambda: traced.collector.spans)
    assert [span.name for span in traced.collector.spans] == ["GET /version"]
