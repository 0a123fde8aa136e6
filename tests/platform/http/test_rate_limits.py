"""Requests over their quota get 429, and `RateLimit` headers say what is left."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastapi.routing import APIRoute
from pydantic import SecretStr

from adsum.accounts.access import Permission, Role
from adsum.app import PAGES, ROUTERS
from adsum.platform.http.rate_limits import limited_by_address, rate_limit_headers
from adsum.platform.redis.rates import Allowance, Policy
from adsum.platform.settings import Settings
from tests.platform.http.permissions import dependencies
from tests.platform.http.test_guarded_routes import KNOWING
from tests.support.frame import NOBODY_LISTENS, SECRET, Frame, running

PROBES_AND_FILES = {
    *("/livez", "/readyz", "/healthz", "/version"),
    *("/docs", "/docs/{asset}", "/openapi.json", "/static/{name}"),
}
READ = Permission.ROSTER_READ


@asynccontextmanager
async def limited(sqlite_url: str, **quotas: int) -> AsyncGenerator[Frame]:
    settings: dict[str, Any] = {f"rate_limit_{name}": quota for name, quota in quotas.items()}
    async with running(
        Settings(database_url=sqlite_url, redis_url=NOBODY_LISTENS, secret_key=SecretStr(SECRET), **settings)
    ) as frame:
        yield frame


async def test_a_flood_of_one_key_refuses_no_other(sqlite_url: str) -> None:
    async with limited(sqlite_url, key=2) as frame:
        flood = {"X-API-Key": (await frame.adsum.api_keys.create("flood", [READ])).secret}
        other = {"X-API-Key": (await frame.adsum.api_keys.create("other", [READ])).secret}
        first, second, third = [await frame.client.get("/classes", headers=flood) for _ in range(3)]
        assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
        assert first.headers["RateLimit-Policy"] == '"key";q=2;w=60'
        assert re.fullmatch(r'"key";r=1;t=([1-9]|[1-5][0-9]|60)', first.headers["RateLimit"])
        assert third.headers["RateLimit-Policy"] == '"key";q=2;w=60'
        assert third.headers["RateLimit"] == f'"key";r=0;t={third.headers["Retry-After"]}'
        problem = third.json()
        assert third.headers["Content-Type"] == "application/problem+json"
        assert (problem["code"], problem["status"]) == ("rate_limited", 429)
        assert problem["params"] == {"retryAfter": int(third.headers["Retry-After"]), "policies": ["key"]}
        assert (await frame.client.get("/classes", headers=other)).status_code == 200
        metrics = await frame.client.get("/metrics", headers=await authorisation(frame, Role.OPERATOR))
        assert 'adsum_rate_limited_requests_total{policy="key"} 1.0' in metrics.text


async def test_a_key_spends_its_own_quota_on_behalf_of_people(sqlite_url: str) -> None:
    async with limited(sqlite_url, key=2, user=1) as frame:
        await frame.token(Role.ADMIN)
        key = (await frame.adsum.api_keys.create("portal", [READ, Permission.ATTENDANCE_ACT_AS])).secret
        headers = {"X-API-Key": key, "X-On-Behalf-Of": "admin@school.example"}
        answers = [(await frame.client.get("/classes", headers=headers)).status_code for _ in range(3)]
        assert answers == [200, 200, 429]
        # Guessing emails costs as much.
        wrong = await frame.client.get("/classes", headers=headers | {"X-On-Behalf-Of": "guess@school.example"})
        assert wrong.status_code == 429


async def test_users_behind_one_address_have_a_quota_each(sqlite_url: str) -> None:
    async with limited(sqlite_url, user=2, address=1) as frame:
        for role in (Role.ADMIN, Role.OPERATOR):
            headers = await authorisation(frame, role)
            answers = [await frame.client.get("/auth/sign-ins", headers=headers) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert answers[0].headers["RateLimit-Policy"] == '"user";q=2;w=60'


async def test_requests_without_a_caller_count_for_their_address(sqlite_url: str) -> None:
    async with limited(sqlite_url, address=2) as frame:
        key = (await frame.adsum.api_keys.create("sync", [READ])).secret
        assert (await frame.client.get("/classes")).status_code == 401
        assert (await frame.client.get("/classes", headers={"X-API-Key": "adsum_guess"})).status_code == 401
        refused = await frame.client.get("/classes", headers={"X-API-Key": "adsum_guess"})
        assert (refused.status_code, refused.headers["RateLimit-Policy"]) == (429, '"address";q=2;w=60')
        for method, path in (("GET", "/sign-in"), ("POST", "/auth/token"), ("POST", "/auth/revoke")):
            assert (await frame.client.request(method, path)).status_code == 429
        page = await frame.client.get("/today", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
        assert page.headers["Retry-After"]
        assert (await frame.client.get("/classes", headers={"X-API-Key": key})).status_code == 200
        for probe in ("/livez", "/version", "/static/adsum.css"):
            answer = await frame.client.get(probe)
            assert (answer.status_code, "RateLimit" in answer.headers) == (200, False)


async def test_a_key_that_is_stolen_does_not_spend_the_quota_of_its_owner(sqlite_url: str) -> None:
    async with limited(sqlite_url, key=1) as frame:
        made = await frame.adsum.api_keys.create("sync", [READ], networks=["10.0.0.0/8"])
        headers = {"X-API-Key": made.secret}
        for _ in range(3):
            assert (await frame.client.get("/classes", headers=headers)).status_code == 403
        transport = httpx2.ASGITransport(frame.app, client=("10.0.0.7", 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://adsum.example") as owner:
            assert (await owner.get("/classes", headers=headers)).status_code == 200


async def test_exports_and_reports_have_a_quota_of_their_own(sqlite_url: str) -> None:
    async with limited(sqlite_url, key=50, costly=1) as frame:
        made = await frame.adsum.api_keys.create("reports", [Permission.ATTENDANCE_READ, READ])
        headers = {"X-API-Key": made.secret}
        lists = await frame.client.get("/attendances", headers=headers)
        assert lists.headers["RateLimit-Policy"] == '"key";q=50;w=60'
        export = await frame.client.get("/attendances", headers=headers | {"Accept": "text/csv"})
        assert (export.status_code, export.headers["RateLimit-Policy"]) == (
            200,
            '"key";q=50;w=60, "costly";q=1;w=60',
        )
        refused = await frame.client.get("/attendances", headers=headers | {"Accept": "text/csv"})
        assert (refused.status_code, refused.json()["params"]["policies"]) == (429, ["costly"])
        assert refused.headers["RateLimit"].startswith('"key";r=47;t=')
        assert (await frame.client.get("/attendances", headers=headers)).status_code == 200


async def test_without_quotas_there_are_no_headers(sqlite_url: str) -> None:
    async with limited(sqlite_url, key=0, user=0, address=0, costly=0) as frame:
        for headers in ({}, await authorisation(frame, Role.ADMIN)):
            answer = await frame.client.get("/classes", headers=headers)
            assert "RateLimit" not in answer.headers


def test_the_headers_are_structured_fields() -> None:
    allowances = [
        Allowance(Policy("key", 60_000), 59_999, 42, is_exceeded=False),
        Allowance(Policy("costly", 1_200), 0, 7, is_exceeded=True),
    ]
    assert rate_limit_headers(allowances) == {
        "RateLimit-Policy": '"key";q=60000;w=60, "costly";q=1200;w=60',
        "RateLimit": '"key";r=59999;t=42, "costly";r=0;t=7',
    }


def test_every_report_export_and_import_is_costly() -> None:
    routes = [route for router in (*ROUTERS, *PAGES) for route in router.routes if isinstance(route, APIRoute)]
    found = [
        route
        for route in routes
        if re.match(r"(export|import)[A-Z_]", route.name) or route.path.startswith("/reports/")
    ]
    costly = {route.name for route in found if hasattr(route.endpoint, "is_costly")}
    assert {route.name for route in found} == costly
    assert len(costly) > 8


def test_every_route_counts_for_a_caller_or_for_an_address() -> None:
    routes = [route for router in (*ROUTERS, *PAGES) for route in router.routes if isinstance(route, APIRoute)]
    counting = {*KNOWING, limited_by_address}
    free = {route.path for route in routes if not counting & {each.call for each in dependencies(route.dependant)}}
    assert free <= PROBES_AND_FILES


async def authorisation(frame: Frame, role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {await frame.token(role)}"}
