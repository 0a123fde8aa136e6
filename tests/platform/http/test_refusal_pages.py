"""Errors outside of pages are a page for browsers and a problem for programs."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest
from fastapi.routing import APIRoute

from adsum.app import PAGES
from tests.support.frame import Frame

OF_A_BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "de"}


@pytest.mark.parametrize("path", ["/nowhere", "/take/1/nonsense"])
async def test_an_unknown_address_is_a_page_in_the_visitors_language(frame: Frame, path: str) -> None:
    answer = await frame.client.get(path, headers=OF_A_BROWSER)
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Seite nicht gefunden" in answer.text


async def test_an_unknown_address_is_a_problem_for_programs(frame: Frame) -> None:
    answer = await frame.client.get("/nowhere")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"


async def test_a_large_file_is_refused_with_a_page(frame: Frame) -> None:
    large = {"Content-Length": str(10**12)}
    answer = await frame.client.post("/admin/roster", content=b"x", headers=OF_A_BROWSER | large)
    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "Das ist zu groß." in answer.text
    plain = await frame.client.post("/admin/roster", content=b"x", headers=large)
    assert (plain.json()["code"], plain.json()["params"]) == ("too_large", {"maxBytes": 64 * 1024 * 1024})


async def test_the_address_of_a_sent_form_leads_to_the_page_above(frame: Frame) -> None:
    """A browser asks for it after the visitor has signed in again, and to show it in another language."""
    answer = await frame.client.get("/admin/people/7/password?school=2", headers=OF_A_BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (HTTPStatus.SEE_OTHER, "/admin/people/7?school=2")
    assert (await frame.client.get("/sign-out", headers=OF_A_BROWSER)).headers["Location"] == "/"
    plain = await frame.client.get("/admin/people/7/password")
    assert (plain.status_code, plain.json()["code"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed")
    # Of an endpoint there is no page above.
    endpoint = await frame.client.get("/auth/revoke", headers=OF_A_BROWSER)
    assert (endpoint.status_code, endpoint.headers["Content-Type"][:9]) == (405, "text/html")


async def test_no_address_of_a_form_shows_a_problem_to_a_browser(frame: Frame) -> None:
    paths = [route.path for router in PAGES for route in router.routes if isinstance(route, APIRoute)]
    for path in {re.sub(r"\{\w+\}", "7", each) for each in paths if not each.startswith("/static")}:
        address, hops = path, 0
        while not address.startswith("/sign-in?") and hops < 6:
            answer = await frame.client.get(address, headers=OF_A_BROWSER)
            assert not answer.headers.get("Content-Type", "").startswith("application/"), address
            address, hops = answer.headers.get("Location", "/sign-in?"), hops + 1
        assert hops < 6, path


async def test_a_form_that_cannot_be_read_is_refused_with_a_page(frame: Frame) -> None:
    form = {"Content-Type": "multipart/form-data", "Sec-Fetch-Site": "same-origin"}
    answer = await frame.client.post("/sign-in", content=b"x", headers=OF_A_BROWSER | form)
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert answer.headers["Content-Type"].startswith("text/html")
    assert (await frame.client.post("/sign-in", content=b"x", headers=form)).json()["code"] == "malformed"


@pytest.mark.parametrize("field", ["&", "a&", "a=b&"])
async def test_a_form_with_more_fields_than_a_page_has_is_not_parsed(frame: Frame, field: str) -> None:
    """Its parser takes seconds for 4 MB of `&`, in the thread that answers all requests, and asks for no caller."""
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Sec-Fetch-Site": "same-origin"}
    for path in ("/auth/token", "/auth/revoke", "/sign-in", "/language"):
        answer = await frame.client.post(path, content=field * 1_000, headers=form)
        assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"), path
        assert answer.json()["params"] == {"maxFields": 1_000}
        assert (await frame.client.post(path, content=field * 999, headers=form)).status_code != answer.status_code
    page = await frame.client.post("/sign-in", content=field * 1_000, headers=form | OF_A_BROWSER)
    assert "Das ist zu groß." in page.text
    # The register of a large class has more, and asks for its visitor before it reads them.
    register = await frame.client.post("/take/1/1/2024-12-25", content=field * 1_000, headers=form | OF_A_BROWSER)
    assert register.status_code == HTTPStatus.SEE_OTHER


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/attendances", 401, "Melden Sie sich zuerst an"),
        ("GET", "/trial/failures/malformed", 400, "Das ist nicht möglich"),
        ("GET", "/trial/failures/forbidden", 403, "Keine Berechtigung"),
        ("GET", "/trial/failures/not_found", 404, "Seite nicht gefunden"),
        ("GET", "/auth/revoke", 405, "Diese Adresse lässt sich nicht öffnen"),
        ("POST", "/trial/echo/0", 422, "Es gibt mehrere Fehler"),
        ("GET", "/trial/failures/rate_limited", 429, "Versuchen Sie es in 7 Sekunden noch einmal."),
        ("GET", "/trial/failures/deaf", 503, "Adsum ist vorübergehend nicht verfügbar"),
        ("GET", "/trial/failures/surprise", 500, "Etwas ist schiefgegangen"),
        ("GET", "/trial/failures/wrong_configuration", 500, "Etwas ist schiefgegangen"),
        ("GET", "/static/nothing.css", 404, "Seite nicht gefunden"),
    ],
)
async def test_every_error_is_a_page_with_the_request_id_for_a_browser_and_a_problem_for_a_program(
    frame: Frame, method: str, path: str, status: int, text: str
) -> None:
    answer = await frame.client.request(method, path, headers=OF_A_BROWSER, json={"nothing": 1})
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert text in answer.text
    assert f"<code>{answer.headers['X-Request-ID']}</code>" in answer.text
    assert "hunter2" not in answer.text
    assert "Ada Byron" not in answer.text

    of_a_program = OF_A_BROWSER | {"Authorization": "Bearer nothing"}
    problem = await frame.client.request(method, path, headers=of_a_program, json={"nothing": 1})
    assert (problem.status_code, problem.headers["Content-Type"]) == (status, "application/problem+json")
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        assert (name in problem.headers) == (name in answer.headers)
        if (name, status) != ("Retry-After", 503):  # another number of seconds for each answer
            assert problem.headers.get(name) == answer.headers.get(name)


async def test_the_sign_in_leads_back_to_the_address_of_the_api(frame: Frame) -> None:
    answer = await frame.client.get("/attendances?classId=7", headers=OF_A_BROWSER)
    assert "/sign-in?next=/attendances%3FclassId%3D7" in answer.text


async def test_a_page_that_cannot_be_rendered_is_a_page_without_templates(frame: Frame) -> None:
    site, frame.app.state.site = frame.app.state.site, None
    try:
        answer = await frame.client.get("/trial/failures/surprise", headers=OF_A_BROWSER)
    finally:
        # Not with monkeypatch, which deletes the attribute: later tests use the application, too.
        frame.app.state.site = site
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "Etwas ist schiefgegangen" in answer.text
    assert answer.headers["X-Request-ID"] in answer.text
