"""`adsum serve` and `adsum worker` export, and import nothing of the extra without a collector."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from adsum.accounts.access import Role
from adsum.platform.tracing.spans import TracedStep
from adsum.wiring import Adsum
from tests.platform.tracing.conftest import until
from tests.support.api import Api
from tests.support.collector import Collector
from tests.support.forked import start_forked
from tests.support.installation import RunWorker, ended
from tests.support.live import environment, serving
from tests.support.schools import make_school, make_user

SECRET = "x" * 64


async def test_one_trace_leads_through_both_processes(
    adsum: Adsum, redis_url: str, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
    database_url = adsum.settings.database_url
    assert database_url is not None
    async with adsum.database.transaction() as connection:
        school = await make_school(connection, students=3)
        await make_user(connection, Role.OFFICE, school.school_id, email="office@school.example")
    token = (await adsum.tokens.create("office@school.example")).text
    body = {"classId": school.class_id, "sessionId": school.session_id, "learningDate": "2024-12-25"}

    variables = environment(database_url=database_url, redis_url=redis_url, secret_key=SECRET, log_format="json")
    worker = start_forked(["worker", "--processes", "1"], variables, tmp_path / "worker")
    try:
        with serving(database_url, redis_url, secret_key=SECRET) as live:
            url = f"http://127.0.0.1:{live.port}/attendances/create-batch"
            async with httpx2.AsyncClient() as client:
                await client.post(
                    url, json=body | {"isSelectedAll": True}, headers={"Authorization": f"Bearer {token}"}
                )
            await until(lambda: collector.named("release") and len(collector.metrics) > 2)
            lines = live.log_until("request")
    finally:
        worker.stop()

    (trace_id,) = {span.trace_id for span in collector.spans}
    assert lines[-1]["trace_id"] == trace_id
    services = {span.name: span.service for span in collector.spans}
    assert (services["accept"], services["record"]) == ("adsum-api", "adsum-worker")
    exporters = {_service(request) for request in collector.metrics}
    assert exporters == {"adsum-api", "adsum-worker"}


def _service(request: object) -> str:
    (resource,) = request.resource_metrics  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
    (name,) = [pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return str(name)  # pyright: ignore[reportUnknownArgumentType]


async def test_without_a_collector_a_batch_makes_no_span(
    adsum: Adsum, api: Api, worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("a span, although nothing is exported")

    monkeypatch.setattr(TracedStep, "__init__", refuse)
    answer = await api.create()
    async with worker():
        status = await ended(adsum, answer.json()["batchId"])

    assert (answer.status_code, status.tally.recorded) == (HTTPStatus.ACCEPTED, 30)
