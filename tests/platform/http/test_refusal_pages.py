"""Errors outside of pages are a page for browsers and a problem for programs."""

from __future__ import annotations

from http import HTTPStatus

import pytest

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
