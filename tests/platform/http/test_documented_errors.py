"""Each operation names the codes of its errors. `running_app` compares them with the answers of all tests."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import httpx2
import pytest
from fastapi import FastAPI, Response

from adsum.platform import errors
from adsum.platform.errors import AdsumError
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.problems import http_status_of_kind, problem
from tests.platform.http.snapshot import present
from tests.support.documented import Answer, ProblemCodes, codes, codes_in

# Of pages, of commands, or of all operations alike.
ELSEWHERE = frozenset(
    {
        "error",
        "audit_log_broken",
        "identity_exists",
        "no_public_url",
        "other_visitor",
        "provider_unavailable",
        "queue_unavailable",
        "roster_source_unavailable",
        "single_sign_on_refused",
        "sync_under_way",
        "wrong_passkey",
        "wrong_roster_source",
    }
)
# The bases of others: nothing raises them with this code.
BASES = frozenset({"gone", "unavailable"})


def kinds(base: type[AdsumError] = AdsumError) -> Iterator[type[AdsumError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_error_of_adsum_is_documented_for_an_operation() -> None:
    documented = {code for each in codes().values() for _, code in each}
    of_adsum = {kind.code for kind in kinds() if kind.__module__.startswith("adsum.") and http_status_of_kind(kind)}
    assert of_adsum - documented - ELSEWHERE - BASES == set()
    assert documented <= of_adsum


def test_errors_follow_from_the_form_of_an_operation() -> None:
    correct = {code for _, code in codes()["PATCH", "/attendances/{id}"]}
    assert correct >= {"malformed", "unauthenticated", "forbidden", "not_found", "stale_version", "version_required"}
    assert correct >= {"too_large", "unsupported_media_type", "invalid", "rate_limited", "database_unavailable"}
    create = {code for _, code in codes()["POST", "/attendances/create-batch"]}
    assert create >= {"idempotency_key_reused", "roster_changed", "records_exist"}
    assert "version_required" not in create
    assert codes()["GET", "/livez"] == frozenset()
    assert {code for _, code in codes()["POST", "/auth/token"]} >= {"second_factor_needed", "too_many_attempts"}
    assert "unsupported_media_type" not in {code for _, code in codes()["POST", "/auth/token"]}


def test_a_shared_response_is_the_commonest_of_its_status() -> None:
    shared = present()["components"]["responses"]
    assert codes_in(shared["NotFound"]) == ["not_found"]
    assert "Retry-After" in shared["Unavailable"]["headers"]


def test_an_error_without_a_status_cannot_be_declared() -> None:
    with pytest.raises(AssertionError):
        raises(errors.ConfigurationError)


async def test_an_answer_with_an_undocumented_code_is_noted() -> None:
    undocumented: set[Answer] = set()
    app = FastAPI()

    @app.get("/version")
    async def version() -> Response:
        return problem(HTTPStatus.CONFLICT, "rocket", "a code that no operation names")

    app.add_middleware(ProblemCodes, undocumented=undocumented)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://adsum.example") as client:
        await client.get("/version")
        await client.get("/nowhere")

    assert undocumented == {("GET", "/version", 409, "rocket")}
