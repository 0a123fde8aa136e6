"""Probes for liveness and readiness, the version, and Prometheus metrics."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from adsum import __version__
from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.operations.metrics import CONTENT_TYPE
from adsum.operations.readiness import Readiness
from adsum.operations.schemas import Liveness, ReadinessAnswer, Version
from adsum.operations.scrape import Scrape
from adsum.platform.http.dependencies import provided

router = APIRouter(tags=["operations"])
ReadinessService = Annotated[Readiness, Depends(provided(Readiness))]


NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": ReadinessAnswer, "description": "Not ready"}}


@router.get("/livez", name="getLiveness", summary="Liveness")
async def get_liveness() -> Liveness:
    """Contacts no other server: an outage of the database is no reason to restart the process."""
    return Liveness()


@router.get(
    "/readyz",
    name="getReadiness",
    summary="Readiness",
    responses=NOT_READY,
)
@router.get("/healthz", name="getHealth", summary="Readiness, under its former path", responses=NOT_READY)
async def get_readiness(readiness: ReadinessService, response: Response) -> ReadinessAnswer:
    """200 if the database is reachable and migrated, and Redis answers; else 503."""
    report = await readiness.report()
    if not report.is_ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = "1"
    return ReadinessAnswer(status="ok" if report.is_ready else "unavailable", checks=report.checks)


@router.get("/version", name="getVersion", summary="Version")
async def get_version() -> Version:
    """The version that this process runs."""
    return Version(version=__version__)


@router.get(
    "/metrics",
    name="getMetrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={HTTPStatus.OK.value: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(
    scrape: Annotated[Scrape, Depends(provided(Scrape))],
    _caller: Annotated[Caller, Depends(require(Permission.METRICS_READ))],
) -> Response:
    """The text format of Prometheus. No label names a person, a class or a batch."""
    return Response(await scrape.exposition(), media_type=CONTENT_TYPE)
