"""Compressed pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

import pytest

from adsum.accounts.access import Role
from adsum.wiring import Adsum
from tests.support.api import Api, opened_api
from tests.support.schools import SchoolIds

GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture
async def api(adsum: Adsum, school: SchoolIds) -> AsyncGenerator[Api]:
    async with opened_api(adsum, school) as opened:
        await opened.sign_in(Role.ADMIN, None)
        yield opened


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("headers", "is_compressed"),
    [
        (GZIP | {"Sec-Fetch-Site": "same-origin"}, True),
        (GZIP | {"Sec-Fetch-Site": "none"}, True),
        (GZIP | {"Sec-Fetch-Site": "same-site"}, False),
        (GZIP | {"Sec-Fetch-Site": "cross-site"}, False),
        (GZIP, False),
        ({"Accept-Encoding": "identity", "Sec-Fetch-Site": "same-origin"}, False),
    ],
)
async def test_a_page_that_another_site_can_ask_for_is_not_compressed(
    api: Api, headers: Mapping[str, str], *, is_compressed: bool
) -> None:
    sent = {"Accept": "text/html", "Cookie": f"adsum={api.tokens['admin']}", **headers}
    page = await api.client.get("/admin/people", headers=sent)
    assert (page.headers.get("Content-Encoding") == "gzip") is is_compressed
    assert {"Accept-Encoding", "Sec-Fetch-Site"} <= {each.strip() for each in page.headers["Vary"].split(",")}
    assert page.text.startswith("<!doctype html>")
    assert page.text.rstrip().endswith("</html>")
