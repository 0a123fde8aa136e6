"""For operators and their machines: is it alive, is it ready, which version is it, how does it do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response

from adsum import __version__
from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.operations.metrics import CONTENT_TYPE
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.schemas import Schema

router = APIRouter(tags=["operations"])


class Liveness(Schema):
    """The process answers."""

    status: Literal["ok"] = "ok"


class ReadinessAnswer(Schema):
    """`checks` has one word for each of `database`, `migrations` and `redis`: `ok`, or what is wrong."""

    status: Literal["ok", "unavailable"]
    checks: Mapping[str, str]


class Version(Schema):
    """Of Adsum, by semantic versioning."""

    version: str


NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": ReadinessAnswer, "description": "Not now"}}


@router.get("/livez", name="isAlive", summary="Is the process alive?")
async def is_alive() -> Liveness:
    """Asks nothing of any other server: a process is not to be killed because its database is away."""
    return Liveness()


@router.get(
    "/readyz",
    name="isReady",
    summary="Can it do its work now?",
    responses=NOT_READY,
)
@router.get("/healthz", name="isHealthy", summary="The same, under an older name", responses=NOT_READY)
async def is_ready(adsum: OpenAdsum, response: Response) -> ReadinessAnswer:
    """Database reachable, its schema not behind this version, Redis answering: 200, else 503."""
    report = await adsum.readiness.report()
    if not report.is_ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = "1"
    return ReadinessAnswer(status="ok" if report.is_ready else "unavailable", checks=report.checks)


@router.get("/version", name="version", summary="Which version is it?")
async def version() -> Version:
    """The version that this process runs."""
    return Version(version=__version__)


@router.get(
    "/metrics",
    name="metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={HTTPStatus.OK.value: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(adsum: OpenAdsum, _caller: Annotated[Caller, Depends(require(Permission.METRICS_READ))]) -> Response:
    """Prometheus' text format, for who has `metrics:read`. Nothing in it names a person, a class or a batch."""
    await adsum.ended_runs.count()
    return Response(adsum.metrics.exposition(await adsum.readiness.backlog()), media_type=CONTENT_TYPE)
