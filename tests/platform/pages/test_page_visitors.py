"""Forms and scripts of a page that was made for another user than the one who is signed in now."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from http import HTTPStatus

import pytest
from fastapi.routing import APIRoute

from adsum.accounts.access import Permission, Role
from adsum.app import PAGES
from adsum.wiring import Adsum
from tests.platform.pages.test_every_page import SCHOOL_ADMIN
from tests.support.api import DAY, opened_api
from tests.support.pages import Pages, visible_text
from tests.support.runs import inserts, make_run
from tests.support.schools import SchoolIds, make_school

ANOTHER = "4711"
# These act for nobody who is signed in: they sign in, or are sent by an identity provider.
WITHOUT_VISITOR = {
    "/sign-in",
    "/sign-in/second-factor",
    "/sign-in/second-factor/options",
    "/sign-in/passkey",
    "/sign-in/passkey/options",
    "/sign-in/{provider}/back-channel-logout",
}


@pytest.fixture
async def school(adsum: Adsum) -> SchoolIds:
    async with adsum.database.transaction() as connection:
        made = await make_school(connection)
        await make_run(connection, made, inserts(made.student_ids))
    return made


@pytest.fixture
async def pages(adsum: Adsum, school: SchoolIds) -> AsyncGenerator[Pages]:
    await adsum.api_keys.create("sync", [Permission.ROSTER_READ])  # its id is 1
    async with opened_api(adsum, school) as api:
        await api.sign_in(Role.ADMIN, school.school_id)
        api.tokens[SCHOOL_ADMIN] = api.tokens.pop("admin")
        await api.sign_in(Role.ADMIN, None)
        yield Pages(api)


def posted_paths() -> list[str]:
    """The paths of all routes of pages to which a form or a script can be posted."""
    return [
        route.path
        for router in PAGES
        for route in router.routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ()) and route.path not in WITHOUT_VISITOR
    ]


async def test_no_page_does_anything_for_another_visitor_than_its_own(
    pages: Pages, school: SchoolIds, share: int
) -> None:
    """Forms by their field; one of `share` also with a file, by a script with its header, and with two fields. The
    request is refused before anything else.
    """
    values = {"class_id": school.class_id, "session_id": school.session_id, "day": DAY, "id": 1, "code": "late"}
    batch_id = f"class-{school.class_id}-session-{school.session_id}-date-{DAY}"
    own = str(await pages.visitor_of("admin"))
    assert len(posted_paths()) > 70
    for number, path in enumerate(posted_paths()):
        address = f"{path.format(**values, batchId=batch_id)}?school={school.school_id}"
        form = {"visitor": ANOTHER, "language": "de"}
        by_form = await pages.send(address, form, "admin")
        assert by_form.status_code == HTTPStatus.CONFLICT, path
        assert "Another user has signed in since this page was opened." in visible_text(by_form), path
        if number % share:
            continue
        as_file = await pages.send(address, form, "admin", file=b"id\n1\n")
        no_visitor = {"language": "de"}
        by_script = await pages.send(address, no_visitor, "admin", Accept="application/json", X_Page_Visitor=ANOTHER)
        twice = await pages.send(address, form | {"visitor": [own, ANOTHER]}, "admin")
        answers = (as_file.status_code, by_script.status_code, twice.status_code)
        assert answers == (HTTPStatus.CONFLICT,) * 3, path
        assert by_script.json()["code"] == "other_visitor", path


async def test_the_own_form_of_a_page_is_executed(pages: Pages, school: SchoolIds) -> None:
    path = f"/admin/calendar/missed?school={school.school_id}"
    own = str(await pages.visitor_of("admin"))
    sent = await pages.send(path, {"visitor": own, "percent": "20"}, "admin", X_Page_Visitor=own)
    assert sent.status_code == HTTPStatus.SEE_OTHER
    signed_out = await pages.send("/sign-out", {"visitor": own}, "admin")
    assert signed_out.headers["Location"].startswith("/sign-in")


async def test_another_visitor_is_not_signed_out_and_keeps_their_language(pages: Pages) -> None:
    for path in ("/sign-out", "/language"):
        refused = await pages.send(path, {"visitor": ANOTHER, "everywhere": "true", "language": "de"})
        assert (refused.status_code, refused.headers.get("Set-Cookie")) == (HTTPStatus.CONFLICT, None)
    assert 'lang="en"' in (await pages.open("/account")).text


async def test_a_page_that_updates_itself_is_reloaded_and_an_answer_in_place_says_why(pages: Pages) -> None:
    cookie = {"Cookie": f"adsum={pages.api.tokens['office']}"}
    script = {"Accept": "text/html", "HX-Request": "true", "X-Page-Visitor": ANOTHER}
    polled = await pages.api.client.get("/overview/now", headers=cookie | script)
    assert (polled.status_code, polled.headers["HX-Refresh"]) == (HTTPStatus.CONFLICT, "true")
    in_place = await pages.send("/overview/remind", {"visitor": ANOTHER}, HX_Request="true")
    assert (in_place.status_code, in_place.headers["HX-Retarget"]) == (HTTPStatus.CONFLICT, "#main")
    assert '<main id="main"' in in_place.text


async def test_the_script_of_a_page_retries_no_batch_for_another_visitor(pages: Pages, school: SchoolIds) -> None:
    """The API reads the header with a session cookie alone: programs with tokens know nothing of it."""
    path = f"/attendances/batches/class-{school.class_id}-session-{school.session_id}-date-{DAY}/retry"
    by_cookie = await pages.send(path, {}, Accept="application/json", X_Page_Visitor=ANOTHER)
    assert (by_cookie.status_code, by_cookie.json()["code"]) == (HTTPStatus.CONFLICT, "other_visitor")
    token = {"Authorization": f"Bearer {pages.api.tokens['office']}", "X-Page-Visitor": ANOTHER}
    assert (await pages.api.client.post(path, headers=token)).status_code != HTTPStatus.CONFLICT
