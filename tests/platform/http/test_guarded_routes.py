"""No body is read before its sender is known."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute
from starlette.types import Message

from adsum.accounts.authentication import authenticated, choosing_password, confirming, setting_up
from adsum.accounts.second_step.pages import half_way
from adsum.accounts.visitors import signed_in, visitor_choosing_password, visitor_confirming, visitor_setting_up
from adsum.app import PAGES, ROUTERS
from tests.platform.http.permissions import dependencies
from tests.support.frame import Frame

KNOWING = {
    *(authenticated, choosing_password, confirming, setting_up),
    *(signed_in, visitor_choosing_password, visitor_confirming, visitor_setting_up, half_way),
}
PUBLIC = {
    "/auth/token",
    "/auth/revoke",
    "/sign-in",
    "/sign-out",
    "/language",
    "/sign-in/passkey",
    "/sign-in/passkey/options",
    "/sign-in/{provider}/back-channel-logout",  # the token in its body authenticates the provider
}


def routes_with_a_body() -> list[APIRoute]:
    every = [route for router in (*ROUTERS, *PAGES) for route in router.routes]
    return [route for route in every if isinstance(route, APIRoute) and (route.methods or set()) - {"GET", "DELETE"}]


def test_every_route_that_takes_a_body_knows_its_sender() -> None:
    calls = {route.path: [each.call for each in dependencies(route.dependant)] for route in routes_with_a_body()}
    assert {path for path, found in calls.items() if not KNOWING & {*found}} <= PUBLIC


async def test_the_body_of_an_unknown_sender_is_not_read(frame: Frame) -> None:
    async def receive() -> Message:
        pytest.fail("the body is read")

    answers: dict[str, int] = {}
    for route in routes_with_a_body():
        if route.path in PUBLIC:
            continue

        async def send(message: Message, path: str = route.path) -> None:
            if message["type"] == "http.response.start":
                answers[path] = message["status"]

        path = re.sub(r"\{[\w:]+\}", "7", route.path_format)
        names = {"host": "adsum.test", "origin": "http://adsum.test", "content-length": "1000000"}
        headers = [(name.encode(), value.encode()) for name, value in names.items()]
        scope = {"type": "http", "method": next(iter(route.methods or ())), "path": path, "headers": headers}
        await frame.app({**scope, "query_string": b"", "scheme": "http", "server": ("adsum.test", 80)}, receive, send)
    assert set(answers.values()) == {401, 303}
